"""The one tree of errors that the world may raise.

Errors are named by what the caller can do about them, and each message is one whole sentence for the
administrator: what is wrong, on what, and what to do.

    AutoscalerError
    |- BackendUnavailable     the host connection is down: back off, reconnect; all its domains are missing
    |- DomainGone             forget the domain until a sweep lists it again
    |- DomainBusy             another job or a pause holds the domain: look again later
    |  `- DomainFrozen        the guest's filesystems are frozen, which is no fault of its agent: hold
    |- Conflict               it was not as expected: observe, then decide anew
    |- Denied                 the hypervisor refuses for a stated reason: retry when its cause changes
    |- OutcomeUnknown         the reply was lost: observe, then act; never retry blind
    |- AgentError
    |  |- AgentAbsent         nobody in the guest has its channel open
    |  |  `- NoChannel        there is none to open: measure from the host
    |  |- AgentBlocked        this command is not allowed or not known: take the next rung
    |  |- AgentUnresponsive   no whole answer in time; the channel was put back in step
    |  |- AgentLeftAlone      it failed too often in a row: it is asked again after a while
    |  |- AgentRefused        the agent understood and could not do it
    |  `- AgentNonsense       the answer broke the protocol or its bounds: do not believe it
    `- JournalUnavailable     nothing can be recorded: change nothing, say so, and try again
       `- AuditUnavailable    the same of the audit log, which says so by itself
"""

from __future__ import annotations


class AutoscalerError(Exception):
    """Something the autoscaler can name; its text is for the administrator."""


class BackendUnavailable(AutoscalerError):
    """The host connection is down or refuses us."""


class DomainGone(AutoscalerError):
    """The domain does not run (any more)."""


class DomainBusy(AutoscalerError):
    """The domain is held by another job, or paused."""


class DomainFrozen(DomainBusy):
    """The guest's filesystems are frozen, for a backup or snapshot."""


class Conflict(AutoscalerError):
    """The domain was not in the state that the caller expected."""


class Denied(AutoscalerError):
    """The hypervisor refuses the change for a stated reason."""


class OutcomeUnknown(AutoscalerError):
    """The request left, its answer did not come: it may or may not have been carried out."""


class AgentError(AutoscalerError):
    """The guest agent did not do what was asked."""


class AgentAbsent(AgentError):
    """Nothing in the guest has the agent channel open."""


class NoChannel(AgentAbsent):
    """The domain has no agent channel: there never was an agent to ask."""


class AgentBlocked(AgentError):
    """The agent does not know or does not allow the command."""


class AgentUnresponsive(AgentError):
    """No whole answer came within the deadline."""


class AgentLeftAlone(AgentError):
    """The agent failed too often in a row and is not asked for a while.

    Raised from the error of the call that it befell; without a cause, the agent was not asked at all.
    """


class AgentRefused(AgentError):
    """The agent understood the command and could not carry it out."""


class AgentNonsense(AgentError):
    """The answer broke the protocol, its bounds, or cannot be true."""


class JournalUnavailable(AutoscalerError):
    """The record of decisions cannot be written or read."""


class AuditUnavailable(JournalUnavailable):
    """The audit log cannot be written or read."""
