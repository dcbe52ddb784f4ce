"""The comparison of a follow with what was on the wire: what is missing, twice or half seen is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from socket import inet_aton

from followed import Line, compare
from support import sip
from tapped import Packet, Sighted

BEGUN = 1_700_000_000 * 10**9
MS = 1_000_000
A, B = inet_aton("10.97.1.1"), inet_aton("10.97.2.2")
INVITE: Packet = (A, B, 5070, 5060, sip("INVITE sip:5660066@b SIP/2.0"))
RINGING: Packet = (B, A, 5060, 5070, sip("SIP/2.0 180 Ringing"))
ELSEWHERE: Packet = (A, B, 5072, 5060, sip("INVITE sip:1@b SIP/2.0", "call-2"))
SEEN = [
    (INVITE, {"va": BEGUN, "ma": BEGUN + MS, "vb": BEGUN + 4 * MS}),
    (ELSEWHERE, {"va": BEGUN}),
    (RINGING, {"vb": BEGUN + 9 * MS, "ma": BEGUN + 10 * MS, "va": BEGUN + 12 * MS}),
]


def _line(packet: Packet, at: Sighted) -> Line:
    """What a follow writes of a message, 100 ms after it was seen last."""
    response = packet is RINGING
    ends = ("10.97.1.1:5070", "10.97.2.2:5060")
    fields = {
        "call_id": "call-1",
        "source": ends[response],
        "destination": ends[not response],
        "method": None if response else "INVITE",
        "status": 180 if response else None,
        "cseq": "1 INVITE",
        "sightings": [
            {"tap": tap, "time": datetime.fromtimestamp(time / 1e9, UTC).isoformat()}
            for tap, time in at.items()
        ],
    }
    return Line(max(at.values()) + 100 * MS, json.dumps(fields))


LINES = [_line(packet, at) for packet, at in SEEN if packet is not ELSEWHERE]


def test_all_shown() -> None:
    result = compare(SEEN, LINES)
    assert result.complete
    assert (result.wanted, result.once) == (2, 2)
    assert [ms for _, ms in result.late] == [100, 100]
    assert max(result.off) < 0.002


def test_a_message_that_is_not_shown() -> None:
    assert compare(SEEN, LINES[1:]).missing == [BEGUN]


def test_a_message_shown_twice() -> None:
    assert compare(SEEN, [*LINES, LINES[0]]).again == 1


def test_a_sighting_that_is_not_told() -> None:
    seen = dict(list(SEEN[0][1].items())[:2])
    assert compare(SEEN, [_line(INVITE, seen), LINES[1]]).incomplete == 1


def test_a_delay_that_is_wrong() -> None:
    seen = {**SEEN[0][1], "vb": BEGUN + 7 * MS}
    assert round(max(compare(SEEN, [_line(INVITE, seen), LINES[1]]).off)) == 3
