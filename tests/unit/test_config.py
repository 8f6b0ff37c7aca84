"""The service's configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.backends.address import TcpAddress, UnixAddress
from autoscaler.backends.qmp.guests import QmpGuest
from autoscaler.core.deadlines import DeadlineSettings
from autoscaler.service import config as configuration
from autoscaler.service.config import (
    Config,
    HostLimits,
    LibvirtConnection,
    Listen,
    LoadedConfig,
    LogLevel,
    QmpFolderConnection,
    QmpListConnection,
    load_config,
)
from autoscaler.service.settings import WebhookSettings

LISTEN_RULE = "write HOST:PORT with a port of 1 to 65535, an IPv6 host in brackets"
LIBVIRT = "version: 1\nconnections: [{libvirt: qemu:///system}]\n"


def load(folder: Path, text: str) -> LoadedConfig:
    path = folder / "config.yaml"
    path.write_text(text)
    path.chmod(0o640)
    return load_config(path)


def said(loaded: LoadedConfig) -> list[str]:
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in loaded.errors]


def test_every_key_arrives_in_its_unit_and_every_path_absolute(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """\
version: 1
connections:
  - libvirt: qemu:///system
  - qmp: guests
  - qmp:
      - name: web-1
        qmp: unix:/run/web-1/qmp.sock
        agent: tcp:127.0.0.1:4000
        uuid: 4DEA22B3-1D52-D8F3-2516-782E98AB3FA0
        labels: {tier: gold, autoscaling: off}
      - {name: web-2, qmp: /run/web-2/qmp.sock}
policies: [/etc/policies, own.yaml]
state: state
interval: 500ms
agent: {timeout: 1.5s}
host: {overcommit: 1.5, reserve: 2, pressure_below: 80%, operations_per_minute: 12, removals_per_minute: 3}
deadlines: {online: 45s, gone: 2m}
web: {listen: "[::1]:80", config_file: web.yaml, hosts: [vcpu.example.net]}
log: {level: debug}
""",
    )
    assert loaded.errors == ()
    assert loaded.config == Config(
        connections=(
            LibvirtConnection("qemu:///system"),
            QmpFolderConnection(tmp_path / "guests"),
            QmpListConnection(
                (
                    QmpGuest(
                        name="web-1",
                        qmp=UnixAddress("/run/web-1/qmp.sock"),
                        agent=TcpAddress("127.0.0.1", 4000),
                        uuid="4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
                        labels={"tier": "gold", "autoscaling": "off"},
                    ),
                    QmpGuest(name="web-2", qmp=UnixAddress("/run/web-2/qmp.sock")),
                )
            ),
        ),
        policies=(Path("/etc/policies"), tmp_path / "own.yaml"),
        state=tmp_path / "state",
        interval_s=0.5,
        agent_timeout_s=1.5,
        host=HostLimits(
            overcommit=1.5,
            reserve=2,
            pressure_below_ratio=0.8,
            operations_per_minute=12,
            removals_per_minute=3,
        ),
        deadlines=DeadlineSettings(online_s=45.0, gone_s=120.0),
        listen=Listen("::1", 80),
        web_config_file=tmp_path / "web.yaml",
        web_hosts=("vcpu.example.net",),
        log_level=LogLevel.DEBUG,
    )


def test_connections_alone_make_a_configuration(tmp_path: Path) -> None:
    assert load(tmp_path, LIBVIRT).config == Config(connections=(LibvirtConnection("qemu:///system"),))


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ssh://root@kvm-1:22/system?keyfile=/root/.ssh/id&sshauth=agent,privkey&known_hosts=/k&no_tty=1",
        "qemu+tls://kvm-1:16514/system?pkipath=/pki&TLS_Priority=NORMAL;no_verify=1&auth=sasl.gssapi",
        "qemu+ssh://root@[fe80::1]:22/system?socket=/run/a@b:c&netcat=/opt/nc&mode=legacy&proxy=native",
        "qemu+ext:///system?command=/opt/tunnel&name=qemu%3A///system",
        "qemu:///embed?root=/srv/guests",
        "test:///tmp/a:b@c.xml?another",
        "vpx://alice@vc/Datacenter/host?auto_answer=1&vcenter=*&transport=https",
    ],
)
def test_what_libvirt_knows_of_a_uri_is_taken(tmp_path: Path, uri: str) -> None:
    loaded = load(tmp_path, f"version: 1\nconnections: [{{libvirt: {uri!r}}}]\n")
    assert loaded.errors == ()
    assert loaded.config is not None
    assert loaded.config.connections == (LibvirtConnection(uri),)


def test_a_limit_of_the_host_that_is_not_written_is_as_by_default(tmp_path: Path) -> None:
    config = load(tmp_path, LIBVIRT + "host: {overcommit: 2}\n").config
    assert config is not None
    assert config.host == HostLimits(overcommit=2.0)


def test_connections_have_labels_that_tell_them_apart(tmp_path: Path) -> None:
    connections = '{libvirt: "test:///default"}, {qmp: /run/g}, {qmp: [{name: a, qmp: /a}]}'
    text = f"version: 1\nconnections: [{connections}]\n"
    config = load(tmp_path, text).config
    assert config is not None
    assert [connection.label for connection in config.connections] == ["test:///default", "qmp:/run/g", "qmp"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("version: 1\n", "1:1: the key 'connections' is missing here", id="no connections"),
        pytest.param(
            "version: 1\nconnections: []\n",
            "2:14: 'connections' cannot be empty; it needs at least one entry",
            id="empty",
        ),
        pytest.param(
            LIBVIRT + "deadlines: {accepted: 1h, present: 5s, online: 1s}\n",
            "3:12: a growth is accepted, then present, then online, all counted from its request: write "
            "accepted, present and online so that none is shorter than the one before, not 3600 s, 5 s, 1 s",
            id="deadlines that fall",
        ),
        pytest.param(
            "version: 1\nconnections: [{}]\n",
            "2:15: a connection takes exactly one of the keys libvirt and qmp",
            id="nothing in it",
        ),
        pytest.param(
            "version: 1\nconnections: [{libvirt: qemu:///system, qmp: /run}]\n",
            "2:15: a connection takes exactly one of the keys libvirt and qmp",
            id="both kinds",
        ),
        pytest.param(
            "version: 1\nconnections: [{libvirt: system}]\n",
            "2:25: 'libvirt' cannot be 'system'; write a URI, such as qemu:///system",
            id="URI",
        ),
        *(
            pytest.param(
                f"version: 1\nconnections: [{{libvirt: {uri!r}}}]\n",
                # It is not shown, as a URI is otherwise.
                "2:25: 'libvirt' has a password or a token in it, which libvirt takes from no URI;"
                " leave it out: ssh has keys for that, TLS has certificates, and SASL libvirt's auth.conf",
                id=f"a secret in {uri}",
            )
            for uri in (
                "qemu+ssh://root:s3cret@kvm-1/system",
                "qemu+ssh://root:s3@cret@kvm-1/system",
                "qemu+tls://:s3cret@kvm-1:16514/system",
                "qemu+tls://kvm-1/system?socket=/a&Password=s3cret",
                "qemu+tls://kvm-1/system?access_token=s3cret",
                "qemu+tls://kvm-1/system?pwd=s3cret",
                "qemu+tls://kvm-1/system?no_verify=1;pass=s3cret",
                "qemu+tls://kvm-1/system?apikey=s3cret",
                "qemu+tls://kvm-1/system?AuthKey=s3cret",
                "qemu+tls://kvm-1/system?pass%77ord=s3cret",
                "qemu+ssh://bob%3As3cret@kvm-1/system",
                "qemu+ssh://bob:s3/cret@kvm-1/system",
                "remote+tls://kvm-1?name=qemu%2Bssh%3A//bob%3As3cret@kvm-1/system",
                "QEMU+SSH://bob:s3cret@kvm-1/system",
            )
        ),
        pytest.param(
            "version: 1\nconnections: [{libvirt: a://b}, {libvirt: a://b}]\n",
            "2:33: the connection 'a://b' is given twice; merge the two",
            id="twice",
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: [{name: a, qmp: /a}]}, {qmp: [{name: b, qmp: /b}]}]\n",
            "2:44: the connection 'qmp' is given twice; merge the two",
            id="two lists",
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: [{name: a, qmp: /a}, {name: a, qmp: /b}]}]\n",
            "2:21: two guests are called a: give each guest a name of its own",
            id="two guests",
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: [{name: a}]}]\n",
            "2:22: the key 'qmp' is missing here",
            id="no socket",
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: [{name: a, qmp: run/a}]}]\n",
            "2:37: 'run/a' is no socket address: write unix:/absolute/path or tcp:host:port",
            id="address",
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: [{name: a, qmp: /a, labels: gold}]}]\n",
            "2:49: 'labels' cannot be 'gold'; write keys with a value each, such as {tier: gold}",
            id="labels without keys",
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: [{name: a, qmp: /a, labels: {tier: [gold]}}]}]\n",
            "2:56: 'tier' cannot be a list; write some text, in quotes if it is meant as it stands",
            id="a list for a label",
        ),
        pytest.param(
            f"version: 1\nconnections: [{{qmp: [{{name: a, qmp: /a, labels: {{tier: {'x' * 129}}}}}]}}]\n",
            "2:49: each key and value of a label is printable text of at most 128 characters",
            id="a label too long",
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: {}}]\n",
            "2:21: 'qmp' cannot be empty; write the path of a folder, or a list of guests",
            id="guests as keys",
        ),
        pytest.param(
            LIBVIRT + "interval: 5\n",
            "3:11: 'interval' cannot be '5'; write a duration from 200ms to 5m with its unit"
            " (ms, s, m, h or d), such as 5s",
            id="unit",
        ),
        pytest.param(
            LIBVIRT + "interval: 100ms\n",
            "3:11: 'interval' cannot be '100ms'; write a duration from 200ms to 5m",
            id="interval",
        ),
        pytest.param(
            LIBVIRT + "policies: []\n",
            "3:11: 'policies' cannot be empty; it needs at least one entry",
            id="policies",
        ),
        pytest.param(
            LIBVIRT + "web: {listen: 22:30:99}\n",
            f"3:15: 'listen' cannot be '22:30:99'; {LISTEN_RULE}",
            id="listen",
        ),
        pytest.param(
            LIBVIRT + "web: {listen: localhost:0}\n",
            f"3:15: 'listen' cannot be 'localhost:0'; {LISTEN_RULE}",
            id="port",
        ),
        pytest.param(
            LIBVIRT + "host: {overcommit: 65}\n",
            "3:20: 'overcommit' cannot be '65'; write a number from 0.1 to 64",
            id="overcommit",
        ),
        pytest.param(
            LIBVIRT + "host: {overcommit: 0.05}\n",
            "3:20: 'overcommit' cannot be '0.05'; write a number from 0.1 to 64",
            id="overcommit below its least",
        ),
        pytest.param(
            LIBVIRT + "host: {overcommit: 4x}\n",
            "3:20: 'overcommit' cannot be '4x'; write a number from 0.1 to 64 in plain digits",
            id="overcommit with more than digits",
        ),
        pytest.param(
            LIBVIRT + "host: {overcommit: '4'}\n",
            "3:20: 'overcommit' cannot be '4'; write a number from 0.1 to 64 without quotes",
            id="overcommit in quotes",
        ),
        pytest.param(
            LIBVIRT + "host: {overcommit: .5}\n",
            "3:20: 'overcommit' cannot be '.5'; write a number from 0.1 to 64",
            id="overcommit without a digit first",
        ),
        pytest.param(
            LIBVIRT + "host: {reserve: 1.5}\n",
            "3:17: 'reserve' cannot be '1.5'; write a whole number from 0 to 4096 in plain digits",
            id="reserve",
        ),
        pytest.param(
            LIBVIRT + "host: {pressure_below: 0.6}\n",
            "3:24: 'pressure_below' cannot be '0.6'; write a share from 1% to 100%"
            " with its percent sign, such as 60%",
            id="pressure",
        ),
        pytest.param(
            LIBVIRT + "host: {operations_per_minute: 0}\n",
            "3:31: 'operations_per_minute' cannot be '0'; write a whole number from 1 to 6000",
            id="operations",
        ),
        pytest.param(
            LIBVIRT + "host: {overcomit: 2}\n",
            "3:8: the key 'overcomit' is not known here; did you mean 'overcommit'?",
            id="unknown key of the host",
        ),
        pytest.param(
            LIBVIRT + "webhook: {}\n", "3:10: the key 'url' is missing here", id="webhook to nobody"
        ),
        *(
            pytest.param(
                LIBVIRT + f"webhook: {{url: {url!r}}}\n",
                # It may hold a secret, so it is not shown.
                "3:16: 'url' is no address that can be told; write an address such as "
                "https://example.net/hook, without a user and a password",
                id=f"webhook to {url}",
            )
            for url in (
                "example.net/hook",
                "file:///etc/passwd",
                "https:///hook",
                "https://[::1/hook",
                "https://joe:secret@example.net/",
            )
        ),
        pytest.param(
            LIBVIRT + "webhook: {url: https://example.net, on: [end]}\n",
            "3:42: 'on[0]' cannot be 'end'; write one of begun, ended, recommended; did you mean 'ended'?",
            id="unknown occasion",
        ),
        pytest.param(
            LIBVIRT + "webhook: {url: https://example.net, on: []}\n",
            "3:41: 'on' cannot be empty; it needs at least one entry",
            id="no occasion",
        ),
        pytest.param(
            LIBVIRT + "log: {level: warn}\n",
            "3:14: 'level' cannot be 'warn'; write one of debug, info, warning, error;"
            " did you mean 'warning'?",
            id="level",
        ),
        *(
            pytest.param(
                LIBVIRT + f"{key}: {value}\n",
                f"3:{len(key) + 3 + value.index('~')}: the path '~/auto' begins with ~, which only a shell "
                "knows; write it whole, from /",
                id=f"home of whom, {key}",
            )
            for key, value in (
                ("state", "~/auto"),
                ("policies", "[~/auto]"),
                ("web", "{config_file: ~/auto}"),
            )
        ),
        pytest.param(
            "version: 1\nconnections: [{qmp: ~/auto}]\n",
            "2:21: the path '~/auto' begins with ~, which only a shell knows; write it whole, from /",
            id="home of whom, guests",
        ),
        pytest.param(
            LIBVIRT + "policies: [/p/a, b, /p/a]\n",
            "3:21: the policies '/p/a' are given twice; leave one out",
            id="policies twice",
        ),
        pytest.param(
            LIBVIRT + "intervall: 5s\n",
            "3:1: the key 'intervall' is not known here; did you mean 'interval'?",
            id="unknown key",
        ),
    ],
)
def test_a_mistake_is_named_at_its_place(tmp_path: Path, text: str, expected: str) -> None:
    loaded = load(tmp_path, text)
    assert said(loaded) == [expected]
    assert loaded.config is None


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    connections = "{libvirt: x}, {qmp: [{name: a, qmp: b}, {nam: c}]}"
    text = f"version: 1\nconnections: [{connections}]\nstate:\nlog: {{level: 1}}\n"
    assert [problem.split(": ", 1)[0] for problem in said(load(tmp_path, text))] == [
        "2:25",
        "2:51",
        "2:55",
        "2:55",
        "2:56",
        "3:7",
        "4:14",
    ]


@pytest.mark.parametrize(
    ("listen", "warned"),
    [
        ("127.0.0.1:9752", False),
        ("127.9.9.9:9752", False),
        ("localhost:9752", False),
        ("[::1]:9752", False),
        ("0.0.0.0:9752", True),
        ("[::]:9752", True),
        ("host.example:9752", True),
    ],
)
def test_listening_beyond_this_host_is_warned_of(tmp_path: Path, listen: str, *, warned: bool) -> None:
    loaded = load(tmp_path, LIBVIRT + f'web: {{listen: "{listen}"}}\n')
    assert loaded.config is not None
    assert str(loaded.config.listen) == listen
    assert [problem.line for problem in loaded.warnings] == ([3] if warned else [])


def test_with_a_file_that_says_who_may_ask_it_warns_by_what_that_says(tmp_path: Path) -> None:
    loaded = load(tmp_path, LIBVIRT + 'web: {listen: "0.0.0.0:9752", config_file: web.yaml}\n')
    assert loaded.warnings == ()


@pytest.mark.parametrize(
    "webhook",
    [
        "\n  url: |\n    https://example.net/s3cret",
        '{url: "https://example.net/s3cret\\n"}',
        "https://example.net/s3cret",
        "'https://example.net/s3cret'",
    ],
)
def test_an_address_that_is_written_wrongly_is_not_shown_for_it_may_be_a_secret(
    tmp_path: Path, webhook: str
) -> None:
    mistakes = said(load(tmp_path, LIBVIRT + f"webhook: {webhook}\n"))
    assert mistakes
    assert "s3cret" not in "".join(mistakes)


def test_a_name_of_the_service_is_written_without_its_port(tmp_path: Path) -> None:
    (problem,) = said(load(tmp_path, LIBVIRT + 'web: {hosts: [a.example, "a.example:443"]}\n'))
    assert "'hosts[1]' cannot be 'a.example:443'; write a host's name, without a port" in problem


def test_an_address_that_everybody_on_the_host_can_read_is_warned_of(tmp_path: Path) -> None:
    text = LIBVIRT + "webhook: {url: https://example.net/s3cret}\n"
    path = tmp_path / "config.yaml"
    path.write_text(text)
    path.chmod(0o644)
    (warning,) = load_config(path).warnings
    assert (warning.line, warning.column) == (3, 16)
    assert f"`chgrp vcpu-autoscaler {path} && chmod 640 {path}`" in warning.message
    path.chmod(0o640)
    assert load_config(path).warnings == ()


def test_a_webhook_is_off_unless_it_is_written_and_tells_of_changes_by_default(tmp_path: Path) -> None:
    off, on = load(tmp_path, LIBVIRT), load(tmp_path, LIBVIRT + "webhook: {url: https://example.net/hook}\n")
    assert off.config is not None
    assert on.config is not None
    assert off.config.webhook is None
    assert on.config.webhook == WebhookSettings(url="https://example.net/hook")
    assert on.warnings == ()


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://127.0.0.1:8080/", False), ("http://example.net/", True), ("https://a/", False)],
)
def test_a_webhook_that_others_on_the_way_can_read_is_warned_of(
    tmp_path: Path, url: str, *, warned: bool
) -> None:
    loaded = load(tmp_path, LIBVIRT + f"webhook: {{url: '{url}'}}\n")
    assert loaded.config is not None
    assert [problem.line for problem in loaded.warnings] == ([3] if warned else [])


@pytest.mark.parametrize("address", ["tcp:kvm-1:4444", "tcp:127.0.0.1:4444", "tcp:[::1]:4444"])
@pytest.mark.parametrize("guest", ["qmp: '{}'", "qmp: /run/b, agent: '{}'"], ids=["monitor", "agent"])
def test_a_monitor_or_an_agent_on_tcp_is_warned_of_at_its_place(
    tmp_path: Path, guest: str, address: str
) -> None:
    guests = f"[{{name: a, qmp: /run/a}}, {{name: b, {guest.format(address)}}}]"
    line = f"connections: [{{qmp: {guests}}}]"
    (warning,) = load(tmp_path, f"version: 1\n{line}\n").warnings
    assert (warning.line, warning.column) == (2, line.index(f"'{address}'") + 1)
    assert address in warning.message
    assert "mode 0600, and write unix:/absolute/path" in warning.message


def test_an_actuator_that_runs_here_and_is_not_named_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "version: 1\nconnections: [{libvirt: 'test:///default'}]\n"
    socket = tmp_path / "socket"
    monkeypatch.setattr(configuration, "INSTALLED_SOCKET", socket)
    assert load(tmp_path, text).warnings == ()
    socket.touch()
    (warning,) = load(tmp_path, text).warnings
    assert warning.line == 2
    assert f"add `actuator: {socket}`" in warning.message
    assert load(tmp_path, f"{text}actuator: {socket}\n").warnings == ()


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    loaded = load_config(tmp_path / "none.yaml")
    assert said(loaded) == ["1:1: the file cannot be read: No such file or directory"]
