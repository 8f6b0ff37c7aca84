"""Whatever a domain's owner writes into its metadata is either a few short printable labels, or refused."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.backends.labels import LONGEST_LABEL, MOST_LABELS
from autoscaler.backends.libvirt.metadata import labels_in

VALUES = st.text(max_size=LONGEST_LABEL + 20)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,140}", fullmatch=True)
PIECES = st.sampled_from(
    ["<", ">", "/>", "<labels ", 'a="1"', "&#0;", "&lt;", "<!DOCTYPE ", "<![CDATA[", "]]>", "\0"]
)

bounded = settings(derandomize=True, deadline=None)


def fits(text: str) -> bool:
    return len(text) <= LONGEST_LABEL and text.isprintable()


@bounded
@given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=30).map("".join))
def test_any_text_gives_bounded_labels_or_is_refused(text: str) -> None:
    try:
        labels = labels_in(text)
    except ValueError:
        return
    assert len(labels) <= MOST_LABELS
    assert all(fits(part) for label in labels.items() for part in label)


@bounded
@given(st.dictionaries(NAMES, VALUES.filter(str.isprintable), max_size=MOST_LABELS + 3))
def test_labels_that_fit_are_read_as_they_were_written(labels: dict[str, str]) -> None:
    text = f"<labels {' '.join(f'{key}={quoteattr(value)}' for key, value in labels.items())}/>"
    allowed = len(labels) <= MOST_LABELS and all(fits(part) for label in labels.items() for part in label)
    if allowed and len(text.encode()) <= 4096 and "xmlns" not in labels:
        assert labels_in(text) == labels
    elif not allowed:
        with pytest.raises(ValueError, match=r"label|4096"):
            labels_in(text)
