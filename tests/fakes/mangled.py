"""A state file as a disk, another version or a curious hand may leave it: some value in it is anything."""

from __future__ import annotations

from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 100)
    | st.sampled_from([2**40, 10**400, -(10**400)])
    | st.floats()
    | st.text(max_size=20)
    | st.text("gbu0123456789/* -", max_size=20),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=6), values, max_size=4),
    max_leaves=8,
)
"""What JSON can hold, and a little more than it may."""


@st.composite
def mangled(draw: st.DrawFn, dumped: dict[str, object]) -> dict[str, object]:
    """The dump with one value, however deep, replaced by anything or left out."""
    changed = _changed(draw, dumped)
    return changed if isinstance(changed, dict) else {}


def _changed(draw: st.DrawFn, value: object) -> object:
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        rest = {name: kept for name, kept in value.items() if name != key}
        return rest if draw(st.integers(0, 3)) == 0 else {**rest, key: _changed(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _changed(draw, value[place]), *value[place + 1 :]]
    return draw(ANYTHING)
