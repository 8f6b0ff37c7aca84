"""Each check of the doctor: what facts lead to which finding."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.backends.agent.files import READ, WRITE
from autoscaler.backends.agent.inspection import AgentInspection, GuestOs
from autoscaler.core.model import (
    CpuSource,
    Descriptors,
    DomainId,
    DomainView,
    GuestVcpu,
    GuestVcpus,
    RunState,
)
from autoscaler.core.owner import Owner
from autoscaler.core.policy import DownLimits, Match, Policy, Reclaim
from autoscaler.doctor.checks import agent, guest, host, machine, placement, room, standing
from autoscaler.doctor.facts import Build, DomainFacts, HostFacts, Placement, Slot, Topology, Way
from autoscaler.doctor.finding import CHECKS, Finding, Severity
from autoscaler.service.settings import HostLimits

UUID = "5f0c6a52-8b1e-4f6c-9a53-3c1c3e0f7a11"
ALL = READ | WRITE | {"guest-get-vcpus", "guest-set-vcpus", "guest-get-cpustats"}
HOST = HostFacts(
    label="qemu:///system",
    way=Way.LIBVIRT,
    libvirt=(12, 8, 0),
    qemu=(10, 0, 0),
    cpus=8,
    nodes=(frozenset(range(8)),),
    pressure_ratio=0.1,
    plugged_vcpus=4,
    maximum_vcpus=8,
)
QMP = HostFacts(label="qmp", way=Way.QMP, cpus=8, nodes=(frozenset(range(8)),))


def listing(present: int) -> GuestVcpus:
    """A guest that sees so many vCPUs and runs one."""
    return GuestVcpus(
        tuple(GuestVcpu(logical_id=it, online=not it, can_offline=bool(it)) for it in range(present))
    )


VIEW = DomainView(
    id=DomainId("h", UUID), name="web-1", state=RunState.RUNNING, plugged=1, maximum=4, at_s=0.0
)
BUILD = Build(
    starts_with=1,
    next_maximum=4,
    arch="x86_64",
    machine="pc-q35-7.2",
    emulated=False,
    acpi=True,
    channel=True,
    connected=True,
)
AGENT = AgentInspection(
    version="7.2.22",
    enabled=frozenset(ALL),
    source=CpuSource.PROC_STAT,
    vcpus=listing(4),
    os=GuestOs(id="debian", name="Debian 12", kernel="6.1.0"),
    clock_ahead_s=0.1,
    clock_doubt_s=0.1,
    rule=None,
    rules_read=True,
)
WELL = DomainFacts(
    host=HOST, name="web-1", uuid=UUID, view=VIEW, plugged=1, maximum=4, build=BUILD, agent=AGENT
)
RECLAIMS = Policy(name="web", match=Match(), down=DownLimits(reclaim=Reclaim.UNPLUG))
ALL_CHECKS = (standing, room, agent, guest, machine, placement)


def domain(**changes: Any) -> DomainFacts:  # noqa: ANN401 - the facts' own
    """A domain that is well but for these facts; those of its build by their names."""
    of_build = {key: changes.pop(key) for key in list(changes) if key in Build.__dataclass_fields__}
    return replace(WELL, build=replace(BUILD, **of_build), **changes)


def allowing(*commands: str, **changes: Any) -> AgentInspection:  # noqa: ANN401 - the facts' own
    return replace(AGENT, enabled=frozenset(commands), **changes)


def findings_of(facts: DomainFacts) -> list[Finding]:
    return [finding for module in ALL_CHECKS for finding in module.check(facts)]


def worse_than_ok(facts: DomainFacts) -> list[tuple[str, str]]:
    return [(it.check, it.severity.value) for it in findings_of(facts) if it.severity is not Severity.OK]


def only_bad(facts: DomainFacts) -> Finding:
    (finding,) = [it for it in findings_of(facts) if it.severity is not Severity.OK]
    return finding


def test_of_a_domain_that_is_well_nothing_is_found() -> None:
    assert worse_than_ok(WELL) == []


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        pytest.param(
            domain(plugged=4, starts_with=4), [("maximum", "warning"), ("slots", "note")], id="full"
        ),
        pytest.param(domain(plugged=4), [("maximum", "note")], id="grown to its maximum"),
        pytest.param(
            domain(policies_known=True, policy=Policy(name="web", match=Match(), max_vcpus=8)),
            [("maximum", "warning")],
            id="a policy allows more",
        ),
        pytest.param(
            domain(policies_known=True, policy=Policy(name="web", match=Match(), min_vcpus=6)),
            [("maximum", "warning")],
            id="a policy wants more",
        ),
        pytest.param(domain(starts_with=2, plugged=2), [("slots", "note")], id="boot vCPUs stay"),
        pytest.param(
            domain(starts_with=2, plugged=2, policies_known=True, policy=RECLAIMS),
            [("slots", "warning")],
            id="boot vCPUs stay where they are wanted back",
        ),
        pytest.param(domain(hotplug=False), [("slots", "error")], id="no places"),
        pytest.param(
            domain(topology=Topology(sockets=1, cores=2, threads=2)), [("topology", "note")], id="threads"
        ),
        pytest.param(domain(topology=Topology(sockets=1, cores=4, threads=1)), [], id="cores"),
        pytest.param(domain(channel=False), [("agent-channel", "error")], id="no channel"),
        pytest.param(domain(connected=False, agent=None), [("agent-channel", "error")], id="nobody there"),
        pytest.param(domain(agent=None, agent_trouble="it hangs"), [("agent", "error")], id="agent silent"),
        pytest.param(
            domain(agent=None, agent_trouble="it is frozen", agent_busy=True),
            [("agent", "note")],
            id="frozen",
        ),
        pytest.param(
            domain(agent=replace(AGENT, version="6.2.0")), [("agent-version", "note")], id="old agent"
        ),
        pytest.param(
            domain(agent=replace(AGENT, version=None)), [("agent-version", "note")], id="nameless agent"
        ),
        pytest.param(
            domain(
                agent=allowing("guest-get-vcpus", "guest-set-vcpus", "guest-get-cpustats", rules_read=False)
            ),
            [],
            id="as RHEL 9 allows",
        ),
        pytest.param(
            domain(agent=replace(AGENT, source=CpuSource.EXEC)), [("agent-load", "note")], id="exec only"
        ),
        pytest.param(domain(agent=replace(AGENT, source=None)), [("agent-load", "error")], id="no load"),
        pytest.param(
            domain(agent=allowing("guest-get-cpustats", "guest-set-vcpus")),
            [("agent-onlining", "error")],
            id="vCPUs not listed",
        ),
        pytest.param(
            domain(agent=allowing("guest-get-cpustats", "guest-get-vcpus", rules_read=False)),
            [("agent-onlining", "error")],
            id="nobody brings vCPUs online",
        ),
        pytest.param(
            domain(agent=allowing(*READ, "guest-get-vcpus", rule="/usr/lib/udev/rules.d/40-redhat.rules")),
            [("agent-onlining", "warning")],
            id="only the guest brings vCPUs online",
        ),
        pytest.param(
            domain(agent=allowing(*READ, "guest-get-vcpus")),
            [("agent-onlining", "error"), ("self-onlining", "note")],
            id="no rule either",
        ),
        pytest.param(domain(agent=replace(AGENT, os=None)), [("guest-os", "note")], id="system unknown"),
        pytest.param(
            domain(agent=replace(AGENT, os=GuestOs(id="mswindows", name="Windows", kernel="10"))),
            [("guest-os", "error")],
            id="Windows",
        ),
        pytest.param(
            domain(plugged=3, agent=replace(AGENT, vcpus=listing(1))),
            [("guest-vcpus", "warning")],
            id="vCPUs not taken",
        ),
        pytest.param(
            domain(agent=replace(AGENT, clock_ahead_s=-5.0)), [("clock", "warning")], id="clock behind"
        ),
        pytest.param(
            domain(agent=replace(AGENT, clock_ahead_s=5.0, clock_doubt_s=4.0)), [], id="slow answer"
        ),
        pytest.param(domain(no_kvmclock=True), [("clock", "note")], id="no kvmclock"),
        pytest.param(domain(arch="aarch64"), [("machine", "warning")], id="Arm"),
        pytest.param(domain(acpi=False), [("machine", "error")], id="no ACPI"),
        pytest.param(domain(emulated=True), [("emulation", "warning")], id="TCG"),
        pytest.param(
            domain(hides_hypervisor="<hidden state='on'/>"), [("hypervisor", "warning")], id="KVM hidden"
        ),
        pytest.param(
            domain(hides_hypervisor="<hidden state='on'/>", emulated=True),
            [("emulation", "warning")],
            id="hidden under TCG",
        ),
        pytest.param(domain(qemu=(4, 2, 0)), [("qemu", "note")], id="QEMU with cpu-add"),
        pytest.param(domain(qemu=(6, 2, 0)), [("qemu", "note")], id="QEMU older than tried"),
        pytest.param(
            domain(view=replace(VIEW, descriptors=Descriptors(open=900, limit=1024))),
            [("descriptors", "warning")],
            id="few descriptors",
        ),
        pytest.param(
            domain(placement=Placement(allowed=frozenset({0, 1}))), [("pinning", "warning")], id="few CPUs"
        ),
        pytest.param(
            domain(placement=Placement(pins=dict.fromkeys(range(4), frozenset({0})))),
            [("pinning", "warning")],
            id="all on one CPU",
        ),
        pytest.param(
            domain(placement=Placement(pins={0: frozenset({0})})), [("pinning", "note")], id="some are loose"
        ),
        pytest.param(
            domain(placement=Placement(pins={number: frozenset({number}) for number in range(4)})),
            [],
            id="each its own",
        ),
        pytest.param(domain(placement=Placement(cells=2)), [("numa", "note")], id="guest NUMA"),
        pytest.param(
            domain(host=replace(HOST, nodes=(frozenset({0, 1}), frozenset({2, 3})))),
            [("numa", "note")],
            id="beyond a node",
        ),
        pytest.param(
            domain(
                host=replace(HOST, nodes=(frozenset(range(4)), frozenset(range(4, 8)))),
                placement=Placement(strict_nodes=True),
            ),
            [("numa", "note")],
            id="memory bound, vCPUs not",
        ),
        pytest.param(domain(placement=Placement(quota_vcpus=2.0)), [("quota", "warning")], id="quota"),
        pytest.param(domain(placement=Placement(vcpu_quota_ratio=0.5)), [("quota", "note")], id="vCPU quota"),
        pytest.param(domain(transient=True), [("definition", "note")], id="transient"),
        pytest.param(domain(view=replace(VIEW, job="migration")), [("job", "note")], id="in a job"),
        pytest.param(
            domain(view=replace(VIEW, claimed_by=Owner.NOVA)), [("policy", "note")], id="of OpenStack Nova"
        ),
        pytest.param(domain(policies_known=True), [("policy", "note")], id="no policy"),
        pytest.param(
            domain(policies_known=True, view=replace(VIEW, labels={"autoscaling": "off"})),
            [("policy", "note")],
            id="opted out",
        ),
        pytest.param(domain(view=None, agent=None), [("seen", "note")], id="not running"),
    ],
)
def test_what_is_wrong_with_a_domain_is_found_and_nothing_else(
    facts: DomainFacts, found: list[tuple[str, str]]
) -> None:
    assert worse_than_ok(facts) == found


def test_a_domain_that_is_full_is_told_the_command_that_gives_it_room() -> None:
    fix = next(room.check(domain(plugged=4, starts_with=4))).fix
    assert fix.commands == (
        "virsh -c qemu:///system setvcpus web-1 8 --maximum --config",
        "virsh -c qemu:///system shutdown web-1",
        "virsh -c qemu:///system start web-1  # once it is shut off",
    )


def test_the_policy_says_how_much_room_is_needed() -> None:
    found = only_bad(domain(policies_known=True, policy=Policy(name="web", match=Match(), max_vcpus=6)))
    assert "policy 'web' allows 6" in found.means
    assert found.fix.commands[0] == "virsh -c qemu:///system setvcpus web-1 6 --maximum --config"


def test_where_the_definition_has_room_already_a_restart_is_all() -> None:
    finding = next(room.check(domain(plugged=4, starts_with=4, next_maximum=16)))
    assert "16" in finding.fix.advice
    assert finding.fix.commands == (
        "virsh -c qemu:///system shutdown web-1",
        "virsh -c qemu:///system start web-1  # once it is shut off",
    )


def test_a_topology_is_raised_together_with_the_maximum() -> None:
    topology = Topology(sockets=1, cores=2, threads=2)
    fix = next(room.check(domain(plugged=4, starts_with=4, topology=topology))).fix
    assert fix.xml.splitlines() == [
        "<vcpu current='4'>8</vcpu>",
        "<topology sockets='2' cores='2' threads='2'/>",
    ]
    assert fix.commands[0] == "virsh -c qemu:///system edit web-1"


def test_what_else_the_element_and_the_topology_say_is_kept_when_they_are_raised() -> None:
    topology = Topology(sockets=1, dies=1, clusters=2, cores=2, threads=1)
    attributes = (("placement", "static"), ("cpuset", "0-3,^2"))
    facts = domain(plugged=4, starts_with=4, topology=topology, vcpu_attributes=attributes)
    fix = next(room.check(facts)).fix
    assert fix.xml.splitlines() == [
        """<vcpu placement="static" cpuset="0-3,^2" current='4'>8</vcpu>""",
        "<topology sockets='2' clusters='2' cores='2' threads='1'/>",
    ]
    assert str(topology) == "sockets 1, clusters 2, cores 2, threads 1"


def test_boot_vcpus_are_made_removable_by_commands_or_by_xml() -> None:
    fix = only_bad(domain(starts_with=2, plugged=2)).fix
    assert fix.xml.splitlines()[1:4] == [
        "  <vcpu id='0' enabled='yes' hotpluggable='no'/>",
        "  <vcpu id='1' enabled='yes' hotpluggable='yes'/>",
        "  <vcpu id='2' enabled='no' hotpluggable='yes'/>",
    ]
    assert fix.commands[:2] == (
        "virsh -c qemu:///system setvcpus web-1 1 --config",
        "virsh -c qemu:///system setvcpus web-1 2 --config --hotpluggable",
    )


def test_slots_that_hold_what_can_go_count_as_such() -> None:
    slots = (Slot(vcpus=1, plugged=True, removable=False), Slot(vcpus=1, plugged=True, removable=True))
    assert worse_than_ok(domain(starts_with=2, plugged=1, slots=slots)) == []


def test_the_channel_that_is_missing_is_given_as_xml_with_the_command_that_attaches_it() -> None:
    fix = only_bad(domain(channel=False)).fix
    assert "<target type='virtio' name='org.qemu.guest_agent.0'/>" in fix.xml
    assert fix.commands[0] == "virsh -c qemu:///system attach-device web-1 agent.xml --config"


@pytest.mark.parametrize(
    "mended",
    [
        pytest.param(domain(channel=False, next_channel=True), id="channel"),
        pytest.param(domain(acpi=False, next_acpi=True), id="ACPI"),
    ],
)
def test_what_its_definition_has_already_is_a_matter_of_a_restart(mended: DomainFacts) -> None:
    fix = only_bad(mended).fix
    assert "stop it and start it" in fix.advice
    assert (fix.xml, fix.commands) == ("", mended.restart)


def test_a_guest_of_bare_qemu_is_given_no_virsh_commands() -> None:
    troubled = replace(
        domain(channel=False, starts_with=4, slots=(Slot(vcpus=4, plugged=True, removable=False),)),
        host=QMP,
        plugged=4,
        policies_known=True,
        policy=replace(RECLAIMS, max_vcpus=8),
    )
    fixes = [finding.fix for finding in findings_of(troubled)]
    assert "maxcpus=8" in fixes[1].advice
    assert not any("virsh" in text for fix in fixes for text in (fix.advice, *fix.commands))


def test_a_name_is_quoted_in_commands_and_another_connection_is_named() -> None:
    other = replace(HOST, label="qemu+ssh://root@host/system")
    fix = next(room.check(domain(name="web; rm -rf", host=other, plugged=4, starts_with=4))).fix
    assert fix.commands[0] == (
        "virsh -c qemu+ssh://root@host/system setvcpus 'web; rm -rf' 8 --maximum --config"
    )


def test_a_transient_domain_is_not_told_to_be_started_again() -> None:
    fix = next(room.check(domain(plugged=4, starts_with=4, transient=True))).fix
    assert fix.commands == ("virsh -c qemu:///system setvcpus web-1 8 --maximum --config",)


def test_a_qemu_that_cannot_be_asked_is_an_error_with_the_reason() -> None:
    (finding,) = standing.check(domain(trouble="nobody listens at unix:/x"))
    assert (finding.severity, finding.fix.advice) == (Severity.ERROR, "nobody listens at unix:/x.")


@pytest.mark.parametrize("mode", [0o777, 0o602, 0o620])
def test_sockets_that_others_may_write_to_are_closed_by_a_command(mode: int) -> None:
    wide = domain(socket_modes={"/run/guests/web 1/qmp.sock": 0o140000 | mode, "/run/guests/a": 0o140755})
    (finding,) = standing.check(wide)
    assert finding.severity is Severity.WARNING
    assert finding.fix.commands == ("chmod 0600 '/run/guests/web 1/qmp.sock'",)


def test_who_speaks_to_qemu_is_made_their_owner_before_sockets_are_closed(tmp_path: Path) -> None:
    sockets = [tmp_path / "a b", tmp_path / "c"]
    for path in sockets:
        path.touch()
        path.chmod(0o666)
    user = pwd.getpwuid(os.geteuid()).pw_name
    wide = domain(
        host=replace(QMP, speaks_to_qemu=user),
        socket_modes={str(path): path.stat().st_mode for path in sockets},
    )
    (finding,) = standing.check(wide)
    assert finding.fix.commands[0] == f"chown {user} '{sockets[0]}' {sockets[1]}"
    for command in finding.fix.commands:
        subprocess.run(["sh", "-c", command], check=True)
    assert [path.stat().st_mode & 0o777 for path in sockets] == [0o600, 0o600]


def test_a_monitor_on_tcp_is_warned_of_with_what_to_do() -> None:
    (finding,) = standing.check(domain(on_tcp=("tcp:kvm-1:4444",)))
    assert finding.severity is Severity.WARNING
    assert "tcp:kvm-1:4444" in finding.seen
    assert "-qmp unix:" in finding.fix.advice


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        pytest.param(HOST, [], id="well"),
        pytest.param(replace(HOST, trouble="it is down"), [("connection", "error")], id="down"),
        pytest.param(replace(HOST, refusal="it denies"), [("rights", "error")], id="no rights"),
        pytest.param(replace(HOST, actuator="it is away"), [("actuator", "error")], id="no actuator"),
        pytest.param(replace(HOST, actuator=""), [], id="an actuator"),
        pytest.param(replace(HOST, libvirt=(9, 0, 0)), [("libvirt", "note")], id="libvirt 9.0"),
        pytest.param(replace(HOST, libvirt=(11, 3, 0)), [("libvirt", "note")], id="libvirt 11.3"),
        pytest.param(replace(HOST, libvirt=(8, 0, 0)), [("libvirt", "warning")], id="older than tried"),
        pytest.param(replace(HOST, plugged_vcpus=32), [("capacity", "warning")], id="full"),
        pytest.param(replace(HOST, maximum_vcpus=64), [("capacity", "note")], id="promised too much"),
        pytest.param(replace(HOST, pressure_ratio=0.9), [("pressure", "warning")], id="pressed"),
        pytest.param(
            replace(HOST, pressure_ratio=0.9, limits=HostLimits(pressure_below_ratio=1.0)),
            [],
            id="pressure is no matter",
        ),
        pytest.param(replace(QMP, cpus=None), [], id="nothing known"),
    ],
)
def test_what_is_wrong_with_a_host_is_found_and_nothing_else(
    facts: HostFacts, found: list[tuple[str, str]]
) -> None:
    assert [
        (it.check, it.severity.value) for it in host.check(facts) if it.severity is not Severity.OK
    ] == found


def test_known_faults_of_libvirt_are_told_by_its_version() -> None:
    told = {version: _told(version) for version in ((9, 0, 0), (11, 3, 0), (12, 4, 0))}
    assert "CVE-2024-4418" in told[9, 0, 0]
    assert "CVE-2024-4418" not in told[11, 3, 0]
    assert "takes 5 s" in told[11, 3, 0]
    assert not told[12, 4, 0]


def _told(version: tuple[int, int, int]) -> str:
    return next(it.means for it in host.check(replace(HOST, libvirt=version)) if it.check == "libvirt")


def test_the_manual_has_every_check_and_how_bad_it_can_be() -> None:
    manual = (Path(__file__).parents[2] / "deploy/README.md").read_text()
    table = manual.partition("| finding | what is looked at | at worst |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()[1:]]
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row[0])} == CHECKS
    assert {row[2] for row in rows} <= set(Severity)


@pytest.mark.parametrize("name", ["7", "-live", "0f9a3d52-6c1e-4b7a-9d5e-2f6b8c1a4e70"])
def test_a_guest_that_is_called_as_another_one_is_meant_is_named_by_its_uuid(name: str) -> None:
    assert domain(name=name).named.called == WELL.uuid
    assert all(WELL.uuid in command for command in domain(name=name).restart)
    assert domain(name="web-7").named.called == "web-7"
