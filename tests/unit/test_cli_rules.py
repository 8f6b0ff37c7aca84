"""The command `rules`: which policies it reads, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from autoscaler.cli.main import app

ROOT = Path(__file__).parents[2]
POLICY = 'version: 1\npolicies:\n  - name: shop\n    match: {name: ["*"]}\n'


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["rules", *arguments])


def policies_in(printed: str) -> set[str]:
    rules = [rule for group in yaml.safe_load(printed)["groups"] for rule in group["rules"]]
    return {rule["labels"]["policy"] for rule in rules if "policy" in rule.get("labels", {})}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "shop.yaml").write_text(POLICY)
    (tmp_path / "config.yaml").write_text("version: 1\nconnections: [{qmp: /run/guests}]\npolicies: [p]\n")
    return tmp_path


def test_the_policies_of_the_configuration_have_rules(folder: Path) -> None:
    result = run("--config.file", str(folder / "config.yaml"))
    assert (result.exit_code, policies_in(result.stdout)) == (0, {"shop"})


def test_policies_can_be_named_as_files_and_folders(folder: Path) -> None:
    assert policies_in(run(str(folder / "p")).stdout) == {"shop"}
    assert policies_in(run(str(folder / "p" / "shop.yaml")).stdout) == {"shop"}


def test_the_job_and_the_runbooks_are_the_sites_own() -> None:
    printed = run("--defaults", "--job", "vcpus", "--runbooks", "https://wiki.example.net/vcpus").stdout
    assert 'up{job="vcpus"}' in printed
    assert "runbook_url: https://wiki.example.net/vcpus#vcpuautoscalerdown" in printed


@pytest.mark.parametrize(
    "page",
    [
        "deploy/prometheus/README.md",
        "wiki.example.net/vcpus",
        "https://",
        "https://wiki.example.net/vcpus#alerts",
    ],
)
def test_no_alert_is_given_a_link_that_leads_nowhere(page: str) -> None:
    result = run("--defaults", "--runbooks", page)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "link to a page" in result.stderr


def test_without_a_page_no_alert_has_a_link() -> None:
    assert "runbook_url" not in run("--defaults").stdout


def test_policies_with_errors_give_no_rules(folder: Path) -> None:
    (folder / "p" / "shop.yaml").write_text(POLICY + "    mood: good\n")
    result = run(str(folder / "p"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "shop.yaml:5:5: error:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["no-such.yaml"], "there is no no-such.yaml", id="no such policies"),
        pytest.param(["--config.file", "no-such.yaml"], "there is no configuration", id="no configuration"),
        pytest.param(["--defaults", "p"], "not both", id="policies and none"),
        pytest.param(["--defaults", "--job", " "], "--job", id="a job without a name"),
    ],
)
def test_what_cannot_be_read_is_said(arguments: list[str], says: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


@pytest.mark.parametrize("document", ["README.md", "deploy/prometheus/README.md"])
def test_a_documented_recipe_leaves_good_rules_alone_where_policies_have_errors(
    tmp_path: Path, document: str
) -> None:
    recipe = re.search(r"^ *autoscaler rules (?:.*&&\n)*.*$", (ROOT / document).read_text(), re.MULTILINE)
    assert recipe
    for name, does in (("autoscaler", 'printf "$TEXT"; exit $CODE'), ("promtool", 'test -s "$3"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)

    def after(text: str, code: int) -> str:
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TEXT": text, "CODE": str(code)}
        subprocess.run(("sh", "-c", recipe[0]), cwd=tmp_path, env=env, timeout=60, check=False)
        return (tmp_path / "vcpu-autoscaler.rules.yaml").read_text()

    assert after("good", 0) == "good"
    assert after("", 1) == "good"
    assert after("hal", 1) == "good"
    assert after("better", 0) == "better"
