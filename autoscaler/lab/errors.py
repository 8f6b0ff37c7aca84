"""What can go wrong in the lab, as one error: every cause is for the person at the keyboard to remove."""

from __future__ import annotations

from autoscaler.errors import AutoscalerError


class LabError(AutoscalerError):
    """The lab cannot do what was asked; the text says why and what to install or do."""


class NotPossibleHere(LabError):
    """This host lacks something; nothing was done, and the text says what to install or do."""


class BadSpec(LabError):
    """What was asked for is no possible guest; nothing was done."""
