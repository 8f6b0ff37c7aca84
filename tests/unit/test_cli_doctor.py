"""The command `doctor` over libvirt's test driver and over scripted guests behind real sockets."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from autoscaler.cli.answers import answer_schema
from autoscaler.cli.main import app, main
from autoscaler.service.settings import LibvirtConnection
from tests.fakes.libvirt_domains import pretend_domain
from tests.fakes.running_actuator import running_actuator
from tests.fakes.scripted_agent import ANY, Fault
from tests.fakes.scripted_folder import FolderGuest

TEST_DOMAIN = "6695eb01-f6a4-8304-79aa-97f2502e193f"
"""The one domain that libvirt's test driver begins with."""
POLICY = "version: 1\npolicies:\n  - {name: web, match: {name: ['web*']}, vcpus: {max: 4}}\n"
LIMITS = "host: {overcommit: 64, pressure_below: 100%}\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A guest folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="dr-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def config(tmp_path: Path, folder: Path) -> Path:
    """A configuration of that folder, with a policy for `web`, and a host that is big and calm."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/web.yaml").write_text(POLICY)
    path = tmp_path / "config.yaml"
    path.write_text(f"version: 1\nconnections: [{{qmp: {folder}}}]\npolicies: [policies]\n{LIMITS}")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def found(result: Result, check: str) -> dict[str, Any]:
    """The one finding of this check, of a host or a domain."""
    (host,) = json.loads(result.stdout)["hosts"]
    everything = host["findings"] + [it for domain in host["domains"] for it in domain["findings"]]
    (finding,) = [finding for finding in everything if finding["check"] == check]
    return dict(finding)


def test_a_guest_that_is_well_under_a_policy_that_fits_exits_with_0(config: Path, folder: Path) -> None:
    with FolderGuest(folder, "web"):
        result = run("--config.file", config)
    assert result.exit_code == 0, result.output
    assert "  ok       policy: web (auto)" in result.output
    assert result.output.endswith("1 domain: 0 errors, 0 warnings, 0 notes\n")


def test_a_guest_is_only_asked_and_its_qemu_too(config: Path, folder: Path) -> None:
    with FolderGuest(folder, "web") as guest:
        run("--config.file", config)
        asked = [name for name, _ in guest.qemu.heard]
        assert not [name for name in asked if not name.startswith(("query-", "qom-", "qmp_"))]
        assert not [name for name in guest.agent.asked if "set" in name or "write" in name or "exec" in name]
        assert guest.guest.open_files == {}


def test_an_agent_that_hangs_and_a_policy_that_wants_more_are_told_with_what_to_do(
    config: Path, folder: Path
) -> None:
    policies = config.parent / "policies/web.yaml"
    policies.write_text(POLICY.replace("max: 4", "max: 8"))
    config.write_text(config.read_text() + "agent: {timeout: 200ms}\n")
    with FolderGuest(folder, "web") as guest:
        guest.agent.faults[ANY] = Fault.SILENT
        result = run("web", "--config.file", config, "--output", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["worst"] == "error"
    jsonschema.Draft202012Validator(answer_schema("doctor")).validate(json.loads(result.stdout))
    assert "start qemu-guest-agent in the guest" in found(result, "agent")["fix"]["advice"]
    assert found(result, "maximum")["severity"] == "warning"
    assert "maxcpus=8" in found(result, "maximum")["fix"]["advice"]


@pytest.mark.parametrize("command", ["guest-info", "guest-get-osinfo", "guest-file-read"])
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in (Fault.SLOW, Fault.NOISE)])
def test_an_agent_that_attacks_costs_only_what_it_would_have_told(
    config: Path, folder: Path, command: str, fault: Fault
) -> None:
    # The fake takes its time to say 64 MB, and its neighbour is answered by the same process.
    timeout = "2s" if fault is Fault.HUGE else "200ms"
    config.write_text(config.read_text() + f"agent: {{timeout: {timeout}}}\n")
    with FolderGuest(folder, "web") as guest, FolderGuest(folder, "web-2"):
        guest.agent.faults[command] = fault
        result = run("--config.file", config, "--output", "json")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    (host,) = json.loads(result.stdout)["hosts"]
    (attacked, other) = [
        {it["check"]: it["severity"] for it in domain["findings"]} for domain in host["domains"]
    ]
    assert "agent-load" in other, "its neighbour is looked at as ever"
    assert {attacked["maximum"], attacked["pinning"]} == {"ok"}
    assert attacked.get("agent") == "error" or fault in (Fault.TWICE, Fault.WRONG_ID)


def test_a_guest_whose_agent_is_not_there_is_told_so_by_qemu(config: Path, folder: Path) -> None:
    with FolderGuest(folder, "web") as guest:
        guest.qemu.agent_listens = False
        result = run("--config.file", config, "--output", "json")
        assert guest.agent.asked == []
    assert found(result, "agent-channel")["severity"] == "error"


def test_a_qemu_that_runs_no_more_and_one_without_hotplug_stand_beside_one_that_is_well(folder: Path) -> None:
    with FolderGuest(folder, "a-gone") as gone, FolderGuest(folder, "b-old") as old, FolderGuest(folder, "c"):
        gone.qemu.stop()
        old.qemu.hotplug = False
        result = run("--qmp", folder, "--output", "json")
    (host,) = json.loads(result.stdout)["hosts"]
    worst = {
        domain["name"]: [it["check"] for it in domain["findings"] if it["severity"] == "error"]
        for domain in host["domains"]
    }
    assert worst == {"a-gone": ["seen"], "b-old": ["slots"], "c": []}
    assert result.exit_code == 1


def test_a_folder_that_no_guest_can_have_is_told_of_beside_the_guests(folder: Path) -> None:
    (folder / "web 1").mkdir()
    (folder / "web 1" / "qmp.sock").touch()
    with FolderGuest(folder, "c"):
        result = run("--qmp", folder, "--output", "json")
    (host,) = json.loads(result.stdout)["hosts"]
    refused, _ = sorted(host["domains"], key=lambda domain: domain["name"] != "web 1")
    (first,) = refused["findings"]
    assert first["severity"] == "error"
    assert "rename it" in first["fix"]["advice"]
    assert {domain["name"] for domain in host["domains"]} == {"web 1", "c"}


def test_all_connections_are_looked_at_at_once_and_told_in_their_order(tmp_path: Path, folder: Path) -> None:
    homes = [folder / "b", folder / "a"]
    for home in homes:
        home.mkdir()
    path = tmp_path / "config.yaml"
    path.write_text(
        f"version: 1\nconnections: [{{qmp: {homes[0]}}}, {{qmp: {homes[1]}}}]\npolicies: [none]\n"
    )
    asked = [threading.Event(), threading.Event()]
    met = []

    def meet(own: int) -> int:
        """Keep one waiting until the other is asked, too."""
        asked[own].set()
        met.append(asked[1 - own].wait(3))
        return 0

    with FolderGuest(homes[0], "first") as first, FolderGuest(homes[1], "second") as second:
        first.qemu.thread_id = lambda _: meet(0)
        second.qemu.thread_id = lambda _: meet(1)
        result = run("--config.file", path, "--output", "json")
    assert met
    assert all(met)
    hosts = json.loads(result.stdout)["hosts"]
    assert [(host["label"], host["domains"][0]["name"]) for host in hosts] == [
        (f"qmp:{homes[0]}", "first"),
        (f"qmp:{homes[1]}", "second"),
    ]


def test_every_line_for_people_fits_80_columns_but_what_is_to_be_copied(folder: Path) -> None:
    with FolderGuest(folder, "web") as guest:
        guest.guest.blocked = {"guest-set-vcpus", "guest-file-write", "guest-get-cpustats", "guest-exec"}
        guest.guest.clock_ahead_s = 300
        text = run("--qmp", folder).output
    long = [line for line in text.splitlines() if len(line) > 80]
    assert not [line for line in long if not line.startswith(" " * 13)]
    assert text.isascii()


def test_words_of_a_guest_and_names_steer_no_terminal(folder: Path) -> None:
    with FolderGuest(folder, "web") as guest:
        guest.guest.os = {"id": "debian", "pretty-name": "De\x1b[2Jbian\nforged"}
        text = run("--qmp", folder).output
    assert "\x1b" not in text
    assert "\nforged" not in text


def test_a_domain_of_libvirts_test_driver_is_looked_at_and_left_as_it_is() -> None:
    result = run("-c", "test:///default", "--output", "json")
    assert result.exit_code == 1
    assert found(result, "maximum")["fix"]["commands"][0] == (
        "virsh -c test:///default setvcpus test 4 --maximum --config"
    )
    assert found(result, "rights")["severity"] == "ok"
    assert run("-c", "test:///default", "--output", "json").stdout == result.stdout


@pytest.mark.parametrize("domain", ["test", TEST_DOMAIN, TEST_DOMAIN.upper()])
def test_a_domain_is_chosen_by_name_or_uuid(domain: str) -> None:
    (host,) = json.loads(run(domain, "-c", "test:///default", "--output", "json").stdout)["hosts"]
    assert [it["name"] for it in host["domains"]] == ["test"]


def test_a_domain_that_does_not_run_is_looked_at_where_it_is_named(tmp_path: Path) -> None:
    stopped = pretend_domain("stopped", vcpus=4, maximum=4).replace(
        "</domain>",
        "<test:runstate xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>5</test:runstate></domain>",
    )
    (tmp_path / "node.xml").write_text(f"<node>{stopped}</node>")
    uri = f"test://{tmp_path}/node.xml"
    assert json.loads(run("-c", uri, "--output", "json").stdout)["hosts"][0]["domains"] == []
    result = run("stopped", "-c", uri, "--output", "json")
    assert found(result, "seen")["seen"] == "it does not run"
    assert found(result, "maximum")["fix"]["commands"] == [
        f"virsh -c {uri} setvcpus stopped 8 --maximum --config"
    ]


def test_a_domain_that_is_nowhere_is_wrong_usage() -> None:
    result = run("nobody\x1b[2J", "-c", "test:///default")
    assert result.exit_code == 2
    assert "no domain 'nobody\\x1b[2J' was found at test:///default" in result.stderr


def test_a_connection_that_is_down_is_a_finding_with_the_way_to_mend_it(folder: Path) -> None:
    uri = f"qemu+unix:///system?socket={folder}/none"
    result = run("web", "-c", uri, "--output", "json")
    assert result.exit_code == 1
    assert "is libvirtd (or virtqemud) running?" in found(result, "connection")["fix"]["advice"]


@pytest.mark.skipif(os.geteuid() != 0, reason="the actuator answers root and the service's user only")
def test_whether_the_actuator_answers_and_has_the_connection_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"

    def finding(connection: str, socket: Path) -> dict[str, Any]:
        connections = f"connections: [{{libvirt: '{connection}'}}]"
        path.write_text(f"version: 1\n{connections}\nactuator: {socket}\n{LIMITS}")
        return found(run("--config.file", path, "--output", "json"), "actuator")

    with running_actuator(LibvirtConnection("test:///default")) as actuator:
        assert finding("test:///default", actuator.socket)["severity"] == "ok"
        other = finding("test:///default?another", actuator.socket)
        assert other["severity"] == "error"
        assert "holds no connection" in other["fix"]["advice"]
    away = finding("test:///default", actuator.socket)
    assert away["severity"] == "error"
    assert "systemctl status vcpu-autoscaler-actuator" in away["fix"]["advice"]


def test_a_folder_that_is_not_there_is_a_finding(folder: Path) -> None:
    result = run("--qmp", folder / "none", "--output", "json")
    assert result.exit_code == 1
    assert "cannot be read" in found(result, "connection")["fix"]["advice"]


def test_a_configuration_and_a_connection_are_not_given_together(config: Path) -> None:
    result = run("--config.file", config, "-c", "test:///default")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_configuration_that_is_not_there_or_wrong_is_wrong_usage(tmp_path: Path) -> None:
    assert run("--config.file", tmp_path / "none.yaml").exit_code == 2
    (tmp_path / "config.yaml").write_text("version: 1\n")
    assert run("--config.file", tmp_path / "config.yaml").exit_code == 2


def test_with_policies_that_have_errors_domains_are_looked_at_without(config: Path, folder: Path) -> None:
    (config.parent / "policies/web.yaml").write_text("version: 2\n")
    with FolderGuest(folder, "web"):
        result = run("--config.file", config)
    assert "see `autoscaler check`" in result.stderr
    assert "policy:" not in result.stdout
    assert result.exit_code == 0


def test_without_a_configuration_the_connection_of_virsh_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("autoscaler.cli.doctor.DEFAULT_CONFIG", Path("/nonexistent/config.yaml"))
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    assert json.loads(run("--output", "json").stdout)["hosts"][0]["label"] == "test:///default"


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "-c"),
        ("check", "--connect"),
        ("lab", "list", "-c"),
    ],
)
@pytest.mark.parametrize("uri", ["qemu+ssh://joe:Pl4nted@kvm-1/system", "test:///default?pwd=Pl4nted"])
def test_a_connection_with_a_secret_is_wrong_usage_and_not_repeated(words: tuple[str, ...], uri: str) -> None:
    result = CliRunner().invoke(app, [*words, uri])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "has a password or a token in it" in " ".join(result.stderr.split())
    assert "Pl4nted" not in result.output


def test_a_secret_in_the_connection_of_virsh_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscaler.cli.examining.DEFAULT_CONFIG", Path("/nonexistent/config.yaml"))
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu+tls://kvm-1/system?token=Pl4nted")
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "LIBVIRT_DEFAULT_URI has a password or a token in it" in " ".join(result.stderr.split())
    assert "Pl4nted" not in result.output


def test_a_host_without_libvirt_python_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("autoscaler.backends.libvirt", "libvirt"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "autoscaler.doctor.gather_libvirt", raising=False)
    monkeypatch.setitem(sys.modules, "libvirt", None)
    monkeypatch.setattr(sys, "argv", ["autoscaler", "doctor", "-c", "test:///default"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "apt install python3-dev" in " ".join(capsys.readouterr().out.split())
