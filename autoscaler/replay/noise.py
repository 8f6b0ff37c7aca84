"""Chance for replay: seeded by a domain's name, so that nothing depends on which other domains are there.

Invariant: the same seed, domain and purpose give the same numbers, whatever was drawn before.
"""

from __future__ import annotations

import math
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

VARIATION = 0.12
"""Coefficient of variation of demand around its mean over minutes, the middle of 0.10 to 0.15."""
REMEMBERED_S = 30.0
"""How long a deviation lasts: after that its correlation is 1/e."""
_FORGOTTEN = 1e-17


def chance(seed: int, domain: str, purpose: str) -> np.random.Generator:
    """Numbers for one purpose of one domain."""
    name = sha256(f"{purpose}\0{domain}".encode("utf-8", "surrogatepass")).digest()
    return np.random.Generator(np.random.PCG64([seed, int.from_bytes(name[:16])]))


def wobble(
    rng: np.random.Generator, steps: int, step_s: float, *, remembered_s: float = REMEMBERED_S
) -> npt.NDArray[np.float64]:
    """Factors around 1, never negative: the exponential of a first-order autoregressive process.

    Returns:
        Shape (steps,), with the mean 1 and the coefficient of variation `VARIATION` in the long run.
    """
    memory = math.exp(-step_s / remembered_s)
    steady = rng.standard_normal(steps)
    if steps:
        steady[1:] *= math.sqrt(1 - memory**2)
    _remember(steady, memory)
    variance = math.log1p(VARIATION**2)
    steady *= math.sqrt(variance)
    steady -= variance / 2
    return np.exp(steady, out=steady)


def _remember(values: npt.NDArray[np.float64], memory: float) -> None:
    """Make each value itself plus ``memory`` times the one before, in a logarithm of passes, in place.

    A pass that reaches back by n steps doubles what the sums hold, so the next reaches back by 2n.
    """
    back, weight = 1, memory
    while back < len(values) and weight > _FORGOTTEN:
        values[back:] += weight * values[:-back]
        back, weight = 2 * back, weight * weight
