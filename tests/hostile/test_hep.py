"""HEP packets in a capture that lie about what they hold."""

from __future__ import annotations

import csv
import gzip
import struct
import zlib
from pathlib import Path

import pytest
from hostile_inputs import INVITE, SECONDS, hep2, hep3, outer
from hostile_targets import Outcome, look_at, outcome_of, through
from support import SHARED, batch, ethernet, ipv4, needs, sip, udp

from sipstream import reasons
from sipstream.decode import hep
from sipstream.packets import Linktype

KNOWN = SHARED / "torture" / "known-bugs"
GOOD = hep3(INVITE)
PAYLOAD = struct.pack("!HHH", 0, 15, 6 + len(INVITE)) + INVITE
"""The chunk that holds the message, the last one."""
HEADS = GOOD[6 : -len(PAYLOAD)]
"""The chunks before it."""


def of_chunks(*chunks: bytes) -> bytes:
    body = b"".join(chunks)
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


def chunk(kind: int, value: bytes, *, vendor: int = 0, length: int | None = None) -> bytes:
    return struct.pack("!HHH", vendor, kind, 6 + len(value) if length is None else length) + value


TIMES = chunk(9, SECONDS.to_bytes(4, "big")) + chunk(10, bytes(4))
"""Those of them that say when."""


def sent(*packets: bytes, port: int = 9060) -> Outcome:
    """What comes of an agent's datagrams and of a clean call behind them."""
    clean = ethernet(ipv4(udp(sip(call_id="clean"))))
    frames = [outer(udp(packet, 51_000, port)) for packet in packets]
    outcome = outcome_of([*frames, clean], Linktype.ETHERNET)
    *messages, (_, _, last, _) = outcome.messages
    assert last == b"clean"
    return outcome._replace(messages=messages)


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


def test_what_looks_like_one_before() -> None:
    """Row H1: packets that are opened in the quick way give what they give when each is the first."""
    node, call, precise = (
        chunk(19, b"sbc1"),
        chunk(17, b"call-7"),
        chunk(1, b"\0\7\0TLS", vendor=hep.VENDOR),
    )
    heads = HEADS.replace(TIMES, b"")
    for before, between, behind in (
        (heads, b"", b""),
        (b"", heads, b""),
        (heads, precise + call, node),
        (node + call, heads, chunk(15, b"not this one")),
        (chunk(9, b"\0") + heads, b"", node),
        (heads, chunk(10, b"\0\0\0\1"), node),
        (heads + chunk(50, TIMES), precise + chunk(51, PAYLOAD), b""),
    ):
        for second in (1, 2, 77):
            times = chunk(9, struct.pack("!I", second)) + chunk(10, struct.pack("!I", 999 + second))
            payload = chunk(15, sip(call_id=f"call-{second}"))
            whole = of_chunks(before, times, between, payload, behind)
            made = [
                whole[:4] + struct.pack("!H", len(whole) - len(behind) - 1) + whole[6:],
                whole[:4] + struct.pack("!H", len(whole) + 1) + whole[6:],
                whole,
                whole[:-1],
                of_chunks(before, times, between, payload, behind, b"x"),
                of_chunks(before, times, payload, between, behind),
                of_chunks(before, times, between, payload + b"more", behind),
                of_chunks(before, times, between, chunk(15, b"x", length=9), behind),
            ]
            warm = [sent(of_chunks(before, times, between, PAYLOAD, behind), one) for one in made]
            cold = [sent(one) for one in made]
            assert [one.messages[1:] for one in warm] == [one.messages for one in cold]
            assert [one.reasons for one in warm] == [one.reasons for one in cold]


def test_times_that_only_look_like_chunks() -> None:
    """Row H1: what stands within a chunk of others says nothing, whatever it looks like."""
    heads, later = HEADS.replace(TIMES, b""), TIMES.replace(SECONDS.to_bytes(4, "big"), bytes(4))
    first, second = (of_chunks(heads, chunk(50, shown), TIMES, PAYLOAD) for shown in (TIMES, later))
    assert sent(first, second).messages[1:] == sent(second).messages


def test_taps_of_packets_that_look_alike() -> None:
    """Another node, agent or sender is another one, wherever in the packet that stands."""
    made = (
        ((b"one",), (), 51_000),
        ((b"two",), (), 51_000),
        ((), (chunk(19, b"three"),), 51_000),
        ((), (chunk(19, b"four"),), 51_000),
        ((), (), 51_000),
        ((), (chunk(19, b"four"),), 51_001),
    )
    packets = []
    for number, (names, tail, port) in enumerate(made * 2):
        payload = chunk(15, sip(call_id=f"call-{number}"))
        packet = of_chunks(HEADS, *(chunk(19, node) for node in names), payload, *tail)
        packets.append(outer(udp(packet, port, 9060)))
    stages = through([batch(packets)])
    stages.finish()
    by_call_id = {one.call_id: one.first for one in stages.conversations}
    messages = [by_call_id[f"call-{number}"] for number in range(12)]
    found = [(one.tap, one.outer) for one in messages]
    assert found[:6] == found[6:]
    assert [tap for tap, _ in found[:6]] == ["one", "two", "three", "four", "2001", "four"]
    assert [text.split(",")[0] for _, text in found[4:6]] == [
        "HEP from 192.0.2.1.51000",
        "HEP from 192.0.2.1.51001",
    ]


@pytest.mark.parametrize("kind", [2, 5, 100, 255])
def test_what_isnt_sip(kind: int) -> None:
    """Reports and logs are counted by what they are; SIP is taken for SIP whatever it is called."""
    heads = HEADS.replace(chunk(11, b"\1"), chunk(11, bytes([kind])))
    [(reason, count)] = sent(of_chunks(heads, chunk(15, b'{"sender": 1}'))).reasons.items()
    assert reason.startswith(reasons.OTHER_HEP)
    assert count == 1
    assert [raw for *_, raw in sent(of_chunks(heads, PAYLOAD)).messages] == [INVITE]


def test_compressed() -> None:
    """Row H1: a compressed payload is inflated as far as a datagram may be long, and no further."""

    def packed(data: bytes) -> Outcome:
        return sent(of_chunks(HEADS, chunk(16, data)))

    whole = zlib.compress(INVITE)
    assert [raw for *_, raw in packed(whole).messages] == [INVITE]
    assert [raw for *_, raw in packed(gzip.compress(INVITE)).messages] == [INVITE]
    for bad in (
        whole[:-1],
        b"",
        INVITE,
        zlib.compress(INVITE + bytes(65_536)),
        zlib.compress(bytes(9 << 20)),
    ):
        assert packed(bad).reasons == {reasons.PACKED_HEP: 1}


def test_keys_are_for_nobody() -> None:
    """Every key chunk is blanked, whatever else is wrong with the packet."""
    for packet in (
        of_chunks(chunk(14, b"secret"), HEADS, chunk(14, b"secret"), PAYLOAD),
        of_chunks(HEADS, PAYLOAD, chunk(14, b"secret", length=500)),
        b"HEP3\0\6" + HEADS + chunk(14, b"secret"),
    ):
        blank = hep.without_key(packet)
        assert len(blank) == len(packet)
        assert b"secret" not in blank
