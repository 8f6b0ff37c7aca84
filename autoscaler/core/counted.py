"""Counts as people say them: ``1 vCPU``, ``3 vCPUs``."""


def counted(count: int, thing: str) -> str:
    """So many of a thing whose plural ends in s."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def vcpus(count: int) -> str:
    """So many vCPUs."""
    return counted(count, "vCPU")
