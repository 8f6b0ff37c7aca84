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

from autoscaler.backends.libvirt.inspection import LibvirtDomain
from autoscaler.cli.main import app
from autoscaler.doctor.facts import DomainFacts, HostFacts, Way
from autoscaler.doctor.finding import Finding, Fix, Mend, Part, Severity
from autoscaler.doctor.from_libvirt import build_of, vcpus_of
from autoscaler.doctor.mending import difference, mended
from autoscaler.doctor.report import report_of
from tests.fakes.libvirt_domains import pretend_domain

URI = "test:///default"
DEFINED = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
TROUBLES = tuple(
    Finding(check=name, severity=Severity.ERROR, seen="", fix=Fix(advice="mend it", mend=mend))
    for name, mend in (
        ("maximum", Mend(part=Part.MAXIMUM, maximum=8)),
        ("slots", Mend(part=Part.SLOTS)),
        ("agent-channel", Mend(part=Part.CHANNEL)),
        ("machine", Mend(part=Part.ACPI)),
    )
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


TWICE = {
    "another UUID": (
        "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11",
        "give its UUID, or its connection by -c URI or --qmp FOLDER",
    ),
    "the same UUID": (
        "6695eb01-f6a4-8304-79aa-97f2502e193f",
        "give its connection by -c URI or --qmp FOLDER",
    ),
}


@pytest.mark.parametrize(("uuid", "advice"), TWICE.values(), ids=TWICE)
def test_of_two_domains_that_are_called_so_none_is_changed(
    domain: libvirt.virDomain, tmp_path: Path, uuid: str, advice: str
) -> None:
    other = pretend_domain("test", vcpus=2, maximum=2).replace("<memory", f"<uuid>{uuid}</uuid><memory")
    (tmp_path / "node.xml").write_text(f"<node>{other}</node>")
    elsewhere = f"test://{tmp_path}/node.xml"
    config = tmp_path / "config.yaml"
    config.write_text(
        f"version: 1\nconnections: [{{libvirt: '{URI}'}}, {{libvirt: '{elsewhere}'}}]\npolicies: [none]\n"
    )
    before = domain.XMLDesc(DEFINED)
    words = ["doctor", "test", "--config.file", str(config)]

    result = CliRunner().invoke(app, [*words, "--fix", "--yes"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{domain.UUIDString()} at {URI}, {uuid} at {elsewhere}" in result.stderr
    assert result.stderr.rstrip().endswith(advice)
    assert (domain.XMLDesc(DEFINED), backups(tmp_path)) == (before, [])

    assert CliRunner().invoke(app, words).stdout.count("Domain test") == 2, "to look at both is well"


def test_one_of_two_is_mended_by_its_uuid(domain: libvirt.virDomain, tmp_path: Path) -> None:
    (tmp_path / "node.xml").write_text(f"<node>{pretend_domain('test', vcpus=2, maximum=2)}</node>")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"version: 1\nconnections: [{{libvirt: 'test://{tmp_path}/node.xml'}}, {{libvirt: '{URI}'}}]\n"
        "policies: [none]\n"
    )
    words = ["doctor", domain.UUIDString(), "--config.file", str(config), "--fix", "--yes"]
    assert "applied; it takes effect" in CliRunner().invoke(app, words).stdout
    assert ET.fromstring(domain.XMLDesc(DEFINED)).findtext("vcpu") == "4"


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
    after = mended(DEFINITION, TROUBLES)
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
    assert mended(after, TROUBLES) == after


def test_a_note_is_no_reason_to_change_anything() -> None:
    notes = [replace(trouble, severity=Severity.NOTE) for trouble in TROUBLES]
    assert mended(DEFINITION, notes) == DEFINITION


def test_a_trouble_that_no_change_of_the_definition_is_advised_for_changes_nothing() -> None:
    advised = [replace(trouble, fix=Fix(advice="do something else")) for trouble in TROUBLES]
    assert mended(DEFINITION, advised) == DEFINITION


UUID = "4075f59a-2fbe-43fd-a06b-6ca476df5105"
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def asleep(*, arch: str, machine: str, vcpus: str, devices: str = "") -> str:
    """A definition without ACPI."""
    return (
        f"<domain type='kvm'><name>web</name><uuid>{UUID}</uuid><memory>65536</memory>{vcpus}"
        f"<os><type arch='{arch}' machine='{machine}'>hvm</type></os><devices>{devices}</devices></domain>"
    )


def findings_of(definition: str) -> tuple[Finding, ...]:
    """What the doctor finds in a domain that does not run."""
    record = LibvirtDomain(uuid=UUID, name="web", active=False, description=definition, definition=definition)
    host = HostFacts(label="qemu:///system", way=Way.LIBVIRT)
    plugged, maximum = vcpus_of(record)
    facts = DomainFacts(
        host=host,
        name="web",
        uuid=UUID,
        view=None,
        plugged=plugged,
        maximum=maximum,
        build=build_of(record),
    )
    (report,) = report_of(host, [facts]).domains
    return report.findings


def test_of_a_domain_of_an_architecture_that_was_never_tried_only_what_is_named_is_mended() -> None:
    arm = asleep(arch="aarch64", machine="virt-7.2", vcpus="<vcpu current='1'>2</vcpu>", devices=CHANNEL)
    findings = findings_of(arm)
    assert [it.check for it in findings if it.severity is Severity.WARNING] == ["machine"]
    assert mended(arm, findings) == arm


@pytest.mark.parametrize("machine", ["microvm", "isapc"])
def test_to_a_machine_that_has_to_be_another_one_nothing_is_added(machine: str) -> None:
    bare = asleep(arch="x86_64", machine=machine, vcpus="<vcpu>2</vcpu>")
    findings = findings_of(bare)
    worse = {it.check for it in findings if it.severity.rank > Severity.NOTE.rank}
    assert worse == {"maximum", "slots", "agent-channel", "machine"}
    assert mended(bare, findings) == bare


def test_of_a_machine_that_takes_them_channel_maximum_and_acpi_are_mended() -> None:
    bare = asleep(arch="x86_64", machine="q35", vcpus="<vcpu>2</vcpu>")
    root = ET.fromstring(mended(bare, findings_of(bare)))
    assert (root.findtext("vcpu"), root.find("vcpus")) == ("4", None)
    assert root.find("devices/channel") is not None
    assert root.find("features/acpi") is not None


def test_a_higher_maximum_that_only_waits_for_a_restart_stays_as_it_was_defined(
    domain: libvirt.virDomain,
) -> None:
    domain.setVcpusFlags(3, libvirt.VIR_DOMAIN_AFFECT_CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)
    before = domain.XMLDesc(DEFINED)
    shown = " ".join(run("--yes").stdout.split())
    assert "Its definition has a maximum of 3: stop it and start it." in shown
    assert "nothing to fix in its definition" in shown
    assert domain.XMLDesc(DEFINED) == before


def test_vcpus_that_are_listed_one_by_one_are_listed_up_to_the_new_maximum() -> None:
    listed = DEFINITION.replace(
        "  <os>",
        "  <vcpus>\n"
        + "".join(f'    <vcpu id="{it}" enabled="yes" hotpluggable="no"/>\n' for it in range(4))
        + "  </vcpus>\n  <os>",
    )
    root = ET.fromstring(mended(listed, TROUBLES))
    assert [it.get("id") for it in root.iterfind("vcpus/vcpu")] == [str(it) for it in range(8)]
    assert [it.get("hotpluggable") for it in root.iterfind("vcpus/vcpu")] == ["no"] + ["yes"] * 7


def test_a_difference_shows_no_password() -> None:
    shown = difference(DEFINITION, mended(DEFINITION, TROUBLES[2:3]))
    assert "+    <channel" in shown
    assert "passwd" in shown
    assert "Planted-1" not in shown


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<qemu:commandline>", "</qemu:commandline>"),
        ('<sysinfo type="fwcfg">', "</sysinfo>"),
    ],
)
@pytest.mark.parametrize("secret_lines", [2, 9])
def test_a_difference_shows_no_secret_whose_tags_it_leaves_out(
    opening: str, closing: str, secret_lines: int
) -> None:
    """It shows three lines beside each that differs."""
    secret = "".join(f'    <entry name="opt/{it}">Planted-2</entry>\n' for it in range(secret_lines))
    before = DEFINITION.replace("  <vcpu ", f"  {opening}\n{secret}  {closing}\n  <vcpu ").replace(
        "  </devices>\n", f"  </devices>\n  {opening}\n{secret}  {closing}\n"
    )
    shown = difference(before, mended(before, TROUBLES))
    assert "+    <channel" in shown
    assert "Planted-2" not in shown
