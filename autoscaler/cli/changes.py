"""How changes of vCPUs and the decisions that begin them are told in a few words."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def verdict_of(decision: Json) -> str:
    """What is done, or, where the policy only recommends, would be."""
    verdict = str(decision["verdict"])
    return verdict if decision["act"] or verdict == "hold" else f"would {verdict}"


def outcome_of(operation: Json) -> str:
    """How a change ended, when it passed each stage, and more where there is more."""
    stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in operation["stages_s"].items())
    outcome = operation["outcome"] or "under way"
    told = f"{outcome} ({stages})" if stages else outcome
    return f"{told}: {operation['detail']}" if operation["detail"] else told
