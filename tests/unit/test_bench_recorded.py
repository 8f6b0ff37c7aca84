"""The benchmarks over recorded demand: which folders are a set, and that without any nothing is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.recorded import FOLDER, lags, sets_in, table


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_without_recordings_they_say_so_and_measure_nothing(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv(FOLDER, folder)
    said: list[str] = []
    assert [*table(said.append), *lags(said.append)] == []
    assert len(said) == 2
    assert all("there is no recorded demand" in sentence and FOLDER in sentence for sentence in said)


def test_each_folder_is_a_set_but_for_those_of_a_value_a_minute(tmp_path: Path) -> None:
    for name in ("alibaba", "crane_dsp", "mine", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").touch()
    assert sets_in(str(tmp_path)) == {
        "minutes": [tmp_path / "alibaba", tmp_path / "crane_dsp"],
        "mine": [tmp_path / "mine"],
    }
