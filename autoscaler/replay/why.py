"""Why one policy made more of a domain than another, in sentences composed from facts that were counted.

Invariant: a sentence says only what the two courses show; where nothing explains a figure, the figure stands
alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from autoscaler.replay.judged import Judged

_BAD = 1
_TOGETHER_S = 900.0
"""Bad slices no further apart than this are one episode."""
_BEFORE_S = 300.0
"""How long before an episode its growth is looked for."""
_AFTER_S = 900.0
"""How long after it growth counts as late; later it counts as none."""
_MOST_EPISODES = 50
_DAY_HOURS = 24
_MOST_OF = 0.75
"""A stretch of the day that holds this share of a difference is named for it."""
_LONGEST_STRETCH = 12
_SPEAKABLE_RATIO = 0.005
"""A difference of fewer vCPU-hours, as a share of what there was, is not spoken of."""
_NIGHT = frozenset({20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7})


def why(new: Judged, old: Judged) -> str:
    """What the new policy does otherwise to this domain, most telling first; times are UTC."""
    sentences = [*_promise(new, old), *_bad_minutes(new, old), *_vcpu_hours(new, old), *_moves(new, old)]
    return "; ".join(sentences) if sentences else "nothing to speak of differs"


def _promise(new: Judged, old: Judged) -> Iterator[str]:
    if new.promised != old.promised:
        yield (
            f"promises {100 * new.promised.objective_ratio:g} % below {new.promised.below:g} "
            f"instead of {100 * old.promised.objective_ratio:g} % below {old.promised.below:g}"
        )


def _bad_minutes(new: Judged, old: Judged) -> Iterator[str]:
    turned_bad = np.flatnonzero((new.slices == _BAD) & (old.slices != _BAD))
    turned_good = np.flatnonzero((old.slices == _BAD) & (new.slices != _BAD))
    if len(turned_bad) == len(turned_good):
        return
    worse = len(turned_bad) > len(turned_good)
    turned, loser, winner = (turned_bad, new, old) if worse else (turned_good, old, new)
    minutes = abs(len(turned_bad) - len(turned_good)) * new.sla.slice_s / 60
    episodes = _episodes(turned, new.sla.slice_s)
    cause = _cause(loser, winner, episodes, worse=worse)
    count = f"{minutes:g} {'more' if worse else 'fewer'} bad {'minute' if minutes == 1 else 'minutes'}"
    yield f"{cause}{count}{_where(turned, episodes, new)}"


def _episodes(turned: npt.NDArray[np.intp], slice_s: float) -> list[tuple[int, int]]:
    """First and last slice of each run of them, the largest runs first."""
    breaks = np.flatnonzero(np.diff(turned) * slice_s > _TOGETHER_S) + 1
    runs = np.split(turned, breaks)
    runs.sort(key=len, reverse=True)
    return [(int(run[0]), int(run[-1])) for run in runs]


def _cause(loser: Judged, winner: Judged, episodes: list[tuple[int, int]], *, worse: bool) -> str:
    """How the two differ around those minutes: growth that comes later, or does not come at all."""
    late_s: list[float] = []
    short: list[tuple[float, float]] = []
    for first, last in episodes[:_MOST_EPISODES]:
        begin_s, end_s = first * loser.sla.slice_s - _BEFORE_S, (last + 1) * loser.sla.slice_s
        had, has = _span(winner, begin_s, end_s), _span(loser, begin_s, end_s + _AFTER_S)
        level = had.max() - 0.5
        if has.max() < level:
            # What it had where the other had them: before that it may have had more than ever after.
            short.append((_span(loser, begin_s, end_s)[had >= level].max(), had.max()))
        else:
            late_s.append((int(np.argmax(has >= level)) - int(np.argmax(had >= level))) * loser.course.step_s)
    if len(short) > len(late_s):
        few, many = np.median(np.array(short), axis=0)
        first, then = (few, many) if worse else (many, few)
        return f"has {first:.0f} instead of {then:.0f} vCPUs when they are wanted: "
    typical_s = float(np.median(late_s)) if late_s else 0.0
    return f"grows {typical_s:.0f} s {'later' if worse else 'sooner'}: " if typical_s > 0 else ""


def _span(judged: Judged, begin_s: float, end_s: float) -> npt.NDArray[np.float64]:
    step_s = judged.course.step_s
    return judged.course.online_vcpus[max(int(begin_s / step_s), 0) : int(np.ceil(end_s / step_s))]


def _where(turned: npt.NDArray[np.intp], episodes: list[tuple[int, int]], judged: Judged) -> str:
    """When most of them were: one stretch of one day, or the same half hour of several days."""
    slice_s = judged.sla.slice_s
    times_s = judged.start_s + turned * slice_s
    halves = (times_s % 86400 // 1800).astype(np.int64)
    counts = np.bincount(halves, minlength=48)
    commonest = int(counts.argmax())
    days = len(np.unique(times_s[halves == commonest] // 86400))
    if days > 1 and counts[commonest] * 2 > len(turned):
        return (
            f", most of them at {_clock(commonest * 1800)}-{_clock(commonest * 1800 + 1800)} on {days} days"
        )
    first, last = episodes[0]
    begin, end = (
        datetime.fromtimestamp(judged.start_s + number * slice_s, UTC) for number in (first, last + 1)
    )
    all_of_them = "" if len(episodes) == 1 else ", the longest run of them"
    return f"{all_of_them} on {begin:%a %d %b %H:%M}-{end:%H:%M}"


def _vcpu_hours(new: Judged, old: Judged) -> Iterator[str]:
    steps = min(len(new.course.online_vcpus), len(old.course.online_vcpus))
    more = (new.course.online_vcpus[:steps] - old.course.online_vcpus[:steps]) * new.course.step_s / 3600
    total = float(more.sum())
    had = float(old.course.online_vcpus.sum()) * old.course.step_s / 3600
    if abs(total) <= _SPEAKABLE_RATIO * had:
        return
    stretch = _stretch(more * np.sign(total), new)
    if stretch is None:
        yield f"{'keeps more' if total > 0 else 'does with fewer'} vCPUs throughout: {total:+.1f} vCPU-hours"
        return
    begin, hours = stretch
    inside = _in_stretch(new, steps, begin, hours)
    level = abs(float(more[inside].sum())) / (int(inside.sum()) * new.course.step_s / 3600)
    named = {(begin + hour) % _DAY_HOURS for hour in range(hours)}
    when = f"{_clock(begin * 3600)} to {_clock((begin + hours) * 3600)}"
    through = f"through nights ({when})" if named <= _NIGHT else f"from {when}"
    verb = "keeps" if total > 0 else "saves"
    more_of = " more" if total > 0 else ""
    yield f"{verb} {level:.1f} vCPUs{more_of} {through}: {total:+.1f} vCPU-hours"


def _stretch(gain: npt.NDArray[np.float64], judged: Judged) -> tuple[int, int] | None:
    """The shortest stretch of hours of the day that holds most of the difference: its begin and length."""
    if len(gain) * judged.course.step_s < 2 * 86400:
        return None
    by_hour = np.bincount(_hours(judged, len(gain)), weights=gain, minlength=_DAY_HOURS)
    for length in range(1, _LONGEST_STRETCH + 1):
        sums = [by_hour[(begin + np.arange(length)) % _DAY_HOURS].sum() for begin in range(_DAY_HOURS)]
        best = int(np.argmax(sums))
        if sums[best] >= _MOST_OF * by_hour.sum():
            return best, length
    return None


def _hours(judged: Judged, steps: int) -> npt.NDArray[np.int64]:
    times_s = judged.start_s + np.arange(steps) * judged.course.step_s
    hours: npt.NDArray[np.int64] = (times_s % 86400 // 3600).astype(np.int64)
    return hours


def _in_stretch(judged: Judged, steps: int, begin: int, hours: int) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (_hours(judged, steps) - begin) % _DAY_HOURS < hours
    return inside


def _moves(new: Judged, old: Judged) -> Iterator[str]:
    for name, now, before in (
        ("adds", new.score.adds, old.score.adds),
        ("removals", new.score.removals, old.score.removals),
    ):
        if abs(now - before) > max(2, before // 5):
            yield f"{now} {name.removesuffix('s') if now == 1 else name} instead of {before}"


def _clock(second_of_day: float) -> str:
    minutes = int(second_of_day // 60) % (24 * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"
