"""A domain's label in an address, whatever is in it.

A label may have slashes, for it ends with a libvirt URI where two hosts have a domain of that name, and line
breaks, as any name of a guest that an administrator chose badly.
"""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

LABEL = "{domain:label}"
"""For a path; its value is the parameter `domain`. What follows it in a path goes first among the routes."""


class _Label(Convertor[str]):
    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("label", _Label())
