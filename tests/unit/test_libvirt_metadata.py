"""A domain's labels as its owner wrote them: what is read, and what is not trusted."""

from __future__ import annotations

import pytest

from autoscaler.backends.libvirt.metadata import labels_in

BILLION_LAUGHS = """\
<!DOCTYPE labels [
<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">
]>
<labels tier="&c;"/>"""


def many(count: int) -> str:
    return "<labels " + " ".join(f'l{number}="{number}"' for number in range(count)) + "/>"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        pytest.param(
            '<labels tier="gold" autoscaling="off"/>', {"tier": "gold", "autoscaling": "off"}, id="two"
        ),
        pytest.param("<anything/>", {}, id="an element of any name without attributes"),
        pytest.param('<labels note=""/>', {"note": ""}, id="an empty value"),
        pytest.param('<labels ort="Köln &amp; Bonn"/>', {"ort": "Köln & Bonn"}, id="an escaped character"),
        pytest.param('<labels a="1">text<b c="2"/></labels>', {"a": "1"}, id="what is inside is not read"),
        pytest.param('<labels xmlns="urn:x" xmlns:q="urn:q" q:a="1" b="2"/>', {"b": "2"}, id="others' names"),
        pytest.param('<!-- mine --><labels a="1"/>', {"a": "1"}, id="a comment"),
        pytest.param(
            many(32), {f"l{number}": str(number) for number in range(32)}, id="as many as there may be"
        ),
        pytest.param(f'<labels {"k" * 128}="{"v" * 128}"/>', {"k" * 128: "v" * 128}, id="the longest"),
    ],
)
def test_labels_are_the_attributes_of_the_element(text: str, labels: dict[str, str]) -> None:
    assert labels_in(text) == labels


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "no well-formed XML", id="empty"),
        pytest.param("tier=gold", "no well-formed XML", id="no XML"),
        pytest.param('<labels tier="gold">', "no well-formed XML", id="cut short"),
        pytest.param('<labels a="1" a="2"/>', "no well-formed XML", id="a label twice"),
        pytest.param('<labels tier="&gold;"/>', "no well-formed XML", id="an entity that nobody defined"),
        pytest.param('<labels a="\ud800"/>', "no well-formed XML", id="half a character"),
        pytest.param(BILLION_LAUGHS, "document type", id="entities upon entities"),
        pytest.param(
            '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type", id="a file of the host"
        ),
        pytest.param(f"<labels>{' ' * 4096}</labels>", "longer than 4096 bytes", id="too long"),
        pytest.param(f"<labels>{'ä' * 2048}</labels>", "longer than 4096 bytes", id="counted in bytes"),
        pytest.param(many(33), "at most 32", id="too many"),
        pytest.param(f'<labels {"k" * 129}="v"/>', "at most 128", id="a key too long"),
        pytest.param(f'<labels k="{"v" * 129}"/>', "at most 128", id="a value too long"),
        pytest.param('<labels k="a&#10;b"/>', "printable", id="a line break"),
        pytest.param('<labels k="\u202egold"/>', "printable", id="text that runs backwards"),
    ],
)
def test_what_is_no_set_of_labels_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        labels_in(text)


def test_nobody_can_change_labels_that_were_read() -> None:
    with pytest.raises(TypeError):
        labels_in('<labels a="1"/>')["a"] = "2"  # type: ignore[index]
