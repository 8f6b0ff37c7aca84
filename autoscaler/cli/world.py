"""The circumstances of a replay: from the command's options, and in words."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.replay.circumstances import LAB, Circumstances, Contention, Lag


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The options that say what the simulated host is like, as they were given; shares in percent."""

    lag_s: float | None
    missing: float
    refused: float
    stolen: float
    host_vcpus: int | None
    seed: int

    def circumstances(self) -> Circumstances:
        """What they mean."""
        refused_ratio = self.refused / 100
        return Circumstances(
            lag=LAB if self.lag_s is None else Lag.fixed(self.lag_s),
            missing_ratio=self.missing / 100,
            missing_in_a_row=max(1.0, 2 * self.missing / (100 - self.missing)),
            refused_onlining_ratio=refused_ratio,
            refused_offlining_ratio=refused_ratio,
            refused_removal_ratio=refused_ratio,
            contention=Contention(stolen_ratio=self.stolen / 100) if self.stolen else None,
            host_vcpus=self.host_vcpus,
            seed=self.seed,
        )


def circumstances_of(lag_s: float | None, *, seed: int) -> Circumstances:
    """A host on which nothing goes wrong; without a lag, that of the lab."""
    return Circumstances(lag=LAB if lag_s is None else Lag.fixed(lag_s), seed=seed)


def told(circumstances: Circumstances) -> tuple[str, ...]:
    """What the host does besides taking its time, a sentence each."""
    sentences = []
    if circumstances.missing_ratio:
        sentences.append(
            f"{100 * circumstances.missing_ratio:g} % of the samples are missing, "
            f"{circumstances.missing_in_a_row:.1f} in a row on average"
        )
    if circumstances.refused_onlining_ratio:
        sentences.append(f"guests refuse {100 * circumstances.refused_onlining_ratio:g} % of the moves")
    if circumstances.contention is not None:
        sentences.append(
            f"the host withholds {100 * circumstances.contention.stolen_ratio:g} % of the vCPUs' time"
        )
    if circumstances.host_vcpus is not None:
        sentences.append(f"all domains share a host of {circumstances.host_vcpus} vCPUs")
    return tuple(sentences)
