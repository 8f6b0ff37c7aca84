"""What is read of a host itself, on this one and at the other end of a libvirt connection."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import libvirt
import pytest

from autoscaler.backends.host import LocalHostProbe, is_local, machine_of
from autoscaler.backends.libvirt.host import LibvirtHostProbe
from autoscaler.backends.libvirt.link import LibvirtLink
from autoscaler.errors import BackendUnavailable
from tests.fakes.libvirt_domains import RealClock

PSI = """\
some avg10=12.50 avg60=30.40 avg300=22.39 total=117704225
full avg10=99.00 avg60=0.00 avg300=0.00 total=0
"""


def probe(folder: Path, *, online: str | None = "0-3\n", pressure: str | None = PSI) -> LocalHostProbe:
    """A probe of a host whose kernel writes these files; None: it does not."""
    for name, text in (("online", online), ("pressure", pressure)):
        if text is not None:
            (folder / name).write_text(text)
    return LocalHostProbe(clock=RealClock(), online=folder / "online", pressure=folder / "pressure")


@pytest.mark.parametrize(
    ("online", "expected"),
    [("0\n", 1), ("0-3\n", 4), ("0-3,6,8-11\n", 9), ("0,2,4\n", 3), ("0-1023\n", 1024)],
)
def test_the_online_cpus_are_counted(tmp_path: Path, online: str, expected: int) -> None:
    assert probe(tmp_path, online=online).view().cpus == expected


@pytest.mark.parametrize("online", [None, "", "all\n"])
def test_where_the_kernel_does_not_list_them_the_cpus_are_counted_otherwise(
    tmp_path: Path, online: str | None
) -> None:
    assert probe(tmp_path, online=online).view().cpus == os.cpu_count()


def test_cpus_that_nobody_counts_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    with pytest.raises(BackendUnavailable, match=f"is {tmp_path}/online readable"):
        probe(tmp_path, online=None).view()


def test_the_pressure_is_that_of_some_tasks_over_ten_seconds(tmp_path: Path) -> None:
    assert probe(tmp_path).view().pressure_ratio == 0.125


@pytest.mark.parametrize(
    "pressure",
    [
        pytest.param(None, id="no file"),
        pytest.param("", id="empty"),
        pytest.param("some avg10=\n", id="no figure"),
        pytest.param("full avg10=1.00 avg60=0.00\n", id="of all tasks only"),
    ],
)
def test_pressure_that_cannot_be_read_is_not_a_zero(tmp_path: Path, pressure: str | None) -> None:
    assert probe(tmp_path, pressure=pressure).view().pressure_ratio is None


def test_pressure_that_may_not_be_read_is_not_a_zero(tmp_path: Path) -> None:
    host = probe(tmp_path)
    (tmp_path / "pressure").unlink()
    (tmp_path / "pressure").mkdir()
    assert host.view().pressure_ratio is None


def test_each_view_is_read_anew(tmp_path: Path) -> None:
    host = probe(tmp_path)
    host.view()
    (tmp_path / "online").write_text("0-7\n")
    (tmp_path / "pressure").write_text(PSI.replace("12.50", "80.00"))
    assert (host.view().cpus, host.view().pressure_ratio) == (8, 0.8)


def test_this_host_can_be_read() -> None:
    clock = RealClock()
    before_s = clock.monotonic_s()
    view = LocalHostProbe(clock=clock).view()
    assert before_s <= view.at_s <= clock.monotonic_s()
    assert view.cpus >= len(os.sched_getaffinity(0))
    assert view.pressure_ratio is None or 0 <= view.pressure_ratio <= 1


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("qemu:///system", True),
        ("qemu:///session", True),
        ("qemu:///embed?root=/srv/guests", True),
        ("qemu+unix:///system?socket=/run/other/libvirt-sock", True),
        ("qemu+ssh://root@host.example/system", False),
        ("qemu+ssh:///system", False),
        ("qemu+tcp://127.0.0.1/system", False),
        ("qemu://host.example/system", False),
        ("qemu+ext:///system?command=/opt/tunnel", False),
        ("test:///default", False),
    ],
)
def test_a_uri_is_local_only_where_its_guests_surely_run_here(uri: str, *, local: bool) -> None:
    assert is_local(uri) is local


def test_libvirt_tells_the_cpus_of_its_host_and_nothing_of_its_pressure(tmp_path: Path) -> None:
    pretended = "<cpu><mhz>1400</mhz><model>x</model><active>40</active><nodes>1</nodes><sockets>2</sockets>"
    (tmp_path / "host.xml").write_text(f"<node>{pretended}<cores>10</cores><threads>2</threads></cpu></node>")
    host = LibvirtHostProbe(f"test://{tmp_path}/host.xml", clock=RealClock())

    view = host.view()

    assert (view.cpus, view.pressure_ratio) == (40, None)
    host.close()


def test_a_libvirt_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    host = LibvirtHostProbe(f"qemu+unix:///system?socket={tmp_path}/none", clock=RealClock())

    with pytest.raises(BackendUnavailable, match="is libvirtd"):
        host.view()


def test_a_libvirt_that_fails_is_an_error_with_the_command_that_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection breaks between being found alive and being asked."""
    broken = libvirt.open("test:///default")
    broken.close()
    monkeypatch.setattr(LibvirtLink, "connection", lambda _: broken)

    with pytest.raises(BackendUnavailable, match="`virsh -c test:///default nodeinfo`"):
        LibvirtHostProbe("test:///default", clock=RealClock()).view()


def test_a_closed_probe_stays_closed() -> None:
    host = LibvirtHostProbe("test:///default", clock=RealClock())
    host.view()
    host.close()

    with pytest.raises(BackendUnavailable, match="closed"):
        host.view()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("qemu:///system", ""),
        ("qemu+unix:///session?socket=/run/x.sock", ""),
        ("qemu+ssh://root@localhost/system", ""),
        ("qemu+tcp://[::1]/system", ""),
        (f"qemu+ssh://{socket.gethostname().upper()}/system", ""),
        ("qemu+ssh://root@kvm-1/system", "kvm-1"),
        ("qemu+tls://KVM-1/system", "kvm-1"),
        ("qemu://kvm-1/session", "kvm-1"),
        ("qemu+tcp://localhost:16510/system", "localhost:16510"),
        ("test:///default", "test:///default"),
    ],
)
def test_two_ways_to_one_machine_are_known_by_one_name(uri: str, expected: str) -> None:
    assert machine_of(uri) == expected
