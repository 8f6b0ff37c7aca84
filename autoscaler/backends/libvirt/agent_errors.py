"""How a call to a guest agent through libvirt fails, as an `AgentError` that says what to do.

libvirt passes on the agent's own words, not its error class, so what the agent refuses is told by those
words. They come from the guest: all that a lying guest gains is the choice of the `AgentError` it is given.
libvirt's own words are in the language of its host: they are shown, and gone by only where they make no more
than the advice better.

Invariant: no answer of a guest is taken for a broken host connection; only `alive` decides that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autoscaler.backends.agent.wire import nobody_listens, refusal
from autoscaler.backends.libvirt.binding import libvirt
from autoscaler.backends.libvirt.errors import DENIED, GONE, gone, is_held, said
from autoscaler.errors import (
    AgentAbsent,
    AgentError,
    AgentNonsense,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    DomainBusy,
    NoChannel,
)

if TYPE_CHECKING:
    from autoscaler.core.named import Named

CHANNEL_XML = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"

# libvirt 11.2 brought these codes; a binding built against an older one has no name for them.
AGENT_COMMAND_TIMEOUT = 112
AGENT_COMMAND_FAILED = 113

_SILENT = frozenset(
    {libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED, AGENT_COMMAND_TIMEOUT}
)
_COLON = re.compile(r"[:\uff1a]\s*")
"""Also the wide one of Chinese and Japanese."""
_NOT_FOUND = ("has not been found", "disabled by policy")
_BROKEN_OFF = ("End of file from agent", "Unable to read from agent", "Unable to write to agent")


def ask_failed(
    error: libvirt.libvirtError, domain: Named, command: str, *, alive: bool, active: bool, listens: bool
) -> AutoscalerError:
    """Why an agent gave no answer.

    Args:
        error: what libvirt raised.
        domain: for the message.
        command: what the agent was asked.
        alive: whether the connection outlived the error.
        active: whether the domain runs or is paused after it.
        listens: whether anything in the guest has the agent channel open after it.
    """
    code, text = error.get_error_code(), said(error)
    on_host = _host_side(error, domain, alive=alive, active=active)
    if on_host is not None:
        return on_host
    if code in (libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, libvirt.VIR_ERR_NO_SUPPORT):
        return _no_channel(domain, text)
    if code in _SILENT:
        return _silent(domain, command, text) if listens else nobody_listens(domain.name)
    return _odd(domain, command, text)


def _host_side(
    error: libvirt.libvirtError, domain: Named, *, alive: bool, active: bool
) -> AutoscalerError | None:
    """Why the agent was not even asked; None: it was."""
    code, text = error.get_error_code(), said(error)
    if not alive:
        return BackendUnavailable(
            f"the connection to libvirt broke while the agent of domain {domain} was asked: {text}"
        )
    if code in GONE or (code == libvirt.VIR_ERR_OPERATION_INVALID and not active):
        return gone(domain)
    if code == libvirt.VIR_ERR_OPERATION_INVALID:
        return DomainBusy(f"domain {domain} is paused: `{domain.virsh('resume')}`")
    if is_held(error) or code == libvirt.VIR_ERR_OPERATION_TIMEOUT:  # an agent that is slow has its own codes
        return DomainBusy(f"the agent of domain {domain} is being used by someone else ({text})")
    if code in DENIED:
        return AgentAbsent(
            f"this user may not ask the agent of domain {domain} ({text}): give it "
            f"org.libvirt.api.domain.write by a polkit rule, or connect as a user that has it"
        )
    return None


def _no_channel(domain: Named, text: str) -> NoChannel:
    return NoChannel(
        f"domain {domain} has no guest agent channel ({text}): put {CHANNEL_XML} into a file, "
        f"`{domain.virsh('attach-device', 'FILE', '--config')}`, then stop and start it"
    )


def _silent(domain: Named, command: str, text: str) -> AgentError:
    if "due to an error" in text:
        # libvirt says so from the first reply that it could not parse until the agent opens its channel anew.
        return AgentNonsense(
            f"libvirt gave up the agent of domain {domain} after a broken reply: "
            f"`systemctl restart qemu-guest-agent` in the guest"
        )
    return AgentUnresponsive(f"the agent of domain {domain} did not answer {command} in time ({text})")


def _words_of_agent(command: str, text: str) -> str | None:
    """What follows in "unable to execute QEMU agent command 'guest-exec': ...", in any language."""
    _, asked, rest = text.partition(command)
    quoted_and_on = _COLON.split(rest, maxsplit=1)
    return quoted_and_on[1] if asked and len(quoted_and_on) > 1 else None


def _odd(domain: Named, command: str, text: str) -> AutoscalerError:
    words = _words_of_agent(command, text)
    if words:
        kind = "CommandNotFound" if any(lost in words for lost in _NOT_FOUND) else "GenericError"
        return refusal(kind, words, domain=domain, command=command)
    if any(broken_off in text for broken_off in _BROKEN_OFF):
        return AgentUnresponsive(f"the agent of domain {domain} went away during {command} ({text})")
    return AgentNonsense(f"the agent of domain {domain} answered {command} against the protocol: {text}")
