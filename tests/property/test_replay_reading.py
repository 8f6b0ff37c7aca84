"""What holds for every recording: nothing is lost or silently made up, and nothing breaks the reader."""

from __future__ import annotations

import contextlib
import gzip
import io
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from autoscaler.replay.findings import TraceError
from autoscaler.replay.reading.read import read_traces
from tests.fakes.trace_files import EXAMPLES, csv_of, read, written

UNIT = settings(derandomize=True, deadline=None, database=None, max_examples=100)

DEMANDS = st.lists(st.floats(0, 64, width=32), min_size=2, max_size=40)
SMALL_DEMANDS = st.lists(st.floats(0, 9.75, width=32), min_size=2, max_size=40)
"""Too small for any to be doubted as percent."""


@given(SMALL_DEMANDS, st.sampled_from([1, 10, 60]), st.booleans())
@UNIT
def test_what_was_written_is_read_back(demands: list[float], step_s: int, as_parquet: bool) -> None:  # noqa: FBT001
    times = [1_700_000_000 + step_s * row for row in range(len(demands))]
    with tempfile.TemporaryDirectory() as folder:
        if as_parquet:
            path = Path(folder, "trace")
            columns = {"domain": ["web"] * len(demands), "timestamp_s": times, "demand_vcpus": demands}
            parquet.write_table(pa.table(columns), path)
        else:
            rows = zip(["web"] * len(demands), times, map(repr, demands), strict=True)
            path = written(Path(folder), csv_of(rows))
        reading = read(path, step_s=step_s)

    assert reading.traces[0].demand_vcpus.tolist() == demands
    assert (reading.traces[0].start_s, reading.repairs) == (times[0], ())


@given(st.data())
@UNIT
def test_the_order_of_rows_changes_nothing_but_is_said(data: st.DataObject) -> None:
    demands = data.draw(DEMANDS)
    rows = [("web", 10 * row, repr(demand)) for row, demand in enumerate(demands)]
    shuffled = data.draw(st.permutations(rows))
    with tempfile.TemporaryDirectory() as folder:
        plain = read(written(Path(folder), csv_of(rows), "a.csv"))
        mixed = read(written(Path(folder), csv_of(shuffled), "b.csv"))

    assert mixed.traces[0].demand_vcpus.tolist() == plain.traces[0].demand_vcpus.tolist()
    assert len(mixed.repairs) - len(plain.repairs) == (shuffled != rows)


def test_a_load_in_bursts_is_not_taken_for_percent_though_its_rows_stand_by_their_size(
    tmp_path: Path,
) -> None:
    rows = [("web", 10 * row, repr(10.0 ** (row % 2))) for row in range(6)]
    by_size = sorted(rows, key=lambda row: row[2])

    (repair,) = read(written(tmp_path, csv_of(by_size))).repairs

    assert "not in the order of their time" in repair


@given(DEMANDS, st.lists(st.integers(5, 15), min_size=40, max_size=40), st.sampled_from([10, 20, 50]))
@UNIT
def test_uneven_rows_keep_their_vcpu_seconds(demands: list[float], waits: list[int], step_s: int) -> None:
    begins = np.cumsum([0, *waits])[: len(demands)].tolist()
    with tempfile.TemporaryDirectory() as folder:
        rows = zip(["web"] * len(demands), begins, map(repr, demands), strict=True)
        trace = read(written(Path(folder), csv_of(rows)), step_s=step_s).traces[0]

    interval_s = float(np.median(np.diff(begins)))
    if not trace.interpolated:
        ends = [*begins[1:], begins[-1] + interval_s]
        held = sum(demand * (end - begin) for demand, begin, end in zip(demands, begins, ends, strict=True))
        # A last step that is not full counts as if it were, or is left out.
        assert float(np.nansum(trace.demand_vcpus)) * step_s == pytest.approx(
            held, abs=max(demands) * step_s + 1e-6
        )


@given(DEMANDS, st.sampled_from([20, 60, 300]))
@UNIT
def test_coarse_rows_keep_their_mean_and_their_range(demands: list[float], every_s: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [("web", every_s * row, repr(demand)) for row, demand in enumerate(demands)]
        trace = read(written(Path(folder), csv_of(rows))).traces[0]

    middles = every_s * (np.arange(len(demands)) + 0.5)
    line = np.interp(10 * (np.arange(len(trace.demand_vcpus)) + 0.5), middles, demands)
    assert trace.interpolated
    assert float(trace.demand_vcpus.mean()) == pytest.approx(float(line.mean()), rel=1e-6, abs=1e-12)
    assert float(trace.demand_vcpus.min()) >= 0


@st.composite
def mangled_file(draw: st.DrawFn) -> bytes:
    """A good file of some format with a few bytes changed, cut out, put in or packed away."""
    content = draw(st.sampled_from(sorted(EXAMPLES.values()))).encode()
    if draw(st.booleans()):
        content = _as_parquet() if draw(st.booleans()) else gzip.compress(content, mtime=0)
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(content))), draw(st.integers(0, 6))
        put = draw(
            st.binary(max_size=6) | st.text('0123456789.,-eE"\n\r\tnaif%_', max_size=6).map(str.encode)
        )
        content = content[:at] + put + content[at + length :]
    return content


def _as_parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(
        pa.table({"domain": ["a", "a"], "timestamp_s": [0, 10], "demand_vcpus": [1.0, 2.0]}), file
    )
    return file.getvalue()


@given(mangled_file())
@settings(UNIT, max_examples=400)
def test_a_mangled_file_is_read_or_refused_with_its_name(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), content)
        for full_scale, cost in ((None, None), (8.0, None), (None, 0.01)):
            with contextlib.suppress(TraceError):
                reading = read_traces(
                    [path], step_s=10, seed=1, full_scale_vcpus=full_scale, cost_per_request_vcpu_s=cost
                )
                for trace in reading.traces:
                    known = trace.demand_vcpus[~np.isnan(trace.demand_vcpus)]
                    assert len(known)
                    assert ((known >= 0) & (known <= 2 * 4096)).all()
