"""Reads Parquet, a batch of rows at a time. The only module that knows pyarrow.

Invariant: a column is text or numbers; Parquet's own times are seconds since the epoch, those without a zone
taken as UTC. Dates without a time of day are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autoscaler.replay.findings import TraceError, placed
from autoscaler.replay.reading.chunk import Chunk, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from autoscaler.replay.findings import Problems
    from autoscaler.replay.reading.chunk import Column

MAGIC = b"PAR1"
_BATCH_ROWS = 65_536
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""By the unit of a time."""


def read_parquet_table(path: Path, problems: Problems) -> Table | None:
    """Open a file; None: it cannot be read, or has columns that are neither text nor numbers.

    Raises:
        TraceError: when pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, which only Parquet needs
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise TraceError(
            f"{placed(str(path), None)}: Parquet needs pyarrow: pip install 'vcpu-autoscaler[parquet]'"
        ) from error
    try:
        file = parquet.ParquetFile(path)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        problems.add(str(path), None, f"this Parquet file cannot be read: {error}")
        return None
    wrong = [field for field in schema if not _is_text(field.type) and not _is_number(field.type)]
    for field in wrong:
        problems.add(
            str(path), None, f"column {field.name!r} is {field.type}; text or plain numbers are wanted"
        )
    return None if wrong else Table(tuple(schema.names), _chunks(file, str(path), problems))


def _is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    from pyarrow import types  # noqa: PLC0415

    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or (types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _is_number(kind: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    from pyarrow import types  # noqa: PLC0415

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_timestamp(kind))


def _chunks(file: Any, place: str, problems: Problems) -> Iterator[Chunk]:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415

    row = 1
    batches = file.iter_batches(batch_size=_BATCH_ROWS)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            columns = [_column(column) for column in batch.columns]
        except (pa.ArrowException, OSError, ValueError) as error:
            problems.add(place, row, f"this Parquet file cannot be read from about this row on: {error}")
            return
        yield Chunk(np.arange(row, row + batch.num_rows), columns)
        row += batch.num_rows


def _column(column: Any) -> Column:  # noqa: ANN401 - pyarrow ships no types
    from pyarrow import types  # noqa: PLC0415

    if _is_text(column.type):
        return [cell or "" for cell in column.to_pylist()]
    per_second = 1
    if types.is_timestamp(column.type):
        per_second, column = _PER_SECOND[column.type.unit], column.cast("int64")
    numbers: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers / per_second
