"""Which job holds a domain, as libvirt tells it, however late it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import libvirt
import pytest

from autoscaler.backends.libvirt import jobs
from autoscaler.backends.libvirt.jobs import DomainJobs
from tests.fakes.libvirt_domains import pretend_domain

Told = tuple[int, dict[str, int]]

NO_JOB: Told = (libvirt.VIR_DOMAIN_JOB_NONE, {})
DONE: Told = (libvirt.VIR_DOMAIN_JOB_COMPLETED, {"operation": libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT})


class Connection:
    def isAlive(self) -> bool:  # noqa: N802 - as libvirt calls it
        return True


@dataclass
class Domain:
    """A domain of libvirt's as far as jobs go."""

    uuid: str
    tells: Callable[[], Told] = lambda: NO_JOB

    def UUIDString(self) -> str:  # noqa: N802 - as libvirt calls it
        return self.uuid

    def connect(self) -> Connection:
        return Connection()

    def jobInfo(self) -> list[int]:  # noqa: N802 - as libvirt calls it
        return [self.tells()[0], *[0] * 11]

    def jobStats(self) -> dict[str, int]:  # noqa: N802 - as libvirt calls it
        return self.tells()[1]


def of(known: DomainJobs, *domains: Domain) -> dict[str, str]:
    return dict(known.of([cast("libvirt.virDomain", domain) for domain in domains]))


def under_way(operation: int) -> Callable[[], Told]:
    return lambda: (libvirt.VIR_DOMAIN_JOB_UNBOUNDED, {"operation": operation})


def refusing(code: int) -> Callable[[], Told]:
    def refuse() -> Told:
        error = libvirt.libvirtError("no")
        error.err = (code, 10, "no", 2, None, None, None, -1, -1)
        raise error

    return refuse


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        pytest.param(libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT, "migration", id="migration"),
        pytest.param(libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP, "backup", id="backup"),
        pytest.param(libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT, "snapshot", id="snapshot"),
        pytest.param(libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE, "save", id="save"),
        pytest.param(libvirt.VIR_DOMAIN_JOB_OPERATION_DUMP, "dump", id="dump"),
        pytest.param(999, "job", id="one of a later libvirt"),
    ],
)
def test_a_job_under_way_is_told_by_its_word(operation: int, word: str) -> None:
    assert of(DomainJobs(), Domain("a", under_way(operation)), Domain("b")) == {"a": word}


def test_a_job_that_is_done_holds_its_domain_until_libvirt_ends_it() -> None:
    assert of(DomainJobs(), Domain("a", lambda: DONE)) == {"a": "migration"}


def test_the_destination_of_a_migration_is_in_one_too() -> None:
    domain = Domain("a", refusing(libvirt.VIR_ERR_OPERATION_INVALID))
    assert of(DomainJobs(), domain) == {"a": "migration"}


def test_a_domain_that_ended_costs_no_other_its_answer() -> None:
    gone = Domain("a", refusing(libvirt.VIR_ERR_NO_DOMAIN))
    saved = Domain("b", under_way(libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE))
    assert of(DomainJobs(), gone, saved) == {"b": "save"}


def test_a_driver_that_knows_no_jobs_is_asked_once() -> None:
    asked = []

    def refuse() -> Told:
        asked.append(1)
        return refusing(libvirt.VIR_ERR_NO_SUPPORT)()

    known = DomainJobs()
    for _ in range(3):
        assert of(known, Domain("a", refuse)) == {}
    assert len(asked) == 1


def test_an_answer_that_is_late_leaves_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PATIENCE_S", 0.1)
    known, answers = DomainJobs(), threading.Event()
    assert of(known, Domain("a", under_way(libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE))) == {"a": "save"}

    def late() -> Told:
        answers.wait(10)
        return NO_JOB

    assert of(known, Domain("a", late)) == {"a": "save"}
    assert of(known, Domain("a")) == {"a": "save"}  # no second call while the late one is out
    answers.set()
    for _ in range(100):
        if of(known, Domain("a")) == {}:
            break
        threading.Event().wait(0.02)
    assert of(known, Domain("a")) == {}


def test_libvirts_test_driver_has_no_job() -> None:
    connection = libvirt.open("test:///default")
    domain = connection.createXML(pretend_domain("idle"), 0)
    assert dict(DomainJobs().of([domain])) == {}
    domain.destroy()
    connection.close()
