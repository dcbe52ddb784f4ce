"""HEP packets in a capture that lie about what they hold."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import pytest
from hostile_inputs import INVITE, hep2, hep3, outer
from hostile_targets import Outcome, look_at, outcome_of, through
from support import SHARED, batch, ethernet, ipv4, needs, sip, udp

from sipstream import reasons
from sipstream.packets import Linktype

KNOWN = SHARED / "torture" / "known-bugs"
GOOD = hep3(INVITE)
PAYLOAD = struct.pack("!HHH", 0, 15, 6 + len(INVITE)) + INVITE
"""The chunk that holds the message, the last one."""
HEADS = GOOD[6 : -len(PAYLOAD)]
"""The chunks before it."""


def sent(*packets: bytes, port: int = 9060) -> Outcome:
    """What comes of an agent's datagrams and of a clean call behind them."""
    clean = ethernet(ipv4(udp(sip(call_id="clean"))))
    frames = [outer(udp(packet, 51_000, port)) for packet in packets]
    outcome = outcome_of([*frames, clean], Linktype.ETHERNET)
    *messages, (_, _, last, _) = outcome.messages
    assert last == b"clean"
    return outcome._replace(messages=messages)


def of_chunks(*chunks: bytes) -> bytes:
    body = b"".join(chunks)
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


def chunk(kind: int, value: bytes, *, vendor: int = 0, length: int | None = None) -> bytes:
    return struct.pack("!HHH", vendor, kind, 6 + len(value) if length is None else length) + value


def known() -> list[dict[str, str]]:
    manifest = KNOWN / "MANIFEST.tsv"
    if not manifest.is_file():
        return []
    with manifest.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row for row in rows if row["file"].endswith(".bin")]


@pytest.mark.parametrize(
    "row",
    known() or [pytest.param(None, marks=needs(shared=True))],
    ids=lambda row: row["file"] if row else "none",
)
@pytest.mark.parametrize("port", [9060, 40_000])
def test_known_cases(row: dict[str, str], port: int) -> None:
    """Row H1, in a capture: the list's hep-* files give their message, or are counted."""
    outcome = sent(Path(KNOWN / row["file"]).read_bytes(), port=port)
    found = [call_id.decode() for _, _, call_id, _ in outcome.messages]
    allowed = row["expected_call_id"]
    if allowed == "hep@h":
        assert found == ["hep@h"]
    elif allowed == "hep@h or rejected":
        assert found in (["hep@h"], [])
    else:
        assert found == []
    assert sum(outcome.reasons.values()) == 1 - len(found)


def test_total_length() -> None:
    """Row H1: every total length against the real size: no more is read than is there."""
    lengths = [*range(len(GOOD) + 10), *range(1000, 65_536, 997), 65_535]
    for total in lengths:
        outcome = sent(hep3(INVITE, total=total))
        if total >= len(GOOD):
            assert [raw for *_, raw in outcome.messages] == [INVITE]
        else:
            assert all(INVITE.startswith(raw) for *_, raw in outcome.messages)
        assert sum(outcome.reasons.values()) == 1 - len(outcome.messages)


def test_cut_at_every_byte() -> None:
    """Row H1: datagrams that end anywhere."""
    for packet in (GOOD, hep2(INVITE)):
        for size in range(len(packet)):
            outcome = sent(packet[:size])
            assert all(INVITE.startswith(raw) for *_, raw in outcome.messages)
            assert sum(outcome.reasons.values()) == 1 - len(outcome.messages)


@pytest.mark.parametrize("length", [*range(7), 0x8000, 0xFFFF])
def test_chunk_length(length: int) -> None:
    """Row H1: chunk lengths 0 to 6, and past the end: no endless loop, counted where it matters."""
    bad = chunk(0x30, b"abc", length=length)
    before = sent(of_chunks(bad, HEADS, PAYLOAD))
    behind = sent(of_chunks(HEADS, PAYLOAD, bad))
    assert [raw for *_, raw in behind.messages] == [INVITE]
    if length == 6:
        return
    assert before.messages == []
    assert before.reasons == {reasons.BAD_HEP: 1}


@pytest.mark.parametrize("kind", range(1, 15))
@pytest.mark.parametrize("size", [0, 1, 3, 5, 17, 300])
def test_typed_chunks_of_a_wrong_size(kind: int, size: int) -> None:
    """Row H1: every known chunk with a size it can't have, before the right one and instead of it."""
    wrong = chunk(kind, b"\xff" * size)
    for packet in (of_chunks(wrong, HEADS, PAYLOAD), of_chunks(wrong, PAYLOAD)):
        outcome = sent(packet)
        assert sum(outcome.reasons.values()) == 1 - len(outcome.messages)
        assert set(outcome.reasons) <= {reasons.BAD_HEP}


def test_unknown_vendors_and_kinds() -> None:
    """Row H1: chunks of others are passed over, whatever they say."""
    others = [chunk(15, b"x", vendor=vendor) for vendor in (1, 0x9999, 0xFFFF)]
    others += [chunk(kind, b"\0" * 9) for kind in range(17, 60)]
    outcome = sent(of_chunks(*others, HEADS, *others, PAYLOAD, *others))
    assert [raw for *_, raw in outcome.messages] == [INVITE]


def test_two_payloads() -> None:
    """Row H1: of two payloads the first one counts; a packed one is counted as such."""
    two = chunk(15, sip(call_id="two"))
    assert [raw for *_, raw in sent(of_chunks(HEADS, PAYLOAD, two)).messages] == [INVITE]
    packed = chunk(16, b"\x78\x9c" + bytes(60))
    assert sent(of_chunks(HEADS, packed, two)).reasons == {reasons.PACKED_HEP: 1}


def test_very_many_chunks() -> None:
    """Row H1: as many chunks as fit into a datagram."""
    empty = chunk(0x40, b"") * ((60_000 - len(GOOD)) // 6)
    assert [raw for *_, raw in sent(of_chunks(empty, HEADS, PAYLOAD)).messages] == [INVITE]
    assert sent(of_chunks(chunk(3, b"") * 9000)).reasons == {reasons.BAD_HEP: 1}


@pytest.mark.parametrize("protocol", [0, 6, 17, 132, 255])
@pytest.mark.parametrize("family", [0, 2, 10, 255])
def test_any_family_and_protocol(protocol: int, family: int) -> None:
    """Row H1: addresses, not the family's number, say what they are; all can be looked at."""
    times = chunk(9, b"\xff" * 4) + chunk(10, b"\xff" * 4)
    packet = of_chunks(
        times, chunk(1, bytes([family])), chunk(2, bytes([protocol])), HEADS, PAYLOAD
    )
    stages = through([batch([outer(udp(packet, 51_000, 9060))])])
    stages.finish()
    [conversation] = stages.conversations
    assert conversation.first.raw == INVITE
    assert conversation.first.outer.startswith("HEP from 192.0.2.1.51000")
    look_at(stages.conversations)


def test_hep_in_hep() -> None:
    """Row H1: what an agent sends isn't opened a second time."""
    outcome = sent(hep3(hep3(INVITE)))
    assert outcome.messages == []
    assert outcome.reasons == {reasons.NOT_SIP: 1}
