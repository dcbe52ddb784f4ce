"""Columns: arrays with one place for each of very many things."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable

MOST_NARROW = 0xFFFF
"""The highest number that a column of two bytes holds."""


def made(typecode: str, values: Iterable[int], count: int) -> array[int]:
    """Return a column of so many values; one that is there already as it is.

    `struct` takes them in less than half the time that `array` does.

    Raises:
        struct.error: a number is out of the column's range.
    """
    if isinstance(values, array) and values.typecode == typecode:
        return values
    return array(typecode, struct.pack(f"{count}{typecode}", *values))
