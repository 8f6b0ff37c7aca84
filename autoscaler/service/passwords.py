"""Whether a password is right, without the tick or anybody who was let in before paying for the answer.

A bcrypt check costs a CPU for as long as its cost says. Checks are made in turns, so that a flood of wrong
passwords takes half a CPU at most; who was let in once is known again by a keyed digest, at no cost.

Invariant: what is kept is bounded by the number of users, and no password is kept.
"""

from __future__ import annotations

import hmac
import os
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

import bcrypt

from autoscaler.service.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_CHECKS = 16
_LONGEST = 72
"""Bytes of a password that bcrypt looks at."""


class Passwords:
    """Used on the event loop's thread."""

    def __init__(self) -> None:
        self._turns = Turns(_MOST_CHECKS)
        self._secret = os.urandom(32)
        self._right: dict[str, bytes] = {}
        """By user: a digest of hash and password that fitted."""

    async def is_right(self, users: Mapping[str, bytes], name: str, password: bytes) -> bool:
        """Whether this is the password of the user.

        Raises:
            Crowded: too many checks wait.
        """
        # An unknown name takes as long as a known one, so that nobody finds out which are known.
        hashed = users.get(name) or next(iter(users.values()))
        digest = blake2b(hashed + password, key=self._secret).digest()
        if name in users and hmac.compare_digest(digest, self._right.get(name, b"")):
            return True
        fits = await self._turns.made(digest, partial(_fits, password, hashed))
        if fits and name in users:
            self._right[name] = digest
        return fits and name in users


def _fits(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_LONGEST], hashed)
    except ValueError:  # it holds what no password can
        return False
