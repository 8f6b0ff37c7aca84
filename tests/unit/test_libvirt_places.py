"""Places for calls that may never return."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from autoscaler.backends.libvirt.places import Places
from tests.fakes.libvirt_domains import RealClock


def places() -> Places:
    return Places("test:///default", clock=RealClock(), connections=2, calls=2)


def test_calls_spread_over_the_connections_and_no_more_are_let_in_than_there_are_places() -> None:
    room = places()
    with ExitStack() as taken:
        links = [taken.enter_context(room.taken(patience_s=0)) for _ in range(4)]
        assert links == [links[0], links[1], links[0], links[1]]
        assert links[0] is not links[1]
        with pytest.raises(TimeoutError), room.taken(patience_s=0.05):
            pass
    with room.taken(patience_s=0):
        pass
    room.close()


def test_a_place_is_given_back_however_its_call_ends() -> None:
    room = places()
    for _ in range(10):
        with pytest.raises(KeyError), room.taken(patience_s=0):
            raise KeyError
    room.close()
