"""One browser for all tests here: it takes a second to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.browser import Browser, browser

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened
