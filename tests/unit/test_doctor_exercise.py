"""A guest is exercised: one vCPU more, and back, whatever goes wrong in between."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from autoscaler.cli.main import app
from autoscaler.doctor import exercise
from tests.fakes.scripted_folder import FolderGuest
from tests.fakes.scripted_qmp import Fault

if TYPE_CHECKING:
    from typer.testing import Result


@pytest.fixture
def folder() -> Iterator[Path]:
    """A guest folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="de-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def web(folder: Path) -> Iterator[FolderGuest]:
    """A guest of 1 of 4 vCPUs that follows when it is asked for one."""
    with FolderGuest(folder, "web") as guest:

        def follow(slot: int) -> None:
            guest.guest.unplug()
            guest.qemu.unplug(slot)

        guest.qemu.on_unplug = follow
        yield guest


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exercise, "PATIENCE_S", 0.5)


def run(folder: Path, *more: str) -> Result:
    arguments = ["doctor", "web", "--qmp", str(folder), "--exercise", "--output", "json", *more]
    return CliRunner().invoke(app, arguments)


def found(result: Result) -> dict[str, Any]:
    (host,) = json.loads(result.stdout)["hosts"]
    (domain,) = host["domains"]
    last = domain["findings"][-1]
    assert last["check"] == "exercise"
    return dict(last)


def stages(finding: dict[str, Any]) -> list[str]:
    return re.findall(r"([a-z ]+?) after \d+\.\d\d s", finding["seen"])


def test_one_vcpu_is_added_and_taken_back_and_every_stage_timed(folder: Path, web: FolderGuest) -> None:
    finding = found(run(folder))
    assert (finding["severity"], finding["means"]) == ("ok", "")
    assert [it.strip() for it in stages(finding)] == [
        *("plugged", "listed by the guest", "online", "offline again", "given back")
    ]
    assert (web.qemu.plugged, web.guest.present, web.guest.online) == (1, 1, {0})


def test_where_one_is_plugged_already_it_is_only_brought_online_and_back(
    folder: Path, web: FolderGuest
) -> None:
    web.qemu.plug_next()
    finding = found(run(folder))
    assert [it.strip() for it in stages(finding)] == ["online", "offline again"]
    assert (web.qemu.plugged, web.guest.online) == (2, {0})


def test_a_qemu_that_emulates_cpus_is_asked_for_none_back(folder: Path, web: FolderGuest) -> None:
    web.qemu.kvm = False
    finding = found(run(folder))
    assert (finding["severity"], web.qemu.plugged, web.guest.online) == ("ok", 2, {0})
    assert "stays plugged" in finding["means"]
    assert "device_del" not in [name for name, _ in web.qemu.heard]


@pytest.mark.usefixtures("impatient")
def test_a_guest_that_brings_no_vcpu_online_is_told_of_and_left_as_it_was(
    folder: Path, web: FolderGuest
) -> None:
    web.guest.stubborn = {1}
    result = run(folder)
    finding = found(result)
    assert (result.exit_code, finding["severity"]) == (1, "error")
    assert finding["fix"]["advice"].startswith("it was not online within")
    assert [it.strip() for it in stages(finding)][:2] == ["plugged", "listed by the guest"]
    assert (web.qemu.plugged, web.guest.online) == (1, {0})


@pytest.mark.usefixtures("impatient")
def test_a_guest_that_keeps_the_vcpu_plugged_is_no_error(folder: Path, web: FolderGuest) -> None:
    web.qemu.on_unplug = lambda _slot: None
    finding = found(run(folder))
    assert finding["severity"] == "ok"
    assert finding["means"].startswith("the vCPU stays plugged, which costs little: ")
    assert web.guest.online == {0}


def test_a_plug_that_qemu_refuses_is_told_in_its_words(folder: Path, web: FolderGuest) -> None:
    web.qemu.faults["device_add"] = Fault.REFUSES
    finding = found(run(folder))
    assert finding["severity"] == "error"
    assert finding["seen"] == "the hypervisor denied the vCPU, and nothing was changed"
    assert "the service is denied each growth" in finding["means"]
    assert "refused by the script" in finding["fix"]["advice"]
    assert "device_del" not in [name for name, _ in web.qemu.heard], "nothing is there to be taken back"
    assert web.guest.online == {0}


def begun(folder: Path) -> subprocess.Popen[str]:
    """The same as a process of its own, for signals."""
    program = "from autoscaler.cli.main import main; main()"
    words = ["doctor", "web", "--qmp", str(folder), "--exercise", "--output", "json"]
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_exercise_that_is_stopped_takes_back_what_it_added(
    folder: Path, web: FolderGuest, signum: signal.Signals, code: int
) -> None:
    web.guest.stubborn = {1}
    with begun(folder) as process:
        until(lambda: web.qemu.plugged == 2)
        process.send_signal(signum)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, web.qemu.plugged, web.guest.online) == (code, 1, {0})
    assert "taken back first; once more ends at once" in err
    (host,) = json.loads(out)["hosts"]
    assert host["domains"][0]["findings"][-1]["means"] == "it was stopped; the guest is as it was before"


def test_a_second_ctrl_c_ends_at_once_and_says_what_is_left_behind(folder: Path, web: FolderGuest) -> None:
    web.guest.stubborn = {1}
    web.qemu.on_unplug = lambda _slot: None
    with begun(folder) as process:
        until(lambda: web.qemu.plugged == 2)
        process.send_signal(signal.SIGINT)
        until(lambda: "device_del" in [name for name, _ in web.qemu.heard])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
    assert (process.returncode, out) == (130, "")
    assert "ended at once: domain web may run one vCPU more than before" in err
    assert "device_del on its monitor takes it back" in err


class _Unforeseen(Exception):
    pass


def test_whatever_breaks_an_exercise_what_was_added_is_taken_back(
    folder: Path, web: FolderGuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bool:
        raise _Unforeseen

    monkeypatch.setattr(exercise.Exercise, "_listed", broken)
    assert isinstance(run(folder).exception, _Unforeseen)
    assert (web.qemu.plugged, web.guest.online) == (1, {0})


def test_a_guest_that_is_full_is_told_how_to_get_room(folder: Path, web: FolderGuest) -> None:
    for _ in range(3):
        web.qemu.plug_next()
    web.guest.online = {0, 1, 2, 3}
    finding = found(run(folder))
    assert finding["severity"] == "warning"
    assert "maxcpus=8" in finding["fix"]["advice"]


def test_a_domain_with_errors_or_in_a_job_is_not_changed(folder: Path, web: FolderGuest) -> None:
    web.qemu.migration = "active"
    assert "migration" in found(run(folder))["means"]
    web.qemu.migration = None
    web.guest.blocked = {"guest-set-vcpus", "guest-file-write"}
    assert found(run(folder))["means"] == "mend the errors above first"
    assert "device_add" not in [name for name, _ in web.qemu.heard]


@pytest.mark.parametrize("written", ["off", "No"])
def test_a_domain_that_its_owner_keeps_out_is_left_alone(
    tmp_path: Path, folder: Path, web: FolderGuest, written: str
) -> None:
    home = folder / "web"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"version: 1\nconnections: [{{qmp: [{{name: web, qmp: 'unix:{home}/qmp.sock', "
        f"agent: 'unix:{home}/agent.sock', labels: {{autoscaling: '{written}'}}}}]}}]\npolicies: [none]\n"
    )
    words = ["doctor", "web", "--config.file", str(config), "--exercise", "--output", "json"]
    finding = found(CliRunner().invoke(app, words))
    assert (finding["severity"], finding["seen"]) == ("note", "it was not exercised")
    assert finding["means"] == "its owner keeps it out by the label autoscaling='off'"
    assert "device_add" not in [name for name, _ in web.qemu.heard]
    assert not [name for name in web.agent.asked if "set" in name or "write" in name]


def test_of_two_guests_that_are_called_so_the_one_whose_uuid_is_given_is_exercised(
    tmp_path: Path, folder: Path, web: FolderGuest
) -> None:
    (folder / "more").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"version: 1\nconnections: [{{qmp: {folder}}}, {{qmp: {folder}/more}}]\npolicies: [none]\n"
    )
    words = ["--config.file", str(config), "--exercise", "--output", "json"]
    with FolderGuest(folder / "more", "web") as other:
        refused = CliRunner().invoke(app, ["doctor", "web", *words])
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert f"{web.qemu.uuid} at qmp:{folder}, {other.qemu.uuid} at qmp:{folder}/more" in refused.stderr
        assert "device_add" not in [name for guest in (web, other) for name, _ in guest.qemu.heard]

        done = CliRunner().invoke(app, ["doctor", web.qemu.uuid, *words])
        last = [host["domains"][0]["findings"][-1] for host in json.loads(done.stdout)["hosts"][:1]]
        assert [(it["check"], it["severity"]) for it in last] == [("exercise", "ok")]
        assert "device_add" not in [name for name, _ in other.qemu.heard]


def test_no_domain_is_changed_that_was_not_named(folder: Path, web: FolderGuest) -> None:
    result = CliRunner().invoke(app, ["doctor", "--qmp", str(folder), "--exercise"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert web.qemu.heard == []
