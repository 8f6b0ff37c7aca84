"""`python -m tests.bench [NAME...] [--output json]`: measures, prints, judges nothing."""

from __future__ import annotations

import argparse
import json
import sys

from tests.bench.agreement import agreement
from tests.bench.figures import machine
from tests.bench.isolation import hostile, isolation
from tests.bench.lag import lag
from tests.bench.loop import overhead, reaction, warm
from tests.bench.page import page
from tests.bench.policies import check
from tests.bench.recorded import lags, table
from tests.bench.regimes import regimes
from tests.bench.replay import replay
from tests.bench.scrape import scrape
from tests.bench.tick import tick
from tests.bench.trust import crash, recovery
from tests.load.load import load

BENCHMARKS = {
    "reaction": reaction,
    "warm": warm,
    "overhead": overhead,
    "lag": lag,
    "agreement": agreement,
    "tick": tick,
    "check": check,
    "replay": replay,
    "table": table,
    "lags": lags,
    "regimes": regimes,
    "isolation": isolation,
    "recovery": recovery,
    "crash": crash,
    "page": page,
    "scrape": scrape,
    "load": load,
}
PARTS = {"hostile": hostile}
"""What belongs to a benchmark above, and can be run alone."""


def main() -> None:
    """Run the benchmarks that were named, or all of them."""
    parser = argparse.ArgumentParser(
        prog="sh deploy/bench.sh", description="Measure the service on real guests."
    )
    known = BENCHMARKS | PARTS
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--output", choices=("text", "json"), default="text")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names or BENCHMARKS:
        for found in known[name](_say):
            plain = found.plain()
            if options.output == "json":
                print(json.dumps(plain), flush=True)  # noqa: T201 - the answer
            else:
                spread = f"{plain['min']:>9} to {plain['max']:<9}"
                line = f"{found.name:<20} {plain['median']:>9} {found.unit:<12} {spread} {plain['runs']} runs"
                print(line, flush=True)  # noqa: T201 - the answer
    if options.output == "text":
        print(f"on {machine()}")  # noqa: T201 - the answer


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
