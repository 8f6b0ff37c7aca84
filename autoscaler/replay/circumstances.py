"""What a replay's world does to a service: how long changes take, what is not heard, refused or withheld.

Invariant: chance is drawn for each domain from the seed and its name alone, and apart for each kind of
mishap, so that a domain has the same luck in whatever company, and more of one mishap leaves the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.errors import AutoscalerError

if TYPE_CHECKING:
    import numpy.typing as npt

_MOST_STOLEN_RATIO = 0.95
_RATIOS = ("missing_ratio", "refused_onlining_ratio", "refused_offlining_ratio", "refused_removal_ratio")
_STREAMS = ("lag", "missing", "onlining", "offlining", "removal")


class BadCircumstances(AutoscalerError):
    """The circumstances make no sense; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of times, by its quantiles; between two of them evenly."""

    shares: tuple[float, ...]
    """Rising, in 0 to 1; below the first and above the last the time is theirs."""
    seconds: tuple[float, ...]

    def at(self, share: float) -> float:
        """The time that this share of all does not exceed."""
        return float(np.interp(share, self.shares, self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How long changes take, from the request until the guest runs what was asked for."""

    plugged: Spread
    """A growth whose vCPUs have to be plugged first."""
    warm: Spread
    """A growth of vCPUs that are plugged still."""
    offline: Spread
    """A shrink."""

    @classmethod
    def fixed(cls, lag_s: float) -> Lag:
        """Every growth takes so long; a shrink nothing, for it spares no guest anything to wait for it."""
        growth = Spread((0.0,), (lag_s,))
        return cls(plugged=growth, warm=growth, offline=Spread((0.0,), (0.0,)))

    @property
    def longest_s(self) -> float:
        """No growth takes longer."""
        return max(*self.plugged.seconds, *self.warm.seconds)


_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LAB = Lag(
    plugged=Spread(_QUANTILES, (0.135, 0.152, 0.160, 0.222, 0.276, 0.329)),
    warm=Spread(_QUANTILES, (0.038, 0.051, 0.059, 0.075, 0.086, 0.102)),
    offline=Spread(_QUANTILES, (0.051, 0.056, 0.065, 0.074, 0.091, 0.108)),
)
"""What `sh deploy/bench.sh lag` found, in 30 changes of each kind, on emulated guests of up to 4 vCPUs (QEMU
7.2 without KVM) and a host with two CPUs that did nothing else. Beside other work they took about four times
as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contention:
    """A host that others use too: for a while of every period it withholds a share of its guests' time."""

    stolen_ratio: float
    every_s: float = 3600.0
    for_s: float = 3600.0

    def __post_init__(self) -> None:
        if not 0 <= self.stolen_ratio <= _MOST_STOLEN_RATIO:
            raise BadCircumstances(
                f"a host cannot withhold {self.stolen_ratio:g} of its guests' time here: give a share from 0 "
                f"to {_MOST_STOLEN_RATIO}"
            )
        if not 0 < self.for_s <= self.every_s:
            raise BadCircumstances(
                f"a host cannot be full for {self.for_s:g} s of every {self.every_s:g} s: give a time above "
                "0, and a period that is no shorter"
            )

    def series(self, steps: int, step_s: float) -> npt.NDArray[np.float64]:
        """The share withheld in each step; one that begins in the full part of a period is all in it."""
        begins_s = np.arange(steps) * step_s
        return np.where(begins_s % self.every_s < self.for_s, self.stolen_ratio, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """One world."""

    lag: Lag = LAB
    missing_ratio: float = 0.0
    """Share of all samples that do not come."""
    missing_in_a_row: float = 1.0
    """How many samples are missed in a row, on average."""
    refused_onlining_ratio: float = 0.0
    """Share of growths that the guest refuses."""
    refused_offlining_ratio: float = 0.0
    """Share of shrinks that the guest refuses."""
    refused_removal_ratio: float = 0.0
    """Share of requests to give a vCPU back that the guest's firmware refuses."""
    contention: Contention | None = None
    """None: every vCPU has a CPU of its own."""
    host_vcpus: int | None = None
    """The most vCPUs that all domains may run together; None: no domain stands in another's way."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _RATIOS:
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise BadCircumstances(f"{name} cannot be {value:g}: give a share from 0 to below 1")
        if self.missing_in_a_row < 1 or self.missing_in_a_row * (1 - self.missing_ratio) < self.missing_ratio:
            raise BadCircumstances(
                f"a share of {self.missing_ratio:g} of the samples cannot be missed "
                f"{self.missing_in_a_row:g} in a row: give at least 1, and more for a larger share"
            )
        if self.host_vcpus is not None and self.host_vcpus < 1:
            raise BadCircumstances(f"a host cannot have {self.host_vcpus} vCPUs: give at least 1")
        if self.seed < 0:
            raise BadCircumstances(f"a seed cannot be {self.seed}: give a whole number from 0 on")

    def stolen_ratio(self, steps: int, step_s: float) -> npt.NDArray[np.float64] | None:
        """Share of its time that a vCPU which wants to run does not get, in each step; None: it gets all."""
        return None if self.contention is None else self.contention.series(steps, step_s)

    def chances(self, domain: str) -> Chances:
        """The luck of one domain, from its beginning."""
        return Chances(self, domain)


class Chances:
    """What befalls one domain, drawn one after the other."""

    __slots__ = ("_circumstances", "_domain", "_generators")

    def __init__(self, circumstances: Circumstances, domain: str) -> None:
        self._circumstances = circumstances
        self._domain = domain
        self._generators: dict[str, np.random.Generator] = {}

    def plugged_s(self) -> float:
        """How long the next growth takes whose vCPUs have to be plugged."""
        return self._circumstances.lag.plugged.at(self._draw("lag"))

    def warm_s(self) -> float:
        """How long the next growth takes of vCPUs that are plugged."""
        return self._circumstances.lag.warm.at(self._draw("lag"))

    def offline_s(self) -> float:
        """How long the next shrink takes."""
        return self._circumstances.lag.offline.at(self._draw("lag"))

    def refuses_onlining(self) -> bool:
        """Whether the guest refuses the next growth."""
        return self._happens("onlining", self._circumstances.refused_onlining_ratio)

    def refuses_offlining(self) -> bool:
        """Whether the guest refuses the next shrink."""
        return self._happens("offlining", self._circumstances.refused_offlining_ratio)

    def refuses_removal(self) -> bool:
        """Whether the guest refuses to give back the next vCPU."""
        return self._happens("removal", self._circumstances.refused_removal_ratio)

    def missing(self, steps: int) -> npt.NDArray[np.bool_]:
        """Which samples do not come, of those at the ends of so many steps: runs of geometric length."""
        ratio, in_a_row = self._circumstances.missing_ratio, self._circumstances.missing_in_a_row
        missing = np.zeros(steps, dtype=np.bool_)
        begins = 1 / (in_a_row * (1 - ratio) / ratio) if ratio else 0.0
        if not begins:  # or so rare that no number tells it from never
            return missing
        generator = self._generator("missing")
        step = int(generator.geometric(begins)) - 1
        while step < steps:
            length = int(generator.geometric(1 / in_a_row))
            missing[step : step + length] = True
            step += length + int(generator.geometric(begins))
        return missing

    def _happens(self, stream: str, ratio: float) -> bool:
        return ratio > 0 and self._draw(stream) < ratio

    def _draw(self, stream: str) -> float:
        return float(self._generator(stream).random())

    def _generator(self, stream: str) -> np.random.Generator:
        found = self._generators.get(stream)
        if found is None:
            entropy = (self._circumstances.seed, *self._domain.encode())
            seed = np.random.SeedSequence(entropy, spawn_key=(_STREAMS.index(stream),))
            found = self._generators[stream] = np.random.Generator(np.random.PCG64(seed))
        return found
