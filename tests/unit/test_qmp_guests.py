from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoscaler.backends.address import Address, TcpAddress, UnixAddress, parse_address
from autoscaler.backends.qmp.guests import GuestFolder, GuestList, QmpGuest
from autoscaler.errors import BackendUnavailable


@pytest.mark.parametrize(
    ("text", "expected", "printed"),
    [
        pytest.param("unix:/run/a.sock", UnixAddress("/run/a.sock"), "unix:/run/a.sock", id="unix"),
        pytest.param("/run/a.sock", UnixAddress("/run/a.sock"), "unix:/run/a.sock", id="plain path"),
        pytest.param("tcp:kvm1:4444", TcpAddress("kvm1", 4444), "tcp:kvm1:4444", id="tcp"),
        pytest.param("tcp:[::1]:4444", TcpAddress("::1", 4444), "tcp:[::1]:4444", id="tcp over IPv6"),
    ],
)
def test_an_address_is_read_and_printed(text: str, expected: Address, printed: str) -> None:
    address = parse_address(text)

    assert expected == address
    assert printed == str(address)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "no socket address", id="empty"),
        pytest.param("unix:run/a.sock", "no socket address", id="relative path"),
        pytest.param("http://x", "no socket address", id="another scheme"),
        pytest.param("/a\0b", "NUL", id="NUL in the path"),
        pytest.param("/" + "a" * 107, "over 107 bytes", id="path too long for a socket"),
        pytest.param("/" + "ä" * 54, "over 107 bytes", id="counted in bytes, not characters"),
        pytest.param("tcp:kvm1", "no socket address", id="no port"),
        pytest.param("tcp::4444", "no socket address", id="no host"),
        pytest.param("tcp:::1:4444", "no socket address", id="IPv6 without brackets"),
        pytest.param("tcp:[kvm1]:4444", "no socket address", id="brackets around a name"),
        pytest.param("tcp:kvm1:0", "no usable port", id="port zero"),
        pytest.param("tcp:kvm1:65536", "no usable port", id="port too high"),
        pytest.param("tcp:kvm1:٤٤", "no usable port", id="port in other digits"),
    ],
)
def test_a_wrong_address_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_address(text)


def test_the_longest_possible_socket_path_is_taken() -> None:
    assert UnixAddress("/" + "a" * 106) == parse_address("/" + "a" * 106)


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        pytest.param(("web", "/run/2"), "two guests are called web", id="same name"),
        pytest.param(("db", "/run/1"), "web and db share unix:/run/1", id="same socket"),
    ],
)
def test_a_list_refuses_guests_that_cannot_be_told_apart(second: tuple[str, str], complaint: str) -> None:
    guests = [QmpGuest(name=name, qmp=parse_address(qmp)) for name, qmp in (("web", "/run/1"), second)]

    with pytest.raises(ValueError, match=complaint):
        GuestList(guests)


def test_a_folder_is_looked_at_anew_each_time(tmp_path: Path) -> None:
    folder = GuestFolder(tmp_path)

    assert folder.guests() == ()

    for name in ("web", "db"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "qmp.sock").touch()
    (tmp_path / "web" / "agent.sock").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").touch()

    db, web = folder.guests()
    assert QmpGuest(name="db", qmp=UnixAddress(f"{tmp_path}/db/qmp.sock")) == db
    assert UnixAddress(f"{tmp_path}/web/agent.sock") == web.agent

    (tmp_path / "web" / "qmp.sock").unlink()
    assert [guest.name for guest in folder.guests()] == ["db"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("bad name", id="a space"),
        pytest.param(".hidden", id="a leading dot"),
        pytest.param("evil\n", id="a line break"),
        pytest.param("näme", id="not ASCII"),
        pytest.param("x" * 64, id="too long"),
    ],
)
def test_a_folder_with_an_unusable_name_is_ignored_and_told_of_as_long_as_it_is_there(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "qmp.sock").touch()
    folder = GuestFolder(tmp_path)

    assert folder.guests() == folder.guests() == ()
    ((shown, why),) = folder.refused.items()
    assert shown == repr(name)[1:-1]
    assert why.startswith(f"its folder in {tmp_path} is ignored: its name may only have letters")

    (tmp_path / name).rename(tmp_path / "web")
    assert [guest.name for guest in folder.guests()] == ["web"]
    assert folder.refused == {}


def test_a_name_that_is_no_text_is_told_of_as_it_can_be_shown(tmp_path: Path) -> None:
    home = Path(os.fsdecode(os.fsencode(tmp_path) + b"/evil\xff"))
    home.mkdir()
    (home / "qmp.sock").touch()
    folder = GuestFolder(tmp_path)
    assert folder.guests() == ()
    assert [*folder.refused] == ["evil\\udcff"]


def test_a_folder_too_deep_for_a_socket_is_ignored_and_told_of(tmp_path: Path) -> None:
    home = tmp_path / ("d" * 100) / "web"
    home.mkdir(parents=True)
    (home / "qmp.sock").touch()

    folder = GuestFolder(home.parent)
    assert folder.guests() == ()
    assert "over 107 bytes" in folder.refused["web"]


def test_a_folder_that_is_not_there_is_an_unavailable_backend(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="cannot be read"):
        GuestFolder(tmp_path / "absent").guests()
