"""One action from hand-out to result: the port it goes to, and what its answer or error means for the state.

Asking a guest again does no harm (bringing vCPUs online is idempotent and starts with a look), so an agent
that did not answer is asked again until the operation's deadline. A plug, and a removal, is never repeated
without a look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.absence import disbelief
from autoscaler.core.actuation import Actuation
from autoscaler.core.model import GuestVcpus
from autoscaler.core.operation import Action, Answer, LookAtGuest, Outcome, Plug, Requested, Unplug
from autoscaler.core.removal import Removal
from autoscaler.errors import (
    AgentBlocked,
    AgentError,
    AgentUnresponsive,
    AutoscalerError,
    BackendUnavailable,
    Conflict,
    Denied,
    DomainBusy,
    OutcomeUnknown,
)

if TYPE_CHECKING:
    from autoscaler.core.domain_state import DomainState
    from autoscaler.core.model import DomainId
    from autoscaler.service.host import Host

_ASK_AGAIN = (AgentError, DomainBusy, BackendUnavailable, OutcomeUnknown)
_MAY_BE_DONE = (AgentUnresponsive, OutcomeUnknown)
"""No answer came, but the request may have been carried out."""


Machine = Actuation | Removal
"""What asks for actions: a domain's change of vCPUs, and its removal of one."""


def carry_out(host: Host, domain: DomainId, action: Action) -> Answer:
    """Do one action; may block up to the ports' deadlines."""
    if isinstance(action, Plug):
        host.hypervisor.plug(domain, expect=action.expect, target=action.target)
        return None
    if isinstance(action, Unplug):
        return Requested(host.hypervisor.unplug(domain, expect=action.expect, target=action.target))
    if isinstance(action, LookAtGuest):
        return host.cpus.vcpus(domain)
    return host.cpus.set_online(domain, target=action.target)


def take_in(state: DomainState, action: Action, result: Answer | AutoscalerError, now_s: float) -> None:
    """Report to the state how its action came out; a guest that lists the impossible has said nothing."""
    machine = machine_of(state, action)
    if isinstance(result, GuestVcpus) and result.online > state.most_online:
        machine.unknown(disbelief(state.view, result.online, state.most_online), now_s, lost=False)
    elif isinstance(result, GuestVcpus) and machine is state.removal:
        state.removal.guest_shows(result, now_s)
    elif isinstance(result, GuestVcpus):
        state.guest_shows(result, now_s)
    elif isinstance(result, Requested):
        state.removal.requested(result, now_s)
    elif result is None:
        state.actuation.plugged(now_s)
    elif isinstance(result, Conflict):
        machine.failed(Outcome.CONFLICT, str(result), now_s)
    elif isinstance(result, Denied):
        machine.failed(Outcome.DENIED, str(result), now_s)
    elif _worth_another_look(action, result):
        lost = not isinstance(action, LookAtGuest) and isinstance(result, _MAY_BE_DONE)
        machine.unknown(str(result), now_s, lost=lost)
    else:
        machine.failed(Outcome.FAILED, str(result), now_s)


def machine_of(state: DomainState, action: Action) -> Machine:
    """What asked for an action."""
    return state.removal if isinstance(action, Unplug | LookAtGuest) else state.actuation


def _worth_another_look(action: Action, error: AutoscalerError) -> bool:
    if isinstance(action, Plug | Unplug):
        return isinstance(error, OutcomeUnknown)
    return isinstance(error, _ASK_AGAIN) and not isinstance(error, AgentBlocked)
