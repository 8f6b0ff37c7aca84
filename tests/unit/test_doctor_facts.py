"""How the doctor reads a domain's XML, QEMU's words, and what a guest tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.backends.agent.inspection import OWN_RULE, AgentInspection, AgentInspector, brings_online
from autoscaler.backends.host import numa_nodes
from autoscaler.backends.libvirt.inspection import LibvirtDomain, nodes_in
from autoscaler.backends.qmp.inspection import QemuInspection, QemuSlot
from autoscaler.core.model import CpuSource
from autoscaler.doctor import from_qmp
from autoscaler.doctor.facts import Build, Slot, Topology, listed
from autoscaler.doctor.from_libvirt import build_of, cpus_in, vcpus_of
from autoscaler.errors import AgentUnresponsive, DomainFrozen
from autoscaler.service.clock import SystemClock
from tests.fakes.guest_channel import WEB, GuestChannel
from tests.fakes.scripted_guest import ScriptedGuest

RULE = 'SUBSYSTEM=="cpu", ACTION=="add", TEST=="online", ATTR{online}=="0", ATTR{online}="1"\n'
SUSE = (
    'SUBSYSTEM!="cpu", GOTO="cpu_online_end"\nTEST=="online", ATTR{online}=="0", ATTR{online}="1"\n'
    'LABEL="cpu_online_end"\n'
)
RUNNING = """\
<domain type='kvm'><name>web</name><vcpu placement='static' cpuset='0-3,^2' current='2'>4</vcpu>
<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='1' enabled='yes' hotpluggable='yes'/>
<vcpu id='2' enabled='no' hotpluggable='yes'/><vcpu id='3' enabled='no'/></vcpus>
<cputune><vcpupin vcpu='0' cpuset='1'/><global_period>50000</global_period><global_quota>100000</global_quota>
<quota>-1</quota></cputune><numatune><memory mode='strict' nodeset='0'/></numatune>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
<features><acpi/><kvm><hidden state='on'/></kvm></features>
<cpu><topology sockets='1' dies='1' cores='2' threads='2'/><numa><cell id='0' cpus='0-3'/></numa></cpu>
<clock offset='utc'><timer name='kvmclock' present='no'/></clock>
<devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>
</channel></devices></domain>"""


def described(running: str, stored: str | None = None, *, active: bool = True) -> LibvirtDomain:
    return LibvirtDomain(uuid="u", name="web", active=active, description=running, definition=stored)


def inspect(guest: ScriptedGuest, channel: GuestChannel | None = None) -> AgentInspection:
    inspector = AgentInspector(channel or GuestChannel(guest), SystemClock(), timeout_s=1)
    return inspector.inspect(WEB, "web-1")


def test_a_domains_xml_is_read_to_the_last_fact() -> None:
    build = build_of(described(RUNNING, RUNNING.replace(">4</vcpu>", ">8</vcpu>")))
    assert (build.starts_with, build.next_maximum, build.transient) == (2, 8, False)
    assert (build.arch, build.machine, build.emulated, build.acpi) == ("x86_64", "pc-q35-7.2", False, True)
    assert build.slots == (
        Slot(vcpus=1, plugged=True, removable=False),
        Slot(vcpus=1, plugged=True, removable=True),
        Slot(vcpus=1, plugged=False, removable=True),
        Slot(vcpus=1, plugged=False, removable=True),
    )
    assert build.topology == Topology(sockets=1, cores=2, threads=2)
    assert build.vcpu_attributes == (("placement", "static"), ("cpuset", "0-3,^2"))
    assert (build.channel, build.connected) == (True, False)
    assert (build.hides_hypervisor, build.no_kvmclock) == ("<hidden state='on'/>", True)
    placement = build.placement
    assert (placement.pins, placement.allowed) == ({0: frozenset({1})}, frozenset({0, 1, 3}))
    assert (placement.strict_nodes, placement.cells) == (True, 1)
    assert (placement.quota_vcpus, placement.vcpu_quota_ratio) == (2.0, None)


def test_what_the_definition_of_a_running_domain_has_more_comes_with_the_next_start() -> None:
    bare = RUNNING.replace("<acpi/>", "").replace("org.qemu.guest_agent.0", "org.other.0")
    build = build_of(described(bare, RUNNING))
    assert (build.acpi, build.next_acpi) == (False, True)
    assert (build.channel, build.next_channel) == (False, True)
    rests = build_of(described(bare, bare, active=False))
    assert (rests.next_acpi, rests.next_channel) == (None, None)


def test_the_levels_of_a_topology_are_told_apart() -> None:
    xml = RUNNING.replace("dies='1' cores='2' threads='2'", "clusters='2' cores='2' threads='1'")
    topology = build_of(described(xml)).topology
    assert topology == Topology(sockets=1, clusters=2, cores=2, threads=1)
    assert topology.vcpus == 4
    assert topology.with_vcpus(5) == Topology(sockets=2, clusters=2, cores=2, threads=1)


def test_what_the_xml_does_not_say_stays_unknown() -> None:
    build = build_of(described("<domain type='test'><name>t</name><vcpu>2</vcpu></domain>"))
    assert build == Build(starts_with=None, next_maximum=None, transient=True)


def test_a_domain_that_does_not_run_is_as_it_is_defined() -> None:
    domain = described(RUNNING, RUNNING, active=False)
    assert vcpus_of(domain) == (2, 4)
    assert build_of(domain).next_maximum is None


@pytest.mark.parametrize(
    "xml",
    [
        pytest.param("<domain", id="no XML"),
        pytest.param("<domain><vcpu>many</vcpu></domain>", id="no count"),
        pytest.param("<domain><vcpu cpuset='all'>2</vcpu></domain>", id="no CPUs"),
    ],
)
def test_a_description_that_makes_no_sense_is_told_as_such(xml: str) -> None:
    with pytest.raises(ValueError, match=r"XML|literal"):
        build_of(described(xml, xml))


def test_cpu_lists_are_read_and_written() -> None:
    assert cpus_in("0-3,^2, 6") == {0, 1, 3, 6}
    assert listed(frozenset({0, 1, 2, 4, 6, 7})) == "0-2,4,6-7"


def test_the_nodes_of_a_host_are_read_from_its_capabilities_and_from_the_kernel(tmp_path: Path) -> None:
    cell = "<cell id='{}'><cpus num='2'><cpu id='{}'/><cpu id='{}'/></cpus></cell>"
    cells = cell.format(0, 0, 1) + cell.format(1, 2, 3)
    capabilities = f"<capabilities><host><topology><cells>{cells}</cells></topology></host></capabilities>"
    for number, cpus in ((0, "0-1"), (1, "2-3"), (2, "")):
        (tmp_path / f"node{number}").mkdir()
        (tmp_path / f"node{number}" / "cpulist").write_text(f"{cpus}\n")
    assert nodes_in(capabilities) == numa_nodes(tmp_path) == (frozenset({0, 1}), frozenset({2, 3}))
    assert numa_nodes(tmp_path / "nowhere") == ()


def test_what_qemu_says_becomes_the_same_facts() -> None:
    def slot(core: int, *, plugged: bool, removable: bool) -> QemuSlot:
        props = (("core-id", core), ("socket-id", 0), ("thread-id", 0))
        return QemuSlot(vcpus=1, plugged=plugged, removable=removable, props=props)

    qemu = QemuInspection(
        version=(7, 2, 22),
        machine="pc-q35-7.2",
        emulated=True,
        slots=(slot(0, plugged=True, removable=False), slot(1, plugged=True, removable=True)),
        agent_channel=True,
        affinity=(frozenset({0}), frozenset({0, 1})),
    )
    build = from_qmp.build_of(qemu, channel=True, connected=False, cpus=frozenset({0, 1}))
    assert (build.starts_with, build.qemu, build.emulated) == (1, (7, 2, 22), True)
    assert build.topology == Topology(sockets=1, cores=2, threads=1)
    assert build.placement.pins == {0: frozenset({0})}, "a vCPU that may run everywhere is bound to nothing"
    assert (build.channel, build.connected, build.hotplug) == (True, False, True)


def test_an_agent_is_asked_for_all_it_may_tell() -> None:
    found = inspect(ScriptedGuest(present=2, clock_ahead_s=60))
    assert (found.version, found.rule, found.rules_read) == ("7.2.22", None, True)
    assert found.source is CpuSource.PROC_STAT
    assert found.os is not None
    assert (found.os.id, found.os.kernel) == ("debian", "6.1.0-28-amd64")
    assert found.vcpus is not None
    assert (found.vcpus.present, found.vcpus.online) == (2, 1)
    assert found.clock_ahead_s == pytest.approx(60, abs=1)


def test_nothing_but_reading_is_asked_of_an_agent() -> None:
    guest = ScriptedGuest()
    channel = GuestChannel(guest)
    inspect(guest, channel)
    assert not [command for command in channel.asked if "set" in command or "write" in command]
    assert guest.open_files == {}


def test_what_an_agent_does_not_allow_costs_nothing_else() -> None:
    blocked = {"guest-get-osinfo", "guest-get-time", "guest-get-vcpus", "guest-file-open"}
    found = inspect(ScriptedGuest(blocked=blocked))
    assert (found.os, found.clock_ahead_s, found.vcpus, found.rules_read) == (None, None, None, False)
    assert found.source is CpuSource.CPUSTATS
    assert found.allows("guest-set-vcpus")
    assert not found.allows("guest-get-time")


def test_a_guest_that_has_no_proc_stat_tells_its_load_by_another_source_or_not() -> None:
    no_file = {"/proc/stat": "No such file or directory"}
    assert inspect(ScriptedGuest(denied=no_file)).source is CpuSource.CPUSTATS
    nothing = {"guest-get-cpustats", "guest-exec"}
    assert inspect(ScriptedGuest(denied=no_file, blocked=nothing)).source is None


def test_an_agent_that_does_not_say_what_it_allows_is_thought_to_allow_all() -> None:
    assert inspect(ScriptedGuest(blocked={"guest-info"})).allows("guest-anything")


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        pytest.param("/usr/lib/udev/rules.d/40-redhat.rules", RULE, id="Red Hat"),
        pytest.param("/usr/lib/udev/rules.d/80-hotplug-cpu-mem.rules", SUSE, id="SUSE"),
        pytest.param(OWN_RULE, RULE, id="an administrator's"),
    ],
)
def test_a_rule_that_brings_vcpus_online_is_found_where_it_is_kept(path: str, rules: str) -> None:
    assert inspect(ScriptedGuest(files={path: rules.encode()})).rule == path


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(f"#{RULE}", id="a comment"),
        pytest.param(RULE.replace('"cpu"', '"memory"'), id="for memory"),
        pytest.param(RULE.replace(', ATTR{online}="1"', ""), id="does nothing"),
    ],
)
def test_other_rules_do_not_count(rules: str) -> None:
    assert not brings_online(rules)


def test_a_frozen_guest_and_one_that_hangs_are_told_as_such() -> None:
    with pytest.raises(DomainFrozen):
        inspect(ScriptedGuest(frozen=True))
    guest = ScriptedGuest()
    with pytest.raises(AgentUnresponsive):
        inspect(guest, GuestChannel(guest, failures={"guest-get-osinfo": AgentUnresponsive("it hangs")}))


def test_words_of_a_guest_are_made_printable() -> None:
    found = inspect(ScriptedGuest(os={"pretty-name": "evil\x1b[2J\nname"}, version="7\n.2"))
    assert found.os is not None
    assert found.os.name.isprintable()
    assert (found.version or "").isprintable()
