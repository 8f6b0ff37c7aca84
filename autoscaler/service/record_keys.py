"""The keys ``journal`` and ``audit`` of the configuration: how long what is on record is kept."""

from typing import Annotated

from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import duration, integer
from autoscaler.service.settings import AuditSettings, Config

_DEFAULT = Config(connections=())


class JournalKeys(Section):
    """The record of decisions and changes."""

    keep: Annotated[float, duration("2d", "3650d")] = _DEFAULT.journal_keep_s
    """How long its entries are kept; older ones are forgotten a little at a time."""
    history: Annotated[float, duration("1h", "3650d")] = _DEFAULT.history_s
    """How long the history of what each domain wanted and had is kept."""
    most_mib: Annotated[int, integer(16, 1 << 20)] = _DEFAULT.journal_bytes >> 20
    """Most MiB of it without the tape. Beyond that the oldest entries go before their time, the last two days
    excepted."""
    tape_mib: Annotated[int, integer(0, 65536)] = _DEFAULT.tape_bytes >> 20
    """Most MiB of all that reaches the service from its start on, kept so that `autoscaler replay --strict`
    can make its decisions again; 0: none."""


class AuditKeys(Section):
    """The log of who changed what, and why."""

    keep: Annotated[float, duration("1d", "3650d")] = _DEFAULT.audit.keep_s
    """How long a file of it is kept after its last line."""
    most_mib: Annotated[int, integer(1, 1 << 20)] = _DEFAULT.audit.most_bytes >> 20
    """Most MiB of all its files; the oldest ones go first."""
    file: Annotated[float, duration("1h", "365d")] = _DEFAULT.audit.file_s
    """How long a file is written to; one of 16 MiB, or a quarter of `most_mib`, is ended before that."""

    def settings(self) -> AuditSettings:
        """What this means."""
        return AuditSettings(keep_s=self.keep, most_bytes=self.most_mib << 20, file_s=self.file)
