"""A folder in the cache is whole, whoever builds it and however that ends."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from autoscaler.lab.cache import cache_folder, cached
from autoscaler.lab.errors import LabError


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({"VCPU_AUTOSCALER_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a", id="named for the lab"),
        pytest.param({"XDG_CACHE_HOME": "/b"}, "/b/vcpu-autoscaler", id="named for all programs"),
        pytest.param({}, "/h/.cache/vcpu-autoscaler", id="in the home folder"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("VCPU_AUTOSCALER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/h", **environment}.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_a_folder_that_exists_is_not_filled_again(tmp_path: Path) -> None:
    filled: list[Path] = []
    for _ in range(2):
        cached(tmp_path / "x", filled.append)
    assert len(filled) == 1


def test_filling_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise LabError("no network")

    with pytest.raises(LabError, match="no network"):
        cached(tmp_path / "x", fail)
    assert list(tmp_path.iterdir()) == []


def test_two_that_fill_at_once_both_get_one_whole_folder(tmp_path: Path) -> None:
    both_filling = threading.Barrier(2, timeout=10)
    found: list[str] = []

    def build(content: str) -> None:
        def fill(folder: Path) -> None:
            both_filling.wait()
            (folder / "file").write_text(content)

        found.append((cached(tmp_path / "x", fill) / "file").read_text())

    threads = [threading.Thread(target=build, args=(content,)) for content in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_cache_that_cannot_be_written_names_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="VCPU_AUTOSCALER_CACHE"):
        cached(tmp_path / "file" / "x", lambda _: None)
