"""The SIP stage: datagrams in, messages with their kind and Call-ID out, the rest counted."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from sipstream import reasons
from sipstream.decode.held import Held
from sipstream.limits import MAX_CALL_ID, STREAMS_PENDING
from sipstream.packets import Linktype, Tally
from sipstream.sip import headers
from sipstream.sip.found import Found
from sipstream.sip.framing import Framer, Located, begins_known
from sipstream.sip.startline import (
    NOT_SIP,
    REQUESTS,
    RESPONSES,
    code_of,
    is_request,
    kind_of,
    usual_response,
)

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow
    from sipstream.decode.streams import Datagram

_USUAL = re.compile(
    rb"(?:SIP/2\.0 (\d\d\d) [^\n]*+\n|([A-Z]{3,9}+) [^ \n]{1,4096}+ SIP/2\.0\r?\n)"
    rb"(?:(?!Call-ID:)[^\r\n][^\n]*+\n)*?Call-ID: ([!-~]{1,256}+)\r?\n"
    rb"(?:CSeq: \d{1,10}+ ([A-Z]{3,9}+)\r?\n(?![ \t])|(?![ \t]))"
)
"""Start line and Call-ID as most stacks write them, and the CSeq where it follows: one look at each
byte. What it doesn't match is looked at part by part."""
_LAST_OF_SIP = 0x7E
"""No message begins with a byte behind it."""
_NEEDLE = b"\nCall-ID:"
_NEEDLE_LENGTH = len(_NEEDLE)


class Scanner:
    """Finds the messages of one source; what is none is counted in its tally by reason."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._held = Held()
        """Of flows with a message that isn't whole yet."""

    def feed(self, datagrams: list[Datagram], found: Found | None = None) -> Found:
        """Return the messages of the datagrams, in their order, behind those found before.

        Whatever one datagram makes us do wrong, the next one has its turn.
        """
        if found is None:
            found = Found()
        usual, requests, responses = _USUAL.match, REQUESTS.get, RESPONSES.get
        add_row, add_code, add_id = (
            found.rows.append, found.new_codes.append, found.call_ids.append
        )  # fmt: skip
        with_messages = not_sip = 0
        for datagram in datagrams:
            time, flow, data, start, end, _, packets = datagram
            try:
                if flow.stream is not None or flow.framer is not None:
                    self._stream(datagram, found)
                    continue
                match = usual(data, start, end)
                if match is not None:
                    status, method, call_id, answers = match.groups()
                    if method is not None:
                        code = requests(method)
                    elif answers is not None:
                        code = responses(status + answers) or usual_response(status, answers)
                    else:
                        code = None
                    if code is not None:
                        add_row(datagram)
                        add_code(code)
                        add_id(call_id)
                        with_messages += packets
                        continue
                elif start < end and data[start] > _LAST_OF_SIP:
                    # RTP: the most there is of what isn't SIP.
                    not_sip += packets
                    continue
                self._datagram(datagram, found)
            except Exception as error:
                self._tally.suspect(error, packets, Linktype.PAYLOAD, time, data[start:end])
        self._tally.with_messages += with_messages
        if not_sip:
            self._tally.reasons[reasons.NOT_SIP] += not_sip
        found.gather()
        return found

    def _datagram(self, datagram: Datagram, found: Found) -> None:
        """Take a datagram that isn't written as most are, or is no message."""
        time, flow, data, start, end, offset, packets = datagram
        if kind_of(data, start, end) == NOT_SIP:
            self._other(datagram, found)
            return
        before = len(found.rows)
        self._add(time, flow, [(data, start, end, offset)], found)
        if len(found.rows) > before:
            self._tally.with_messages += packets
        else:
            self._tally.reasons[_without_call_id(flow, data, start, end)] += packets

    def _other(self, datagram: Datagram, found: Found) -> None:
        """Take what doesn't begin with a start line: blank lines may stand before it."""
        time, flow, data, start, end, offset, packets = datagram
        begin = start
        while begin < end and data[begin] in b"\r\n":
            # To be ignored (RFC 3261 section 7.5).
            begin += 1
        if begin == start or kind_of(data, begin, end) == NOT_SIP:
            line = data[begin:end]
            cut = flow.cut and b"\n" not in line and (not line or begins_known(line))
            reason = reasons.CUT if cut else _reason(data, start, end)
            self._tally.reasons[reason] += packets
            return
        place = offset + begin - start if offset >= 0 else -1
        self._datagram((time, flow, data, begin, end, place, packets), found)

    def _stream(self, datagram: Datagram, found: Found) -> None:
        """Frame a piece of a stream."""
        time, flow, data, start, end, offset, packets = datagram
        framer: Framer | None = flow.framer
        if framer is None:
            framer = flow.framer = Framer()
        if start == end:
            self._add(time, flow, framer.lost(), found)
            self._account(flow)
            if flow.stream is None:
                # It was forgotten: nothing more comes of it.
                flow.framer = None
            return
        if not framer.waiting and _is_tls(data, start, end):
            self._tally.reasons[reasons.TLS] += packets
            return
        before = len(found.rows)
        skipped = framer.skipped
        messages = framer.feed(data, start, end, offset)
        self._add(time, flow, messages, found)
        if len(found.rows) > before:
            self._tally.with_messages += packets
        elif messages:
            self._tally.reasons[reasons.NO_CALL_ID] += packets
        elif framer.waiting and framer.skipped == skipped:
            self._tally.reasons[reasons.PART] += packets
        else:
            self._tally.reasons[_reason(data, start, end)] += packets
        self._account(flow)
        while self._held.total > STREAMS_PENDING:
            self._give_up(time, self._held.longest, found)

    def _account(self, flow: Flow) -> None:
        """Take note of how much of a message a direction holds now."""
        self._held.note(flow, flow.framer.held if flow.framer is not None else 0)

    def _give_up(self, time: int, flow: Flow, found: Found) -> None:
        """Too much is held: take the longest waiting message as it is."""
        if flow.framer is not None:
            self._add(time, flow, flow.framer.lost(), found)
        self._account(flow)

    def _add(self, time: int, flow: Flow, messages: list[Located], found: Found) -> None:
        for data, start, end, offset in messages:
            kind = kind_of(data, start, end)
            call_id = call_id_of(data, start, end)
            if kind == NOT_SIP or call_id is None:
                continue
            code = code_of(kind, b"" if is_request(kind) else _answers(data, start, end))
            found.add((time, flow, data, start, end, offset, 0), code, call_id)


def _answers(data: bytes, start: int, end: int) -> bytes:
    """Return the method that a response answers: that of its CSeq (RFC 3261 section 8.1.1.5)."""
    value = headers.first(data, start, end, "CSeq")
    return value.split()[-1].upper() if value else b""


def call_id_of(data: bytes, start: int, end: int) -> bytes | None:
    """Return the Call-ID a message is grouped under, None where it has none.

    One that the capture cut off is none: its line must have an end. A longer one than MAX_CALL_ID is
    kept as its beginning and a digest of the whole.
    """
    place = data.find(_NEEDLE, start, end)
    if (
        place >= 0
        and data.find(b"\n\r\n", start, place + 1) < 0
        and data.find(b"\n\n", start, place + 1) < 0
    ):
        line_end = data.find(b"\r\n", place + _NEEDLE_LENGTH, end)
        if line_end >= 0 and data[line_end + 2 : line_end + 3] not in (b" ", b"\t"):
            value = data[place + _NEEDLE_LENGTH : line_end].strip()
            if value and len(value) <= MAX_CALL_ID and b"\n" not in value:
                return value
    slow = headers.first(data, start, data.rfind(b"\n", start, end) + 1, "Call-ID")
    if not slow:
        return None
    if len(slow) > MAX_CALL_ID:
        return slow[:MAX_CALL_ID] + b"..." + hashlib.sha256(slow).hexdigest()[:16].encode()
    return slow


def _without_call_id(flow: Flow, data: bytes, start: int, end: int) -> str:
    """Return why a message has no Call-ID: it has none, or the capture cut its headers short."""
    if flow.cut and headers.blank_line(data, start, end) is None:
        return reasons.CUT
    return reasons.IN_PART if flow.in_part else reasons.NO_CALL_ID


def _is_tls(data: bytes, start: int, end: int) -> bool:
    """Tell a reasons.TLS record (RFC 8446 section 5.1) by its first bytes."""
    return end - start >= 5 and 20 <= data[start] <= 23 and data[start + 1] == 3


def _reason(data: bytes, start: int, end: int) -> str:
    if start >= end:
        return reasons.EMPTY
    if not data[start:end].strip(b"\r\n\0 ") and end - start <= 64:
        return reasons.KEEP_ALIVE
    return reasons.NOT_SIP
