"""Traces from a Prometheus server: what it knows, and what it may do to who asks."""

from __future__ import annotations

import math
import operator
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest

from autoscaler.replay.findings import TraceError
from autoscaler.replay.reading import prometheus, prometheus_server
from autoscaler.replay.reading.prometheus import from_prometheus
from autoscaler.replay.reading.prometheus_metrics import METRIC_NAMES, METRICS, metric_named
from autoscaler.replay.reading.read import Reading
from tests.fakes.scripted_prometheus import Answer, ScriptedPrometheus, Series, reply, running

DEMAND, TIME = "vcpu_autoscaler_domain_demand_vcpus", "libvirt_domain_info_cpu_time_seconds_total"
HOUR_S = 3600.0


@pytest.fixture
def server() -> Iterator[ScriptedPrometheus]:
    with running(ScriptedPrometheus()) as serving:
        yield serving


def read(
    server: ScriptedPrometheus, *, step_s: float = 10.0, end_s: float = HOUR_S, **rest: object
) -> Reading:
    return from_prometheus(
        server.url,
        start_s=0,
        end_s=end_s,
        step_s=step_s,
        seed=1,
        timeout_s=20,
        **rest,  # type: ignore[arg-type]
    )


def error_of(server: ScriptedPrometheus, *, timeout_s: float = 20.0) -> str:
    with pytest.raises(TraceError) as caught:
        from_prometheus(server.url, start_s=0, end_s=HOUR_S, step_s=10, seed=1, timeout_s=timeout_s)
    return str(caught.value)


def test_demand_comes_as_the_service_exported_it(server: ScriptedPrometheus) -> None:
    server.scraped(DEMAND, lambda at: at % 7, every_s=10, until_s=HOUR_S, domain="web", instance="a")
    server.scraped(
        "vcpu_autoscaler_domain_vcpus",
        lambda _: 16,
        every_s=10,
        until_s=HOUR_S,
        domain="web",
        instance="a",
        state="maximum",
    )

    trace = read(server).traces[0]

    assert trace.demand_vcpus.tolist() == [at % 7 for at in range(10, 3610, 10)]
    assert (trace.domain, trace.start_s, trace.recorded_s, trace.maximum) == ("web", 0, 10, 16)


def test_a_step_of_several_scrapes_is_their_mean(server: ScriptedPrometheus) -> None:
    server.scraped(DEMAND, lambda at: at / 100, every_s=5, until_s=HOUR_S, domain="web")

    assert read(server, step_s=20).traces[0].demand_vcpus[0] == pytest.approx((5 + 10 + 15 + 20) / 400)


def test_scrapes_further_apart_than_steps_are_told_as_interpolated(server: ScriptedPrometheus) -> None:
    server.scraped(DEMAND, lambda _: 2, every_s=60, until_s=HOUR_S, domain="web")

    trace = read(server).traces[0]

    assert (trace.recorded_s, trace.interpolated, len(trace.demand_vcpus)) == (60, True, 360)
    assert trace.demand_vcpus.mean() == pytest.approx(2)


def test_scrapes_are_timed_where_a_series_was_scraped_only_for_a_part_of_the_time(
    server: ScriptedPrometheus,
) -> None:
    server.scraped(DEMAND, lambda _: 2, every_s=15, until_s=300, domain="web")

    assert read(server, step_s=15).traces[0].recorded_s == 15


def test_a_rate_over_a_window_that_is_not_full_is_a_gap(server: ScriptedPrometheus) -> None:
    server.scraped(TIME, lambda at: 1.5 * at, every_s=5, until_s=630, domain="web", instance='a"b\\c')

    demand = read(server, step_s=60).traces[0].demand_vcpus

    assert demand == pytest.approx([1.5] * 10)


@pytest.mark.parametrize("name", [metric.name for metric in METRICS if metric.counter])
def test_a_counter_of_cpu_time_is_read_as_its_rate(server: ScriptedPrometheus, name: str) -> None:
    metric = metric_named(name)
    for vcpu in ({"vcpu": "0"}, {"vcpu": "1"}) if metric.per_vcpu else ({},):
        counted = partial(operator.mul, 1.5 * metric.per_second)
        server.scraped(metric.metric, counted, every_s=15, until_s=HOUR_S, domain="web", **vcpu)

    demand = read(server, step_s=15).traces[0].demand_vcpus

    assert demand == pytest.approx(3.0 if metric.per_vcpu else 1.5)


def test_the_first_metric_that_the_server_has_is_taken_unless_one_is_named(
    server: ScriptedPrometheus,
) -> None:
    server.scraped(DEMAND, lambda _: 2, every_s=15, until_s=HOUR_S, domain="web")
    server.scraped(TIME, lambda at: at, every_s=15, until_s=HOUR_S, domain="web")

    assert read(server, step_s=15).traces[0].demand_vcpus == pytest.approx(2)
    assert read(server, step_s=15, metric="domain-time").traces[0].demand_vcpus == pytest.approx(1)
    with pytest.raises(TraceError, match=f"no metric is called 'x'; there are {', '.join(METRIC_NAMES)}"):
        read(server, metric="x")


def test_domains_that_only_another_metric_knows_are_said(server: ScriptedPrometheus) -> None:
    server.scraped(DEMAND, lambda _: 2, every_s=15, until_s=HOUR_S, domain="web", instance="a")
    for domain in ("web", "db", "mail"):
        server.scraped(TIME, lambda at: at, every_s=15, until_s=HOUR_S, domain=domain, instance="b")

    (told,) = read(server, step_s=15).repairs
    assert told.startswith(f"{server.url}: 2 domains were not read, such as db: {DEMAND} does not have them")
    assert told.endswith("--metric domain-time has")
    assert [trace.domain for trace in read(server, step_s=15, metric="domain-time").traces] == [
        "db",
        "mail",
        "web",
    ]


def test_that_use_is_less_than_demand_is_said(server: ScriptedPrometheus) -> None:
    server.scraped(TIME, lambda at: at, every_s=15, until_s=HOUR_S, domain="web")

    assert read(server, step_s=15).repairs == (
        f"{server.url}: {TIME} has what guests used: where vCPUs lacked, less than they wanted",
    )


def test_domains_of_one_name_on_two_hosts_are_two(server: ScriptedPrometheus) -> None:
    server.scraped(TIME, lambda at: at, every_s=15, until_s=HOUR_S, domain="web", instance="a")
    server.scraped(TIME, lambda at: 2 * at, every_s=15, until_s=HOUR_S, domain="web", instance="b")

    reading = read(server, step_s=15)

    assert [(t.domain, round(float(t.demand_vcpus[0]))) for t in reading.traces] == [("web", 1), ("web#2", 2)]
    assert f"{server.url}: a domain called web was there before; this one is called web#2" in reading.repairs


def test_what_was_not_scraped_is_a_gap_and_said(server: ScriptedPrometheus) -> None:
    samples = [(10.0 * at, 1.0) for at in range(361) if not 100 <= at < 200]
    server.series.append(Series(DEMAND, {"domain": "web"}, samples))

    reading = read(server)

    assert int(np.isnan(reading.traces[0].demand_vcpus).sum()) in range(98, 101)
    assert reading.repairs == (
        f"{server.url}: 1x: rows after a gap that is too long to bridge; what lies in it is not known",
    )


def test_more_points_than_an_answer_may_have_come_in_pages(
    server: ScriptedPrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "MOST_POINTS", 100)
    server.scraped(DEMAND, lambda at: at % 7, every_s=10, until_s=HOUR_S, domain="web")
    told: list[tuple[int, int]] = []

    trace = read(server, progress=lambda done, whole: told.append((done, whole))).traces[0]

    assert trace.demand_vcpus.tolist() == [at % 7 for at in range(10, 3610, 10)]
    assert told == [(100, 360), (200, 360), (300, 360), (360, 360)]


def test_a_long_time_stays_within_what_a_server_gives(server: ScriptedPrometheus) -> None:
    server.scraped(DEMAND, lambda _: 1, every_s=400, until_s=10_000_000, domain="web")

    read(server, step_s=400, end_s=10_000_000)

    points = [
        (float(asked["end"]) - float(asked["start"])) / float(asked["step"])
        for asked in server.asked
        if "step" in asked
    ]
    assert max(points) < 10_000
    assert sum(points) > 11_000


def test_a_server_without_any_of_the_metrics_is_an_error(server: ScriptedPrometheus) -> None:
    assert f"it has none of {DEMAND}, libvirt_domain_vcpu_time_seconds_total" in error_of(server)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"guest": "web"}, id="none"),
        pytest.param({"domain": " "}, id="blank"),
        pytest.param({"domain": "n" * 256}, id="longer than any"),
        pytest.param({"domain": "a\x1b[2J"}, id="escapes"),
    ],
)
def test_a_series_without_the_name_of_a_domain_is_an_error(
    server: ScriptedPrometheus, labels: dict[str, str]
) -> None:
    server.scraped(DEMAND, lambda _: 1, every_s=10, until_s=HOUR_S, **labels)

    assert "a series has no usable label 'domain'" in error_of(server)


def test_points_without_a_value_are_gaps_and_said(server: ScriptedPrometheus) -> None:
    server.scraped(DEMAND, lambda at: at if at < 600 else math.nan, every_s=10, until_s=HOUR_S, domain="web")

    reading = read(server)

    assert int(np.isnan(reading.traces[0].demand_vcpus).sum()) == 301
    assert reading.repairs == (f"{server.url}: 301x: rows without a value are gaps",)


def test_a_server_full_of_faults_is_left_after_20(server: ScriptedPrometheus) -> None:
    for number in range(30):
        server.scraped(DEMAND, lambda _: -1, every_s=600, until_s=HOUR_S, domain=f"web-{number:02}")

    lines = error_of(server).splitlines()

    assert len(lines) == 21
    assert lines[20] == f"{server.url}: there is more; it was read no further"


@pytest.mark.parametrize("value", [-1.0, 5000.0, math.inf])
def test_demand_that_cannot_be_is_an_error(server: ScriptedPrometheus, value: float) -> None:
    server.scraped(DEMAND, lambda _: value, every_s=10, until_s=HOUR_S, domain="web")

    assert f"web has {value:g} vCPUs of demand at 10: that cannot be" in error_of(server)


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:9090", "ftp://127.0.0.1", "file:///etc/passwd", "http://", "http://h:x", "http://[::1"),
        *("http://h/?a=b", "http://h\r\nX: y", "http://h /", "http://h/#x"),
    ],
)
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(TraceError, match="is no address of a server such as"):
        from_prometheus(url, start_s=0, end_s=10, step_s=1, seed=1, timeout_s=1)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(TraceError, match="has a user in it") as caught:
        from_prometheus("http://me:secret@h", start_s=0, end_s=10, step_s=1, seed=1, timeout_s=1)
    assert "secret" not in str(caught.value)


def test_no_time_is_an_error() -> None:
    with pytest.raises(TraceError, match="nothing lies between 10 and 10"):
        from_prometheus("http://h", start_s=10, end_s=10, step_s=1, seed=1, timeout_s=1)


def test_a_port_where_nothing_listens_is_told_as_that() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    closed = ScriptedPrometheus(url=f"http://127.0.0.1:{port}")
    assert "nothing listens there; is Prometheus running" in error_of(closed)


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    handler.close_connection = True


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"status"')
    handler.close_connection = True


@pytest.mark.parametrize(
    ("misbehave", "told"),
    [
        pytest.param(
            partial(reply, status=200, answer="<html>Sign in</html>", kind="text/html"),
            "this is no Prometheus; it answers 'text/html', not its JSON",
            id="a page",
        ),
        pytest.param(
            partial(reply, status=401, answer="no"), "it asks who you are (HTTP 401)", id="a password"
        ),
        pytest.param(
            partial(reply, status=302, answer="", Location="http://elsewhere.example/"),
            "it sends elsewhere, to 'http://elsewhere.example/'; name the server itself",
            id="a redirect",
        ),
        pytest.param(
            partial(reply, status=422, answer={"status": "error", "error": "query timed out\x1b[2J"}),
            "Prometheus refuses (HTTP 422): 'query timed out\\x1b[2J'",
            id="an error of its own",
        ),
        pytest.param(
            partial(reply, status=502, answer="<html>"), "or no healthy one: HTTP 502", id="a gateway"
        ),
        pytest.param(partial(reply, status=200, answer=[]), "no answer of Prometheus to such", id="a list"),
        pytest.param(
            partial(reply, status=200, answer={"data": {"resultType": "vector", "result": []}}),
            "no answer of Prometheus to such a query",
            id="a vector",
        ),
        pytest.param(
            partial(reply, status=200, answer="[" * 100_000), "it answers 'application/json'", id="deep"
        ),
        pytest.param(
            partial(reply, status=200, answer={"data": {"resultType": "matrix", "result": [{"metric": 1}]}}),
            "a series is not written as Prometheus writes them",
            id="odd series",
        ),
        pytest.param(
            partial(
                reply,
                status=200,
                answer={
                    "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[math.nan, 1]]}]}
                },
            ),
            "a series has a time that is no number",
            id="no time",
        ),
        pytest.param(garbage, "this is no web server: ", id="another protocol"),
        pytest.param(cut, "the connection ended within an answer", id="half an answer"),
    ],
)
def test_a_server_that_misbehaves_is_told_by_what_it_does(
    server: ScriptedPrometheus, misbehave: Answer, told: str
) -> None:
    server.misbehave = misbehave

    error = error_of(server)

    assert error.startswith(server.url)
    assert told in error


def test_an_answer_without_end_is_not_read_to_it(
    server: ScriptedPrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus_server, "LONGEST_ANSWER", 1 << 20)
    server.misbehave = partial(reply, status=200, answer=" " * (2 << 20))

    assert "an answer is longer than 1 MiB; ask for less time" in error_of(server)


def silence(server: ScriptedPrometheus, _: BaseHTTPRequestHandler) -> None:
    server.ended.wait(30)


def drip_head(server: ScriptedPrometheus, handler: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        while not server.ended.wait(0.02):
            handler.wfile.write(b"H")


def drip_body(server: ScriptedPrometheus, handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        while not server.ended.wait(0.02):
            handler.wfile.write(b" ")


@pytest.mark.parametrize("hang", [silence, drip_head, drip_body])
def test_a_server_that_stops_answering_costs_no_more_than_the_time_it_was_given(
    server: ScriptedPrometheus, hang: Callable[[ScriptedPrometheus, BaseHTTPRequestHandler], None]
) -> None:
    server.misbehave = partial(hang, server)
    begun = time.monotonic()

    error = error_of(server, timeout_s=0.3)

    assert (
        error
        == f"{server.url}: no whole answer within 0.3 s; ask for less time, or wait longer with --timeout"
    )
    assert time.monotonic() - begun < 10
