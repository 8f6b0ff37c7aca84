"""A libvirt URI on the command line or in the environment.

Invariant: one that has a secret in it is not used, and not repeated.
"""

from __future__ import annotations

import os

import typer

from autoscaler.backends.uri import WHY_REFUSED, has_secret

_VARIABLE = "LIBVIRT_DEFAULT_URI"


def checked_uri(uri: str | None) -> str | None:
    """What an option has, which may not have been given; good as its callback.

    Raises:
        typer.BadParameter: there is a secret in it.
    """
    return _checked(uri, "the URI")


def default_uri() -> str | None:
    """The URI that virsh would take; None: it would choose one itself.

    Raises:
        typer.BadParameter: there is a secret in it.
    """
    return _checked(os.environ.get(_VARIABLE) or None, _VARIABLE)


def _checked(uri: str | None, called: str) -> str | None:
    if uri is not None and has_secret(uri):
        raise typer.BadParameter(f"{called} {WHY_REFUSED}")
    return uri
