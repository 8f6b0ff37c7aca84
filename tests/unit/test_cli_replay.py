"""The command `replay`: what it tries, what it says of it, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from autoscaler.cli.extra import needs_extra
from autoscaler.cli.main import app
from autoscaler.replay.circumstances import LAB

ROOT = Path(__file__).parents[2]

STANDS = "version: 1\npolicies:\n  - {name: all, match: {name: ['*']}, vcpus: {min: 4, max: 8}}\n"
MEAN = STANDS.replace("min: 4, max: 8", "max: 1")
QUIET = STANDS.replace("vcpus:", "mode: recommend, vcpus:")
WEB = STANDS.replace("'*'", "'web-*'")
HEADER = "domain,timestamp_s,demand_vcpus\n"
LABELS = STANDS + "  - {name: gold, match: {metadata: {tier: gold}}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with an hour of two domains, one of which wants more than a vCPU half of it."""
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{domain},{1_700_000_000 + second},{high if second % 1200 >= 600 else 0.3}"
        for domain, high in (("web-1", 2.4), ("db-1", 0.4))
        for second in range(0, 3600, 10)
    ]
    Path("demand.csv").write_text("\n".join(["domain,timestamp_s,demand_vcpus", *rows]) + "\n")
    for name, text in (
        ("stands", STANDS),
        ("mean", MEAN),
        ("quiet", QUIET),
        ("web", WEB),
        ("labels", LABELS),
    ):
        Path(f"{name}.yaml").write_text(text)
    return tmp_path


def replay(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", *arguments])


def document(*arguments: str) -> dict[str, Any]:
    result = replay(*arguments, "--output", "json")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_default_policy_is_tried_on_every_domain_beside_the_baselines_and_the_optimum() -> None:
    result = replay("demand.csv")
    assert result.exit_code == 0, result.output
    assert "Domains: 2 (all of them" in result.stdout
    assert f"Lag: {LAB.plugged.at(0.5):g} s" in result.stdout
    first = [line.partition("  ")[0] for line in result.stdout.splitlines()]
    assert {"default policy", "optimum"} <= set(first)
    assert len(document("demand.csv")["policies"]) > len(document("demand.csv", "--no-baselines")["policies"])


def test_a_policy_that_breaks_a_promise_that_the_old_one_kept_ends_with_2() -> None:
    result = replay("demand.csv", "--policy", "mean.yaml", "--against", "stands.yaml", "--no-baselines")
    assert result.exit_code == 2, result.output
    assert "breaks the SLA of 1 domains that the old one kept: web-1" in result.stdout
    assert "has 1 instead of 4 vCPUs when they are wanted" in result.stdout


def test_a_policy_that_mends_a_promise_ends_with_0() -> None:
    result = replay("demand.csv", "--policy", "stands.yaml", "--against", "mean.yaml", "--no-baselines")
    assert result.exit_code == 0, result.output


def test_the_json_names_both_policies_and_says_what_changes_for_whom() -> None:
    found = document("demand.csv", "--policy", "mean.yaml", "--against", "stands.yaml", "--no-baselines")
    assert set(found["policies"]) == {"policy", "against", "optimum"}
    assert [(change["domain"], change["breaks_sla"]) for change in found["comparison"]] == [
        ("web-1", True),
        ("db-1", False),
    ]


def test_a_policy_that_only_recommends_is_tried_as_if_it_acted_and_that_is_said() -> None:
    result = replay("demand.csv", "--policy", "quiet.yaml", "--no-baselines")
    assert "quiet.yaml: 'all' only recommend, and are tried as if they acted" in result.stderr
    acting = document("demand.csv", "--policy", "stands.yaml", "--no-baselines")["policies"]["policy"]
    quiet = document("demand.csv", "--policy", "quiet.yaml", "--no-baselines")["policies"]["policy"]
    assert quiet["vcpu_hours"] == acting["vcpu_hours"]


def test_what_matches_nothing_is_said() -> None:
    result = replay("demand.csv", "--policy", "web.yaml", "--no-baselines")
    assert "web.yaml: no policy governs 'db-1': left out" in result.stderr
    assert "Domains: 1 " in result.stdout
    result = replay("demand.csv", "--policy", "labels.yaml", "--no-baselines")
    assert "labels.yaml: 'gold' match no domain here" in result.stderr
    assert "'gold' match by label or UUID, which recorded demand does not have" in result.stderr


def test_both_halves_together_are_all_domains() -> None:
    halves = [
        document(
            "--generate", "diurnal", "--domains", "6", "--days", "0.02", "--no-baselines", "--half", half
        )
        for half in ("report", "tune")
    ]
    names = [{row["domain"] for row in found["per_domain"]["policy"]} for found in halves]
    assert names[0] | names[1] == {f"diurnal-{number:04}" for number in range(1, 7)}
    assert not names[0] & names[1]
    assert [found["terms"]["half"] for found in halves] == ["report", "tune"]


def test_other_lags_are_tried_too() -> None:
    found = document("demand.csv", "--no-baselines", "--lag", "20", "--lags", "5,300")
    assert found["lag_s"] == 20
    costs = {row["lag_s"]: row["bad_ratio"] for row in found["lags"] if row["name"] == "policy"}
    assert costs[5.0] < costs[300.0]


@pytest.mark.parametrize(
    ("option", "fact"),
    [
        pytest.param(("--missing", "5"), "5 % of the samples are missing", id="missing"),
        pytest.param(("--refused", "10"), "guests refuse 10 % of the moves", id="refused"),
        pytest.param(("--stolen", "20"), "the host withholds 20 % of the vCPUs' time", id="stolen"),
        pytest.param(("--host-vcpus", "4"), "all domains share a host of 4 vCPUs", id="shared"),
    ],
)
def test_the_circumstances_are_stated(option: tuple[str, str], fact: str) -> None:
    result = replay("demand.csv", "--no-baselines", *option)
    assert result.exit_code == 0, result.output
    assert fact in result.stdout


def test_a_report_is_written_where_it_was_asked_for(folder: Path) -> None:
    result = replay("demand.csv", "--no-baselines", "--report", "out/today")
    assert result.exit_code == 0, result.output
    assert "the report is in out/today" in result.stderr
    assert {"report.html", "report.md", "report.json", "domain-01.png"} <= {
        path.name for path in (folder / "out" / "today").iterdir()
    }


def test_a_domain_that_is_interpolated_is_named_and_its_picture_says_so() -> None:
    rows = [f"slow,{1_700_000_000 + second},0.4" for second in range(0, 3600, 300)]
    Path("slow.csv").write_text("\n".join(["domain,timestamp_s,demand_vcpus", *rows]) + "\n")
    result = replay("demand.csv", "slow.csv", "--no-baselines", "--report", "out")
    assert "33 % of the domain-days were recorded more coarsely than a step (slow)" in result.stdout
    captions = [line for line in Path("out/report.md").read_text().splitlines() if "Demand and vCPUs" in line]
    assert [("interpolated" in caption) for caption in captions] == [
        ("slow" in caption) for caption in captions
    ]
    assert json.loads(Path("out/report.json").read_text())["terms"]["interpolated"] == ["slow"]


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_read(folder: Path) -> None:
    result = replay("absent.csv", "--report", str(folder))
    assert result.exit_code == 1
    assert "holds other things than a report" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param((), 2, "say where the demand comes from", id="no demand"),
        pytest.param(("demand.csv", "--generate", "bursty"), 2, "one of them", id="two sources"),
        pytest.param(
            ("demand.csv", "--since", "3d"), 2, "--since: it is for --from-journal", id="since when"
        ),
        pytest.param(("--generate", "bursty", "--full-scale", "8"), 2, "not for --generate", id="a scale"),
        pytest.param(("absent.csv",), 1, "there is no absent.csv", id="no such file"),
        pytest.param(("demand.csv", "--policy", "absent.yaml"), 1, "there is no absent.yaml", id="no policy"),
        pytest.param(("demand.csv", "--lags", "ten"), 2, "--lags", id="a lag in words"),
        pytest.param(("demand.csv", "--half", "best"), 2, "--half", id="no such half"),
        pytest.param(("demand.csv", "--step", "10"), 2, "--step", id="a step without unit"),
        pytest.param(("--generate", "tidal"), 2, "--generate", id="no such kind"),
        pytest.param(("demand.csv", "--policy", "bad.yaml"), 1, "bad.yaml:1:1: error:", id="bad policy"),
        pytest.param(("bad.csv",), 1, "bad.csv:3: ", id="bad demand"),
        pytest.param(("header.csv",), 1, "header.csv:1: a header and no row", id="no row"),
        pytest.param(("one.csv", "--half", "report"), 1, "is in the half report; read more", id="empty half"),
        pytest.param(("--from-prometheus", "http://127.0.0.1:1"), 1, "nothing listens there", id="no answer"),
        pytest.param(("--from-journal", "absent.sqlite"), 1, "cannot be read", id="no journal"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (folder / "bad.yaml").write_text("policies: []\n")
    (folder / "bad.csv").write_text(f"{HEADER}a,0,1\na,10,much\n")
    (folder / "header.csv").write_text(HEADER)
    (folder / "one.csv").write_text(f"{HEADER}a,0,1\na,10,1\n")
    result = replay(*arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("Error: ") == (code == 2)


def test_policies_that_govern_none_of_the_domains_are_a_mistake(folder: Path) -> None:
    (folder / "other.yaml").write_text(STANDS.replace("'*'", "other"))
    result = replay("demand.csv", "--policy", "other.yaml")
    assert result.exit_code == 1
    assert "no domain is left that the policies govern" in result.stderr


def test_the_command_line_of_the_service_loads_nothing_of_it() -> None:
    code = (
        "import sys, autoscaler.cli.main\n"
        "heavy = ('autoscaler.replay', 'numpy', 'matplotlib')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    ran = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout == "[]\n"


def test_what_is_not_installed_is_named_with_what_installs_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, needs_extra("replay"):
        raise ModuleNotFoundError("No module named 'matplotlib.dates'", name="matplotlib.dates")
    assert ended.value.exit_code == 1
    said = capsys.readouterr().err
    assert said == "autoscaler replay: this needs matplotlib: pip install 'vcpu-autoscaler[replay]'\n"
