"""Every way in which libvirt fails, to the error that tells the caller what to do.

Texts are libvirt's own: provoked from libvirt 9.0, or read in its source where a case says so or needs a
second system (polkit, credentials).
"""

from __future__ import annotations

import errno

import libvirt
import pytest
from libvirt import VIR_ERR_ACCESS_DENIED as ACCESS_DENIED
from libvirt import VIR_ERR_AGENT_UNRESPONSIVE as AGENT_UNRESPONSIVE
from libvirt import VIR_ERR_AGENT_UNSYNCED as AGENT_UNSYNCED
from libvirt import VIR_ERR_ARGUMENT_UNSUPPORTED as ARGUMENT_UNSUPPORTED
from libvirt import VIR_ERR_AUTH_FAILED as AUTH_FAILED
from libvirt import VIR_ERR_AUTH_UNAVAILABLE as AUTH_UNAVAILABLE
from libvirt import VIR_ERR_ERROR as ERROR
from libvirt import VIR_ERR_INTERNAL_ERROR as INTERNAL_ERROR
from libvirt import VIR_ERR_INVALID_ARG as INVALID_ARG
from libvirt import VIR_ERR_NO_DOMAIN as NO_DOMAIN
from libvirt import VIR_ERR_NO_SUPPORT as NO_SUPPORT
from libvirt import VIR_ERR_OPERATION_DENIED as OPERATION_DENIED
from libvirt import VIR_ERR_OPERATION_INVALID as OPERATION_INVALID
from libvirt import VIR_ERR_OPERATION_TIMEOUT as OPERATION_TIMEOUT
from libvirt import VIR_ERR_RESOURCE_BUSY as RESOURCE_BUSY
from libvirt import VIR_ERR_RPC as RPC
from libvirt import VIR_ERR_SYSTEM_ERROR as SYSTEM_ERROR

from autoscaler.backends.libvirt.agent_errors import AGENT_COMMAND_FAILED, AGENT_COMMAND_TIMEOUT, ask_failed
from autoscaler.backends.libvirt.errors import look_failed, opening_failed, plug_failed, said
from autoscaler.core.named import Named
from autoscaler.errors import (
    AgentAbsent,
    AgentBlocked,
    AgentNonsense,
    AgentRefused,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    Denied,
    DomainBusy,
    DomainFrozen,
    DomainGone,
    NoChannel,
    OutcomeUnknown,
)

WEB = Named("qemu:///system", "u", "web")


def failure(code: int, text: str, *, number: int = -1) -> libvirt.libvirtError:
    """Build what libvirt-python raises; `number` is the errno of a system error."""
    error = libvirt.libvirtError("")
    error.err = (code, 0, text, ERROR, None, None, None, number, -1)
    error.args = (text,)
    return error


LOCKED = failure(
    OPERATION_TIMEOUT,
    "Timed out during operation: cannot acquire state change lock (held by remoteDispatch...)",
)
BROKEN_LINK = failure(INTERNAL_ERROR, "internal error: client socket is closed")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            failure(INVALID_ARG, "requested vcpus is greater than max allowable vcpus: 5 > 4"),
            Denied,
            id="over the maximum",
        ),
        pytest.param(
            failure(
                INTERNAL_ERROR,
                "internal error: unable to execute QEMU command 'device_add': CPU is already added",
            ),
            Denied,
            id="QEMU said no",
        ),
        pytest.param(
            failure(
                INTERNAL_ERROR,
                "Interner Fehler: Kann Qemu-Befehl 'device_add' nicht ausführen: CPU is already added",
            ),
            Denied,
            id="QEMU said no, libvirt in German",
        ),
        pytest.param(
            failure(OPERATION_DENIED, "operation forbidden: read only access"),
            Denied,
            id="acl",
        ),
        pytest.param(failure(ACCESS_DENIED, "access denied: 'QEMU' denied access"), Denied, id="polkit"),
        pytest.param(failure(NO_DOMAIN, "Domain not found"), DomainGone, id="undefined"),
        pytest.param(LOCKED, DomainBusy, id="another job"),
        pytest.param(failure(RESOURCE_BUSY, "resource busy"), DomainBusy, id="busy"),
        pytest.param(
            failure(OPERATION_TIMEOUT, "operation timed out: vcpu request timed out"),
            OutcomeUnknown,
            id="the change itself timed out",
        ),
        pytest.param(
            failure(SYSTEM_ERROR, "Unable to read from monitor: Connection reset by peer"),
            OutcomeUnknown,
            id="QEMU died meanwhile",
        ),
        pytest.param(
            failure(INTERNAL_ERROR, "internal error: something new"),
            OutcomeUnknown,
            id="not known here",
        ),
    ],
)
def test_a_plug_that_failed_is_refused_only_where_that_is_certain(
    error: libvirt.libvirtError, expected: type[AutoscalerError]
) -> None:
    told = plug_failed(error, WEB, alive=True, active=True)

    assert type(told) is expected
    assert "web" in str(told)


@pytest.mark.parametrize(
    ("active", "expected"),
    [pytest.param(True, DomainBusy, id="it runs"), pytest.param(False, DomainGone, id="it ended")],
)
def test_an_operation_that_is_not_valid_is_told_by_whether_the_domain_runs(
    active: bool,  # noqa: FBT001 - the case itself
    expected: type[AutoscalerError],
) -> None:
    error = failure(OPERATION_INVALID, "Requested operation is not valid: domain is not running")

    assert type(plug_failed(error, WEB, alive=True, active=active)) is expected
    assert type(ask_failed(error, WEB, "guest-ping", alive=True, active=active, listens=True)) is expected


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BROKEN_LINK, id="closed"),
        pytest.param(
            failure(INTERNAL_ERROR, "internal error: connection closed due to keepalive timeout"),
            id="keepalive",
        ),
        pytest.param(
            failure(SYSTEM_ERROR, "Cannot write data: Broken pipe", number=errno.EPIPE),
            id="pipe",
        ),
    ],
)
def test_a_connection_that_broke_leaves_a_write_unknown_and_a_read_unavailable(
    error: libvirt.libvirtError,
) -> None:
    assert type(plug_failed(error, WEB, alive=False, active=False)) is OutcomeUnknown
    assert type(look_failed(error, WEB, alive=False)) is BackendUnavailable
    asked = ask_failed(error, WEB, "guest-ping", alive=False, active=False, listens=True)
    assert type(asked) is BackendUnavailable


def refusal(words: str) -> str:
    return f"internal error: unable to execute QEMU agent command 'guest-exec': {words}"


@pytest.mark.parametrize(
    ("error", "expected", "advice"),
    [
        pytest.param(
            failure(
                ARGUMENT_UNSUPPORTED,
                "argument unsupported: QEMU guest agent is not configured",
            ),
            NoChannel,
            "virsh -c qemu:///system attach-device web FILE --config`, then stop and start it",
            id="no channel",
        ),
        pytest.param(
            failure(NO_SUPPORT, "this function is not supported by the connection driver"),
            NoChannel,
            "",
            id="a driver without agents",
        ),
        pytest.param(
            failure(
                AGENT_UNRESPONSIVE,
                "Guest agent is not responding: Guest agent not available for now",
            ),
            AgentUnresponsive,
            "guest-exec in time",
            id="no answer in time",
        ),
        pytest.param(
            failure(AGENT_COMMAND_TIMEOUT, "guest agent command timed out"),
            AgentUnresponsive,
            "in time",
            id="no answer in time, libvirt 11.2 (source)",
        ),
        pytest.param(
            failure(AGENT_UNSYNCED, "guest agent replied with wrong id to guest-sync command"),
            AgentUnresponsive,
            "",
            id="out of step (source)",
        ),
        pytest.param(
            failure(
                AGENT_UNRESPONSIVE,
                "Guest agent is not responding: QEMU guest agent is not available due to an error",
            ),
            AgentNonsense,
            "systemctl restart qemu-guest-agent",
            id="libvirt gave it up (source)",
        ),
        pytest.param(
            failure(
                INTERNAL_ERROR,
                refusal("The command guest-exec has been disabled for this instance"),
            ),
            AgentBlocked,
            "BLOCK_RPCS",
            id="blocked, QEMU 5",
        ),
        pytest.param(
            failure(
                INTERNAL_ERROR,
                refusal("Command guest-exec has been disabled: the command is not allowed"),
            ),
            AgentBlocked,
            "",
            id="blocked, QEMU 7",
        ),
        pytest.param(
            failure(AGENT_COMMAND_FAILED, refusal("The command guest-exec has not been found")),
            AgentBlocked,
            "",
            id="unknown to the agent, libvirt 11.2 (source)",
        ),
        pytest.param(
            failure(
                INTERNAL_ERROR,
                "Interner Fehler: Agent QEMU-befehl 'guest-exec' kann nicht ausgeführt werden: Command "
                "guest-exec has been disabled: the command is not allowed",
            ),
            AgentBlocked,
            "BLOCK_RPCS",
            id="blocked, libvirt in German",
        ),
        pytest.param(
            failure(INTERNAL_ERROR, "无法执行 QEMU 代理命令 'guest-exec'\uff1afailed to open file"),
            AgentRefused,
            "failed to open file",
            id="it could not, libvirt in Chinese",
        ),
        pytest.param(
            failure(OPERATION_TIMEOUT, "Zeitüberschreitung bei Operation: Kann Lock nicht abrufen"),
            DomainBusy,
            "someone else",
            id="someone else is asking, libvirt in German",
        ),
        pytest.param(
            failure(
                INTERNAL_ERROR,
                refusal("Command guest-exec has been disabled: the agent is in frozen state"),
            ),
            DomainFrozen,
            "virsh -c qemu:///system domfsthaw web",
            id="frozen for a backup, which passes",
        ),
        pytest.param(
            failure(INTERNAL_ERROR, refusal("failed to open file: No such file or directory")),
            AgentRefused,
            "No such file",
            id="it could not",
        ),
        pytest.param(
            failure(INTERNAL_ERROR, "internal error: End of file from agent socket"),
            AgentUnresponsive,
            "",
            id="it went away (source)",
        ),
        pytest.param(
            failure(
                SYSTEM_ERROR,
                "No complete agent response found in 10485760 bytes: Numerical result out of range",
            ),
            AgentNonsense,
            "",
            id="an endless answer (source)",
        ),
        pytest.param(
            failure(RPC, "Unable to encode message payload"),
            AgentNonsense,
            "",
            id="an answer too long for libvirt (source)",
        ),
        pytest.param(LOCKED, DomainBusy, "someone else", id="someone else is asking"),
        pytest.param(failure(NO_DOMAIN, "Domain not found"), DomainGone, "", id="gone"),
        pytest.param(
            failure(ACCESS_DENIED, "access denied"),
            AgentAbsent,
            "domain.write",
            id="no right to ask",
        ),
    ],
)
def test_an_agent_that_gave_no_answer_is_told_by_why(
    error: libvirt.libvirtError, expected: type[AutoscalerError], advice: str
) -> None:
    told = ask_failed(error, WEB, "guest-exec", alive=True, active=True, listens=True)

    assert type(told) is expected
    assert "web" in str(told)
    assert advice in str(told)


@pytest.mark.parametrize(
    "text",
    [
        "Guest agent is not responding: QEMU guest agent is not connected",
        "Gast-Agent antwortet nicht: QEMU-Gast-Agent ist nicht verbunden",
    ],
)
def test_a_channel_that_nobody_has_open_is_told_by_its_state_not_by_words(text: str) -> None:
    told = ask_failed(
        failure(AGENT_UNRESPONSIVE, text), WEB, "guest-exec", alive=True, active=True, listens=False
    )

    assert type(told) is AgentAbsent
    assert "`systemctl start qemu-guest-agent`" in str(told)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(
            failure(SYSTEM_ERROR, "Failed to connect socket to '/s'", number=errno.EACCES),
            ", then log in again",
            id="no permission on the socket",
        ),
        pytest.param(
            failure(
                AUTH_UNAVAILABLE,
                "authentication unavailable: no polkit agent available to authenticate action",
            ),
            "polkit rule",
            id="polkit has nobody to ask",
        ),
        pytest.param(
            failure(AUTH_FAILED, "authentication failed: Failed to verify peer's credentials"),
            "auth.conf",
            id="wrong credentials",
        ),
        pytest.param(
            failure(SYSTEM_ERROR, "Failed to connect socket to '/s'", number=errno.ENOENT),
            "systemctl start libvirtd",
            id="no daemon",
        ),
    ],
)
def test_a_connection_that_could_not_be_opened_says_what_to_do(
    error: libvirt.libvirtError, advice: str
) -> None:
    told = opening_failed(error, "qemu:///system")

    assert "libvirt at qemu:///system" in str(told)
    assert advice in str(told)


@pytest.mark.parametrize(
    ("uri", "text", "advice"),
    [
        (
            "qemu+tls://kvm-1/system",
            "Cannot read CA certificate '/etc/pki/CA/cacert.pem'",
            "/etc/pki/libvirt",
        ),
        (
            "qemu+tls://kvm-1/system?pkipath=/etc/pki/autoscaler",
            "Cannot read CA certificate '/etc/pki/autoscaler/cacert.pem'",
            "?pkipath=FOLDER",
        ),
        ("qemu://kvm-1/system", "Cannot read CA certificate '/etc/pki/CA/cacert.pem'", "/etc/pki/libvirt"),
        ("qemu+ssh://kvm-1/system", "Cannot recv data: Permission denied (publickey)", "?keyfile=PATH"),
        ("qemu+tcp://kvm-1/system", "unable to connect to server", "virtproxyd-tcp.socket"),
    ],
)
def test_another_host_that_could_not_be_reached_is_not_taken_for_this_one(
    uri: str, text: str, advice: str
) -> None:
    told = str(opening_failed(failure(SYSTEM_ERROR, text, number=errno.ENOENT), uri))

    assert f"{text}): " in told
    assert advice in told
    assert "usermod" not in told
    assert "start libvirtd`" not in told


def test_an_embedded_driver_that_misses_its_user_names_the_package_that_makes_it() -> None:
    error = failure(INVALID_ARG, "invalid argument: Failed to parse user 'libvirt-qemu'")

    assert "apt install libvirt-daemon-system" in str(opening_failed(error, "qemu:///embed?root=/r"))


def test_text_that_a_guest_can_choose_is_bounded_and_printable() -> None:
    text = said(failure(INTERNAL_ERROR, "a\n\x1b[2Jb" + "x" * 5000))

    assert len(text) <= 300
    assert text.startswith("a ?[2Jb")
