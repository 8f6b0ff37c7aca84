"""The fingerprint of policy files: another one whenever loading them would find something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autoscaler.policyfile.load import fingerprint, load_policies

GOOD = "version: 1\npolicies:\n  - {name: a, match: {name: [a]}}\n"


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.yaml").write_text(GOOD)
    (folder / "b.yaml").write_text("")
    return [folder, tmp_path / "single.yaml"]


def exchange(folder: Path) -> None:
    (folder / "a.yaml").rename(folder / "c.yaml")
    (folder / "b.yaml").rename(folder / "a.yaml")
    (folder / "c.yaml").rename(folder / "b.yaml")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "a.yaml").write_text(GOOD + "\n"), id="other bytes"),
        pytest.param(lambda folder: (folder / "c.yml").write_text(""), id="a file more"),
        pytest.param(lambda folder: (folder / "b.yaml").unlink(), id="a file less"),
        pytest.param(lambda folder: (folder / "a.yaml").rename(folder / "c.yaml"), id="another name"),
        pytest.param(exchange, id="names exchanged"),
        pytest.param(lambda folder: (folder.parent / "single.yaml").write_text(""), id="an empty file comes"),
        pytest.param(lambda folder: (folder.parent / "single.yaml").mkdir(), id="a folder comes"),
        pytest.param(lambda folder: (folder / "b.yaml").write_bytes(b"\xff"), id="no text any more"),
        pytest.param(lambda folder: folder.rename(folder.with_name("away")), id="the folder goes"),
    ],
)
def test_whatever_loading_would_find_anew_gives_another_fingerprint(
    paths: list[Path], change: Callable[[Path], object]
) -> None:
    before = fingerprint(paths)
    change(paths[0])
    assert fingerprint(paths) != before


def test_the_same_files_give_the_same_fingerprint_and_loading_them_tells_it(paths: list[Path]) -> None:
    before = fingerprint(paths)
    (paths[0] / "a.yaml").touch()
    (paths[0] / "notes.txt").write_text("x")
    (paths[0] / ".a.yaml.swp").write_text("x")
    assert fingerprint(paths) == before == load_policies(paths).fingerprint
