"""Templates and files of the page, read from the package once; every value in a template is escaped.

Invariant: the names of files that are served stand here. What a browser asks for never becomes a path.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterator

STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files beside the pages, and their types."""

_environment = Environment(
    loader=PackageLoader(__package__, "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


@cache
def static(name: str) -> bytes:
    """One of the files in `STATIC`."""
    assert name in STATIC
    return files(__package__).joinpath("static", name).read_bytes()


@cache
def edition() -> str:
    """Changes with the files, so that a browser never mixes those of two versions."""
    digest = blake2b(digest_size=6)
    for name in STATIC:
        digest.update(static(name))
    return digest.hexdigest()


def render(template: str, **values: object) -> str:
    """A template with these values, each escaped."""
    return _environment.get_template(template).render(values, edition=edition())


def rendered(template: str, **values: object) -> Iterator[str]:
    """The same piece by piece, each made when it is asked for."""
    return _environment.get_template(template).generate(values, edition=edition())


def markup(html: str) -> Markup:
    """Text that `render` made, for another template to take as it is."""
    return Markup(html)  # noqa: S704 - each value in it was escaped when it was made
