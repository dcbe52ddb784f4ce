"""What a row of the archive holds: one SIP message. Sans-IO.

The text columns are UTF-8 whatever the traffic is: a byte that is none stands as U+F780 to U+F7FF.
Types are those that every reader of Parquet knows: no unsigned numbers, no nanosecond timestamps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sipstream.errors import SourceError
from sipstream.extras import how_to_install

if TYPE_CHECKING:
    import pyarrow

VERSION = 1
"""The schema's; a reader that knows a lower one skips the file and says so."""
VERSION_KEY = b"sipstream.schema"
"""Where a file's metadata has it."""

_STRAY = 0xF700
"""Behind this, in the private use area, stand bytes that are no UTF-8."""
_TO_STRAY = {0xDC00 + byte: _STRAY + byte for byte in range(0x80, 0x100)}


class Column(NamedTuple):
    """A column: its name, its type (pyarrow's name for it), and what it says."""

    name: str
    kind: str
    about: str


COLUMNS = (
    Column("time", "timestamp", "when it was captured, to the microsecond, UTC"),
    Column("time_ns", "int64", "the same in ns since 1970"),
    Column("tap", "string", "the capture point, '' where none was named"),
    Column("source", "string", "the address it came from"),
    Column("source_port", "int32", "and its port"),
    Column("destination", "string", "the address it went to"),
    Column("destination_port", "int32", "and its port"),
    Column("transport", "string", "UDP, TCP, TLS, WS, WSS or SCTP"),
    Column("call_id", "string", "the Call-ID; a very long one is cut and ends in a digest"),
    Column("method", "string", "a request's method; null for a response"),
    Column("status", "int16", "a response's status code; null for a request"),
    Column("reason_phrase", "string", "a response's words"),
    Column("request_uri", "string", "a request's URI"),
    Column("cseq", "int64", "the number in CSeq"),
    Column("cseq_method", "string", "the method in CSeq: what a response answers"),
    Column("from_user", "string", "the number or user part in From"),
    Column("to_user", "string", "the number or user part in To"),
    Column(
        "spelled_users", "string", "numbers and users of any URI written with separators or %, bare"
    ),
    Column("from_header", "string", "From, the whole value"),
    Column("to_header", "string", "To, the whole value"),
    Column("contact", "string", "Contact"),
    Column("user_agent", "string", "User-Agent"),
    Column("server", "string", "Server"),
    Column("p_asserted_identity", "string", "P-Asserted-Identity"),
    Column("p_preferred_identity", "string", "P-Preferred-Identity"),
    Column("remote_party_id", "string", "Remote-Party-ID"),
    Column("diversion", "string", "Diversion"),
    Column("history_info", "string", "History-Info"),
    Column("reason", "string", "Reason"),
    Column("privacy", "string", "Privacy"),
    Column("identity", "string", "Identity (STIR)"),
    Column("size", "int32", "bytes of the message"),
    Column("cut_off", "bool", "the capture lacks its end"),
    Column("raw", "binary", "the message's bytes"),
)
"""In their order. Several values of a header are joined by a comma and a blank."""

HEADERS = {
    b"from": "from_header",
    b"f": "from_header",
    b"to": "to_header",
    b"t": "to_header",
    b"contact": "contact",
    b"m": "contact",
    b"cseq": "cseq",
    b"user-agent": "user_agent",
    b"server": "server",
    b"p-asserted-identity": "p_asserted_identity",
    b"p-preferred-identity": "p_preferred_identity",
    b"remote-party-id": "remote_party_id",
    b"diversion": "diversion",
    b"history-info": "history_info",
    b"reason": "reason",
    b"privacy": "privacy",
    b"identity": "identity",
    b"y": "identity",
}
"""The columns of headers by their names in small letters, compact ones too."""

PARTIES = (
    "from_header", "to_header", "request_uri", "contact", "p_asserted_identity",
    "p_preferred_identity", "remote_party_id", "diversion", "history_info",
)  # fmt: skip
"""The columns of values with the URI of someone, From and To first."""


def schema() -> pyarrow.Schema:
    """Return the schema as pyarrow has it.

    Raises:
        SourceError: pyarrow isn't there.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise SourceError(
            f"an archive needs pyarrow, which is missing: {how_to_install('archive')}"
        ) from error
    kinds = {
        "timestamp": pa.timestamp("us", "UTC"),
        "int64": pa.int64(),
        "int32": pa.int32(),
        "int16": pa.int16(),
        "bool": pa.bool_(),
        "string": pa.string(),
        "binary": pa.binary(),
    }
    return pa.schema(
        [(one.name, kinds[one.kind]) for one in COLUMNS],
        metadata={VERSION_KEY: str(VERSION).encode()},
    )


def text_of(value: bytes) -> str:
    """Return bytes of traffic as the text that columns have."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return column_text(value.decode("utf-8", "surrogateescape"))


def column_text(text: str) -> str:
    """Return a text with bytes as surrogate escapes as columns have it."""
    return text if text.isascii() else text.translate(_TO_STRAY)


def traffic_bytes(text: str) -> bytes:
    """Return the bytes that a column's text stands for, where it is one of ours."""
    back = {stray: surrogate for surrogate, stray in _TO_STRAY.items()}
    return text.translate(back).encode("utf-8", "surrogateescape")
