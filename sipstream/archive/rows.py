"""Messages of an index as rows of the archive, many at a time. Sans-IO.

What is the same for many messages (how they came, their Call-ID, what a CSeq says) is made once. Headers
as most stacks write them are found in one pass; anything else is read with care.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from sipstream.archive.schema import HEADERS, PARTIES, column_text, schema, text_of
from sipstream.limits import MAX_USER
from sipstream.sip import headers
from sipstream.sip.headers import split_values
from sipstream.sip.startline import is_request, kind_in, method_name
from sipstream.sip.uri import uri_in, user_of
from sipstream.ways import CUT, TRANSPORTS

if TYPE_CHECKING:
    import pyarrow

    from sipstream.index import Index

_Found: TypeAlias = dict[str, list[bytes | None]]
"""Texts by column, one place a row."""

_RESPONSES = (b"SIP/", b"sip/", b"Sip/")
_NAMES = (
    rb"C(?:ontact|Seq)|D(?:iversion)|F(?:rom)?|H(?:istory-Info)|I(?:dentity)|M"
    rb"|P(?:-Asserted-Identity|-Preferred-Identity|rivacy)|R(?:eason|emote-Party-ID)|S(?:erver)"
    rb"|T(?:o)?|U(?:ser-Agent)|Y"
)
"""The names in HEADERS, by their first letters: most lines are passed over at once."""
_USUAL = re.compile(
    rb"\n(" + _NAMES + rb")[ \t]*+:[ \t]*+([^\r\n]*+(?:\r?\n[ \t])?)", re.IGNORECASE
)
"""A header that has a column, and the beginning of its second line if it has one."""
_NUMBER = re.compile(rb"(?:\"[^\"\\\n]*+\"|[^\"<:\n]*+)[ \t]*+<sips?:(\+?[0-9]{1,18}+)@")
"""From and To as most stacks write them."""
_BLANK_LINE = re.compile(rb"\n\r?\n")
_PLAIN = re.compile(
    rb"(?:[^\"<,%@:]*+(?:\"[^\"\\%]*+\")?[^\"<,%@:]*+<)?sips?:(?:[\w+*#]++@)?[^@,%]*+",
    re.IGNORECASE,
)
"""A value with one URI, whose user part is written as it is compared."""
_CSEQ = re.compile(rb"(\d{1,10})\s+(\S{1,64})")
_ONCE = {"from_header": "From", "to_header": "To", "cseq": "CSeq"}
"""Columns of headers of which one value counts, however many there are, and these headers' names."""


def table(index: Index, numbers: Sequence[int]) -> pyarrow.Table:
    """Return messages, by their numbers, as a table, in that order, but for those without bytes."""
    import pyarrow as pa

    raws = list(map(index.raw, numbers))
    if not all(raws):
        numbers = [number for number, raw in zip(numbers, raws, strict=True) if raw]
        raws = [raw for raw in raws if raw]
    conversations, ways, codes, times = (
        [column[number] for number in numbers]
        for column in (index.m_conversation, index.m_way, index.m_code, index.m_time)
    )
    call_ids = index.c_call_id
    columns = {
        "time": _numbers(pa.int64(), "q", [time // 1000 for time in times]),
        "time_ns": _numbers(pa.int64(), "q", times),
        **_of_ways(index, ways),
        **_mapped(conversations, call_id=(pa.string(), lambda one: text_of(call_ids[one]))),
        **_mapped(codes, method=(pa.string(), _method), status=(pa.int16(), _status)),
        **_texts(raws, [index.ways.transport[way] >= CUT for way in ways]),
        "size": _numbers(pa.int32(), "i", map(len, raws)),
        "raw": pa.array(raws, pa.binary()),
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
    return _mapped(
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


# What start lines and headers say


def _texts(raws: list[bytes], cut: list[bool]) -> dict[str, pyarrow.Array]:
    """Return the columns of texts; of a message that is cut half a line is none."""
    import pyarrow as pa

    count = len(raws)
    found: _Found = {
        name: [None] * count for name in ("reason_phrase", "request_uri", *HEADERS.values())
    }
    phrases, uris = found["reason_phrase"], found["request_uri"]
    spelled = {name: found[column] for name, column in HEADERS.items()}
    for row, raw in enumerate(raws):
        line = raw[: raw.find(b"\n") + 1 or len(raw)].split(None, 2)
        if line and line[0][:4] in _RESPONSES:
            phrases[row] = line[2].rstrip() if len(line) > 2 else b""
        elif len(line) > 1:
            uris[row] = line[1]
        blank = _BLANK_LINE.search(raw)
        usual = blank is not None and not cut[row]
        if blank is not None and usual:
            for name, value in _USUAL.findall(raw, 0, blank.start()):
                column = spelled.get(name)
                if column is None:
                    column = spelled[name] = spelled[name.lower()]
                if column[row] is not None or b"\n" in value:
                    usual = False
                    break
                column[row] = value
        if not usual:
            _read_with_care(row, raw, found, cut=cut[row])
    made = {name: _strings(values) for name, values in found.items() if name != "cseq"}
    for user, header in (("from_user", "from_header"), ("to_user", "to_header")):
        made |= _mapped(found[header], **{user: (pa.string(), _user)})
    made["spelled_users"] = pa.array(_spelled(found, count), pa.string())
    return made | _mapped(
        found["cseq"], cseq=(pa.int64(), _sequence), cseq_method=(pa.string(), _sequence_method)
    )


def _read_with_care(row: int, raw: bytes, found: _Found, *, cut: bool) -> None:
    """Read folded, repeated and odd headers of a message."""
    end = headers.lines_end(raw, 0, len(raw)) if cut else len(raw)
    values: dict[str, list[bytes]] = {}
    for name, value in headers.fields(raw, 0, headers.head_end(raw, 0, end)):
        column = HEADERS.get(name.lower())
        if column is not None:
            values.setdefault(column, []).append(value)
    for column in dict.fromkeys(HEADERS.values()):
        if column in _ONCE:
            found[column][row] = headers.first(raw, 0, end, _ONCE[column])
        else:
            found[column][row] = b", ".join(values[column]) if column in values else None


def _user(value: bytes | None) -> str | None:
    if value is None:
        return None
    usual = _NUMBER.match(value)
    if usual is not None:
        return usual[1].decode()
    return column_text(user_of(value.decode("utf-8", "surrogateescape"))[:MAX_USER])


def _spelled(found: _Found, count: int) -> list[str | None]:
    """Return the user parts that are written in another way than they are compared in, by row."""
    users: list[str | None] = [None] * count
    for name in PARTIES:
        column = found[name]
        odd = {
            value: _bare_users(value)
            for value in dict.fromkeys(column)
            if value is not None and not _PLAIN.fullmatch(value)
        }
        if odd:
            for row, value in enumerate(column):
                if value is not None and odd.get(value):
                    users[row] = f"{users[row] or ''} {odd[value]}"
    return users


def _bare_users(value: bytes) -> str:
    parts = split_values(value.decode("utf-8", "surrogateescape"))
    there = dict.fromkeys(user for part in parts for user in (user_of(part), uri_in(part).user))
    return column_text(" ".join(filter(None, there)))


def _sequence(value: bytes | None) -> int | None:
    match = _CSEQ.match(value) if value is not None else None
    return int(match[1]) if match else None


def _sequence_method(value: bytes | None) -> str | None:
    match = _CSEQ.match(value) if value is not None else None
    return text_of(match[2]) if match else None


# Arrays


def _numbers(kind: pyarrow.DataType, code: str, values: Iterable[int]) -> pyarrow.Array:
    """Return numbers as they are; `code` is that of their type in an `array`."""
    import pyarrow as pa

    column = array(code, values)
    return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(column)])


def _mapped(
    keys: list[Any], **columns: tuple[pyarrow.DataType, Callable[[Any], Any]]
) -> dict[str, pyarrow.Array]:
    """Return columns of what keys stand for, each of them worked out once."""
    import pyarrow as pa

    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    indices = _numbers(pa.int32(), "i", map(places.__getitem__, keys))
    return {
        name: pa.array(map(of, places), kind).take(indices) for name, (kind, of) in columns.items()
    }


def _strings(values: list[bytes | None]) -> pyarrow.Array:
    """Return texts of traffic as UTF-8."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if one is None else text_of(one) for one in values], pa.string())
