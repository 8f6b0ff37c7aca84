"""The report of a replay: what it says in every form, what hostile names can do in it, and where it goes."""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest

from autoscaler.replay.report.document import document
from autoscaler.replay.report.folder import FolderTaken, look_at, write_report
from autoscaler.replay.report.sections import facts
from autoscaler.replay.report.tables import amount
from autoscaler.replay.result import Kind, Replayed
from tests.fakes.replays import HOSTILE, replayed

PNG = b"\x89PNG\r\n\x1a\n"
FILES = {
    *("report.html", "report.md", "report.json"),
    *("scatter.png", "budget.png", "worst.png", "domain-01.png", "domain-02.png"),
}
FIGURES = {
    *("j_over_optimum", "vcpu_hours", "domains_in_slo_ratio", "bad_ratio", "removals_per_domain_day"),
    *("theta_u", "theta_o", "tau_u", "tau_o", "instability"),
}


def write(found: Replayed, folder: Path) -> None:
    write_report(found, folder, progress=lambda _done, _total: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which a domain has a hostile name."""
    folder = tmp_path_factory.mktemp("report") / "of" / "today"
    write(replayed(HOSTILE, "web-2"), folder)
    return folder


class Page(HTMLParser):
    """What a browser makes of a page, as far as it matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text())


def test_the_folder_holds_the_page_the_markdown_the_json_and_the_pictures(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    assert all(path.read_bytes().startswith(PNG) for path in folder.glob("*.png"))


def test_its_files_are_readable_as_any_other_that_the_user_makes(folder: Path) -> None:
    (folder.parent / "other").touch()
    (ordinary,) = {stat.S_IMODE((folder.parent / "other").stat().st_mode)}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {ordinary}


def test_the_page_is_whole_and_needs_no_script_and_no_other_file(page: Page) -> None:
    assert page.open == []
    assert "script" not in page.tags
    sources = [value for name, value in page.attributes if name in {"src", "href"}]
    assert len(sources) == 5
    assert all(value and value.startswith("data:image/png;base64,") for value in sources)


def test_every_picture_of_the_page_says_what_it_shows(page: Page) -> None:
    assert all(value for name, value in page.attributes if name == "alt")


def test_a_hostile_name_is_shown_on_the_page_and_does_nothing(page: Page) -> None:
    assert '<script>alert("x")</script>$x^{2$' in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_a_hostile_name_makes_no_line_cell_link_or_tag_in_the_markdown(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"(?<!\\)<|(?<!\\)\]\(http", text)
    assert "\n# d" not in text
    table = [line for line in text.splitlines() if line.startswith("|") and "alert" in line]
    headings = "| Domain | Fares | Why |"
    (width,) = {line.count("|") for line in text.splitlines() if line.startswith(headings)}
    assert table
    assert all(len(re.findall(r"(?<!\\)\|", line)) == width for line in table)


@pytest.mark.parametrize("file", ["report.html", "report.md"])
def test_every_form_states_on_what_terms_the_figures_were_got(folder: Path, file: str) -> None:
    text = (folder / file).read_text().replace("\\", "")
    for fact in (
        "demand.csv",
        "which nothing is to be tuned on",
        "30 s from a decision",
        "25 % of the domain-days were recorded more coarsely than a step (web-2)",
        "which flatters every strategy that reacts",
        "1 % of the samples are missing",
        "the fewest priced cost with no slice bad",
        "exact but for 25.00 %: a course that keeps every slice costs at least 80.00 % of what it costs",
        "vcpu-autoscaler 1.2.3",
        "a gap",
    ):
        assert fact in text


@pytest.mark.parametrize("file", ["report.html", "report.md"])
def test_the_row_of_an_interpolated_domain_says_so(folder: Path, file: str) -> None:
    assert (folder / file).read_text().replace("\\", "").count("web-2 (interpolated)") == 1


@pytest.mark.parametrize("file", ["report.html", "report.md"])
def test_a_row_that_breaks_promises_stays_and_is_marked(folder: Path, file: str) -> None:
    lines = (folder / file).read_text().replace("\\", "").splitlines()
    (row,) = (line for line in lines if "new.yaml" in line and "50.0 % (!)" in line)
    assert "marked" in row or "**new.yaml**" in row


def test_the_json_has_the_documented_fields_and_only_numbers_that_json_knows(folder: Path) -> None:
    found = json.loads((folder / "report.json").read_text(), parse_constant=pytest.fail)
    assert set(found["policies"]) == {"policy", "against", "static peak", "optimum"}
    assert all(set(row) >= FIGURES for row in found["policies"].values())
    assert found["policies"]["optimum"]["j_over_optimum"] == 1
    assert found["policies"]["optimum"]["gap_ratio"] == pytest.approx(0.25)
    assert [row["j"] / row["least_j"] for row in found["per_domain"]["optimum"]] == pytest.approx([1.25] * 2)
    assert (found["domains"], found["domain_days"]) == (2, 2.0)
    assert (found["lag_s"], found["objective"]) == (30.0, 0.99)
    assert [change["breaks_sla"] for change in found["comparison"]] == [True, False]
    assert {row["domain"] for row in found["per_domain"]["policy"]} == {HOSTILE, "web-2"}


def test_an_optimum_that_is_proven_to_be_the_least_has_no_gap() -> None:
    found = replayed("web-1")
    (standing,) = (standing for standing in found.standings if standing.kind is Kind.OPTIMUM)
    exact = replace(found, least_j={row.domain: row.j for row in standing.score.domains})
    assert dict(facts(exact))["Optimum's gap"] == "none: no course that keeps every slice costs less"
    assert document(exact)["policies"]["optimum"]["gap_ratio"] == 0


def test_a_figure_that_is_no_number_is_null_in_the_json() -> None:
    found = replayed("web-1")
    unknown = replace(found, terms=replace(found.terms, domain_days=float("nan")))
    assert document(unknown)["domain_days"] is None


@pytest.mark.parametrize(
    ("hours", "told"), [(0.0521, "0.0521"), (5.23, "5.23"), (41.68, "41.7"), (1234.5, "1234"), (0.0, "0")]
)
def test_few_hours_are_not_told_as_none(hours: float, told: str) -> None:
    assert amount(hours) == told


def test_the_same_replay_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write(replayed(HOSTILE, "web-2"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_a_report_takes_the_place_of_another_and_leaves_what_is_no_part_of_it(tmp_path: Path) -> None:
    write(replayed("web-1", "web-2"), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write(replayed("web-1"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"domain-02.png"} | {"notes.txt"}
    assert json.loads((tmp_path / "report.json").read_text())["domains"] == 1


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(FolderTaken, match="holds other things than a report"):
        write(replayed("web-1"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderTaken, match="name another folder"):
        look_at(tmp_path / "file")


def test_a_full_disk_leaves_no_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(replayed("web-1"), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FolderTaken, match="No space left"):
        write(replayed("web-1"), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_drawing_changes_nothing_that_others_draw(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    write(replayed("web-1"), tmp_path)
    assert dict(mpl.rcParams) == before
