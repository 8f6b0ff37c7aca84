"""Traces from files: every format, recognised by what the file holds."""

from __future__ import annotations

import builtins
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from autoscaler.replay.findings import TraceError
from autoscaler.replay.reading import gathered, text_table
from autoscaler.replay.reading import read as read_module
from autoscaler.replay.reading.read import read_traces
from autoscaler.replay.reading.shapes import SHAPE_NAMES, SHAPES
from tests.fakes.trace_files import COST, EXAMPLES, FULL_SCALE, csv_of, packed, read, written

NEEDS: dict[str, Any] = {
    "dated-percent": {"full_scale_vcpus": FULL_SCALE},
    "requests": {"cost_per_request_vcpu_s": COST},
}


def error_of(*paths: Path, step_s: float = 10.0) -> str:
    with pytest.raises(TraceError) as caught:
        read_traces(paths, step_s=step_s, seed=1)
    return str(caught.value)


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_every_format_is_recognised_whatever_the_file_is_called(tmp_path: Path, shape: str) -> None:
    path = written(tmp_path, EXAMPLES[shape], "anything.bin")

    reading = read_traces([path], step_s=10, seed=1, **NEEDS.get(shape, {}))

    assert reading.traces[0].demand_vcpus.tolist() == [1, 2]
    assert reading.traces[0].domain == {"demand": "web", "utilization": "web", "lasting": "7"}.get(
        shape, "anything"
    )
    assert reading.repairs == ()


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_a_format_that_is_forced_reads_the_same(tmp_path: Path, shape: str) -> None:
    path = written(tmp_path, EXAMPLES[shape])

    reading = read_traces([path], step_s=10, seed=1, shape=shape, **NEEDS.get(shape, {}))

    assert reading.traces[0].demand_vcpus.tolist() == [1, 2]


def test_a_forced_format_leaves_columns_aside_that_it_does_not_know(tmp_path: Path) -> None:
    path = written(tmp_path, "rack,ts,value\na,0,1\na,10,2\n")

    assert "--format epoch-cores" in error_of(path)
    assert len(read_traces([path], step_s=10, seed=1, shape="epoch-cores").traces) == 1


def test_a_forced_format_that_does_not_fit_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"as demand the header needs demand_vcpus, domain, timestamp_s"):
        read_traces([written(tmp_path, EXAMPLES["epoch-cores"])], step_s=10, seed=1, shape="demand")


def test_a_format_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(TraceError, match="no format is called 'xls'; there are demand, utilization"):
        read_traces([], step_s=10, seed=1, shape="xls")


def test_no_header_fits_two_formats() -> None:
    headed = [shape for shape in SHAPES if shape.time is not None]
    for shape in headed:
        fitting = [other for other in headed if other.required <= set(shape.columns) <= set(other.columns)]
        assert fitting == [shape]


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_a_packed_file_reads_as_the_plain_one(tmp_path: Path, shape: str) -> None:
    path = written(tmp_path, packed(EXAMPLES[shape]))

    reading = read_traces([path], step_s=10, seed=1, **NEEDS.get(shape, {}))

    assert reading.traces[0].demand_vcpus.tolist() == [1, 2]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"demand_vcpus": [1.0, 2.0]}, id="demand"),
        pytest.param({"utilization_percent": [25, 50], "vcpus": [4, 4]}, id="utilization, as whole numbers"),
    ],
)
def test_parquet_reads_as_csv_with_the_same_columns(tmp_path: Path, columns: dict[str, object]) -> None:
    table = pa.table({"domain": ["web", "web"], "timestamp_s": [0, 10], **columns})
    parquet.write_table(table, tmp_path / "trace")

    assert read(tmp_path / "trace").traces[0].demand_vcpus.tolist() == [1, 2]


def test_an_empty_cell_of_parquet_is_a_gap(tmp_path: Path) -> None:
    table = pa.table({"domain": ["web"] * 3, "timestamp_s": [0, 10, 20], "demand_vcpus": [1.0, None, 2.0]})
    parquet.write_table(table, tmp_path / "trace")

    np.testing.assert_equal(read(tmp_path / "trace").traces[0].demand_vcpus, [1, np.nan, 2])


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(pa.timestamp("ms", tz="Europe/Berlin"), id="in a zone"),
        pytest.param(pa.timestamp("us"), id="without one"),
    ],
)
def test_times_of_parquet_are_seconds_since_the_epoch(tmp_path: Path, kind: pa.DataType) -> None:
    times = pa.array([datetime.fromtimestamp(at_s, UTC) for at_s in (1_700_000_000, 1_700_000_010)], kind)
    table = pa.table({"domain": ["web"] * 2, "timestamp_s": times, "demand_vcpus": [1.0, 2.0]})
    parquet.write_table(table, tmp_path / "trace")

    assert read(tmp_path / "trace").traces[0].start_s == 1_700_000_000


def test_days_of_parquet_are_not_taken_for_seconds(tmp_path: Path) -> None:
    table = pa.table({"domain": ["web"], "timestamp_s": pa.array([1], pa.date32()), "demand_vcpus": [1.0]})
    parquet.write_table(table, tmp_path / "trace")

    assert "'timestamp_s' is date32[day]; text or plain numbers are wanted" in error_of(tmp_path / "trace")


@pytest.mark.parametrize("time", ["2014-05-14 01:14:00", "2014-05-14T01:14:00Z", "2014-05-14 03:14:00+02:00"])
def test_a_date_may_say_its_zone(tmp_path: Path, time: str) -> None:
    path = written(tmp_path, f"timestamp,value\n{time},50\n2014-05-14 01:15:00,50\n")

    assert read_traces([path], step_s=10.0, seed=1, full_scale_vcpus=4).traces[0].start_s == 1_400_030_040


def test_a_date_where_seconds_belong_says_what_is_wanted(tmp_path: Path) -> None:
    told = error_of(written(tmp_path, csv_of([("web", "2014-05-14T01:14:00Z", 1)])))

    assert "timestamp_s is no number: '2014-05-14T01:14:00Z'; seconds since the epoch are wanted" in told


def test_an_hour_that_local_time_has_twice_is_said(tmp_path: Path) -> None:
    minutes = [f"2023-10-29 02:{minute:02}:00,50" for minute in range(60)]
    path = written(tmp_path, "\n".join(["timestamp,value", *minutes, *minutes, "2023-10-29 03:00:00,50", ""]))

    told = read_traces([path], step_s=10.0, seed=1, full_scale_vcpus=4).repairs[0]
    assert told.startswith(f"{path}:62: 1x, the first one here: rows step back by an hour")


def test_lines_that_end_in_a_carriage_return_alone_are_said(tmp_path: Path) -> None:
    path = written(tmp_path, csv_of([("web", 0, 1), ("web", 10, 1)]).replace("\n", "\r"))

    assert "a line ends in a carriage return alone" in error_of(path)


def test_a_cut_parquet_file_is_an_error(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"domain": ["web"]}), tmp_path / "whole")
    path = written(tmp_path, (tmp_path / "whole").read_bytes()[:-9])

    assert "this Parquet file cannot be read" in error_of(path)


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet.write_table(pa.table({"domain": ["web"]}), tmp_path / "trace")
    imports = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return imports(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)

    assert "pip install 'vcpu-autoscaler[parquet]'" in error_of(tmp_path / "trace")


def test_a_folder_gives_all_files_in_it_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    written(tmp_path, EXAMPLES["epoch-cores"], "b/one.csv")
    written(tmp_path, packed(EXAMPLES["epoch-cores"]), "a/two.csv.gz")
    written(tmp_path, "do as you like", "LICENSE.txt")
    written(tmp_path, "series", "b/Readme.md")
    written(tmp_path, "", ".hidden")
    written(tmp_path, "broken", "a/broken.csv")

    reading = read_traces([tmp_path], step_s=10, seed=1, leave_out=["brok*"])

    assert [trace.domain for trace in reading.traces] == ["two", "one"]
    told = [repair.removeprefix(f"{tmp_path}/") for repair in reading.repairs]
    assert told == [
        ".hidden: left out: by its name it holds no demand",
        "LICENSE.txt: left out: by its name it holds no demand",
        "a/broken.csv: left out as asked",
        "b/Readme.md: left out: by its name it holds no demand",
    ]


def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    assert len(read(written(tmp_path, EXAMPLES["demand"], "README")).traces) == 2


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = written(tmp_path, EXAMPLES["epoch-cores"])

    reading = read(path, tmp_path)

    assert len(reading.traces) == 1
    assert reading.repairs == (f"{path}: the file is named twice and read once",)


def test_domains_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    written(tmp_path, EXAMPLES["epoch-cores"], "a/web.csv")
    written(tmp_path, EXAMPLES["epoch-cores"], "b/web.csv")
    written(tmp_path, EXAMPLES["demand"], "c.csv")

    reading = read(tmp_path)

    assert [trace.domain for trace in reading.traces] == ["web", "db", "web#2", "web#3"]
    assert reading.repairs[0].endswith("a domain called web was there before; this one is called web#2")


def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(tmp_path: Path) -> None:
    text = "\ufeff" + EXAMPLES["demand"].replace("\n", "\r\n")

    assert read(written(tmp_path, text)).traces[0].demand_vcpus.tolist() == [1, 2]


def test_columns_may_stand_in_any_order_and_be_quoted(tmp_path: Path) -> None:
    path = written(tmp_path, 'timestamp_s,"demand_vcpus",domain\n0,1,"web, old"\n10,2,"web, old"\n')

    assert read(path).traces[0].domain == "web, old"


def test_a_stated_maximum_holds_and_demand_above_it_is_said(tmp_path: Path) -> None:
    rows = [("idle", 0, 0.1, 2), ("idle", 10, 0.2, 16), ("busy", 0, 5.1, 4), ("busy", 10, 4, 4)]
    reading = read(written(tmp_path, csv_of(rows, "domain,timestamp_s,demand_vcpus,maximum")))

    assert [trace.maximum for trace in reading.traces] == [16, 4]
    assert reading.traces[1].demand_vcpus.tolist() == [5.1, 4]
    told = "\n".join(reading.repairs)
    assert f"{tmp_path}/trace.csv:3: 1x, the first one here: rows state other vCPUs" in told
    assert f"{tmp_path}/trace.csv:4: 1x, the first one here: rows want more vCPUs than the maximum" in told


def test_a_maximum_that_nobody_states_leaves_room_for_twice_the_peak_and_for_what_the_domain_had(
    tmp_path: Path,
) -> None:
    rows = [("idle", 0, 0.1), ("idle", 10, 0.2), ("busy", 0, 5.1), ("busy", 10, 4)]
    plain = read(written(tmp_path, csv_of(rows, "domain,timestamp_s,demand_vcpus")))
    had = [("web", 0, 5, 16), ("web", 10, 10, 16)]
    percent = read(written(tmp_path, csv_of(had, "domain,timestamp_s,utilization_percent,vcpus"), "had.csv"))

    assert [trace.maximum for trace in (*plain.traces, *percent.traces)] == [2, 11, 16]
    assert plain.repairs == percent.repairs == ()


def test_percents_that_never_exceed_1_are_doubted(tmp_path: Path) -> None:
    header = "domain,timestamp_s,utilization_percent,vcpus"
    ratios = [("web", 10 * row, 0.3 + 0.01 * row, 4) for row in range(40)]
    (doubt,) = read(written(tmp_path, csv_of(ratios, header))).repairs
    assert doubt.startswith(f"{tmp_path}/trace.csv: all percents are at or below 1: a ratio?")

    idle_and_busy = [*ratios, ("db", 0, 60, 4), ("db", 10, 60, 4)]
    assert read(written(tmp_path, csv_of(idle_and_busy, header), "both.csv")).repairs == ()


@pytest.mark.parametrize(
    ("start", "doubted"),
    [
        pytest.param(28_333_333, True, id="minutes since the epoch"),
        pytest.param(19_675, True, id="days since the epoch"),
        pytest.param(0, False, id="seconds since its own start"),
        pytest.param(1_700_000_000, False, id="seconds since the epoch"),
    ],
)
def test_times_that_seem_to_count_something_longer_than_seconds_are_doubted(
    tmp_path: Path, start: int, *, doubted: bool
) -> None:
    rows = [("web", start + row, 1) for row in range(60)]
    told = read(written(tmp_path, csv_of(rows, "domain,timestamp_s,demand_vcpus"))).repairs
    assert ["minutes, hours or days since the epoch?" in sentence for sentence in told] == [True] * doubted


@pytest.mark.parametrize(
    ("demand", "line"),
    [
        pytest.param([1, 1.2] * 10 + [25, 30] * 10, 22, id="for good, into the tens"),
        pytest.param(([1, 1.2] * 5 + [25, 30]) * 3 + [1], None, id="bursts"),
        pytest.param([1, 1.2] * 10 + [25, 30], None, id="a burst at the end"),
        pytest.param([0.1, 0.2] * 10 + [4, 6] * 10, None, id="for good, and no percent"),
        pytest.param([4, 6] * 10 + [25, 30] * 10, None, id="for good, and not by that much"),
        pytest.param([1, 1.2] * 10 + [200, 300] * 10, None, id="more than percent can be"),
    ],
)
def test_vcpus_that_become_percent_are_doubted_at_their_line(
    tmp_path: Path, demand: list[float], line: int | None
) -> None:
    rows = [("web", 10 * row, vcpus) for row, vcpus in enumerate(demand)]
    told = read(written(tmp_path, csv_of(rows, "domain,timestamp_s,demand_vcpus"))).repairs
    assert [sentence.partition(": ")[0] for sentence in told] == (
        [] if line is None else [f"{tmp_path}/trace.csv:{line}"]
    )


def test_what_100_percent_are_may_differ_by_row(tmp_path: Path) -> None:
    rows = [("web", 0, 50, 2), ("web", 10, 50, 8)]
    path = written(tmp_path, csv_of(rows, "domain,timestamp_s,utilization_percent,vcpus"))

    assert read(path).traces[0].demand_vcpus.tolist() == [1, 4]


def test_a_row_that_lasts_speaks_of_the_time_before_it(tmp_path: Path) -> None:
    trace = read(written(tmp_path, EXAMPLES["lasting"])).traces[0]

    assert (trace.start_s, trace.maximum) == (10, 4)


def test_a_domain_without_vcpus_is_off_and_not_idle(tmp_path: Path) -> None:
    rows = [("7", 10, 10, 4, 1), ("7", 20, 10, 0, 0), ("7", 30, 10, 4, 2)]
    path = written(tmp_path, csv_of(rows, "vm,timestamp_s,duration_s,cpu_count,demand_vcpus"))

    reading = read(path)

    np.testing.assert_equal(reading.traces[0].demand_vcpus, [1, np.nan, 2])
    assert reading.repairs == (f"{path}:3: 1x, the first one here: rows of a domain with 0 vCPUs are gaps",)


def test_progress_ends_with_all_bytes_read(tmp_path: Path) -> None:
    written(tmp_path, EXAMPLES["epoch-cores"], "a.csv")
    written(tmp_path, packed(EXAMPLES["epoch-cores"]), "b.csv")
    told: list[tuple[int, int]] = []

    read_traces([tmp_path], step_s=10, seed=1, progress=lambda done, whole: told.append((done, whole)))

    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert told[-1] == (size, size)
    assert told == sorted(told)


HEADER = "domain,timestamp_s,demand_vcpus\n"
GOOD = "web,0,1\nweb,10,1\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("", ":1: the file is empty", id="empty"),
        pytest.param("\n\n", ":1: there is no header", id="blank"),
        pytest.param(HEADER, ":1: a header and no row of demand", id="header alone"),
        pytest.param(HEADER + "web,0,1\n", ":2: web has a single row", id="one row"),
        pytest.param(
            "a,b\n1,2\n", ":1: no known format has the header 'a,b'; these are known: ", id="unknown"
        ),
        pytest.param("a;b\n", ":1: fields are separated by semicolons; commas are wanted", id="semicolons"),
        pytest.param("a\tb\n", ":1: fields are separated by tabs; commas are wanted", id="tabs"),
        pytest.param("ts,ts,value\n", ":1: two columns are called 'ts'", id="twice"),
        pytest.param(
            "domain,timestamp_s,demand_vcpus,utilization_percent\n",
            ":1: the header has demand in vCPUs and in percent",
            id="mixed units in the header",
        ),
        pytest.param(
            HEADER + GOOD + "web,20,50%\n", ":4: demand_vcpus is no number: '50%'", id="mixed units in a cell"
        ),
        pytest.param(HEADER + GOOD + "web,20,250m\n", ":4: demand_vcpus is no number: '250m'", id="suffix"),
        pytest.param(
            HEADER + GOOD + "web,20,1_000\n", ":4: demand_vcpus is no number: '1_000'", id="grouped"
        ),
        pytest.param(
            HEADER + GOOD + "web,20,\u0663\n", ":4: demand_vcpus is no number: '\u0663'", id="alphabet"
        ),
        pytest.param(
            HEADER + GOOD + "web,20,-1\n", ":4: demand_vcpus is -1: demand is finite", id="negative"
        ),
        pytest.param(HEADER + GOOD + "web,20,inf\n", ":4: demand_vcpus is inf: demand is finite", id="inf"),
        pytest.param(HEADER + GOOD + "web,20,1e999\n", ":4: demand_vcpus is inf: demand is", id="overflow"),
        pytest.param(HEADER + GOOD + "web,20,4097\n", ":4: demand of 4097 vCPUs: no guest has", id="absurd"),
        pytest.param(
            HEADER + GOOD + "web,,1\n", ":4: the time is nan: seconds since the epoch", id="no time"
        ),
        pytest.param(
            HEADER + GOOD + "web,-1,1\n", ":4: the time is -1: seconds since", id="before the epoch"
        ),
        pytest.param(
            HEADER + GOOD + "web,2014-05-14 01:14:00,1\n", ":4: timestamp_s is no number: '2014-0", id="date"
        ),
        pytest.param(
            HEADER + "web,1633478400000,1\n", ":2: the time 1633478400000 seems to be in milli", id="ms"
        ),
        pytest.param(HEADER + "web,1633478400000000,1\n", "seems to be in microseconds", id="us"),
        pytest.param(
            HEADER + "web,inf,1\n", ":2: the time is inf: seconds since the epoch are", id="no time"
        ),
        pytest.param(HEADER + "web,1633478400000000000,1\n", "seems to be in nanoseconds", id="ns"),
        pytest.param(
            HEADER + "web,0,1\nweb,60000,1\nweb,120000,1\n",
            "are the timestamps in seconds?",
            id="relative ms",
        ),
        pytest.param(HEADER + GOOD + "web,20,1\nweb,9999999999,1\n", "or look at line 5", id="a wild time"),
        pytest.param(HEADER + GOOD + "web,20\n", ":4: 2 fields, the header has 3: 'web,20'", id="too few"),
        pytest.param(HEADER + GOOD + "web,20,1,1\n", ":4: 4 fields, the header has 3", id="too many"),
        pytest.param(HEADER + "\n" + GOOD, ":2: the line is empty", id="blank line"),
        pytest.param(HEADER + ",0,1\n,10,1\n", ":2: the domain's name is empty", id="no name"),
        pytest.param(HEADER + "a\x1b[2J,0,1\n", ":2: no domain has such a name: 'a\\x1b[2J'", id="escapes"),
        pytest.param(HEADER + "n" * 256 + ",0,1\n", ":2: no domain has such a name", id="long name"),
        pytest.param(HEADER + '"web,0,1\n', ":2: this is no CSV: ", id="open quote"),
        pytest.param(HEADER + '"w\neb",0,1\n', "a quoted field in these lines goes on", id="quoted line end"),
        pytest.param(
            HEADER + GOOD + "web,10,2\n", ":4: web has two values for the same time: 2, and 1", id="two"
        ),
        pytest.param(
            HEADER + "web,0,\nweb,10,nan\n", ": nothing is known of web in all its rows", id="all gaps"
        ),
        pytest.param(
            "timestamp,value\n5,5\n", "say how many vCPUs 100 % are, with --full-scale", id="percent"
        ),
        pytest.param("5\n6\n", "say how many vCPU-seconds one takes, with --cost-per-request", id="requests"),
        pytest.param(
            "domain,timestamp_s,utilization_percent,vcpus\nweb,0,5,\n",
            ":2: vcpus is empty: nobody",
            id="scale",
        ),
        pytest.param(
            "domain,timestamp_s,utilization_percent,vcpus\nweb,0,5,2.5\n",
            ":2: vcpus is 2.5: a whole",
            id="part",
        ),
        pytest.param(
            "domain,timestamp_s,utilization_percent,vcpus\nweb,0,350,4\n",
            ":2: 350 % is over the full scale; is it percent of one vCPU?",
            id="percent of one vCPU",
        ),
        pytest.param(
            "vm,timestamp_s,duration_s,cpu_count,demand_vcpus\n7,9,0,1,1\n",
            ":2: duration_s is 0: a time above 0",
            id="no duration",
        ),
        pytest.param(
            "TIMESTAMP,CPU_USAGE_ACTUAL\n2023-04-02 00:09:00,1\n",
            ":2: TIMESTAMP is no time such as",
            id="dates",
        ),
        pytest.param(HEADER.encode() + b"w\xffb,0,1\n", ":2: byte 0xff is no text", id="not UTF-8"),
        pytest.param(b"\x7fELF\x02\x01\x00\x00" + bytes(99), ":1: byte 0x00 is no text", id="binary"),
        pytest.param(packed(HEADER + GOOD)[:-9], "the file cannot be read from about here on", id="cut gzip"),
        pytest.param(b"\x1f\x8bnonsense", "the file cannot be read from about here on", id="bad gzip"),
        pytest.param(b"PAR1nonsense", "this Parquet file cannot be read", id="bad Parquet"),
    ],
)
def test_what_is_wrong_is_told_with_its_file_and_line(
    tmp_path: Path, content: str | bytes, told: str
) -> None:
    path = written(tmp_path, content)

    error = error_of(path)

    assert error.startswith(str(path))
    assert told in error


def test_everything_that_is_wrong_with_a_file_is_told_at_once_in_the_order_of_its_lines(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, HEADER + "web,0,-1\nweb,10\nweb,x,1\n,30,1\n" + "web,40,1\n")

    assert re.findall(r"csv:(\d+):", error_of(path)) == ["2", "3", "4", "5"]


def test_a_file_with_no_end_of_faults_is_left_after_20_and_the_next_one_is_read(tmp_path: Path) -> None:
    bad = written(tmp_path, HEADER + "web,0,-1\n" * 1000, "a.csv")
    worse = written(tmp_path, HEADER + "web,0,x\n", "b.csv")

    lines = error_of(tmp_path).splitlines()

    assert [line.partition(": ")[0] for line in lines[:20]] == [f"{bad}:{line}" for line in range(2, 22)]
    assert lines[20] == f"{bad}:22: there is more; it was read no further"
    assert lines[21:] == [f"{worse}:2: demand_vcpus is no number: 'x'"]


def test_a_folder_full_of_faults_ends_at_200(tmp_path: Path) -> None:
    for name in range(250):
        written(tmp_path, "", f"{name:03}.csv")

    assert len(error_of(tmp_path).splitlines()) == 201


def test_a_last_line_without_an_end_is_taken_and_said(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + GOOD.removesuffix("\n"))
    found = read(path)
    assert found.traces[0].demand_vcpus.tolist() == [1, 1]
    assert found.repairs == (f"{path}: line 3, the last one, has no end, as of a file that was cut off",)


def test_a_line_without_end_is_given_up_early(tmp_path: Path) -> None:
    path = written(tmp_path, packed(HEADER + GOOD + "9" * (8 << 20)))

    assert f":4: the line is longer than {text_table.BLOCK_BYTES} bytes" in error_of(path)


def test_rows_and_lines_keep_their_numbers_over_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_table, "BLOCK_BYTES", 64)
    rows = [("web", 10 * row, row % 7) for row in range(200)]

    assert read(written(tmp_path, csv_of(rows))).traces[0].demand_vcpus.tolist() == [row[2] for row in rows]
    assert ":203: 2 fields" in error_of(
        written(tmp_path, csv_of([*rows, ("web", 1), ("web", 2)]) + "web,1,1\n\n")
    )


def test_more_rows_than_memory_is_meant_for_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "MOST_ROWS", 3)

    assert "the file has over 3 rows; split it" in error_of(written(tmp_path, EXAMPLES["demand"]))


def test_more_steps_than_memory_is_meant_for_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "MOST_STEPS", 3)

    assert "all traces have over 3 steps" in error_of(written(tmp_path, EXAMPLES["demand"]))


def test_a_path_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    assert error_of(tmp_path / "none.csv") == f"{tmp_path}/none.csv: there is no such file or folder"


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    assert error_of(tmp_path) == f"{tmp_path}: there is no file to read"


def test_a_pipe_under_a_files_name_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "trace.csv")

    assert "it is not a regular file" in error_of(tmp_path)


@pytest.mark.parametrize(
    ("scale", "told"),
    [
        (
            {"full_scale_vcpus": 8.0},
            "nothing that was read is percent of a full scale of its own: leave --full",
        ),
        (
            {"cost_per_request_vcpu_s": 1.0},
            "nothing that was read is requests in a second of its own: leave --c",
        ),
    ],
)
def test_a_scale_that_nothing_needs_is_an_error(tmp_path: Path, scale: dict[str, float], told: str) -> None:
    with pytest.raises(TraceError, match=told):
        read_traces([written(tmp_path, EXAMPLES["demand"])], step_s=10, seed=1, **scale)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["full_scale_vcpus", "cost_per_request_vcpu_s"])
def test_a_scale_that_cannot_be_is_an_error(name: str, scale: float) -> None:
    options: dict[str, Any] = {name: scale}
    with pytest.raises(TraceError, match="makes no sense: above 0"):
        read_traces([], step_s=10, seed=1, **options)


def test_a_file_whose_name_no_domain_can_have_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, EXAMPLES["epoch-cores"], "a\x1b[2J.csv")

    assert "no domain has such a name: 'a\\x1b[2J'" in error_of(path)


def test_a_file_that_is_no_text_is_told_as_nothing_else(tmp_path: Path) -> None:
    assert len(error_of(written(tmp_path, bytes(10))).splitlines()) == 1
