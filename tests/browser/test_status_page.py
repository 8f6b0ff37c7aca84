"""The status page in a real browser: that it renders, stays up to date and lets no name do anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.shown_fleet import ShownFleet, shown_fleet, with_a_broken_promise, with_troubles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.browser import Browser

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
LONG = "x" * 200
RIGHT_TO_LEFT = "خادم-الويب"
OVERRIDE = "\u202egnp.1-bew"
HOSTILE = (SCRIPT, LONG, RIGHT_TO_LEFT, OVERRIDE, "a/b?c#d", "'\"`${1}")
ORDINARY = ("web-1", "web-2", "web-3", "db-1")

SMALL = """
const seen = [];
for (const e of document.querySelectorAll('a, button, input, [tabindex="0"]')) {
  if (!e.checkVisibility()) continue;
  e.focus();
  const style = getComputedStyle(e);
  if (document.activeElement !== e || style.outlineStyle === 'none') seen.push(e.outerHTML.slice(0, 80));
}
return seen;
"""
"""What cannot be reached by the keyboard, or does not show that it was."""

ACCESSIBLE = """
const wrong = [];
const need = (ok, what) => { if (!ok) wrong.push(what); };
need(document.documentElement.lang, 'no language');
need(document.title, 'no title');
need(document.querySelectorAll('main').length === 1, 'not one main');
need(document.querySelectorAll('h1').length === 1, 'not one h1');
need(document.querySelector('header, [role=banner]'), 'no header');
const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
need(new Set(ids).size === ids.length, 'an id twice');
let level = 0;
for (const h of document.querySelectorAll('h1, h2, h3')) {
  const now = Number(h.tagName[1]);
  need(now <= level + 1, `heading ${h.textContent} skips a level`);
  level = now;
}
for (const e of document.querySelectorAll('input')) need(e.labels.length, `no label: ${e.id}`);
for (const table of document.querySelectorAll('table')) {
  need(table.caption && table.caption.textContent.trim(), 'a table without a caption');
  for (const th of table.querySelectorAll('th')) need(th.scope, `no scope: ${th.textContent}`);
}
for (const a of document.querySelectorAll('a')) need(a.textContent.trim(), 'a link without text');
for (const svg of document.querySelectorAll('svg'))
  need(svg.ariaHidden === 'true' || svg.ariaLabel, 'a picture without words');
for (const region of document.querySelectorAll('[aria-labelledby]'))
  need(document.getElementById(region.getAttribute('aria-labelledby')), 'labelled by nothing');
const parse = (c) => c.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c;
  }
};
const worded = 'p, td, th, dt, dd, small, b, a, label, span, li, caption, h1, h2, h3';
for (const e of document.querySelectorAll(worded)) {
  if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  need(contrast >= 4.5, `contrast ${contrast.toFixed(1)}: ${e.className} ${e.textContent.slice(0, 30)}`);
}
return wrong;
"""
"""The rules of WCAG that a page like this can break, each as a sentence where it does."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShownFleet]:
    with shown_fleet(tmp_path_factory.mktemp("page"), (*ORDINARY, *HOSTILE), hours=0.75) as fleet:
        with_troubles(fleet)
        yield fleet


@pytest.fixture(autouse=True)
def console(chromium: Browser) -> Iterator[None]:
    """Nothing that a test looks at may make the console complain."""
    chromium.complaints()
    yield
    assert chromium.complaints() == []


def address(fleet: ShownFleet, name: str) -> str:
    return f"{fleet.url}/domains/{next(guest.id.uuid for guest in fleet.guests if guest.name == name)}"


def live(chromium: Browser) -> None:
    chromium.wait(lambda: chromium.text("#live") == "live", "the page is not live")


def names(chromium: Browser) -> list[str]:
    """The domains in the order of their rows."""
    found: list[str] = chromium.run(
        "return [...document.querySelectorAll('#rows [data-f=name]')].map(e => e.textContent)"
    )
    return found


def test_every_domain_has_a_row_that_says_what_it_has_and_why(chromium: Browser, fleet: ShownFleet) -> None:
    chromium.look(f"{fleet.url}/")
    live(chromium)
    assert len(chromium.all("#rows > tr")) == len(ORDINARY) + len(HOSTILE)
    row = f"#d-{address(fleet, 'db-1').rpartition('/')[2]}"
    told = " ".join(chromium.text(row).split())
    assert "db-1" in told
    assert "databases recommend" in told
    assert "online" in told
    assert "plugged, target" in told
    assert chromium.all(f"{row} path.used")[0].get_attribute("d")
    assert "vCPUs given to domains" in chromium.text(".host")


def test_a_move_shows_without_a_reload_and_is_announced(chromium: Browser, fleet: ShownFleet) -> None:
    chromium.look(f"{fleet.url}/")
    live(chromium)
    chromium.run("window.mark = 'still the same page'")
    guest = next(guest for guest in fleet.guests if guest.name == "web-1")
    guest.set(agent_error=None, demand=0.2)
    fleet.run(60)
    row = f"#d-{guest.id.uuid}"
    guest.set(demand=5.0)
    before = len(guest.online)
    fleet.run(40)
    assert len(guest.online) > before
    online = str(len(guest.online))
    chromium.wait(lambda: chromium.text(f"{row} [data-f=online]") == online, "the row stays as it was")
    assert "web-1 grew from" in chromium.text("[aria-live=polite]")
    assert chromium.run("return window.mark") == "still the same page"


def test_a_guest_whose_promise_breaks_moves_up_and_keeps_who_reads_on_by_the_keyboard(
    chromium: Browser, tmp_path: Path
) -> None:
    with shown_fleet(tmp_path, ["web-1", "web-2", "web-3"]) as fleet:
        chromium.look(f"{fleet.url}/")
        live(chromium)
        row = f"#d-{address(fleet, 'web-3').rpartition('/')[2]}"
        chromium.run("document.querySelector(arguments[0]).focus()", f"{row} a")
        with_a_broken_promise(fleet, "web-3")
        chromium.wait(
            lambda: chromium.text("#rows > tr:first-child [data-f=state]") == "breaking-sla", "it stays below"
        )
        assert chromium.text("#rows > tr:first-child [data-f=name]") == "web-3"
        assert chromium.run("return document.querySelector(arguments[0]).dataset.kind", row) == "breaking"
        assert "of bad time left (of 7.2 h in 30 d); at this pace gone in " in chromium.text(row)
        told = chromium.all(f"{row} [data-f=told]")[0]
        assert told.is_displayed(), "who has no mouse is to read it, too"
        assert told.text.startswith("it runs all 8 vCPUs that the domain can have and wants ")
        bar = chromium.all(f"{row} [data-f=budget-bar]")[0]
        assert bar.get_attribute("class") == "burning"
        assert chromium.run("return document.activeElement.closest('tr').id") == row[1:]
        assert names(chromium) == ["web-3", "web-1", "web-2"]


def test_a_promise_at_risk_is_told_apart_and_passes(chromium: Browser, tmp_path: Path) -> None:
    with shown_fleet(tmp_path, ["web-1", "web-2"]) as fleet:
        chromium.look(f"{fleet.url}/")
        live(chromium)
        assert chromium.text("[data-f=risk]") == ""
        row = f"#d-{address(fleet, 'web-2').rpartition('/')[2]}"
        fleet.guests[1].set(demand=30.0)
        fleet.run(180)
        chromium.wait(lambda: chromium.text(f"{row} [data-f=state]") == "sla-at-risk", "nothing is said")
        assert chromium.text("[data-f=trouble]") == "none in trouble"
        assert chromium.text("[data-f=risk]") == "· 1 at risk"
        assert names(chromium) == ["web-2", "web-1"]
        chromium.all("#troubled")[0].click()
        assert [row.is_displayed() for row in chromium.all("#rows > tr")] == [True, False]
        fleet.guests[1].set(demand=0.2)
        fleet.run(180)
        chromium.wait(lambda: chromium.text(f"{row} [data-f=state]") == "ok", "it lasts")
        assert chromium.text(f"{row} [data-f=told]") == ""


def test_a_domain_that_comes_or_goes_gets_or_loses_its_row(chromium: Browser, fleet: ShownFleet) -> None:
    chromium.look(f"{fleet.url}/")
    live(chromium)
    before = names(chromium)
    rows = len(chromium.all("#rows > tr"))
    gone = next(guest for guest in fleet.guests if guest.name == "web-2")
    fleet.host.stop(gone)
    fleet.run(10)
    chromium.wait(lambda: len(chromium.all("#rows > tr")) == rows - 1, "its row is still there")
    fleet.host.add(gone)
    fleet.run(10)
    chromium.wait(lambda: len(chromium.all("#rows > tr")) == rows, "its row does not come")
    assert names(chromium) == before


def test_the_page_of_a_domain_tells_why_and_draws_how_it_went(chromium: Browser, fleet: ShownFleet) -> None:
    chromium.look(address(fleet, "web-3"))
    live(chromium)
    assert "In 5.0 s the guest was busy on" in chromium.text("#why")
    for line in ("demand", "online", "plugged"):
        assert "M" in (chromium.all(f".chart path.{line}")[0].get_attribute("d") or "")
    marks = len(chromium.all(".chart polygon"))
    assert marks >= 2
    assert len(chromium.all(".moves tbody tr")) == min(marks, 20)
    chromium.all(".spans a")[1].click()
    assert chromium.text(".spans [aria-current]") == "6h"
    live(chromium)


def test_the_page_of_a_domain_follows_it(chromium: Browser, fleet: ShownFleet) -> None:
    chromium.look(address(fleet, "web-3"))
    live(chromium)
    at = chromium.text("#as-of")
    fleet.go_on(30)
    chromium.wait(lambda: chromium.text("#as-of") != at, "the page stays as it was")


@pytest.mark.parametrize("region", ["chart", "moves"])
def test_the_page_of_a_domain_follows_it_under_who_clicked_or_scrolled_a_part_of_it(
    chromium: Browser, fleet: ShownFleet, region: str
) -> None:
    chromium.look(address(fleet, "web-3"), width=390)
    live(chromium)
    guest = next(guest for guest in fleet.guests if guest.name == "web-3")
    guest.set(demand=0.2)
    fleet.run(60)
    chromium.all(f"#{region}")[0].click()
    step = -40 if region == "chart" else 40
    chromium.run("document.getElementById(arguments[0]).scrollLeft = arguments[1]", region, step)
    before = chromium.text(f"#{region}")
    guest.set(demand=6.0)
    fleet.run(60)
    chromium.wait(lambda: chromium.text(f"#{region}") != before, "it stays as it was")
    assert chromium.run("return document.activeElement.id") == region
    assert chromium.run("return document.activeElement.scrollLeft") == step


@pytest.mark.parametrize("name", HOSTILE, ids=["script", "long", "rtl", "override", "path", "quotes"])
def test_a_hostile_name_is_shown_and_does_nothing(chromium: Browser, fleet: ShownFleet, name: str) -> None:
    for url in (f"{fleet.url}/", address(fleet, name)):
        chromium.look(url, width=390)
        live(chromium)
        assert chromium.run("return document.title") != "owned"
        assert chromium.run("return document.querySelectorAll('main script, main img').length") == 0
        assert chromium.run("return document.documentElement.scrollWidth") <= 390
    shown = chromium.text("h1")
    assert shown == ("\\u202egnp.1-bew" if name == OVERRIDE else name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", ["overview", "domain"])
def test_it_can_be_read_and_used_without_a_mouse_or_good_eyes(
    chromium: Browser, fleet: ShownFleet, page: str, width: int, scheme: str
) -> None:
    url = f"{fleet.url}/" if page == "overview" else address(fleet, "web-2")
    chromium.look(url, width=width, scheme=scheme)
    live(chromium)
    assert chromium.run(ACCESSIBLE) == []
    assert chromium.run(SMALL) == []
    assert chromium.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("document.querySelector('caption').remove()", "a table without a caption"),
        ("document.querySelector('label').remove()", "no label: wanted"),
        ("document.querySelector('h1').style.color = '#bbb'", "contrast"),
        ("document.querySelector('svg').removeAttribute('aria-hidden')", "a picture without words"),
    ],
)
def test_the_rules_of_reading_find_a_breach(
    chromium: Browser, fleet: ShownFleet, harm: str, told: str
) -> None:
    chromium.look(f"{fleet.url}/")
    live(chromium)
    chromium.run(harm)
    assert any(told in found for found in chromium.run(ACCESSIBLE))


def test_rows_are_filtered_by_what_is_typed_and_by_trouble(chromium: Browser, fleet: ShownFleet) -> None:
    chromium.look(f"{fleet.url}/")
    live(chromium)

    def visible() -> list[str]:
        names: list[str] = chromium.run(
            "return [...document.querySelectorAll('#rows > tr')].filter(r => r.checkVisibility())"
            ".map(r => r.querySelector('[data-f=name]').textContent)"
        )
        return names

    wanted = chromium.all("#wanted")[0]
    wanted.send_keys("DB-")
    assert visible() == ["db-1"]
    assert chromium.text("#shown") == f"1 of {len(ORDINARY) + len(HOSTILE)} shown"
    wanted.clear()
    chromium.all("#troubled")[0].click()
    assert "web-3" not in visible()


def test_a_browser_that_lost_the_service_says_so_and_comes_back(chromium: Browser, tmp_path: Path) -> None:
    with shown_fleet(tmp_path, ["web-1"]) as fleet:
        chromium.look(f"{fleet.url}/")
        live(chromium)
        guest = fleet.guests[0]
        guest.set(demand=5.0)
        fleet.run(60)
        row = f"#d-{guest.id.uuid}"
        fleet.server.close()
        chromium.wait(lambda: "does not answer" in chromium.text("#live"), "it still says that it is live")
        fleet.start_again()
        live(chromium)
        assert chromium.text(f"{row} [data-f=online]") == str(len(guest.online))
        before = len(guest.online)
        guest.set(demand=0.2)
        fleet.run(900)
        assert len(guest.online) < before
        chromium.wait(
            lambda: chromium.text(f"{row} [data-f=online]") == str(len(guest.online)), "it stays as it was"
        )
    complaints = chromium.complaints()
    assert all("ERR_CONNECTION_REFUSED" in line or "ERR_" in line for line in complaints), complaints


def test_it_is_light_or_dark_as_the_reader_has_it(chromium: Browser, fleet: ShownFleet) -> None:
    shades = []
    for scheme in ("light", "dark"):
        chromium.look(f"{fleet.url}/", scheme=scheme)
        live(chromium)
        shades.append(chromium.run("return getComputedStyle(document.body).backgroundColor"))
    assert shades == ["rgb(251, 252, 253)", "rgb(18, 23, 29)"]
