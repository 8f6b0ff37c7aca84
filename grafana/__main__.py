"""`python -m grafana`: writes the JSON of every dashboard beside this package's modules."""

from __future__ import annotations

from pathlib import Path

from grafana.boards import BOARDS, json_of

FOLDER = Path(__file__).parent / "dashboards"


def main() -> None:
    """Write them."""
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(json_of(name))


if __name__ == "__main__":
    main()
