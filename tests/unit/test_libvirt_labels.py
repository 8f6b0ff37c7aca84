"""Which domains are asked for their labels, and when; over domains that count how often they were asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import libvirt
import pytest

from autoscaler.backends.libvirt import labels as domain_labels
from autoscaler.backends.libvirt.description import described_in
from autoscaler.backends.libvirt.labels import REREAD_S, DomainLabels
from autoscaler.core.owner import Owner


class Connection:
    """A libvirt connection that is up until it is told otherwise."""

    alive = True

    def isAlive(self) -> bool:  # noqa: N802 - libvirt's name
        return self.alive


class Domain:
    """A virDomain, as far as its metadata goes."""

    def __init__(self, name: str, text: str | None = None, *, run: int = 1) -> None:
        self.text = text
        self.run = run
        self.connection = Connection()
        self.asked = self.described = 0
        self.others = ""
        """What others wrote into its description."""
        self.undescribed: libvirt.libvirtError | None = None
        self.describes = threading.Event()
        self.describes.set()
        self.answers = threading.Event()
        self.answers.set()
        self.error: libvirt.libvirtError | None = None
        self._name = name

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        return f"uuid-of-{self._name}"

    def ID(self) -> int:  # noqa: N802 - libvirt's name
        return self.run

    def name(self) -> str:
        return self._name

    def connect(self) -> Connection:
        return self.connection

    def XMLDesc(self, flags: int) -> str:  # noqa: N802 - libvirt's name
        assert flags == 0
        self.described += 1
        self.describes.wait(10)
        if self.undescribed is not None:
            raise self.undescribed
        return f"<domain><name>{self._name}</name>{self.others}</domain>"

    def metadata(self, kind: int, uri: str, flags: int) -> str:
        assert (kind, uri) == (libvirt.VIR_DOMAIN_METADATA_ELEMENT, "urn:vcpu-autoscaler:1")
        assert flags == libvirt.VIR_DOMAIN_AFFECT_LIVE
        self.asked += 1
        text = self.text
        self.answers.wait(10)
        if self.error is not None:
            raise self.error
        if text is None:
            raise failure(libvirt.VIR_ERR_NO_DOMAIN_METADATA)
        return text


def failure(code: int, text: str = "as libvirt words it") -> libvirt.libvirtError:
    error = libvirt.libvirtError("")
    error.err = (code, 0, text, 0, "", None, None, 0, 0)
    return error


GOLD = '<labels tier="gold"/>'
GOLD_LABELS = {"tier": "gold"}
OPTED_OUT = {"autoscaling": "off"}


@pytest.fixture
def labels() -> DomainLabels:
    return DomainLabels("qemu:///system")


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[Domain]:
    """A domain that does not answer before the test lets it, and a sweep of little patience."""
    monkeypatch.setattr(domain_labels, "PATIENCE_S", 0.05)
    domain = Domain("hung", GOLD)
    domain.answers.clear()
    yield domain
    domain.answers.set()
    domain.describes.set()


def seen(labels: DomainLabels, *domains: Domain, now_s: float = 0.0) -> dict[str, dict[str, str]]:
    found = labels.of(domains, now_s=now_s)
    return {
        domain.name(): dict(found[domain.UUIDString()]) for domain in domains if domain.UUIDString() in found
    }


def soon(labels: DomainLabels, domain: Domain, expected: dict[str, str]) -> None:
    """What is seen within a few sweeps, once a call that was late is back."""
    for _ in range(200):
        if seen(labels, domain) == {domain.name(): expected}:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"it is never seen with {expected}")


def test_a_domain_is_asked_when_it_is_first_seen_and_not_again_at_once(labels: DomainLabels) -> None:
    gold, bare = Domain("gold", GOLD), Domain("bare")
    for _ in range(3):
        assert seen(labels, gold, bare) == {"gold": GOLD_LABELS, "bare": {}}
    assert (gold.asked, bare.asked) == (1, 1)


def test_a_change_is_seen_at_the_next_sweep_and_asks_no_other_domain(labels: DomainLabels) -> None:
    gold, other = Domain("gold", GOLD), Domain("other")
    seen(labels, gold, other)
    gold.text = '<labels autoscaling="off"/>'
    labels.changed(gold.UUIDString())
    labels.changed("uuid-of-nobody")
    assert seen(labels, gold, other)["gold"] == {"autoscaling": "off"}
    assert (gold.asked, other.asked) == (2, 1)


def test_after_a_time_without_events_every_domain_is_asked(labels: DomainLabels) -> None:
    domains = [Domain(f"d{number}") for number in range(5)]
    seen(labels, *domains)
    labels.changed()
    seen(labels, *domains)
    assert [domain.asked for domain in domains] == [2] * 5


@pytest.mark.parametrize("count", [1, 7, 600])
def test_a_change_that_nobody_told_is_seen_within_about_a_minute(labels: DomainLabels, count: int) -> None:
    domains = [Domain(f"d{number}") for number in range(count)]
    seen(labels, *domains)
    for domain in domains:
        domain.text = GOLD
    for second in range(1, int(REREAD_S) + 2):
        before = sum(domain.asked for domain in domains)
        found = seen(labels, *domains, now_s=float(second))
        assert sum(domain.asked for domain in domains) - before <= count / REREAD_S + 1
    assert all(labels_of == GOLD_LABELS for labels_of in found.values())
    assert {domain.asked for domain in domains} <= {2, 3}


def test_a_pause_between_sweeps_asks_each_domain_once_at_most(labels: DomainLabels) -> None:
    domains = [Domain(f"d{number}") for number in range(3)]
    seen(labels, *domains)
    seen(labels, *domains, now_s=100 * REREAD_S)
    seen(labels, *domains, now_s=100 * REREAD_S)
    assert [domain.asked for domain in domains] == [2, 2, 2]


def test_a_domain_that_was_started_again_is_asked_again(labels: DomainLabels) -> None:
    seen(labels, Domain("web", GOLD, run=1))
    assert seen(labels, Domain("web", run=2)) == {"web": {}}


def test_a_domain_that_left_and_came_back_is_asked_again(labels: DomainLabels) -> None:
    web = Domain("web", GOLD)
    seen(labels, web)
    assert seen(labels) == {}
    assert seen(labels, web) == {"web": GOLD_LABELS}
    assert web.asked == 2


def test_a_domain_that_does_not_answer_holds_up_one_sweep_for_its_patience_and_is_not_shown(
    labels: DomainLabels, hung: Domain
) -> None:
    known = Domain("known", GOLD)
    seen(labels, known)
    for _ in range(3):
        assert seen(labels, known, hung) == {"known": GOLD_LABELS}
    assert hung.asked == 1
    assert list(labels.troubles) == ["hung"]
    assert "virsh -c qemu:///system metadata hung urn:vcpu-autoscaler:1" in labels.troubles["hung"]
    hung.answers.set()
    soon(labels, hung, GOLD_LABELS)
    assert labels.troubles == {}


def test_a_description_that_is_waited_for_keeps_no_other_domain_from_being_shown_or_changed(
    labels: DomainLabels, hung: Domain
) -> None:
    hung.answers.set()
    hung.describes.clear()
    other = Domain("other", GOLD)
    assert seen(labels, hung, other) == {}
    assert list(labels.troubles) == ["hung", "other"]
    assert seen(labels, hung, other) == {"other": GOLD_LABELS}
    other.text = None
    labels.changed()
    assert seen(labels, hung, other) == {"other": {}}
    assert (hung.described, other.described) == (1, 2)
    hung.describes.set()
    soon(labels, hung, GOLD_LABELS)


def test_what_was_known_stands_while_a_domain_does_not_answer(labels: DomainLabels, hung: Domain) -> None:
    hung.answers.set()
    seen(labels, hung)
    hung.answers.clear()
    hung.text = None
    labels.changed(hung.UUIDString())
    assert seen(labels, hung) == {"hung": GOLD_LABELS}
    assert labels.troubles == {}
    hung.answers.set()
    soon(labels, hung, {})


def test_a_sweep_that_lost_its_patience_leaves_no_calls_behind_but_the_one_that_is_out(
    labels: DomainLabels, hung: Domain
) -> None:
    others = [Domain(f"d{number}") for number in range(3)]
    seen(labels, hung, *others)
    hung.answers.set()
    soon(labels, hung, GOLD_LABELS)
    assert [other.asked for other in others] == [0, 0, 0]


def test_a_change_while_a_domain_is_being_asked_is_not_lost(labels: DomainLabels, hung: Domain) -> None:
    seen(labels, hung)
    labels.changed(hung.UUIDString())
    hung.text = '<labels tier="silver"/>'
    hung.answers.set()
    soon(labels, hung, {"tier": "silver"})
    assert hung.asked == 2


def test_a_domain_that_libvirt_cannot_tell_of_is_not_shown_and_asked_again(labels: DomainLabels) -> None:
    web, other = Domain("a web", GOLD), Domain("other")
    web.error = failure(libvirt.VIR_ERR_INTERNAL_ERROR, "out of its depth")
    assert seen(labels, web, other) == {"other": {}}
    assert "virsh -c qemu:///system metadata 'a web'" in labels.troubles["a web"]
    assert "(out of its depth)" in labels.troubles["a web"]
    web.error = None
    assert seen(labels, web, other) == {"a web": GOLD_LABELS, "other": {}}


def test_a_hypervisor_that_keeps_no_metadata_has_domains_without_labels(labels: DomainLabels) -> None:
    web = Domain("web")
    web.error = failure(libvirt.VIR_ERR_NO_SUPPORT)
    assert seen(labels, web) == {"web": {}}


def test_a_connection_that_broke_is_asked_nothing_more(labels: DomainLabels) -> None:
    first, second = Domain("first"), Domain("second")
    first.error = failure(libvirt.VIR_ERR_RPC)
    first.connection.alive = False
    assert seen(labels, first, second) == {}
    assert (first.asked, second.asked) == (1, 0)


def test_a_domain_with_unfit_labels_has_opted_out_and_that_is_told_once(
    labels: DomainLabels, caplog: pytest.LogCaptureFixture
) -> None:
    web = Domain("a web", '<labels tier="gold" note="a&#10;b"/>')
    for _ in range(3):
        assert seen(labels, web) == {"a web": OPTED_OUT}
        labels.changed()
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING
    assert "printable text" in caplog.text
    assert "virsh -c qemu:///system metadata 'a web' urn:vcpu-autoscaler:1" in caplog.text


def test_an_owner_cannot_fill_the_log(labels: DomainLabels, caplog: pytest.LogCaptureFixture) -> None:
    web = Domain("web")
    for count in range(33, 60):
        web.text = "<x " + " ".join(f"l{number}=''" for number in range(count)) + "/>"
        labels.changed()
        assert seen(labels, web) == {"web": OPTED_OUT}
    assert 1 < len(caplog.records) < 6


def test_two_sweeps_at_once_see_the_same_new_domain(labels: DomainLabels) -> None:
    web = Domain("web", GOLD)
    web.answers.clear()
    found: list[dict[str, dict[str, str]]] = []
    sweeps = [threading.Thread(target=lambda: found.append(seen(labels, web))) for _ in range(2)]
    for sweep in sweeps:
        sweep.start()
    threading.Timer(0.05, web.answers.set).start()
    for sweep in sweeps:
        sweep.join()
    assert found == [{"web": GOLD_LABELS}] * 2
    assert web.asked == 1


NOVA = '<metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"/></metadata>'


def owners(labels: DomainLabels) -> dict[str, Owner | None]:
    return {uuid: described.owner for uuid, described in labels.described.items()}


def test_who_runs_a_domain_is_asked_once_and_again_when_its_metadata_changed(labels: DomainLabels) -> None:
    web, nova = Domain("web"), Domain("nova")
    nova.others = NOVA
    for second in range(3 * int(REREAD_S)):
        seen(labels, web, nova, now_s=float(second))
    assert owners(labels) == {"uuid-of-web": None, "uuid-of-nova": Owner.NOVA}
    assert (web.described, nova.described) == (1, 1)
    web.others = NOVA
    labels.changed(web.UUIDString())
    seen(labels, web, nova, now_s=3 * REREAD_S)
    assert owners(labels) == {"uuid-of-web": Owner.NOVA, "uuid-of-nova": Owner.NOVA}
    assert (web.described, nova.described) == (2, 1)


def test_a_domain_that_was_started_again_is_asked_anew_who_runs_it(labels: DomainLabels) -> None:
    web, again = Domain("web", run=1), Domain("web", run=2)
    web.others = NOVA
    seen(labels, web)
    seen(labels, again)
    assert owners(labels) == {"uuid-of-web": None}


@pytest.mark.parametrize(
    ("others", "owner"),
    [
        pytest.param(NOVA, Owner.NOVA, id="nova"),
        pytest.param(NOVA.replace("1.1", "1.0"), Owner.NOVA, id="an older nova"),
        pytest.param(
            '<metadata><v:vm xmlns:v="http://ovirt.org/vm/1.0"/></metadata>', Owner.OVIRT, id="ovirt"
        ),
        pytest.param(
            '<metadata><t:qos xmlns:t="http://ovirt.org/vm/tune/1.0"/></metadata>', Owner.OVIRT, id="tuned"
        ),
        pytest.param(
            '<metadata><kubevirt xmlns="http://kubevirt.io"><uid/></kubevirt></metadata>',
            Owner.KUBEVIRT,
            id="kubevirt",
        ),
        pytest.param('<metadata><x xmlns="urn:another"/><y/></metadata>', None, id="somebody else"),
        pytest.param(
            '<metadata><x xmlns="urn:x"><y xmlns="http://kubevirt.io"/></x></metadata>',
            None,
            id="within another",
        ),
        pytest.param('<description xmlns="http://kubevirt.io"/>', None, id="not in the metadata"),
        pytest.param("", None, id="no metadata"),
    ],
)
def test_owners_are_known_by_the_namespace_of_their_element(others: str, owner: Owner | None) -> None:
    assert described_in(f"<domain>{others}</domain>").owner is owner


def test_a_description_that_is_no_xml_keeps_its_domain_out_and_is_told(
    labels: DomainLabels,
) -> None:
    web = Domain("web", GOLD)
    web.others = "<metadata>"
    assert seen(labels, web) == {}
    assert "no well-formed XML" in labels.troubles["web"]


def test_a_domain_of_which_nobody_tells_who_runs_it_is_not_shown_and_asked_again(
    labels: DomainLabels,
) -> None:
    web = Domain("web", '<labels note="a&#10;b"/>')
    web.undescribed = failure(libvirt.VIR_ERR_INTERNAL_ERROR, "out of its depth")
    assert seen(labels, web) == {}
    assert "(out of its depth)" in labels.troubles["web"]
    web.undescribed = None
    assert seen(labels, web) == {"web": OPTED_OUT}
    assert labels.troubles == {}


@pytest.mark.parametrize(
    ("kind", "emulated"),
    [("qemu", True), ("kvm", False), ("xen", None), ("lxc", None)],
)
def test_an_emulated_domain_is_known_by_its_type(kind: str, emulated: bool | None) -> None:  # noqa: FBT001
    assert described_in(f"<domain type='{kind}'><name>web</name></domain>").emulated is emulated
