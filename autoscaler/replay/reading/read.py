"""Reads traces from files and folders: the face of the package for all that lies on a disk.

Invariant: either every file gave its traces and all that was mended is said, or there is no trace at all.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from autoscaler.core.model import MOST_VCPUS
from autoscaler.replay.even import even
from autoscaler.replay.findings import Problems, Repairs, TooManyProblems, TraceError
from autoscaler.replay.reading.decoded import Scales
from autoscaler.replay.reading.files import find_files
from autoscaler.replay.reading.one_file import FileReader
from autoscaler.replay.reading.shapes import Unit, shape_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from autoscaler.replay.recording import Recording
    from autoscaler.replay.trace import Trace

MOST_STEPS = 500_000_000
"""Of all traces together; they take 4 GB."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, and what was mended for that."""

    traces: tuple[Trace, ...]
    """No two of one domain."""
    repairs: tuple[str, ...]
    """A sentence each, with its file and line."""


@dataclass(slots=True, kw_only=True)
class Evened:
    """Traces as they come off their recordings."""

    step_s: float
    seed: int
    problems: Problems
    repairs: Repairs
    _traces: dict[str, Trace] = field(default_factory=dict)
    _steps: int = 0

    def add(self, recordings: Iterable[Recording]) -> None:
        """Bring recordings onto steps; a domain that was there before gets another name, which is said.

        Raises:
            TraceError: when there are more steps than memory is meant for.
        """
        with suppress(TooManyProblems):  # what is wrong is told at the end, with what else is
            for recording in recordings:
                self._add(replace(recording, domain=self._free_name(recording)))

    def _add(self, recording: Recording) -> None:
        trace = even(
            recording, step_s=self.step_s, seed=self.seed, problems=self.problems, repairs=self.repairs
        )
        if trace is not None:
            self._traces[trace.domain] = trace
            self._steps += len(trace.demand_vcpus)
        if self._steps > MOST_STEPS:
            raise TraceError(f"all traces have over {MOST_STEPS} steps; read less, or take longer steps")

    def reading(self) -> Reading:
        """All of them.

        Raises:
            TraceError: something was wrong.
        """
        self.problems.raise_any()
        return Reading(tuple(self._traces.values()), self.repairs.sentences())

    def _free_name(self, recording: Recording) -> str:
        name, others = recording.domain, 1
        while name in self._traces:
            others += 1
            name = f"{recording.domain}#{others}"
        if others > 1:
            self.repairs.note(
                recording.place,
                f"a domain called {recording.domain} was there before; this one is called {name}",
            )
        return name


def read_traces(
    paths: Sequence[Path],
    *,
    step_s: float,
    seed: int,
    shape: str | None = None,
    full_scale_vcpus: float | None = None,
    cost_per_request_vcpu_s: float | None = None,
    leave_out: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """Read every trace of some files and folders, brought onto steps of one length.

    Args:
        paths: Files and folders; `files.find_files` says what is taken of a folder.
        step_s: Length of a step.
        seed: Of the noise between rows that are further apart than steps.
        shape: The format's name, one of `SHAPE_NAMES`; None: it is recognised for each file.
        full_scale_vcpus: What 100 % are in files of percent that do not say so.
        cost_per_request_vcpu_s: vCPU-seconds of a request, for files of requests.
        leave_out: Patterns of names of files in folders that are not read.
        progress: Told now and then how many bytes of how many were read.

    Raises:
        TraceError: something is wrong; the text has a line for each reason, with file, line and what to do.
    """
    for scale, what in ((full_scale_vcpus, "full scale"), (cost_per_request_vcpu_s, "cost of a request")):
        if scale is not None and not 0 < scale <= MOST_VCPUS:
            raise TraceError(
                f"a {what} of {scale:g} makes no sense: above 0 and at most {MOST_VCPUS} is wanted"
            )
    problems, repairs = Problems(), Repairs()
    reader = FileReader(
        forced=None if shape is None else shape_named(shape),
        scales=Scales(full_scale_vcpus, cost_per_request_vcpu_s),
        problems=problems,
        repairs=repairs,
    )
    evened = Evened(step_s=step_s, seed=seed, problems=problems, repairs=repairs)
    files = find_files(paths, leave_out, problems, repairs)
    tell = _Progress(files, progress)
    for file in files:
        evened.add(reader.recordings(file, tell.read))
        tell.ended(file)
    problems.raise_any()
    if not files:
        raise TraceError(f"{', '.join(map(str, paths))}: there is no file to read")
    for unit, scale, option in (
        (Unit.PERCENT, full_scale_vcpus, "--full-scale"),
        (Unit.REQUESTS, cost_per_request_vcpu_s, "--cost-per-request"),
    ):
        if scale is not None and unit not in reader.units:
            raise TraceError(f"nothing that was read is {unit.value} of its own: leave {option} away")
    return evened.reading()


class _Progress:
    """Sums up over all files what was read of each."""

    def __init__(self, files: Sequence[Path], tell: Callable[[int, int], None] | None) -> None:
        self._sizes = {file: _size(file) for file in files}
        self._whole = sum(self._sizes.values())
        self._done = 0
        self._tell = tell

    def read(self, of_file: int) -> None:
        if self._tell is not None:
            self._tell(self._done + of_file, self._whole)

    def ended(self, file: Path) -> None:
        self._done += self._sizes[file]
        self.read(0)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # reading it will say what is wrong
