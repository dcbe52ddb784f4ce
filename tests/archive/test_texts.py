"""Columns say the same of a message wherever it lies among others, and however it is written."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sipstream.archive.schema import HEADERS, text_of
from sipstream.archive.texts import texts
from sipstream.sip import headers

ONCE = {"from_header": "From", "to_header": "To", "cseq": "CSeq"}
NAMES = [
    *HEADERS,
    b"From",
    b"To",
    b"CSeq",
    b"Contact",
    b"User-Agent",
    b"via",
    b"x",
    b"Content-Type",
]
VALUES = [
    b"", b"a", b"<sip:1@x>", b"caf\xe9", b"\xc3\xa9", b"1 INVITE", b"102 BYE",
    b'"a, b" <sip:%31-2@x>, <sip:3@y>',
    b"<sip:+354-1@a>;tag=1", b"\x00", b"a\n b", b"a\r\n\tb",
]  # fmt: skip
STARTS = [
    b"INVITE sip:1@x SIP/2.0", b"SIP/2.0 200 OK", b"SIP/2.0 404 Not Found ", b"SIP/2.0 180", b"OPTIONS",
    b"From: <sip:9@x>", b" From: <sip:9@x>", b"BYE sip:%31@x SIP/2.0",
]  # fmt: skip

lines = st.tuples(
    st.sampled_from(NAMES), st.sampled_from([b":", b": ", b" : ", b""]), st.sampled_from(VALUES)
).map(b"".join)
ends = st.sampled_from([b"\r\n", b"\r\n", b"\n"])
bodies = st.sampled_from([b"\r\n", b"\n", b"", b"\r\n\r\nFrom: <sip:8@x>\r\n", b"\nTo: b\r\n\r\n"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    end = draw(ends)
    head = [draw(st.sampled_from(STARTS)), *draw(st.lists(lines, max_size=8))]
    return b"".join(line + end for line in head) + draw(bodies)


def said(raws: list[bytes], cut: list[bool]) -> list[dict[str, object]]:
    """Return the columns of texts, by row."""
    columns = texts(pa.array(raws, pa.binary()), raws, cut)
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*(column.to_pylist() for column in columns.values()), strict=True)
    ]


@given(st.lists(st.tuples(messages(), st.booleans()), min_size=1, max_size=12))
def test_among_others_as_alone(given: list[tuple[bytes, bool]]) -> None:
    raws, cut = [raw for raw, _ in given], [one for _, one in given]
    for row, (raw, lacking) in zip(said(raws, cut), given, strict=True):
        assert row == said([raw], [lacking])[0]


@given(st.lists(messages(), min_size=1, max_size=12))
def test_what_headers_say(raws: list[bytes]) -> None:
    """Each value is the one that is found when the message is asked for it."""
    for row, raw in zip(said(raws, [False] * len(raws)), raws, strict=True):
        found: dict[str, list[bytes]] = {}
        for name, value in headers.fields(raw, 0, headers.head_end(raw, 0, len(raw))):
            column = HEADERS.get(name.lower())
            if column is not None:
                found.setdefault(column, []).append(value)
        for column in dict.fromkeys(HEADERS.values()):
            if column in ONCE:
                value = headers.first(raw, 0, len(raw), ONCE[column])
            else:
                value = b", ".join(found[column]) if column in found else None
            if column != "cseq":
                assert row[column] == (None if value is None else text_of(value)), column
            elif value is not None and value.partition(b" ")[0].isdigit():
                number, _, method = value.partition(b" ")
                assert (row["cseq"], row["cseq_method"]) == (int(number), method.decode())
            else:
                assert (row["cseq"], row["cseq_method"]) == (None, None)
