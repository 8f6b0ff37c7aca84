"""Reading the policies again, whoever asks for it: a signal, the control socket, the watch over the files.

The files are read on a worker, one time after the other, and taken on the controller's thread, in that order:
a large set does not hold up the ticks, and what was read last is what is in force.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from autoscaler.errors import AutoscalerError, OutcomeUnknown
from autoscaler.service.lanes import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autoscaler.backends.local.peer import Peer
    from autoscaler.core.policy import PolicySet
    from autoscaler.policyfile.load import LoadedPolicies
    from autoscaler.service.lanes import Submit
    from autoscaler.service.policy_files import PolicyFiles, Reloaded

    Then = Callable[[Reloaded | AutoscalerError], None]

_PATIENCE_S = 20.0
"""How long one who asked waits: the largest sets take some seconds to read."""


class PolicyReload:
    """Brings what the files say to the controller."""

    def __init__(
        self,
        files: PolicyFiles,
        *,
        submit: Submit,
        apply: Callable[[PolicySet], int],
        loaded: Callable[[Reloaded, str], None],
        begins: Callable[[], None],
        ends: Callable[[], None],
    ) -> None:
        """Read by `files`, put in force by `apply`.

        Args:
            files: reads them.
            submit: has work done beside the controller.
            apply: called on the controller's thread; returns how many domains change policy.
            loaded: called on the controller's thread with what came of it, and who asked.
            begins: called when somebody asks, where he asks: in a signal handler, too.
            ends: called on the controller's thread when he has his answer.
        """
        self._files = files
        self._submit = submit
        self._apply = apply
        self._loaded = loaded
        self._begins = begins
        self._ends = ends

    def ask(self, who: str, then: Then = lambda _: None) -> None:
        """Read the files again; safe from any thread and from a signal handler.

        `who` asks, in words; `then` gets what came of it, on the controller's thread.
        """

        def answered(reloaded: Reloaded | AutoscalerError) -> None:
            self._ends()
            then(reloaded)

        self._begins()
        self._submit(Lane.POLICIES, self._files.read, partial(self._take, who, answered))

    def look(self) -> None:
        """Read the files again if they are not as they were last read."""
        take = partial(self._take, "whoever changed the files", lambda _: None)
        self._submit(Lane.POLICIES, self._files.read_if_changed, take)

    def verb(self, _request: Mapping[str, object], peer: Peer) -> Mapping[str, object]:
        """Read the files again, and tell as plain JSON values what came of it; see `Reloaded`.

        Raises:
            AutoscalerError: nothing is known to have come of it.
        """
        outcome: Future[Reloaded | AutoscalerError] = Future()
        self.ask(str(peer), outcome.set_result)
        try:
            reloaded = outcome.result(_PATIENCE_S)
        except TimeoutError:
            raise OutcomeUnknown(
                f"the policies were not read within {_PATIENCE_S:g} s: its log will say what came of it"
            ) from None
        if isinstance(reloaded, AutoscalerError):
            raise reloaded
        return reloaded.plain()

    def _take(self, who: str, then: Then, loaded: LoadedPolicies | AutoscalerError | None) -> None:
        """Put what was read in force, between two ticks. None: it is as it was."""
        if loaded is None:
            return
        if isinstance(loaded, AutoscalerError):
            then(loaded)
            return
        domains = 0 if loaded.policy_set is None else self._apply(loaded.policy_set)
        reloaded = self._files.take(loaded, domains=domains)
        self._loaded(reloaded, who)
        then(reloaded)
