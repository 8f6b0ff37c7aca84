"""The polkit rule against a real libvirtd that asks polkit about each call: what is needed, and no more."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoscaler.backends.actuator.client import ActuatorClient
from autoscaler.backends.actuator.guests import ActuatedGuests
from autoscaler.backends.actuator.hypervisor import ActuatedLibvirt
from autoscaler.backends.connection import LibvirtConnection
from autoscaler.backends.libvirt.hypervisor import LibvirtHypervisor
from autoscaler.errors import AgentAbsent, Denied, DomainBusy
from tests.fakes.libvirt_daemon import LibvirtDaemon, running
from tests.fakes.libvirt_domains import RealClock
from tests.fakes.running_actuator import RunningActuator, running_actuator

RULE = Path(__file__).parents[2] / "deploy" / "polkit" / "50-vcpu-autoscaler.rules"
ACTUATOR, OTHER = "nobody", "daemon"
"""Users that every system has: one stands in for the actuator's, one for somebody else."""
POLKITD = shutil.which("polkitd", path="/usr/lib/polkit-1:/usr/libexec")

BY_DEFAULT = {
    "yes": ("connect.getattr", "connect.read", "connect.search-domains", "domain.getattr", "domain.read"),
    "no": (
        *("connect.write", "domain.delete", "domain.init-control", "domain.migrate", "domain.reset"),
        *("domain.save", "domain.start", "domain.stop", "domain.suspend", "domain.write"),
        *("domain.core-dump", "domain.mem-read", "domain.read-secure", "domain.snapshot"),
    ),
}
"""What libvirt's own list of actions, part of another package than its daemon's, says without any rule."""

BUS = """<busconfig><type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="*"/>
<allow receive_type="*"/></policy></busconfig>"""

START = """export DBUS_SYSTEM_BUS_ADDRESS=unix:path={socket}
setpriv --pdeathsig KILL dbus-daemon --config-file={bus} --nofork --nopidfile &
while [ ! -S {socket} ]; do sleep 0.02; done
setpriv --pdeathsig KILL {polkitd} --no-debug &
exec "$@"
"""

NAMED = ("web-1", "shop.1")
UNNAMED = ("db-1", "old-web-1", "shop.12", "shopx1")
"""Some are like one that is named: with something before it, behind it, and in the place of its point."""
INFO = '{"execute": "guest-info"}'

DOMAIN = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
<vcpu placement='static' current='1'>4</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
<features><acpi/></features><on_crash>destroy</on_crash>
<devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<memballoon model='none'/></devices></domain>"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a libvirtd of its own needs root")


def actions() -> str:
    """A list of actions as polkit reads it."""
    found = "".join(
        f"<action id='org.libvirt.api.{name}'><description>x</description><message>x</message><defaults>"
        + "".join(f"<allow_{who}>{answer}</allow_{who}>" for who in ("any", "inactive", "active"))
        + "</defaults></action>"
        for answer, names in BY_DEFAULT.items()
        for name in names
    )
    return f"<?xml version='1.0' encoding='UTF-8'?><policyconfig>{found}</policyconfig>"


def become(user: str) -> tuple[str, ...]:
    """The words that go before a command, to run it as that user in none of his groups."""
    return ("setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups")


class Libvirt:
    """The daemon, asked by different users."""

    def __init__(self, daemon: LibvirtDaemon) -> None:
        self._daemon = daemon

    @property
    def uri(self) -> str:
        return self._daemon.uri

    def asked(self, user: str, *words: str) -> subprocess.CompletedProcess[str]:
        as_user = () if user == "root" else become(user)
        command = (*as_user, "env", "HOME=/nonexistent", "virsh", "-q", "-c", self._daemon.uri, *words)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def denied(self, user: str, *words: str) -> bool:
        said = self.asked(user, *words)
        return said.returncode != 0 and "access denied" in said.stderr.lower()

    def plugged(self, name: str) -> int:
        return int(self.asked("root", "vcpucount", name, "--live", "--active").stdout)


@pytest.fixture(scope="module")
def libvirt() -> Iterator[Libvirt]:
    assert POLKITD, "polkitd is missing"
    folder = Path(tempfile.mkdtemp(prefix="pk-"))
    folder.chmod(0o755)
    home = folder / "polkit"
    for name in ("rules", "actions"):
        (home / name).mkdir(parents=True)
    rule = RULE.read_text()
    assert '"vcpu-autoscaler-actuator"' in rule
    assert '["web-*"]' in rule
    rule = rule.replace('"vcpu-autoscaler-actuator"', f'"{ACTUATOR}"')
    (home / "rules" / RULE.name).write_text(rule.replace('["web-*"]', '["web-*", "shop.1"]'))
    (home / "actions" / "org.libvirt.api.policy").write_text(actions())
    socket, bus, script = home / "bus.sock", home / "bus.conf", home / "start.sh"
    bus.write_text(BUS.format(socket=socket))
    script.write_text(START.format(socket=socket, bus=bus, polkitd=POLKITD))
    daemon = LibvirtDaemon(
        folder,
        more='access_drivers = [ "polkit" ]\nunix_sock_rw_perms = "0777"\n',
        before=("sh", str(script)),
        binds={
            Path("/etc/polkit-1/rules.d"): home / "rules",
            Path("/usr/share/polkit-1/rules.d"): home / "rules",
            Path("/usr/share/polkit-1/actions"): home / "actions",
        },
    )
    try:
        with running(daemon):
            found = Libvirt(daemon)
            for name in (*NAMED, *UNNAMED):
                described = folder / f"{name}.xml"
                described.write_text(DOMAIN.format(name=name))
                said = found.asked("root", "create", str(described))
                assert said.returncode == 0, said.stderr
            yield found
    finally:
        shutil.rmtree(folder)


def test_the_actuator_sees_every_domain(libvirt: Libvirt) -> None:
    assert set(libvirt.asked(ACTUATOR, "list", "--name").stdout.split()) == {*NAMED, *UNNAMED}
    assert "vcpu.maximum=4" in libvirt.asked(ACTUATOR, "domstats", "--vcpu", "db-1").stdout


@pytest.mark.parametrize("name", NAMED)
def test_the_actuator_plugs_a_vcpu_of_a_named_domain(libvirt: Libvirt, name: str) -> None:
    said = libvirt.asked(ACTUATOR, "setvcpus", name, "2", "--live")

    assert (said.returncode, said.stderr) == (0, "")
    assert libvirt.plugged(name) == 2


def test_the_actuator_asks_the_agent_of_a_named_domain(libvirt: Libvirt) -> None:
    said = libvirt.asked(
        ACTUATOR, "qemu-agent-command", "web-1", '{"execute":"guest-info"}', "--timeout", "1"
    )

    assert "agent" in said.stderr, "it got as far as an agent that does not answer"
    assert "denied" not in said.stderr


@pytest.mark.parametrize("name", UNNAMED)
def test_the_actuator_is_refused_what_it_needs_on_a_domain_that_is_not_named(
    libvirt: Libvirt, name: str
) -> None:
    assert libvirt.denied(ACTUATOR, "setvcpus", name, "2", "--live")
    assert libvirt.denied(ACTUATOR, "qemu-agent-command", name, INFO)
    assert libvirt.plugged(name) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("destroy", "web-1"),
        ("shutdown", "web-1"),
        ("reset", "web-1"),
        ("suspend", "web-1"),
        ("save", "web-1", "/tmp/never-written"),
        ("dump", "web-1", "/tmp/never-written"),
        ("migrate", "web-1", "qemu+ssh://elsewhere/system", "--p2p", "--live"),
        ("qemu-monitor-event", "web-1", "--timeout", "1"),
        ("define", "{folder}/web-1.xml"),
        ("create", "{folder}/web-1.xml"),
        ("undefine", "web-1"),
        ("snapshot-create", "web-1"),
        ("dumpxml", "web-1", "--security-info"),
        ("setvcpus", "web-1", "2", "--live", "--config"),
    ],
    ids=lambda words: " ".join(word for word in words if not word.startswith("{")),
)
def test_the_actuator_is_refused_all_else_on_a_named_domain(libvirt: Libvirt, words: tuple[str, ...]) -> None:
    folder = str(libvirt._daemon.folder)

    assert libvirt.denied(
        ACTUATOR, *(word.format(folder=folder) if "folder}" in word else word for word in words)
    )
    assert libvirt.asked("root", "domstate", "web-1").stdout.strip() == "running"


def test_what_the_rule_allows_reaches_qemus_own_monitor(libvirt: Libvirt) -> None:
    said = libvirt.asked(ACTUATOR, "qemu-monitor-command", "web-1", "--hmp", "info status")

    assert (said.returncode, "running" in said.stdout) == (0, True), "libvirt has no smaller right for a vCPU"
    assert libvirt.denied(ACTUATOR, "qemu-monitor-command", "db-1", "--hmp", "info status")


@pytest.fixture
def actuator(libvirt: Libvirt) -> Iterator[RunningActuator]:
    """The actuator as that user, with bounds that allow all; the right to read is for the tests' Python."""
    rights = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    connection = LibvirtConnection(libvirt.uri)
    with running_actuator(connection, user=ACTUATOR, prefix=(*become(ACTUATOR), *rights)) as actuator:
        yield actuator


def test_the_actuator_itself_needs_no_more_than_the_rule_allows(
    libvirt: Libvirt, actuator: RunningActuator
) -> None:
    client = ActuatorClient(actuator.socket, asked=lambda *_: None, refused=lambda _: None)
    reader = LibvirtHypervisor(libvirt.uri, clock=RealClock())
    with contextlib.closing(ActuatedLibvirt(reader, client)) as hypervisor:
        views = {view.name: view for view in hypervisor.domains()}
        named, other = views["shop.1"], views["db-1"]

        hypervisor.plug(named.id, expect=named.plugged, target=named.plugged + 1)
        assert libvirt.plugged("shop.1") == named.plugged + 1
        # It has no system: libvirt before 12.4 says so, and a later one only asks.
        with contextlib.suppress(DomainBusy):
            hypervisor.unplug(named.id, expect=named.plugged + 1, target=named.plugged)
        with pytest.raises(AgentAbsent):
            ActuatedGuests(client).vcpus(named.id)

        with pytest.raises(Denied, match="access denied"):
            hypervisor.plug(other.id, expect=1, target=2)
        assert libvirt.plugged("db-1") == 1
    assert "Traceback" not in actuator.said()


def test_another_user_is_refused_what_the_actuator_may(libvirt: Libvirt) -> None:
    before = libvirt.plugged("web-1")

    assert libvirt.denied(OTHER, "setvcpus", "web-1", "3", "--live")
    assert libvirt.plugged("web-1") == before
