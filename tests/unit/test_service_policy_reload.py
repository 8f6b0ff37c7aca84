"""Reading the policies again: whole or not at all, in order, and told once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from autoscaler.core.policy import PolicySet
from autoscaler.errors import AutoscalerError, OutcomeUnknown
from autoscaler.policyfile.load import LoadedPolicies
from autoscaler.service import policy_reload
from autoscaler.service.clock import SystemClock
from autoscaler.service.inbox import Inbox
from autoscaler.service.instruments import Instruments
from autoscaler.service.lanes import Lane
from autoscaler.service.policy_files import PolicyFiles
from autoscaler.service.policy_reload import PolicyReload
from tests.fakes.examples import PEER

BROKEN = "version: 1\npolicies:\n  - {name: web, match: {}, mod: auto}\n  - {name: db, matches: {}}\n"


def policies(**most: int) -> str:
    """A file with these policies, each with its `max`."""
    lines = [
        f"  - {{name: {name}, match: {{name: [{name}]}}, vcpus: {{max: {number}}}}}"
        for name, number in most.items()
    ]
    return "\n".join(("version: 1", "policies:", *lines, ""))


class Still:
    """Stands where the controller does, and wants nothing."""

    def settle(self) -> float | None:
        return None


@dataclass
class Site:
    """A policy file, and what a service makes of it."""

    file: Path
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    applied: list[tuple[PolicySet, str]] = field(default_factory=list)
    """Each set that was put in force, and on which thread."""
    askers: list[str] = field(default_factory=list)
    """Who had the files read, each time that they were."""
    domains: int = 3
    """How many running domains each set governs otherwise than the one before."""
    kind: type[PolicyFiles] = PolicyFiles

    def __post_init__(self) -> None:
        self.file.write_text(policies(web=2, old=2))
        self.inbox = Inbox(SystemClock(), dict.fromkeys(Lane, 1))
        self.files = self.kind([self.file], instruments=Instruments(self.registry), clock=SystemClock())
        self.reload = PolicyReload(
            self.files,
            submit=self.inbox.submit,
            apply=self._apply,
            loaded=lambda _, who: self.askers.append(who),
            begins=lambda: None,
            ends=lambda: None,
        )
        self.thread = threading.Thread(target=self.inbox.run, args=(Still(),), name="controller")
        self.thread.start()

    def _apply(self, policy_set: PolicySet) -> int:
        self.applied.append((policy_set, threading.current_thread().name))
        return self.domains

    def look(self) -> None:
        """Look whether the files changed, and wait until that is over."""
        self.reload.look()
        over = threading.Event()
        self.inbox.submit(Lane.POLICIES, lambda: None, lambda _: over.set())
        assert over.wait(20)

    def reads(self, result: str) -> float | None:
        return self.registry.get_sample_value("vcpu_autoscaler_policy_reloads_total", {"result": result})

    @property
    def successful(self) -> float | None:
        return self.registry.get_sample_value("vcpu_autoscaler_policy_reload_successful")

    def close(self) -> None:
        self.inbox.stop()
        self.thread.join()
        self.inbox.close()


@pytest.fixture
def site(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    caplog.set_level(logging.INFO, logger="autoscaler")
    site = Site(tmp_path / "policies.yaml")
    yield site
    site.close()


def test_who_had_the_files_read_is_told_of_with_what_came_of_it(site: Site) -> None:
    site.reload.verb({}, PEER)
    site.file.write_text(policies(web=4))
    site.look()
    assert site.askers == [str(PEER), "whoever changed the files"]


def test_a_good_set_comes_into_force_whole_and_what_changed_is_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.file.write_text(policies(db=1, web=4))
    assert site.reload.verb({}, PEER) == {
        "in_force": True,
        "sentence": "web changed in vcpus, db added, old removed; 3 running domains governed otherwise now",
        "changes": {
            "added": ("db",),
            "removed": ("old",),
            "changed": ("web",),
            "keys": {"web": ("vcpus",)},
            "reordered": False,
        },
        "domains": 3,
        "errors": [],
        "warnings": [],
    }
    ((policy_set, thread),) = site.applied
    assert [policy.name for policy in policy_set.policies] == ["db", "web"]
    assert thread == "controller"
    (line,) = caplog.messages
    assert line == (
        "policies reloaded: web changed in vcpus, db added, old removed; "
        "3 running domains governed otherwise now"
    )
    assert (site.reads("success"), site.successful) == (2, 1)


def test_what_is_written_otherwise_and_means_the_same_is_in_force_with_its_new_lines(site: Site) -> None:
    site.file.write_text("# moved\n" + policies(web=2, old=2))
    site.domains = 1
    assert (
        site.reload.verb({}, PEER)["sentence"] == "nothing changed; 1 running domain governed otherwise now"
    )
    ((policy_set, _),) = site.applied
    assert policy_set.policies[0].source.endswith(":4")


def test_a_broken_set_leaves_the_last_good_one_and_tells_every_error_in_its_place(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    before = site.files.in_force
    site.file.write_text(BROKEN)
    answer = site.reload.verb({}, PEER)
    assert (answer["in_force"], answer["domains"]) == (False, 0)
    assert f"`autoscaler check {site.file}`" in str(answer["sentence"])
    assert isinstance(answer["errors"], list)
    assert {(error["file"], error["line"]) for error in answer["errors"]} == {
        (str(site.file), 3),
        (str(site.file), 4),
    }
    for error in answer["errors"]:
        assert f"{site.file}:{error['line']}:{error['column']}: {error['message']}" in caplog.messages
    assert site.applied == []
    assert site.files.in_force is before
    assert site.files.troubles == {"policies": answer["sentence"]}
    assert (site.reads("failure"), site.successful) == (1, 0)


def test_a_broken_set_that_is_mended_is_no_trouble_any_more(site: Site) -> None:
    site.file.write_text(BROKEN)
    site.look()
    assert site.files.troubles
    site.file.write_text(policies(web=2, old=2))
    site.look()
    assert site.files.troubles == {}
    assert len(site.applied) == 1
    assert site.successful == 1


def test_what_changed_is_told_against_the_set_in_force_though_a_broken_one_came_between(site: Site) -> None:
    site.file.write_text(BROKEN)
    site.look()
    site.file.write_text(policies(web=3, old=2))
    assert str(site.reload.verb({}, PEER)["sentence"]).startswith("web changed in vcpus; ")


@pytest.mark.parametrize("text", [policies(web=9), BROKEN], ids=["good", "broken"])
def test_looking_reads_what_changed_once_and_tells_it_once(
    site: Site, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    site.look()
    assert caplog.messages == []
    site.file.write_text(text)
    site.look()
    told, reads = list(caplog.messages), (site.reads("success"), site.reads("failure"))
    assert told
    site.file.touch()
    for _ in range(3):
        site.look()
    assert caplog.messages == told
    assert (site.reads("success"), site.reads("failure")) == reads


def test_who_asks_is_told_again_though_nothing_changed(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.file.write_text(BROKEN)
    site.look()
    caplog.clear()
    assert site.reload.verb({}, PEER)["in_force"] is False
    assert len(caplog.messages) > 1
    assert site.reads("failure") == 2


def test_a_file_that_is_gone_leaves_the_last_good_set(site: Site) -> None:
    site.file.unlink()
    answer = site.reload.verb({}, PEER)
    assert answer["in_force"] is False
    assert "No such file" in str(answer["errors"])
    assert site.applied == []


def test_what_was_written_last_is_in_force_however_many_ask(site: Site) -> None:
    over = threading.Barrier(5)

    def ask() -> None:
        for _ in range(10):
            site.reload.verb({}, PEER)
        over.wait(20)

    for _ in range(4):
        threading.Thread(target=ask, daemon=True).start()
    for number in range(1, 30):
        site.file.write_text(policies(web=number))
        site.reload.look()
    over.wait(20)
    site.look()
    assert site.files.in_force.policies[0].max_vcpus == 29
    assert site.applied[-1][0] is site.files.in_force


def test_the_files_that_a_service_starts_with_have_to_be_good(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(BROKEN)
    with pytest.raises(AutoscalerError, match=rf"the policies have errors: .*`autoscaler check {file}`"):
        PolicyFiles([file], instruments=Instruments(CollectorRegistry()), clock=SystemClock())


class SlowFiles(PolicyFiles):
    """Files on a disk that does not answer, once the service has started."""

    answers = threading.Event()
    started = False

    def read(self) -> LoadedPolicies:
        if self.started:
            self.answers.wait(20)
        self.started = True
        return super().read()


def test_files_that_cannot_be_read_for_long_hold_up_neither_controller_nor_who_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_reload, "_PATIENCE_S", 0.1)
    site = Site(tmp_path / "policies.yaml", kind=SlowFiles)
    with pytest.raises(OutcomeUnknown, match=r"not read within 0\.1 s"):
        site.reload.verb({}, PEER)
    ticked = threading.Event()
    site.inbox.post(ticked.set)
    assert ticked.wait(20)
    SlowFiles.answers.set()
    site.look()
    assert len(site.applied) == 1
    site.close()
