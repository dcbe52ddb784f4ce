"""Messages of an index as rows of the archive, many at a time. Sans-IO.

What is the same for many messages (how they came, their Call-ID, what a CSeq says) is made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sipstream.archive.arrays import mapped
from sipstream.archive.arrays import numbers as numbers_of
from sipstream.archive.schema import column_text, schema, text_of
from sipstream.archive.texts import texts
from sipstream.sip.startline import is_request, kind_in, method_name
from sipstream.ways import CUT, TRANSPORTS

if TYPE_CHECKING:
    import pyarrow

    from sipstream.index import Index


def table(index: Index, numbers: Sequence[int], raws: list[bytes]) -> pyarrow.Table:
    """Return messages, by their numbers, as a table, in that order, but for those without bytes."""
    import pyarrow as pa

    if not all(raws):
        numbers = [number for number, raw in zip(numbers, raws, strict=True) if raw]
        raws = [raw for raw in raws if raw]
    conversations, ways, codes, times = (
        [column[number] for number in numbers]
        for column in (index.m_conversation, index.m_way, index.m_code, index.m_time)
    )
    call_ids, raw = index.c_call_id, pa.array(raws, pa.binary())
    columns = {
        "time": numbers_of(pa.int64(), "q", [time // 1000 for time in times]),
        "time_ns": numbers_of(pa.int64(), "q", times),
        **_of_ways(index, ways),
        **mapped(conversations, call_id=(pa.string(), lambda one: text_of(call_ids[one]))),
        **mapped(codes, method=(pa.string(), _method), status=(pa.int16(), _status)),
        **texts(raw, raws, [index.ways.transport[way] >= CUT for way in ways]),
        "size": numbers_of(pa.int32(), "i", map(len, raws)),
        "raw": raw,
    }
    wanted = schema()
    return pa.Table.from_arrays(
        [columns[field.name].cast(field.type) for field in wanted], schema=wanted
    )


def _of_ways(index: Index, ways: list[int]) -> dict[str, pyarrow.Array]:
    """Return the columns that say how messages came."""
    import pyarrow as pa

    known, ends = index.ways, index.endpoints
    text, port = pa.string(), pa.int32()
    return mapped(
        ways,
        tap=(text, lambda way: column_text(index.taps[known.tap[way]])),
        source=(text, lambda way: column_text(ends.address(known.source[way]))),
        source_port=(port, lambda way: ends.port(known.source[way])),
        destination=(text, lambda way: column_text(ends.address(known.destination[way]))),
        destination_port=(port, lambda way: ends.port(known.destination[way])),
        transport=(text, lambda way: TRANSPORTS[known.transport[way] & ~CUT]),
        cut_off=(pa.bool_(), lambda way: known.transport[way] >= CUT),
    )


def _method(code: int) -> str | None:
    kind = kind_in(code)
    return column_text(method_name(kind)) if is_request(kind) else None


def _status(code: int) -> int | None:
    kind = kind_in(code)
    return None if is_request(kind) else kind
