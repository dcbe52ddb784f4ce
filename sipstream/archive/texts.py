"""What start lines and headers of many messages say, as columns of the archive. Sans-IO.

The lines of all messages are told apart at once: most of them are in many messages, each is read once.
Messages with folded, repeated or odd headers are read with care, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sipstream.archive.arrays import numbers, strings
from sipstream.archive.schema import HEADERS, PARTIES, column_text, text_of
from sipstream.limits import MAX_USER
from sipstream.sip import headers
from sipstream.sip.headers import split_values
from sipstream.sip.uri import uri_in, user_of

if TYPE_CHECKING:
    import pyarrow

_Found: TypeAlias = dict[str, list[bytes | None]]
"""Texts by column, one place a row."""

_COLUMNS = ("reason_phrase", "request_uri", *dict.fromkeys(HEADERS.values()))
_RESPONSES = (b"SIP/", b"sip/", b"Sip/")
_NAMES = (
    rb"C(?:ontact|Seq)|D(?:iversion)|F(?:rom)?|H(?:istory-Info)|I(?:dentity)|M"
    rb"|P(?:-Asserted-Identity|-Preferred-Identity|rivacy)|R(?:eason|emote-Party-ID)|S(?:erver)"
    rb"|T(?:o)?|U(?:ser-Agent)|Y"
)
"""The names in HEADERS, by their first letters: most lines are passed over at once."""
_LINE = rb"(" + _NAMES + rb")[ \t]*+:[ \t]*+([^\r\n]*+"
_USUAL_LINE = re.compile(_LINE + rb")", re.IGNORECASE)
"""The line of a header that has a column."""
_USUAL = re.compile(rb"\n" + _LINE + rb"(?:\r?\n[ \t])?)", re.IGNORECASE)
"""The same in a message, and the beginning of its second line if it has one."""
_BLANK_LINE = re.compile(rb"\n\r?\n")
_NUMBER = re.compile(rb"(?:\"[^\"\\\n]*+\"|[^\"<:\n]*+)[ \t]*+<sips?:(\+?[0-9]{1,18}+)@")
"""From and To as most stacks write them."""
_PLAIN = re.compile(
    rb"(?:[^\"<,%@:]*+(?:\"[^\"\\%]*+\")?[^\"<,%@:]*+<)?sips?:(?:[\w+*#]++@)?[^@,%]*+",
    re.IGNORECASE,
)
"""A value with one URI, whose user part is written as it is compared."""
_CSEQ = re.compile(rb"(\d{1,10})\s+(\S{1,64})")
_ONCE = {"from_header": "From", "to_header": "To", "cseq": "CSeq"}
"""Columns of headers of which one value counts, however many there are, and these headers' names."""
_NO_COLUMN, _ODD = -1, -2
"""What lines are that are no header with a column: others, and those that make a message odd."""


@dataclass(slots=True)
class _Column:
    """The values of a column, and which of them each row has, null for none."""

    values: list[bytes | None]
    places: pyarrow.Array

    def made(self, of: Callable[[bytes], Any], kind: pyarrow.DataType) -> pyarrow.Array:
        """Return what the values come to, by row."""
        import pyarrow as pa

        return pa.array(
            [None if one is None else of(one) for one in self.values], kind
        ).take(self.places)  # fmt: skip


def texts(raw: pyarrow.Array, raws: list[bytes], cut: list[bool]) -> dict[str, pyarrow.Array]:
    """Return the columns of texts of messages, none of them empty, by `raw`, the same as an array.

    Of a message that is cut half a line is none.
    """
    import pyarrow as pa

    columns = _columns(raw, raws, cut)
    text = pa.string()
    made = {
        name: strings(one.values).take(one.places)
        for name, one in columns.items()
        if name != "cseq"
    }
    made["from_user"] = columns["from_header"].made(_user, text)
    made["to_user"] = columns["to_header"].made(_user, text)
    made["cseq"] = columns["cseq"].made(_sequence, pa.int64())
    made["cseq_method"] = columns["cseq"].made(_sequence_method, text)
    made["spelled_users"] = _spelled(columns, len(raws))
    return made


def _columns(raw: pyarrow.Array, raws: list[bytes], cut: list[bool]) -> dict[str, _Column]:
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(raws)
    parts = pc.split_pattern(raw, b"\n\r\n", max_splits=1)
    lines = pc.split_pattern(pc.list_element(parts, 0), b"\n")
    encoded = lines.flatten().dictionary_encode()
    known, codes = encoded.dictionary.to_pylist(), encoded.indices
    kinds, local, values = _sorted_out(known)
    starts = codes.take(lines.offsets[:-1])
    # A message is read with care if its end is missing, or its lines are others than one thinks.
    odd = {row for row, one in enumerate(cut) if one}
    whole = pc.equal(pc.list_value_length(parts), 2)
    usual = pc.and_(whole, pc.equal(kinds.take(starts), _NO_COLUMN))
    odd.update(_rows_where(pc.invert(usual)))
    kind = kinds.take(codes)
    told = pc.not_equal(kind, _NO_COLUMN)
    kind, row, place = (
        one.filter(told) for one in (kind, pc.list_parent_indices(lines), local.take(codes))
    )
    found = _start_lines(starts, known)
    rows = numbers(pa.int64(), "q", range(count))
    for number, name in enumerate(_COLUMNS):
        if not values.get(number):
            found.setdefault(name, _Column([], pa.nulls(count, pa.int32())))
            continue
        having = pc.equal(kind, number)
        here, places = row.filter(having), place.filter(having)
        again = pc.equal(pc.pairwise_diff(here), 0)
        if pc.any(again).as_py():
            odd.update(here.filter(again).to_pylist())
        if not here.equals(rows):
            places = places.take(pc.index_in(rows, value_set=here))
        found[name] = _Column(values[number], places)
    if _ODD in values:
        odd.update(row.filter(pc.equal(kind, _ODD)).to_pylist())
    if odd:
        _put(found, sorted(odd), raws, cut)
    return found


def _sorted_out(
    known: list[bytes],
) -> tuple[pyarrow.Array, pyarrow.Array, dict[int, list[bytes | None]]]:
    """Return of each line the number of its column, its value's place in there, and columns' values."""
    import pyarrow as pa

    number_of = {name: _COLUMNS.index(column) for name, column in HEADERS.items()}
    number_of |= {name.title(): number for name, number in number_of.items()}
    kinds, local = [_NO_COLUMN] * len(known), [0] * len(known)
    values: dict[int, list[bytes | None]] = {}
    match = _USUAL_LINE.match
    for code, line in enumerate(known):
        found = match(line)
        if found is not None:
            name, value = found.groups()
            kind = number_of.get(name)
            if kind is None:
                kind = number_of[name.lower()]
        elif line[:1] in (b"", b" ", b"\t"):
            kind, value = _ODD, None
        else:
            continue
        kinds[code] = kind
        there = values.setdefault(kind, [])
        local[code] = len(there)
        there.append(value)
    return numbers(pa.int8(), "b", kinds), numbers(pa.int32(), "i", local), values


def _rows_where(mask: pyarrow.Array) -> list[int]:
    import pyarrow.compute as pc

    return list(pc.indices_nonzero(mask).to_pylist())


def _start_lines(starts: pyarrow.Array, known: list[bytes]) -> dict[str, _Column]:
    encoded = starts.dictionary_encode()
    said = [_start_line(known[code]) for code in encoded.dictionary.to_pylist()]
    return {
        "reason_phrase": _Column([phrase for phrase, _ in said], encoded.indices),
        "request_uri": _Column([uri for _, uri in said], encoded.indices),
    }


def _start_line(start: bytes) -> tuple[bytes | None, bytes | None]:
    """Return a response's words and a request's URI."""
    line = start.split(None, 2)
    if line and line[0][:4] in _RESPONSES:
        return line[2].rstrip() if len(line) > 2 else b"", None
    return None, line[1] if len(line) > 1 else None


# Messages that are read one by one


def _put(columns: dict[str, _Column], odd: list[int], raws: list[bytes], cut: list[bool]) -> None:
    """Put what odd messages say, by their rows, in the columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = len(odd)
    found: _Found = {name: [None] * count for name in columns}
    for place, row in enumerate(odd):
        raw = raws[row]
        line = raw[: raw.find(b"\n") + 1 or len(raw)]
        found["reason_phrase"][place], found["request_uri"][place] = _start_line(line)
        if cut[row] or not _is_usual(place, raw, found):
            _read_with_care(place, raw, found, cut=cut[row])
    mask = [False] * len(raws)
    for row in odd:
        mask[row] = True
    is_odd = pa.array(mask)
    for name, column in columns.items():
        begin = len(column.values)
        column.values = column.values + found[name]
        theirs = numbers(pa.int32(), "i", range(begin, begin + count))
        column.places = pc.replace_with_mask(column.places, is_odd, theirs)


def _is_usual(row: int, raw: bytes, found: _Found) -> bool:
    """Read a message as most are; return whether it is one of them."""
    blank = _BLANK_LINE.search(raw)
    if blank is None:
        return False
    for name, value in _USUAL.findall(raw, 0, blank.start()):
        column = found[HEADERS[name.lower()]]
        if column[row] is not None or b"\n" in value:
            return False
        column[row] = value
    return True


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


# What values come to


def _user(value: bytes) -> str | None:
    usual = _NUMBER.match(value)
    if usual is not None:
        return usual[1].decode()
    return column_text(user_of(value.decode("utf-8", "surrogateescape"))[:MAX_USER])


def _spelled(columns: dict[str, _Column], count: int) -> pyarrow.Array:
    """Return the user parts that are written in another way than they are compared in, by row."""
    import pyarrow as pa

    users: list[str | None] = [None] * count
    for name in PARTIES:
        column = columns[name]
        odd = [
            _bare_users(value) if value is not None and not _PLAIN.fullmatch(value) else ""
            for value in column.values
        ]
        if any(odd):
            for row, place in enumerate(column.places.to_pylist()):
                if place is not None and odd[place]:
                    users[row] = f"{users[row] or ''} {odd[place]}"
    return pa.array(users, pa.string())


def _bare_users(value: bytes) -> str:
    parts = split_values(value.decode("utf-8", "surrogateescape"))
    there = dict.fromkeys(user for part in parts for user in (user_of(part), uri_in(part).user))
    return column_text(" ".join(filter(None, there)))


def _sequence(value: bytes) -> int | None:
    match = _CSEQ.match(value)
    return int(match[1]) if match else None


def _sequence_method(value: bytes) -> str | None:
    match = _CSEQ.match(value)
    return text_of(match[2]) if match else None
