"""The bounds of the actuator: as wide as each policy and no wider, and read from no doubtful file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.actuator.bounds import Charter, DomainBounds, OutOfBounds, Unnamed, bounds_of
from autoscaler.actuator.bounds_file import BoundsFile, BoundsUnusable, read, written
from autoscaler.backends.actuator.protocol import Verb
from autoscaler.backends.address import TcpAddress, UnixAddress
from autoscaler.backends.connection import LibvirtConnection, QmpFolderConnection, QmpListConnection
from autoscaler.backends.qmp.guests import QmpGuest
from autoscaler.core.model import DomainId, DomainView, RunState
from autoscaler.core.owner import Owner
from autoscaler.core.policy import Match, Mode
from autoscaler.policyfile.load import load_texts
from autoscaler.policyfile.text_file import decode

READS = {Verb.READ}
GROWS = {Verb.READ, Verb.PLUG, Verb.ONLINE}
SHRINKS = GROWS | {Verb.OFFLINE}
UUID = "9e6cf0d7-3a63-4f0a-8a3f-1f2f8a1c0b77"

SCHEDULE = "{{name: s, days: [mon], from: '08:00', to: '10:00', timezone: UTC, {}}}"


def bounds(text: str) -> DomainBounds:
    """The bounds of a policy whose keys beside name and match are these lines."""
    body = "".join(f"    {line}\n" for line in text.splitlines())
    whole = f"version: 1\npolicies:\n  - name: web\n    match: {{name: ['web-*']}}\n{body}"
    loaded = load_texts([decode("p.yaml", whole.encode())])
    assert loaded.policy_set is not None, loaded.errors
    (policy,) = loaded.policy_set.policies
    return bounds_of(policy)


def view(name: str = "web-1", **changes: object) -> DomainView:
    found = DomainView(
        id=DomainId("h", UUID), name=name, state=RunState.RUNNING, plugged=1, maximum=8, at_s=0.0
    )
    return replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "may"),
    [
        pytest.param("mode: 'off'", set(), id="off"),
        pytest.param("mode: recommend", READS, id="recommend"),
        pytest.param("mode: up-only", GROWS, id="up-only"),
        pytest.param("mode: auto", SHRINKS, id="auto keeps vCPUs plugged"),
        pytest.param("limits: {down: {reclaim: unplug}}", SHRINKS | {Verb.UNPLUG}, id="unplug"),
        pytest.param(
            "limits: {down: {reclaim: offline-then-unplug}}", SHRINKS | {Verb.UNPLUG}, id="after a while"
        ),
        pytest.param("mode: up-only\nlimits: {down: {reclaim: unplug}}", GROWS, id="up-only unplugs nothing"),
        pytest.param(
            f"mode: recommend\nschedules: [{SCHEDULE.format('mode: auto')}]",
            SHRINKS,
            id="a mode at some hours",
        ),
    ],
)
def test_only_what_some_mode_of_the_policy_needs_may_be_asked_for(text: str, may: set[Verb]) -> None:
    assert bounds(text).may == may


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        pytest.param("vcpus: {min: 2, max: 6}", 2, 6, id="its own"),
        pytest.param("vcpus: {min: 2}", 2, None, id="the domain's maximum"),
        pytest.param(
            f"vcpus: {{min: 3, max: 6}}\nschedules: [{SCHEDULE.format('vcpus: {min: 1, max: 8}')}]",
            *(1, 8),
            id="wider at some hours",
        ),
        pytest.param(
            f"vcpus: {{min: 3, max: 6}}\nschedules: [{SCHEDULE.format('vcpus: {min: 4, max: 5}')}]",
            *(3, 6),
            id="narrower at some hours",
        ),
    ],
)
def test_the_counts_are_the_widest_of_any_hour(text: str, least: int, most: int | None) -> None:
    found = bounds(text)

    assert (found.min_vcpus, found.max_vcpus) == (least, most)


WEB = DomainBounds(
    policy="web",
    match=Match(name=("web-*",), not_name=("web-canary",)),
    may=frozenset(Verb),
    min_vcpus=2,
    max_vcpus=6,
)
DB = DomainBounds(
    policy="db",
    match=Match(name=("*",), metadata=(("tier", "gold"),)),
    may=frozenset({Verb.READ, Verb.PLUG}),
    min_vcpus=1,
    max_vcpus=None,
)
CHARTER = Charter(
    connections=(
        LibvirtConnection("qemu:///system", frozenset({Owner.NOVA})),
        QmpFolderConnection(Path("/run/guests")),
        QmpListConnection(
            (
                QmpGuest(name="a", qmp=UnixAddress("/run/a"), agent=TcpAddress("::1", 5), labels={"k": "v"}),
                QmpGuest(name="b", qmp=UnixAddress("/run/b"), uuid=UUID),
            )
        ),
    ),
    agent_timeout_s=1.5,
    bounds=(WEB, DB),
)


@pytest.mark.parametrize(
    ("verb", "target"),
    [(Verb.PLUG, 6), (Verb.ONLINE, 6), (Verb.OFFLINE, 2), (Verb.UNPLUG, 2), (Verb.READ, None)],
)
def test_what_is_within_the_bounds_passes(verb: Verb, target: int | None) -> None:
    CHARTER.check(view(), verb, target)


@pytest.mark.parametrize(
    ("verb", "target", "sentence"),
    [
        (Verb.PLUG, 7, "does not plug to 7 vCPUs for domain web-1 .* by the policy web: its most is 6"),
        (Verb.ONLINE, 7, "its most is 6"),
        (Verb.OFFLINE, 1, "its least is 2"),
        (Verb.UNPLUG, 1, "its least is 2"),
    ],
)
def test_what_is_beyond_the_bounds_is_refused_with_the_bound(verb: Verb, target: int, sentence: str) -> None:
    with pytest.raises(OutOfBounds, match=sentence):
        CHARTER.check(view(), verb, target)


def test_a_verb_that_the_policy_never_needs_is_refused() -> None:
    with pytest.raises(OutOfBounds, match="allow plug, read"):
        CHARTER.check(view("db-1", labels={"tier": "gold"}), Verb.OFFLINE, 4)


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(view("mail"), id="named by none"),
        pytest.param(view("web-canary"), id="taken out"),
        pytest.param(view("web-1", labels={"autoscaling": "off"}), id="kept out by its owner"),
        pytest.param(view("web-1", claimed_by=Owner.OVIRT), id="run by another program"),
    ],
)
@pytest.mark.parametrize("verb", Verb)
def test_a_domain_that_no_bounds_name_is_refused_every_verb(stranger: DomainView, verb: Verb) -> None:
    with pytest.raises(Unnamed, match=stranger.name):
        CHARTER.check(stranger, verb, None if verb is Verb.READ else 3)


def test_the_first_bounds_that_fit_count_as_with_policies() -> None:
    with pytest.raises(OutOfBounds, match="policy web"):
        CHARTER.check(view("web-1", labels={"tier": "gold"}), Verb.PLUG, 8)
    CHARTER.check(view("web-canary", labels={"tier": "gold"}), Verb.PLUG, 8)


def test_what_is_written_is_read_as_the_same() -> None:
    assert read(written(CHARTER).encode()) == CHARTER


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(written(CHARTER))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"version": 1, "version": 1}', id="a key twice"),
        pytest.param(changed(lambda it: it.pop("bounds")), id="a key too few"),
        pytest.param(changed(lambda it: it.update(more=1)), id="a key too many"),
        pytest.param(changed(lambda it: it.update(version=2)), id="a newer version"),
        pytest.param(changed(lambda it: it["bounds"][0].update(may=["destroy"])), id="a sixth verb"),
        pytest.param(changed(lambda it: it["bounds"][0].update(max_vcpus=True)), id="true for a number"),
        pytest.param(changed(lambda it: it["bounds"][0].update(max_vcpus="8")), id="text for a number"),
        pytest.param(changed(lambda it: it["bounds"][0].update(min_vcpus=-1)), id="a negative count"),
        pytest.param(changed(lambda it: it["bounds"][0]["match"].update(name="web-*")), id="text for a list"),
        pytest.param(changed(lambda it: it["bounds"][1]["match"].update(metadata=[["a"]])), id="half a pair"),
        pytest.param(changed(lambda it: it["connections"].append({"tcp": "x"})), id="another connection"),
        pytest.param(changed(lambda it: it["connections"][0].update(adopt=["me"])), id="another owner"),
        pytest.param(changed(lambda it: it.update(agent_timeout_s=None)), id="no time"),
    ],
)
def test_a_text_that_is_no_charter_is_refused_whole(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "bounds.json"
    put(path, CHARTER)
    return path


def put(path: Path, charter: Charter) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(written(charter))
    fresh.replace(path)


def test_other_bounds_are_in_force_as_soon_as_they_are_there(path: Path) -> None:
    file = BoundsFile(path)
    put(path, replace(CHARTER, bounds=(DB,)))

    assert file.current().bounds == (DB,)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_text("{"), id="broken"),
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(
            lambda path: (path.write_text(written(CHARTER)), path.chmod(0o666)), id="for all to write"
        ),
        pytest.param(lambda path: path.write_text(" " * 5_000_000), id="endless"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_the_last_in_force_and_is_told_of_once(
    path: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    file = BoundsFile(path)
    spoil(path)

    assert [file.current(), file.current()] == [CHARTER, CHARTER]
    assert len(caplog.records) == 1
    path.unlink(missing_ok=True)
    put(path, replace(CHARTER, bounds=()))
    assert file.current().bounds == ()


def test_bounds_that_others_could_have_written_are_in_force_once_the_rights_are_mended(path: Path) -> None:
    file = BoundsFile(path)
    path.write_text(written(replace(CHARTER, bounds=(DB,))))
    path.chmod(0o666)
    assert file.current() == CHARTER

    path.chmod(0o644)
    assert file.current().bounds == (DB,)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(lambda path: path.unlink(), "`autoscaler bounds --output", id="absent"),
        pytest.param(lambda path: path.chmod(0o664), "may be written by others", id="for the group to write"),
        pytest.param(lambda path: path.write_text("no"), "of this version", id="no JSON"),
    ],
)
def test_nothing_begins_with_bounds_that_cannot_be_used(
    path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(path)

    with pytest.raises(BoundsUnusable, match=re.escape(sentence)):
        BoundsFile(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_bounds_that_belong_to_another_user_are_not_read(path: Path) -> None:
    os.chown(path, 65534, 65534)

    with pytest.raises(BoundsUnusable, match="chown root"):
        BoundsFile(path)


def test_every_mode_has_its_verbs() -> None:
    for mode in Mode:
        assert bounds(f"mode: '{mode}'").may <= set(Verb)
