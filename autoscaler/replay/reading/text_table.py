"""Reads comma-separated text in blocks, strictly: every line has every field, and no line is without end.

Invariant: at most `BLOCK_BYTES` and one line are held, whatever the file is.
"""

from __future__ import annotations

import csv
import zlib
from typing import TYPE_CHECKING

import numpy as np

from autoscaler.replay.findings import shown
from autoscaler.replay.reading.chunk import Chunk, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from autoscaler.replay.findings import Problems, Repairs

BLOCK_BYTES = 256 * 1024
_CR_ALONE = "a line ends in a carriage return alone; end lines in LF, or in CR and LF"
_BOM = "\ufeff"
_LINE_TOO_LONG = f"the line is longer than {BLOCK_BYTES} bytes, which no row is"


def read_text_table(file: BufferedIOBase, place: str, problems: Problems, repairs: Repairs) -> Table | None:
    """Read a file's first line as its header, and the others when asked for; None: there is no header."""
    blocks = _blocks(file, place, problems, repairs)
    line, text = next(blocks, (1, ""))
    head, _, rest = text.partition("\n")
    header = _fields(place, line, [head.removeprefix(_BOM)], problems)
    if problems.spoil(place):
        return None
    if not header[0]:
        problems.add(place, line, "there is no header" if text else "the file is empty")
        return None
    names = tuple(name.strip() for name in header[0])
    return Table(names, _chunks(place, len(names), _again(line + 1, rest, blocks), problems))


def whole_table(header: tuple[str, ...], table: Table) -> Table:
    """The same for a file whose first line is a row already."""
    first = Chunk(np.array([1]), [[cell] for cell in table.header])

    def chunks() -> Iterator[Chunk]:
        yield first
        yield from table.chunks

    return Table(header, chunks())


def _again(line: int, text: str, blocks: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    if text:
        yield line, text
    yield from blocks


def _blocks(
    file: BufferedIOBase, place: str, problems: Problems, repairs: Repairs
) -> Iterator[tuple[int, str]]:
    """Whole lines as text, with the number of the first; ends early where something is wrong."""
    line, rest = 1, b""
    while True:
        try:
            read = file.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            problems.add(place, line, f"the file cannot be read from about here on: {error}")
            return
        held = rest + read
        end = held.rfind(b"\n") + 1 if read else len(held)
        if len(held) - end > BLOCK_BYTES:
            problems.add(place, line + held.count(b"\n"), _LINE_TOO_LONG)
            return
        whole, rest = held[:end], held[end:]
        if whole:
            text = _decoded(place, line, whole, problems)
            if text is None:
                return
            yield line, text
            line += whole.count(b"\n")
        if not read:
            if whole:
                repairs.note(place, f"line {line}, the last one, has no end, as of a file that was cut off")
            return


def _decoded(place: str, line: int, data: bytes, problems: Problems) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = error.start
    else:
        wrong = data.find(b"\0")
        if wrong < 0:
            return text
    line += data.count(b"\n", 0, wrong)
    problems.add(place, line, f"byte 0x{data[wrong]:02x} is no text: is this a CSV file, in UTF-8?")
    return None


def _fields(place: str, line: int, lines: list[str], problems: Problems) -> list[list[str]]:
    """The fields of some lines; nothing where there is no telling which field is which."""
    reader = csv.reader(lines, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        # The reader's own words for this are advice to who opened the file in Python.
        alone = any("\r" in text.removesuffix("\r") for text in lines)
        wrong = _CR_ALONE if alone else f"this is no CSV: {error}"
        problems.add(place, line + max(reader.line_num - 1, 0), wrong)
        return []
    if len(rows) != len(lines):
        problems.add(place, line, "a quoted field in these lines goes on in the next line")
        return []
    return rows


def _chunks(place: str, width: int, blocks: Iterator[tuple[int, str]], problems: Problems) -> Iterator[Chunk]:
    blank: int | None = None
    for line, text in blocks:
        plain = _plain_columns(text, width) if blank is None else None
        if plain is not None:
            yield Chunk(np.arange(line, line + len(plain[0])), plain)
            continue
        rows = _fields(place, line, text.removesuffix("\n").split("\n"), problems)
        if not rows:
            return
        kept, blank = _of_width(place, width, list(enumerate(rows, line)), blank, problems)
        if kept:
            columns = list(zip(*(row for _, row in kept), strict=True))
            yield Chunk(np.array([at for at, _ in kept]), columns)


def _plain_columns(text: str, width: int) -> list[list[str]] | None:
    """The columns of whole lines that need no more than splitting; None: these may.

    Rows are never made one by one, which takes most of the time of a large file. A mark for each line's end
    stands among the cells, so that a line with a field too many or too few shows.
    """
    if '"' in text or "\r" in text or not text.endswith("\n"):
        return None
    cells = text.replace("\n", ",\n,").split(",")
    cells.pop()  # what follows the last line's end
    if len(cells) % (width + 1) or set(cells[width :: width + 1]) != {"\n"}:
        return None
    columns = [cells[field :: width + 1] for field in range(width)]
    return None if width == 1 and "" in columns[0] else columns


def _of_width(
    place: str, width: int, rows: list[tuple[int, list[str]]], blank: int | None, problems: Problems
) -> tuple[list[tuple[int, list[str]]], int | None]:
    """The rows of the right width; an empty line is one too few unless nothing follows it."""
    kept: list[tuple[int, list[str]]] = []
    for line, row in rows:
        if not row:
            blank = blank or line
            continue
        if blank is not None:
            problems.add(place, blank, "the line is empty")
            blank = None
        if len(row) == width:
            kept.append((line, row))
        else:
            fields = f"{len(row)} field{'s' * (len(row) != 1)}"
            problems.add(place, line, f"{fields}, the header has {width}: {shown(','.join(row))}")
    return kept, blank
