"""The support archive: all that helps, and no secret of those that were planted."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autoscaler.cli import bundle
from autoscaler.cli.main import app
from autoscaler.doctor.redacted import redacted, redacted_xml
from autoscaler.policyfile.strict_yaml import read_document
from autoscaler.policyfile.text_file import decode
from tests.fakes.examples import POLICY
from tests.fakes.simulated_guest import SimulatedClock, SimulatedGuest
from tests.fakes.simulated_host import SimulatedHost
from tests.fakes.simulation import Simulation

PLANTED = "Pl4nted"
CONFIG = f"""\
version: 1
# the old password was {PLANTED}
connections: [{{libvirt: "test:///default"}}]
policies: [web.yaml]
state: state
webhook: {{url: "https://hooks.example.net/services/{PLANTED}?token={PLANTED}"}}
"""
POLICIES = f"version: 1\npolicies:  # api_key: {PLANTED}\n  - {{name: web, match: {{name: [test]}}}}\n"
LOG = f"""\
WARNING https://hooks.example.net/services/{PLANTED} refused it
Authorization: Bearer {PLANTED}
password={PLANTED} token: '{PLANTED} more'
qemu+ssh://root:{PLANTED}@host/system answers again
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with secrets wherever they can be, beside a log and metrics that have some."""
    monkeypatch.setattr(bundle, "_log", lambda: LOG)
    monkeypatch.setattr(bundle, "_metrics", lambda _: f'a{{host="qemu+ssh://u:{PLANTED}@h/system"}} 1\n')
    (tmp_path / "web.yaml").write_text(POLICIES)
    (tmp_path / "state").mkdir()
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def run(config: Path, file: Path) -> Result:
    return CliRunner().invoke(app, ["doctor", "--config.file", str(config), "--bundle", str(file)])


def members(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        return {
            member.name.partition("/")[2]: io.TextIOWrapper(opened).read()
            for member in archive.getmembers()
            if (opened := archive.extractfile(member)) is not None
        }


def test_it_has_all_that_helps_for_its_owner_alone_and_no_secret(config: Path, tmp_path: Path) -> None:
    clock = SimulatedClock()
    host = SimulatedHost(clock, [SimulatedGuest("web-1", clock)])
    Simulation(host, [POLICY], folder=tmp_path / "state").run(3)
    file = tmp_path / "bundle.tar.gz"

    result = run(config, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = members(file)
    assert set(found) == {
        *("README.txt", "doctor.json", "versions.json", "config.yaml", "policies/000-web.yaml"),
        *("decisions.json", "metrics.txt", "log.txt"),
    }
    assert [name for name, text in found.items() if PLANTED in text or "not at hand" in text] == []
    assert json.loads(found["doctor.json"])["hosts"][0]["domains"][0]["name"] == "test"
    assert "https://hooks.example.net" in found["log.txt"]
    assert "name: web" in found["policies/000-web.yaml"]
    assert json.loads(found["decisions.json"])
    assert all(name.partition("/")[0] in found["README.txt"] for name in found if name != "README.txt")
    assert "Look it over" in result.stderr


PECULIAR = (
    r"""
version: 1
on: [begun, ended, no, ~, 017, 0x1F, 1e3, 2026-01-01]
to: 22:30
quoted: {"on": "on", 'x': '22:30', "*": "*", empty: "", nothing: }
lines: "a\nb\tc"
more: |
  one
  two
"<<": [[], {}, "# none", "a: b", "ü", "&a"]
long: """
    + "word " * 60
)


def test_yaml_reads_as_it_was_written(config: Path, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(PECULIAR)
    run(config, tmp_path / "bundle.tar.gz")
    text = members(tmp_path / "bundle.tar.gz")["policies/000-web.yaml"]
    assert "\nto: 22:30\n" in text
    assert "\non:\n- begun\n" in text
    again, before = (read_document(decode("f", it.encode())) for it in (text, PECULIAR))
    assert (again.data, again.problems) == (before.data, ())


def test_yaml_that_would_grow_beyond_bounds_does_not(config: Path, tmp_path: Path) -> None:
    laughs = "".join(f"a{it}: &a{it} [{', '.join([f'*a{it - 1}'] * 9)}]\n" for it in range(1, 40))
    (tmp_path / "web.yaml").write_text(f"a0: &a0 ha\n{laughs}")
    run(config, tmp_path / "bundle.tar.gz")
    text = members(tmp_path / "bundle.tar.gz")["policies/000-web.yaml"]
    assert text.startswith("a0: ha\n")
    assert len(text) < 10_000


def test_nothing_is_written_over(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "there"
    file.write_text("kept")
    result = run(config, file)
    assert (result.exit_code, file.read_text()) == (2, "kept")
    assert "name another file" in result.stderr


def test_what_cannot_be_had_says_so_in_its_place(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "bundle.tar.gz"
    run(config, file)
    assert members(file)["decisions.json"].startswith("not at hand: ")


def test_the_log_of_each_of_the_three_processes_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journalctl = tmp_path / "bin/journalctl"
    journalctl.parent.mkdir()
    journalctl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(journalctl.parent), prepend=":")
    file = tmp_path / "bundle.tar.gz"
    CliRunner().invoke(app, ["doctor", "-c", "test:///default", "--bundle", str(file)])
    asked = [word for word in members(file)["log.txt"].split() if word.startswith("--unit")]
    units = {unit.stem for unit in Path("deploy/systemd").glob("*.service")}
    assert {word.removeprefix("--unit=") for word in asked} == units


@pytest.mark.parametrize(
    "text",
    [
        f"http://joe:{PLANTED}@host/",
        f"qemu+ssh://{PLANTED}@host/system",
        f"PASSWORD: {PLANTED}",
        f"db_password='{PLANTED} {PLANTED}'",
        f"X-Api-Key: {PLANTED}",
        f"Cookie: a={PLANTED}; b={PLANTED}",
        f"Basic {PLANTED}Q6cGFzcw==",
        f'{{"access_token": "{PLANTED}"}}',
        f"https://host/a/{PLANTED}/b?x={PLANTED}#{PLANTED}",
        f"HTTPS://hooks.example.net/services/T00/B00/{PLANTED}",
        f"https://example.net?{PLANTED}",
        f"https://example.net#{PLANTED}",
        f"https://example.net/a;b,c)'{PLANTED}",
        f"https://joe:{PLANTED}@{PLANTED}@example.net",
        f"qemu+ssh://bob%3A{PLANTED}@host/system",
        f"qemu+ssh://bob:{PLANTED}/{PLANTED}@host/system",
        f"qemu+tls://host/system?no_verify=1&pwd={PLANTED};pa%73s={PLANTED}&x={PLANTED}",
        f"qemu+tls://host/system?{PLANTED}",
        f"qemu+tls://host/system?name=qemu%2Btls%3A%2F%2Fbob%3A{PLANTED}%40host",
        f"prometheus: $2y$10$abcdefghijklmnopqrstuu{PLANTED}.Z1Z1Z1Z1Z1Z1Z1Z1/Z1Z1Z",
        f"root:$6$salt${PLANTED}abcdefgh:19000",
        f"$argon2id$v=19$m=65536,t=3,p=4${PLANTED}",
        f"-----BEGIN EC PRIVATE KEY-----\nMHcCAQ{PLANTED}\n-----END EC PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\nMHcCAQ{PLANTED}\n",
    ],
)
def test_a_secret_is_hidden_in_whatever_text(text: str) -> None:
    assert PLANTED not in redacted(text)


@pytest.mark.parametrize("word", ["a", "pass", "a.b-"])
def test_a_long_word_is_looked_through_at_once(word: str) -> None:
    text = word * (60_000 // len(word))
    begun_s = time.monotonic()
    assert redacted(f"{text} token=PLANTED") == f"{text} token=REDACTED"
    assert time.monotonic() - begun_s < 10


@pytest.mark.parametrize(
    "xml",
    [
        f"<graphics type='vnc' passwd='{PLANTED}'/>",
        f'<graphics type="spice" passwd="{PLANTED}" passwdValidTo="2027"/>',
        f"<launchSecurity type='sev'><session>{PLANTED}</session></launchSecurity>",
        f"<qemu:commandline><qemu:arg value='secret,data={PLANTED}'/></qemu:commandline>",
    ],
)
def test_a_secret_is_hidden_in_a_domains_xml(xml: str) -> None:
    assert PLANTED not in redacted_xml(xml)


def test_what_is_no_secret_stays() -> None:
    text = "domain 'web-1' runs 2 vCPUs: see `virsh -c qemu:///system vcpucount web-1`"
    assert redacted(text) == text
    uri = "qemu+ssh://host:22/system?socket=/run/a&NO_tty=1;name=qemu:///system"
    assert redacted(f"'{uri}' answers again") == f"'{uri}' answers again"
    assert redacted_xml("<vcpu current='2'>4</vcpu>") == "<vcpu current='2'>4</vcpu>"
