"""The domains in two halves: one to tune on, the other to report on.

Domains are put in order by a hash of seed and name and taken in turns, within strata of like size: the
maximum's power of two. So both halves have about as many large domains, and neither the order of traces nor
what their demand does meanwhile decides.

Invariant: every domain is in one half; the same names, sizes and seed give the same halves.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoscaler.replay.trace import Trace


def halves(traces: Sequence[Trace], seed: int) -> tuple[list[Trace], list[Trace]]:
    """The half to tune on and the half to report on, both in the traces' order."""
    strata: dict[int, list[str]] = {}
    for trace in traces:
        strata.setdefault((trace.maximum - 1).bit_length(), []).append(trace.domain)
    to_tune: set[str] = set()
    # An odd one goes by turns too, lest all of them go to one half.
    taken = 0
    for _, domains in sorted(strata.items()):
        for domain in sorted(domains, key=lambda domain: sha256(f"{seed}/{domain}".encode()).digest()):
            if taken % 2 == 0:
                to_tune.add(domain)
            taken += 1
    return (
        [trace for trace in traces if trace.domain in to_tune],
        [trace for trace in traces if trace.domain not in to_tune],
    )
