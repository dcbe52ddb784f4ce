"""Columns as arrays of pyarrow. Sans-IO."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sipstream.archive.schema import text_of

if TYPE_CHECKING:
    import pyarrow


def numbers(kind: pyarrow.DataType, code: str, values: Iterable[int]) -> pyarrow.Array:
    """Return numbers as they are; `code` is that of their type in an `array`."""
    import pyarrow as pa

    column = array(code, values)
    return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(column)])


def mapped(
    keys: list[Any], **columns: tuple[pyarrow.DataType, Callable[[Any], Any]]
) -> dict[str, pyarrow.Array]:
    """Return columns of what keys stand for, each of them worked out once."""
    import pyarrow as pa

    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    indices = numbers(pa.int32(), "i", map(places.__getitem__, keys))
    return {
        name: pa.array(map(of, places), kind).take(indices) for name, (kind, of) in columns.items()
    }


def strings(values: list[bytes | None]) -> pyarrow.Array:
    """Return texts of traffic as UTF-8."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if one is None else text_of(one) for one in values], pa.string())
