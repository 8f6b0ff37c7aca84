"""One connection: lazily opened, opened anew, never in a hurry, with a sentence for each way of failing."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import libvirt
import pytest

from autoscaler.backends.libvirt.link import LibvirtLink
from autoscaler.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SetClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def link(clock: SetClock) -> Iterator[LibvirtLink]:
    link = LibvirtLink("test:///default", clock=clock)
    yield link
    link.close()


def missing_socket(folder: Path) -> str:
    return f"qemu+unix:///system?socket={folder}/libvirt-sock"


def test_a_connection_is_kept_while_it_is_alive(link: LibvirtLink) -> None:
    assert link.connection() is link.connection()


def test_a_connection_that_broke_is_opened_anew(link: LibvirtLink) -> None:
    broken = link.connection()
    broken.close()

    assert link.connection() is not broken


def test_a_closed_link_stays_closed(link: LibvirtLink) -> None:
    link.connection()
    link.close()

    with pytest.raises(BackendUnavailable, match="closed"):
        link.connection()


def test_a_read_only_link_cannot_change_a_guest(clock: SetClock) -> None:
    link = LibvirtLink("test:///default", clock=clock, read_only=True)

    with pytest.raises(libvirt.libvirtError, match="read only"):
        link.connection().lookupByName("test").setVcpusFlags(1, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    link.close()


def test_a_failure_is_repeated_without_trying_until_its_time_has_come(
    clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried_at_s: list[float] = []
    really_open = libvirt.open

    def noted(uri: str) -> libvirt.virConnect:
        tried_at_s.append(clock.now_s)
        return really_open(uri)

    monkeypatch.setattr(libvirt, "open", noted)
    link = LibvirtLink(missing_socket(tmp_path), clock=clock)
    for tenth in range(40):
        clock.now_s = tenth / 10
        with pytest.raises(BackendUnavailable, match="is libvirtd"):
            link.connection()

    assert tried_at_s == [0, 0.5, 1.5, 2.5, 3.5]


def test_it_connects_once_the_daemon_is_there(clock: SetClock, tmp_path: Path) -> None:
    state = tmp_path / "state.xml"
    link = LibvirtLink(f"test://{state}", clock=clock)
    with pytest.raises(BackendUnavailable):
        link.connection()

    state.write_text("<node/>")
    clock.now_s = 1.0

    assert link.connection().isAlive() == 1
    link.close()


def test_a_daemon_that_is_not_there_is_named_with_the_command_that_starts_it(
    clock: SetClock, tmp_path: Path
) -> None:
    link = LibvirtLink(missing_socket(tmp_path), clock=clock)

    with pytest.raises(BackendUnavailable) as told:
        link.connection()

    assert f"{tmp_path}/libvirt-sock" in str(told.value)
    assert "`systemctl start virtqemud.socket`" in str(told.value)


def test_a_dead_socket_file_reads_like_a_daemon_that_is_not_there(clock: SetClock, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "libvirt-sock"))
    link = LibvirtLink(missing_socket(tmp_path), clock=clock)

    with pytest.raises(BackendUnavailable, match="is libvirtd"):
        link.connection()


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        pytest.param("nonsense", "write one as qemu:///system", id="no driver in it"),
        pytest.param("qemu:///embed", "qemu:///embed\\?root=/absolute/folder", id="embed without a root"),
        pytest.param(
            "qemu:///embed?root=here", "root path must be absolute", id="embed with a relative root"
        ),
        pytest.param("test:///dev/null", "virsh -c test:///dev/null list", id="anything else"),
    ],
)
def test_a_uri_that_cannot_work_says_how_to_write_one(uri: str, advice: str, clock: SetClock) -> None:
    link = LibvirtLink(uri, clock=clock)

    with pytest.raises(BackendUnavailable, match=advice):
        link.connection()
