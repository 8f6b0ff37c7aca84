"""One action from hand-out to result: the port it goes to, and what its answer or error means for the state.

Asking a guest again does no harm (bringing vCPUs online is idempotent and starts with a look), so an agent
that did not answer is asked again until the operation's deadline. A plug is never repeated without a look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoscaler.core.model import GuestVcpus
from autoscaler.core.operation import Action, Outcome, Plug
from autoscaler.ports import (
    AgentBlocked,
    AgentError,
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


def carry_out(host: Host, domain: DomainId, action: Action) -> GuestVcpus | None:
    """Do one action; may block up to the ports' deadlines."""
    if isinstance(action, Plug):
        host.hypervisor.plug(domain, expect=action.expect, target=action.target)
        return None
    return host.cpus.set_online(domain, target=action.target)


def take_in(
    state: DomainState, action: Action, result: GuestVcpus | AutoscalerError | None, now_s: float
) -> None:
    """Report to the state how its action came out; a guest that lists the impossible has said nothing."""
    if isinstance(result, GuestVcpus) and result.online > state.view.maximum:
        state.actuation.unknown(
            f"the agent of domain {state.view.name} lists {result.online} vCPUs online where the domain can "
            f"have {state.view.maximum}: it is not believed",
            now_s,
        )
    elif isinstance(result, GuestVcpus):
        state.guest_shows(result, now_s)
    elif result is None:
        state.actuation.plugged(now_s)
    elif isinstance(result, Conflict):
        state.actuation.failed(Outcome.CONFLICT, str(result), now_s)
    elif isinstance(result, Denied):
        state.actuation.failed(Outcome.DENIED, str(result), now_s)
    elif _worth_another_look(action, result):
        state.actuation.unknown(str(result), now_s)
    else:
        state.actuation.failed(Outcome.FAILED, str(result), now_s)


def _worth_another_look(action: Action, error: AutoscalerError) -> bool:
    if isinstance(action, Plug):
        return isinstance(error, OutcomeUnknown)
    return isinstance(error, _ASK_AGAIN) and not isinstance(error, AgentBlocked)
