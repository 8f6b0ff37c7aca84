"""A real Prometheus that scrapes one service, as deploy/prometheus says, but every second."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import yaml

from tests.fakes.running_service import free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Series:
    """One series of an answer."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Time and value; one for an instant query."""


class QueryFailed(Exception):
    """Prometheus did not take a query."""


class RunningPrometheus:
    """Asked over its HTTP interface."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: object) -> Any:  # noqa: ANN401 - JSON
        opener = build_opener(ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=20) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            with error:
                raise QueryFailed(error.read().decode()) from error

    def instant(self, expr: str, at_s: float) -> list[Series]:
        found = self.get("query", query=expr, time=at_s)
        if found["resultType"] == "scalar":
            return [_series({}, [found["result"]])]
        return [_series(entry["metric"], [entry["value"]]) for entry in found["result"]]

    def range(self, expr: str, from_s: float, to_s: float, step_s: float) -> list[Series]:
        found = self.get("query_range", query=expr, start=from_s, end=to_s, step=step_s)
        return [_series(entry["metric"], entry["values"]) for entry in found["result"]]

    def wait(self) -> None:
        """Wait until it answers, and has scraped the service."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(URLError, ConnectionError, QueryFailed):
                if self.instant('up{job="vcpu-autoscaler"} == 1', time.time()):
                    return
            assert time.monotonic() < end_s, "prometheus did not start"
            time.sleep(0.1)


def _series(labels: Mapping[str, str], points: list[list[Any]]) -> Series:
    return Series(labels, tuple((float(at), float(value)) for at, value in points))


def configuration(target: str) -> dict[str, Any]:
    """The shipped configuration with this one target, scraped and evaluated every second."""
    found: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yaml").read_text())
    found["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    found["rule_files"] = [str(SHIPPED / name) for name in found["rule_files"]]
    jobs = {job["job_name"]: job for job in found["scrape_configs"]}
    job = jobs["vcpu-autoscaler"] | {"static_configs": [{"targets": [target]}]}
    return found | {"scrape_configs": [job]}


@contextlib.contextmanager
def running_prometheus(folder: Path, target: str) -> Iterator[RunningPrometheus]:
    """Run it for the block, with its data in `folder`."""
    program = shutil.which("prometheus")
    assert program, "prometheus is not in PATH: sh deploy/test.sh gets it"
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump(configuration(target)))
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            (
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ),
            stdout=log,
            stderr=log,
        )
    try:
        server = RunningPrometheus(port)
        server.wait()
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)
