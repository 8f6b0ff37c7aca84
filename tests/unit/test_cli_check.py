"""The command `check`: what it prints and how it exits."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import libvirt
import pytest
import typer
from typer.testing import CliRunner

from autoscaler.cli.check import check
from autoscaler.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

GOOD = "version: 1\npolicies:\n  - {name: a, match: {name: [a]}}\n"
SHADOWED = GOOD + "  - {name: b, match: {name: [a]}}\n"
BAD = "version: 1\npolicies:\n  - {name: a, match: {name: [a]}, vcpus: {min: 08, max: yes}}\n"
CONFIG = "version: 1\nconnections: [{libvirt: qemu:///system}]\n"


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, arguments)


def test_good_files_exit_with_0(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    result = run("a.yaml")
    assert (result.exit_code, result.output) == (0, "1 file, 0 errors, 0 warnings\n")


def test_every_problem_is_a_line_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    result = run("a.yaml")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "a.yaml:3:48: error: 'min' cannot be '08'; write a whole number from 1 to 4096 in plain digits",
        "a.yaml:3:57: error: 'max' cannot be 'yes'; write a whole number from 1 to 4096",
        "1 file, 2 errors, 0 warnings",
    ]


def test_a_warning_is_an_error_when_strict(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SHADOWED)
    result = run("a.yaml")
    assert result.exit_code == 0
    assert result.output.startswith("a.yaml:4:5: warning: the policy 'b' never governs a domain; ")
    strict = run("a.yaml", "--strict")
    assert strict.exit_code == 1
    assert strict.output == result.output.replace("warning:", "error:").replace(
        "0 errors, 1 warning", "1 error, 0 warnings"
    )
    assert json.loads(run("a.yaml", "--output", "json").output)["errors"] == []
    assert json.loads(run("a.yaml", "--output", "json", "--strict").output)["warnings"] == []


def test_a_folder_whose_policies_go_unread_is_warned_of(tmp_path: Path) -> None:
    for folder in ("policies", "policies/more"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.yaml").write_text(GOOD)
    assert run("policies").output == (
        "policies/more:1:1: warning: a folder in a folder is not looked into: name it as well, or move its "
        "policy files up\n1 file, 0 errors, 1 warning\n"
    )


def test_json_has_every_problem_in_its_parts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD.replace(", max: yes", ""))
    result = run("a.yaml", "--output", "json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "errors": [
            {
                "file": "a.yaml",
                "line": 3,
                "column": 48,
                "message": "'min' cannot be '08'; write a whole number from 1 to 4096 in plain digits",
            }
        ],
        "warnings": [],
    }


TEST_DOMAIN = "6695eb01-f6a4-8304-79aa-97f2502e193f"
"""The one domain that libvirt's test driver begins with."""
CONNECT = ("--connect", "test:///default")


@pytest.mark.parametrize(("pattern", "policy"), [("te*", "a"), ("web-*", None)], ids=["governed", "alone"])
def test_the_policy_of_every_domain_of_a_connection_is_told(
    tmp_path: Path, pattern: str, policy: str | None
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("[a]", f"['{pattern}']"))
    result = run("a.yaml", *CONNECT)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "1 file, 0 errors, 0 warnings",
        "Domain  UUID                                  Policy",
        "------  ------------------------------------  ------",
        f"test    {TEST_DOMAIN}  {policy or '-'}",
        f"1 domain, {0 if policy else 1} without a policy",
    ]
    assert json.loads(run("a.yaml", *CONNECT, "--output", "json").output) == {
        "errors": [],
        "warnings": [],
        "domains": [
            {
                "name": "test",
                "uuid": TEST_DOMAIN,
                "policy": policy,
                "also": [],
                "opted_out": False,
                "claimed_by": None,
            }
        ],
        "left_alone": {},
    }


def test_a_domain_that_is_there_and_fits_two_policies_is_warned_of(tmp_path: Path) -> None:
    two = GOOD.replace("[a]", "['te*']") + f"  - {{name: two, match: {{uuid: [{TEST_DOMAIN}]}}}}\n"
    (tmp_path / "a.yaml").write_text(two)
    found = json.loads(run("a.yaml", *CONNECT, "--output", "json").output)
    line = len(two.splitlines())
    assert [(warning["line"], warning["message"]) for warning in found["warnings"]] == [
        (line, "the policy 'two' fits the domain 'test', which goes to 'a' at a.yaml:3")
    ]
    assert found["domains"][0]["also"] == ["two"]
    assert run("a.yaml", *CONNECT, "--strict").exit_code == 1


def test_a_domain_of_somebody_else_is_told_with_what_to_write_unless_the_configuration_adopts_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("[a]", "[test]"))
    (tmp_path / "config.yaml").write_text(
        "version: 1\nconnections: [{libvirt: 'test:///default', adopt: [kubevirt]}]\n"
    )
    administrator = libvirt.open(CONNECT[1])
    domain = administrator.lookupByName("test")
    domain.setMetadata(
        *(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<vm/>", "k", "http://kubevirt.io"),
        libvirt.VIR_DOMAIN_AFFECT_LIVE,
    )
    left_alone = run("a.yaml", *CONNECT)
    found = json.loads(run("a.yaml", *CONNECT, "--output", "json").output)
    adopted = run("a.yaml", "config.yaml", *CONNECT)
    administrator.close()
    assert left_alone.exit_code == 0
    assert "belongs to KubeVirt and is left alone" in left_alone.output
    assert left_alone.output.endswith("1 domain, 1 without a policy\n")
    assert (found["domains"][0]["policy"], found["domains"][0]["claimed_by"]) == (None, "kubevirt")
    assert "`adopt: [kubevirt]`" in found["left_alone"]["kubevirt"]
    assert adopted.output.endswith("1 domain, 0 without a policy\n")


def test_what_governs_a_domain_is_not_told_while_there_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BAD)
    result = run("a.yaml", *CONNECT)
    assert result.exit_code == 1
    assert result.output.endswith("Which policy governs which domain is told once the errors are gone.\n")
    assert json.loads(run("a.yaml", *CONNECT, "--output", "json").output)["domains"] is None


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_connection_that_fails_is_one_sentence_and_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    arguments = ["check", "a.yaml", "-c", "nonsense:///", "--output", output]
    monkeypatch.setattr(sys, "argv", ["autoscaler", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("autoscaler: libvirt at nonsense:/// ")


def test_a_connection_of_the_environment_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    assert run("a.yaml").output == "1 file, 0 errors, 0 warnings\n"


def test_a_path_that_does_not_exist_is_a_usage_error() -> None:
    result = run("none", "nothing.yaml")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "autoscaler check: there is no none; name a file or a folder",
        "autoscaler check: there is no nothing.yaml; name a file or a folder",
    ]


def test_a_configuration_is_checked_as_one_also_beside_policies(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "config.yaml").write_text(CONFIG + "interval: 1ms\n")
    result = run(".")
    assert result.output.splitlines() == [
        "config.yaml:3:11: error: 'interval' cannot be '1ms'; write a duration from 200ms to 5m",
        "2 files, 1 error, 0 warnings",
    ]


def test_a_folder_without_files_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("empty")
    assert result.exit_code == 1
    assert "empty:1:1: error: the folder holds no policy file" in result.output


def test_control_characters_of_names_and_values_reach_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J.yaml").write_text('version: 1\npolicies: "\\e[31m\\u202e"\n')
    result = run(".")
    assert result.output.splitlines()[0] == (
        r"\x1b[2J.yaml:2:11: error: 'policies' cannot be '\x1b[31m\u202e'; write a list, such as [a, b]"
    )


def test_a_configuration_is_checked_with_the_policies_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "config.yaml").write_text(f"{CONFIG}policies: [here]\n")
    (tmp_path / "etc" / "here").mkdir()
    policy = tmp_path / "etc" / "here" / "a.yaml"
    policy.write_text(GOOD)
    result = run("--config.file", "etc/config.yaml")
    assert (result.exit_code, result.output) == (0, "2 files, 0 errors, 0 warnings\n")
    policy.write_text(BAD)
    assert run("--config.file", "etc/config.yaml").output.startswith(f"{policy}:3:48: error: ")


def test_a_configuration_that_is_broken_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"{CONFIG}polices: [here]\n")
    broken = run("--config.file", "config.yaml")
    assert broken.exit_code == 1
    assert broken.output.startswith("config.yaml:3:1: error: ")
    absent = run("--config.file", "none.yaml")
    assert absent.exit_code == 2
    assert "there is no none.yaml" in absent.output


def test_policies_that_are_configured_and_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"{CONFIG}policies: [here]\n")
    result = run("--config.file", "config.yaml")
    assert result.exit_code == 2
    assert f"there is no {tmp_path}/here" in result.output


def test_the_file_of_the_web_server_is_checked_alone_and_with_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text("basic_auth_users: {alice: hunter2}\n")
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "config.yaml").write_text(CONFIG + "policies: [a.yaml]\nweb: {config_file: web.yaml}\n")
    for arguments in (["web.yaml"], ["--config.file", "config.yaml"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "web.yaml:1:19: error: the password of 'alice' is no bcrypt hash" in result.output
        assert "hunter2" not in result.output
    for text in ("http_server_config: {http2: true}\n", "# Everybody may ask.\n", ""):
        (tmp_path / "web.yaml").write_text(text)
        assert run("--config.file", "config.yaml").output == "3 files, 0 errors, 0 warnings\n"


def test_a_folder_of_policies_in_the_place_of_the_web_servers_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.yaml").write_text(GOOD)
    (tmp_path / "config.yaml").write_text(CONFIG + "policies: [folder/a.yaml]\nweb: {config_file: folder}\n")
    result = run("--config.file", "config.yaml")
    assert result.exit_code == 1
    assert "folder:1:1: error: the file cannot be read: Is a directory" in result.output
