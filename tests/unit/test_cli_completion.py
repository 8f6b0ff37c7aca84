"""Completion in real shells: commands, options, and the names of the domains that the service governs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.shown_fleet import ShownFleet, shown_fleet

SHELLS = ("bash", "zsh", "fish")
ASK = {
    "bash": """
source {script}
COMP_WORDS=({words}); COMP_CWORD={last}
_autoscaler_completion autoscaler
printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    # What zle would offer is printed, for zle itself needs a terminal.
    "zsh": """
compdef() {{ }}
_files() {{ }}
_arguments() {{ print -r -- "$@" }}
words=({words}); CURRENT={zsh_last}
source {script}
_autoscaler_completion
""",
    "fish": "source {script}; complete --do-complete '{line}'",
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShownFleet]:
    with shown_fleet(tmp_path_factory.mktemp("fleet"), ["web-1", "web-2", "db-1", "$(id)", "a b"]) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where `autoscaler` is this checkout's."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "autoscaler"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'autoscaler'\n"
        "from autoscaler.cli.main import main\nmain()\n"
    )
    command.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    home = str(tmp_path_factory.mktemp("home"))
    return {"PATH": path, "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": home, "LANG": "C.UTF-8"}


def completed(shell: str, line: str, environment: dict[str, str], server: str) -> list[str]:
    """What a shell offers at the end of a line."""
    script = Path(environment["HOME"]) / f"completion.{shell}"
    words = line.split(" ")
    quoted = " ".join(f'"{word}"' for word in words)
    ask = ASK[shell].format(script=script, words=quoted, last=len(words) - 1, zsh_last=len(words), line=line)
    if not script.exists():
        env = environment | {"_AUTOSCALER_COMPLETE": f"source_{shell}"}
        printed = subprocess.run(["autoscaler"], env=env, capture_output=True, check=True, timeout=60)
        script.write_bytes(printed.stdout)
    ran = subprocess.run(
        [shell, *(["-f"] if shell == "zsh" else []), "-c", ask],
        env=environment | {"VCPU_AUTOSCALER_SERVER": server},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    if shell == "zsh":
        return re.findall(r'"([^"]*)"(?::"[^"]*")?', ran.stdout)
    return [text.split("\t")[0] for text in ran.stdout.splitlines() if text]


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_are_completed(shell: str, environment: dict[str, str]) -> None:
    found = completed(shell, "autoscaler s", environment, "http://127.0.0.1:1")
    assert {"show", "slo", "status", "schema", "set"} <= set(found)


@pytest.mark.parametrize("shell", SHELLS)
def test_names_of_schemas_are_completed(shell: str, environment: dict[str, str]) -> None:
    found = completed(shell, "autoscaler schema s", environment, "http://127.0.0.1:1")
    assert {"status", "show", "slo"} <= set(found)
    assert "policy" not in found
    assert "policy" in completed(shell, "autoscaler schema ", environment, "http://127.0.0.1:1")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_table_is_sorted_by_is_completed_and_no_file(
    shell: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    found = completed(shell, "autoscaler top --sort ", environment, "http://127.0.0.1:1")
    assert {"trouble", "used", "name", "vcpus", "budget"} <= set(found)
    assert "notes.txt" not in found


@pytest.mark.parametrize("shell", SHELLS)
def test_domains_are_completed_and_no_name_reaches_the_shell_that_means_something_to_it(
    shell: str, environment: dict[str, str], fleet: ShownFleet
) -> None:
    assert set(completed(shell, "autoscaler show w", environment, fleet.url)) == {"web-1", "web-2"}
    found = completed(shell, "autoscaler show ", environment, fleet.url)
    assert {"web-1", "web-2", "db-1"} <= set(found)
    assert not any("$" in name or name == "a b" for name in found)


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_service_there_is_nothing_to_offer_and_no_error(
    shell: str, environment: dict[str, str]
) -> None:
    assert not {"web-1", "web-2"} & set(
        completed(shell, "autoscaler show w", environment, "http://127.0.0.1:1")
    )
