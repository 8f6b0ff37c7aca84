"""The target of a request that went through a proxy: a whole address, where others name a path only.

RFC 9112, section 3.2.2: a server accepts that form, and the host that it names counts in place of the header
``Host``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from starlette.types import Scope

_ABSOLUTE = re.compile(rb"(?i:https?)://([^/]*)(.*)", re.DOTALL)


def in_origin_form(scope: Scope) -> Scope | None:
    """The same request as one that names a path, with the host in the header; None: it names no host."""
    absolute = _ABSOLUTE.fullmatch(scope["raw_path"])
    if absolute is None:
        return scope
    host, path = absolute[1], absolute[2] or b"/"
    if not host or b"@" in host:  # nobody is to be taken in by a user who looks like a host
        return None
    others = [(name, text) for name, text in scope["headers"] if name != b"host"]
    headers = [(b"host", host), *others]
    return {**scope, "raw_path": path, "path": unquote(path.decode()), "headers": headers}
