"""What a domain is called in a command line that people are told to type."""

from __future__ import annotations

import pytest

from autoscaler.core.named import Named

UUID = "6ff9eac0-0000-4000-8000-000000000001"


@pytest.mark.parametrize("name", ["web-1", "2024-db", "_x", "web server", "b\u00fcro", "deadbeef", "0x1"])
def test_a_name_that_can_be_nothing_else_is_written_as_it_is(name: str) -> None:
    assert Named("qemu:///system", UUID, name).called == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("7", id="a number"),
        pytest.param("+7", id="a number with its sign"),
        pytest.param(" 7", id="a number behind a space"),
        pytest.param("--all", id="an option"),
        pytest.param(UUID, id="a UUID"),
        pytest.param(UUID.replace("-", " "), id="a UUID with spaces"),
        pytest.param(UUID.replace("-", ""), id="a UUID without dashes"),
        pytest.param("web\xa01", id="a space that is none"),
        pytest.param("web\x1b[2J", id="an escape"),
        pytest.param("web\n1", id="two lines"),
    ],
)
def test_a_name_that_could_be_taken_for_something_else_gives_way_to_the_uuid(name: str) -> None:
    assert Named("qemu:///system", UUID, name).called == UUID
