"""The manual pages have every command, option and key, and roff has nothing to say of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from autoscaler.cli.main import app
from autoscaler.cli.manual import _commands, pages
from autoscaler.cli.readable import taken
from autoscaler.cli.roff import Page, escaped

PAGES = pages()
PATHS = [path for path, _ in _commands(typer.main.get_command(app))]


def set_page(text: str, folder: Path) -> str:
    """The page as people see it, on lines that are never too long; what man warns of is an error."""
    file = folder / "page.8"
    file.write_text(text, encoding="ascii")
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "1000", "MAN_KEEP_FORMATTING": ""}
    ran = subprocess.run(
        ("man", "--warnings", "--local-file", str(file)),
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert ran.stderr == ""
    return re.sub("\x1b\\[[0-9;]*m|.\b", "", ran.stdout)


@pytest.mark.parametrize("name", PAGES)
def test_man_warns_of_nothing_and_finds_the_page_by_its_name(name: str, tmp_path: Path) -> None:
    shown = set_page(PAGES[name], tmp_path)
    assert f"{name.rpartition('.')[0]} - " in shown
    assert PAGES[name].isascii()


def test_every_command_is_there_with_every_option_and_its_help(tmp_path: Path) -> None:
    shown = " ".join(set_page(PAGES["autoscaler.8"], tmp_path).split())
    commands = list(_commands(typer.main.get_command(app)))
    assert {"run", "audit verify", "config show", "lab up"} < {path for path, _ in commands}
    for path, command in commands:
        context = command.make_context(path, [], resilient_parsing=True)
        assert " ".join((path, *command.collect_usage_pieces(context))) in shown
        told = "".join(command.get_help(context).split())
        rows = list(taken(command, context, "argument", "option"))
        assert len(rows) == len(command.get_params(context))
        for name, text in rows:
            assert f"{name} {' '.join(text.replace('`', '').split())}" in shown
            assert "".join(f"{name}{text}".split()) in told


def test_what_a_command_takes_is_told_in_no_words_of_a_programming_language(tmp_path: Path) -> None:
    shown = set_page(PAGES["autoscaler.8"], tmp_path)
    helps = [CliRunner().invoke(app, [*path.split(), "--help"]).stdout for path in PATHS]
    for text in (shown, *helps):
        assert not re.search(r"<[a-z]|<=x|x>=|x<=|list\[", text)
    flat = " ".join(" ".join((shown, *helps)).split())
    for told in ("TRACE... Files of recorded", "[from 0 to 3600]", "[default: 0; at least 0]"):
        assert flat.count(told) > 1, told


def test_every_key_is_there_with_what_it_takes_and_its_default(tmp_path: Path) -> None:
    shown = " ".join(set_page(PAGES["vcpu-autoscaler.yaml.5"], tmp_path).split())
    for key in (
        "journal.keep",
        "audit.most_mib",
        "webhook.url",
        "connections[].qmp[].agent",
        "policies[].match.name",
    ):
        assert f" {key} " in shown
    assert "log.format The form of its lines: text for people" in shown
    assert "One of text, logfmt, json. Default: text." in shown
    assert "From 16 to 1048576. Default: 4096." in shown


def test_no_character_of_a_text_is_taken_for_a_request_or_shown_as_another(tmp_path: Path) -> None:
    hostile = "--option 'a' \"b\" `c d\\fBe\\n ~f^g \u00e9\u2026"
    page = Page("hostile", 8, title="t", version="1")
    page.section("Name")
    page.paragraph("hostile - a page")
    page.paragraph(".so /etc/passwd")
    page.paragraph("'br " + hostile)
    page.tagged(".nf", hostile)
    page.example([".ex " + hostile, "  indented"])
    shown = set_page(page.text(), tmp_path)
    for line in (".so /etc/passwd", f"'br {hostile}", f".ex {hostile}", "  indented"):
        assert line in shown
    assert "root:" not in shown


def test_what_is_escaped_is_ascii_and_one_line() -> None:
    assert escaped("\u00e4-\\'") == r"\[u00E4]\-\e\(aq"


def test_the_pages_are_written_where_man_looks_for_them(tmp_path: Path) -> None:
    subprocess.run((sys.executable, "-m", "autoscaler.cli.manual", tmp_path), check=True)
    found = {str(file.relative_to(tmp_path)): file.read_text() for file in tmp_path.rglob("*.[0-9]")}
    assert found == {f"man{name[-1]}/{name}": text for name, text in PAGES.items()}
