"""The policy files of the running service: read at its start and again, and what came of it in the log.

Invariant: a set is put in force whole or not at all; what is broken leaves the last good set where it is, and
is a trouble until it is mended.
"""

from __future__ import annotations

import logging
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from autoscaler.core.counted import counted
from autoscaler.core.policy_changes import PolicyChanges, differences
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.load import LoadedPolicies, fingerprint, load_policies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from autoscaler.core.policy import PolicySet
    from autoscaler.ports import Clock
    from autoscaler.service.instruments import Instruments

_log = logging.getLogger("autoscaler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What came of reading the policies again."""

    loaded: LoadedPolicies
    changes: PolicyChanges
    """What the set in force gained, lost and had changed by it."""
    domains: int
    """How many running domains are governed otherwise by it."""
    sentence: str
    """What changed, or what is to be done about the errors."""

    def plain(self) -> dict[str, object]:
        """As plain JSON values."""
        return {
            "in_force": self.loaded.policy_set is not None,
            "sentence": self.sentence,
            "changes": asdict(self.changes),
            "domains": self.domains,
            "errors": [asdict(problem) for problem in self.loaded.errors],
            "warnings": [asdict(problem) for problem in self.loaded.warnings],
        }


class PolicyFiles:
    """Reads the files on one thread, and remembers the set in force on another, the controller's."""

    def __init__(self, paths: Sequence[Path], *, instruments: Instruments, clock: Clock) -> None:
        """Read the files for the first time.

        Raises:
            AutoscalerError: they have errors, which are in the log.
        """
        self._paths = paths
        self._instruments = instruments
        self._clock = clock
        self.troubles: Mapping[str, str] = {}
        self.seen = ""
        """Fingerprint of the files as they were last read; may be looked at from any thread."""
        loaded = self.read()
        self._note(loaded)
        if loaded.policy_set is None:
            raise AutoscalerError(f"the policies have errors: mend what {self._check_command()} tells")
        self.in_force: PolicySet = loaded.policy_set

    def read(self) -> LoadedPolicies:
        """Read the files; nothing is in force by that yet."""
        loaded = load_policies(self._paths)
        self.seen = loaded.fingerprint
        return loaded

    def read_if_changed(self) -> LoadedPolicies | None:
        """Read the files, or None: they are as they were when they were last read."""
        return None if fingerprint(self._paths) == self.seen else self.read()

    def take(self, loaded: LoadedPolicies, *, domains: int) -> Reloaded:
        """Take what was read for the set in force, if it has no errors, and say what came of it.

        Args:
            loaded: what was read.
            domains: how many running domains are governed otherwise by it.
        """
        self._note(loaded)
        if loaded.policy_set is None:
            sentence = (
                "the policies were not reloaded and the last good set stays in force: mend what "
                f"{self._check_command()} tells"
            )
            _log.error("%s", sentence)
            self.troubles = {"policies": sentence}
            return Reloaded(loaded=loaded, changes=PolicyChanges(), domains=domains, sentence=sentence)
        changes = differences(self.in_force, loaded.policy_set)
        self.in_force = loaded.policy_set
        self.troubles = {}
        sentence = f"{changes}; {counted(domains, 'running domain')} governed otherwise now"
        _log.info("policies reloaded: %s", sentence)
        return Reloaded(loaded=loaded, changes=changes, domains=domains, sentence=sentence)

    def _note(self, loaded: LoadedPolicies) -> None:
        for problem in loaded.warnings:
            _log.warning("%s", problem)
        for problem in loaded.errors:
            _log.error("%s", problem)
        self._instruments.policies_read(in_force=loaded.policy_set is not None, wall_s=self._clock.wall_s())

    def _check_command(self) -> str:
        """The command that tells what is wrong with the policies."""
        return f"`autoscaler check {shlex.join(str(path) for path in self._paths)}`"
