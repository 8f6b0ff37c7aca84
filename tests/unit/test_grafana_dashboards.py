"""The committed dashboards: what the modules write, whole, and readable by who has never seen them."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from autoscaler.cli.main import app
from autoscaler.core.condition import AS_ORDERED, Condition
from autoscaler.core.reason import Reason
from grafana.boards import BOARDS, json_of
from grafana.frame import UIDS
from grafana.queries import conditions
from grafana.states import BEHIND, FIRST_CONDITION, OVERSPENT, REASONS, REASONS_SAID, STATES
from tests.fakes.dashboard_answers import FOLDER, NAMES, dashboard, panels

PROVISIONING = FOLDER.parent / "provisioning"
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
VERBS = {command.name for command in app.registered_commands}
PANELS = [pytest.param(panel, id=f"{name}: {panel['title']}") for name in NAMES for panel in panels(name)]


def test_there_is_a_file_for_each_dashboard() -> None:
    assert set(NAMES) == set(BOARDS) == set(UIDS)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_json_is_what_the_module_writes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == json_of(name), "write it anew: python -m grafana"


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_the_same_after_the_schema_has_read_it(name: str) -> None:
    plain = dashboard(name)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(plain)))
    assert again == plain


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_has_its_variables_its_address_and_links_to_the_others(name: str) -> None:
    plain = dashboard(name)
    assert [entry["name"] for entry in plain["templating"]["list"]] == [
        "datasource",
        "job",
        "instance",
        "domain",
    ]
    assert plain["uid"] == UIDS[name]
    assert plain["schemaVersion"] >= 39
    assert plain["description"]
    assert [link["tags"] for link in plain["links"]] == [["vcpu-autoscaler"]]


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_lies_on_another(name: str) -> None:
    taken = [
        (x, y)
        for panel in dashboard(name)["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert all(x < 24 for x, _ in taken)


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_a_number_and_a_title_of_its_own(name: str) -> None:
    found = dashboard(name)["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    titles = [panel["title"] for panel in panels(name)]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_is_in_which_unit_and_where_to_go_on(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["description"] != f"{panel['title']}."
    assert [link["url"].startswith("/d/vcpu-autoscaler-") for link in panel["links"]] == [True]
    unit = panel["fieldConfig"]["defaults"]["unit"]
    assert unit in UNITS or unit.startswith("suffix:")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


SIZES = {
    "What it is promised": "it says what the figures beneath it are held to",
    "Runs (online)": "how many are right is what the next panel says",
    "Should run (target)": "how many are right is for the policy to say",
    "May run (max)": "how many are right is for the policy to say",
    "Time seen": "it says what the share beside it is of",
    "Overcommitted now": "its limit is each host's own, and colours the share committed",
    "Overcommit allowed": "this is the limit itself",
    "Online vCPUs, by guest": "how many are right depends on the guest",
    "A change counts as stuck after": "these are limits themselves",
    "Decisions": "how many are right depends on the guests and the interval",
}
"""Panels of what is neither good nor bad by itself, and why no figure can part the two."""


def told_by(panel: dict[str, Any]) -> set[str]:
    """How a panel shows from where on something is not as it should be."""
    field = panel["fieldConfig"]
    steps = field["defaults"].get("thresholds", {}).get("steps", ())
    own = [entry for override in field["overrides"] for entry in override["properties"]]
    columns = [entry["value"]["steps"] for entry in own if entry["id"] == "thresholds"]
    ways = {
        "thresholds": len(steps) > 1,
        "thresholds of columns": any(len(column) > 1 for column in columns),
        "limits drawn as series": any(entry["id"] == "custom.lineStyle" for entry in own),
        "other colours for a while": any(
            override["matcher"]["id"] == "byFrameRefID" for override in field["overrides"]
        ),
        "words": any(
            word["color"] == "red"
            for mapping in field["defaults"].get("mappings", ())
            for word in mapping["options"].values()
        ),
        "what is bad in red": any(
            entry["id"] == "color" and entry["value"]["fixedColor"] == "red" for entry in own
        ),
    }
    return {way for way, there in ways.items() if there}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_shows_from_where_on_something_is_wrong_unless_nothing_there_can_be(
    panel: dict[str, Any],
) -> None:
    assert bool(told_by(panel)) != (panel["title"] in SIZES)
    if panel["type"] in {"bargauge", "state-timeline"} and panel["title"] not in SIZES:
        assert "thresholds" in told_by(panel)


def test_what_can_be_neither_good_nor_bad_is_on_a_dashboard() -> None:
    assert {panel["title"] for name in NAMES for panel in panels(name)} >= set(SIZES)


@pytest.mark.parametrize("panel", PANELS)
def test_thresholds_rise_and_change_the_colour(panel: dict[str, Any]) -> None:
    own = [entry for override in panel["fieldConfig"]["overrides"] for entry in override["properties"]]
    found = [entry["value"]["steps"] for entry in own if entry["id"] == "thresholds"]
    if panel["type"] != "table":
        found.append(panel["fieldConfig"]["defaults"]["thresholds"]["steps"])
    for first, *more in found:
        assert first["value"] is None
        values, colors = [step["value"] for step in more], [step["color"] for step in (first, *more)]
        assert values == sorted(set(values))
        assert all(before != after for before, after in pairwise(colors))


@pytest.mark.parametrize("panel", PANELS)
def test_a_query_asks_only_what_is_chosen(panel: dict[str, Any]) -> None:
    letters = [target["refId"] for target in panel["targets"]]
    assert len(set(letters)) == len(letters) > 0
    for target in panel["targets"]:
        selectors = re.findall(r"\w+\{(.*?)\}", target["expr"])
        assert selectors
        assert all('job=~"$job", instance=~"$instance"' in selector for selector in selectors)


def expressions(name: str) -> list[str]:
    """Every query of a dashboard, those of its marks too."""
    marks = dashboard(name)["annotations"].get("list", ())
    return [target["expr"] for panel in panels(name) for target in panel["targets"]] + [
        mark["target"]["expr"] for mark in marks
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_pattern_only_where_grafana_escapes_it_as_one(name: str) -> None:
    (variable,) = (entry for entry in dashboard(name)["templating"]["list"] if entry["name"] == "domain")
    several = variable.get("multi", False) or variable.get("includeAll", False)
    asked = set(re.findall(r'domain(=~|=)"\$domain"', " ".join(expressions(name))))
    assert asked <= {"=~" if several else "="}


@pytest.mark.parametrize("name", NAMES)
def test_no_name_in_a_link_becomes_another_part_of_its_query(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text()
    fields = re.findall(r"\$\{__data\.fields\.\w+(.*?)\}", text)
    assert set(fields) <= {":percentencode"}


def test_the_guest_that_breaks_its_promise_comes_first_and_leads_to_itself_on_its_own_host() -> None:
    (table,) = (panel for panel in panels("fleet") if panel["type"] == "table")
    assert table["options"]["sortBy"] == [{"desc": True, "displayName": "State"}]
    (link,) = table["fieldConfig"]["defaults"]["links"]
    assert "&var-instance=${__data.fields.Host:percentencode}&" in link["url"]
    assert "${instance:queryparam}" not in link["url"]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_dashboards_that_there_are(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text()
    assert set(re.findall(r"/d/([\w-]+)", text)) <= set(UIDS.values())


def test_what_grafana_is_provisioned_with_names_what_there_is() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "vcpu-autoscaler.yaml").read_text())[
        "providers"
    ]
    manual = Path(FOLDER.parent / "README.md").read_text()
    assert f"install -d {provider['options']['path']}" in manual


def test_every_condition_has_a_figure_that_rises_with_how_soon_it_has_to_be_looked_at() -> None:
    by_rank = [STATES[str(rank)] for rank in range(FIRST_CONDITION + len(Condition))]
    assert by_rank[0] == ("ok", "green")
    assert by_rank[-1] == ("breaks its promise", "red")
    colors = [color for _, color in by_rank]
    assert colors == sorted(colors, key=["green", "yellow", "orange", "red"].index)
    assert len({text for text, _ in by_rank}) == len(STATES)


@pytest.mark.parametrize("rank", [BEHIND, OVERSPENT])
def test_a_guest_without_a_condition_that_kept_too_little_is_never_called_ok(rank: int) -> None:
    text, color = STATES[str(rank)]
    assert "ok" not in text.split()
    assert color == "yellow"


def test_what_somebody_ordered_and_what_passes_by_itself_is_yellow_and_trouble_is_not() -> None:
    colors = {condition: STATES[rank][1] for rank, condition in asked_conditions().items()}
    yellow = {condition for condition, color in colors.items() if color == "yellow"}
    assert yellow == AS_ORDERED | {Condition.AT_RISK, Condition.HELD, Condition.BY_HAND}


def test_every_reason_has_a_colour_and_only_what_is_well_is_green() -> None:
    assert set(REASONS) == set(Reason)
    green = {reason for reason, color in REASONS.items() if color.endswith("green")}
    assert green == {Reason.STEADY, Reason.TOLERANCE, Reason.AT_MIN}


def test_every_reason_has_words_of_its_own_that_are_not_its_name() -> None:
    assert set(REASONS_SAID) == set(Reason)
    assert len(set(REASONS_SAID.values())) == len(Reason)
    assert not set(REASONS_SAID.values()) & set(Reason)


def test_the_words_for_a_reason_end_as_no_other_reason_does() -> None:
    mistaken = {
        (said, other)
        for one, said in REASONS_SAID.items()
        for other in Reason
        if other != one and said.endswith(other)
    }
    assert mistaken == set(), "Grafana would take it for the other one"


def asked_conditions() -> dict[str, str]:
    """The condition that is asked for, by its figure."""
    return dict(
        re.findall(r'(\d+) \* vcpu_autoscaler_domain_condition\{.*?condition="(.*?)"\}', conditions())
    )


def test_a_condition_has_a_figure_of_its_own_where_it_is_asked_for() -> None:
    asked = asked_conditions()
    assert set(asked.values()) == set(Condition)
    assert {rank for rank, _ in STATES.items() if int(rank) >= FIRST_CONDITION} == set(asked)


@pytest.mark.parametrize(
    "panel", [panel for panel in panels("domain") if "`autoscaler" in panel["description"]]
)
def test_a_command_in_the_description_of_a_domains_panel_is_whole(panel: dict[str, Any]) -> None:
    for command in re.findall(r"`autoscaler ([^`]+)`", panel["description"]):
        verb, *arguments = command.split()
        assert verb in VERBS
        assert verb == "events" or arguments in (["${domain:singlequote}"], ["--all"]), command
