"""A definition is mended: shown, asked for, kept, and done once."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
import pytest
from typer.testing import CliRunner, Result

from autoscaler.cli.main import app
from autoscaler.doctor.facts import Build, DomainFacts, HostFacts, Way
from autoscaler.doctor.finding import Finding, Fix, Severity
from autoscaler.doctor.mending import difference, mended
from tests.fakes.examples import VIEW

URI = "test:///default"
DEFINED = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
FACTS = DomainFacts(
    host=HostFacts(label="qemu:///system", way=Way.LIBVIRT),
    name="web",
    uuid=VIEW.id.uuid,
    view=VIEW,
    plugged=4,
    maximum=4,
    build=Build(starts_with=4, next_maximum=4),
)
TROUBLES = tuple(
    Finding(check=name, severity=Severity.ERROR, seen="", fix=Fix(advice="mend it"))
    for name in ("maximum", "slots", "agent-channel", "machine")
)
DEFINITION = """\
<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0" type="kvm">
  <name>web</name>
  <metadata>
    <a:labels xmlns:a="urn:vcpu-autoscaler:1" tier="gold"/>
  </metadata>
  <vcpu placement="static" cpuset="0-3">4</vcpu>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <cpu>
    <topology sockets="1" dies="1" clusters="1" cores="2" threads="2"/>
  </cpu>
  <devices>
    <!-- kept -->
    <graphics type="vnc" passwd="Planted-1"/>
  </devices>
  <qemu:commandline>
    <qemu:arg value="-foo"/>
  </qemu:commandline>
</domain>"""


@pytest.fixture
def domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[libvirt.virDomain]:
    """The one of libvirt's test driver, which lives as long as a connection to it does."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    connection = libvirt.open(URI)
    domain = connection.lookupByName("test")
    before = domain.XMLDesc(DEFINED)
    yield domain
    connection.defineXML(before)
    connection.close()


def run(*more: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["doctor", "test", "-c", URI, "--fix", *more], input=typed)


def backups(folder: Path) -> list[Path]:
    return sorted(folder.glob("vcpu-autoscaler/definitions/*"))


def test_the_difference_is_shown_and_nothing_is_changed_unasked(
    domain: libvirt.virDomain, tmp_path: Path
) -> None:
    before = domain.XMLDesc(DEFINED)
    shown = run(typed="y\n").stdout
    assert '-  <vcpu placement="static">2</vcpu>' in shown
    assert '+  <vcpu placement="static" current="2">4</vcpu>' in shown
    assert "nothing was changed: --yes applies it" in shown
    assert (domain.XMLDesc(DEFINED), backups(tmp_path)) == (before, [])


def test_it_is_applied_when_that_is_asked_for_with_what_was_kept_in_a_file_of_ones_own(
    domain: libvirt.virDomain, tmp_path: Path
) -> None:
    before = domain.XMLDesc(DEFINED)
    shown = run("--yes").stdout
    after = ET.fromstring(domain.XMLDesc(DEFINED)).find("vcpu")
    assert after is not None
    assert (after.text, after.attrib) == ("4", {"placement": "static", "current": "2"})
    (kept,) = backups(tmp_path)
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == (before, 0o600)
    assert f"kept in {kept}" in shown
    assert f"virsh -c {URI} define {kept}" in shown
    assert domain.maxVcpus() == 2, "it runs on as it did"

    assert "nothing to fix in its definition" in run("--yes").stdout
    assert backups(tmp_path) == [kept], "a second time does nothing"


def test_what_cannot_be_kept_is_not_replaced(
    domain: libvirt.virDomain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    before = domain.XMLDesc(DEFINED)
    result = run("--yes")
    assert (result.exit_code, domain.XMLDesc(DEFINED)) == (1, before)
    assert "nothing was changed: " in result.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fix"], "so name it"),
        (["web", "--yes"], "--yes goes with --fix"),
        (["web", "--fix", "--exercise"], "give --exercise or --fix"),
        (["web", "--fix", "--output", "json"], "shows a difference to people"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["doctor", "-c", URI, *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_each_trouble_is_mended_where_it_lies_and_all_else_stays() -> None:
    after = mended(DEFINITION, FACTS, TROUBLES)
    root = ET.fromstring(after)
    vcpu, topology = root.find("vcpu"), root.find("cpu/topology")
    assert vcpu is not None
    assert topology is not None
    assert (vcpu.text, vcpu.attrib) == ("8", {"placement": "static", "cpuset": "0-3", "current": "4"})
    assert topology.get("sockets") == "2"
    assert [(it.get("enabled"), it.get("hotpluggable")) for it in root.iterfind("vcpus/vcpu")] == [
        *[("yes", "no"), ("yes", "yes"), ("yes", "yes"), ("yes", "yes")],
        *[("no", "yes")] * 4,
    ]
    assert root.find("devices/channel/target[@name='org.qemu.guest_agent.0']") is not None
    assert '\n      <target type="virtio" name="org.qemu.guest_agent.0"/>\n    </channel>' in after
    assert root.find("features/acpi") is not None
    for kept in ("<!-- kept -->", '<a:labels xmlns:a="urn:vcpu-autoscaler:1" tier="gold"/>', "Planted-1"):
        assert kept in after
    assert '<qemu:arg value="-foo"/>' in after
    assert mended(after, FACTS, TROUBLES) == after


def test_a_note_is_no_reason_to_change_anything() -> None:
    notes = [replace(trouble, severity=Severity.NOTE) for trouble in TROUBLES]
    assert mended(DEFINITION, FACTS, notes) == DEFINITION


def test_vcpus_that_are_listed_one_by_one_are_listed_up_to_the_new_maximum() -> None:
    listed = DEFINITION.replace(
        "  <os>",
        "  <vcpus>\n"
        + "".join(f'    <vcpu id="{it}" enabled="yes" hotpluggable="no"/>\n' for it in range(4))
        + "  </vcpus>\n  <os>",
    )
    root = ET.fromstring(mended(listed, FACTS, TROUBLES))
    assert [it.get("id") for it in root.iterfind("vcpus/vcpu")] == [str(it) for it in range(8)]
    assert [it.get("hotpluggable") for it in root.iterfind("vcpus/vcpu")] == ["no"] + ["yes"] * 7


def test_a_difference_shows_no_password() -> None:
    shown = difference(DEFINITION, mended(DEFINITION, FACTS, TROUBLES[2:3]))
    assert "+    <channel" in shown
    assert "passwd" in shown
    assert "Planted-1" not in shown
