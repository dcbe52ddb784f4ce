"""TLS that is sent to cost memory or work, or to change what is read of others."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hostile_costs import LINEAR, allocating_at_most, growth, passing
from hostile_targets import Stages, StrictTally, outcome_of
from support import batch, sip
from tls_made import APPLICATION, HANDSHAKE, TLS12, Made, made, packets, record, segment

from sipstream import reasons
from sipstream.conversations import Conversations
from sipstream.decode import streams
from sipstream.decode.decoder import Decoder
from sipstream.decode.keylog import Secrets
from sipstream.decode.tls_ciphers import Opener
from sipstream.limits import TLS_SKIPPED, TLS_TRIES
from sipstream.packets import Linktype

MIB = 1 << 20
CLEAN = sip(call_id="clean")


def knowing(*connections: Made) -> Secrets:
    secrets = Secrets()
    for one in connections:
        secrets.add(one.keylog())
    return secrets


def decoder(secrets: Secrets) -> Decoder:
    return Decoder(StrictTally("hostile"), Conversations().index.endpoints, secrets)


def forged(size: int, count: int) -> bytes:
    """Records that no key opens, each with this many bytes."""
    return record(APPLICATION, bytes(size)) * count


def test_records_that_no_key_opens() -> None:
    """Row N5: work grows with what is sent, also where the smallest records each fail."""
    connection = made()
    secrets = knowing(connection)
    begin = packets(connection.parts)
    sent = 1000 + sum(len(part) for client, part in connection.parts if client)

    def work(count: int) -> Callable[[], object]:
        stream = forged(17, count)
        some = [
            segment(True, sent + place, stream[place : place + 1400])
            for place in range(0, len(stream), 1400)
        ]
        return lambda: decoder(secrets).feed(passing([*begin, *some]))

    assert growth(work, 5_000) <= LINEAR


def test_holes_without_end_cost_no_more_tries_than_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row N5: each hole lets numbers be tried, the number of tries is one for all of them."""
    tries = 0
    true_open = Opener.open

    def counted(self: Opener, header: bytes, body: bytes, number: int) -> bytes | None:
        nonlocal tries
        tries += number
        return true_open(self, header, body, number)

    monkeypatch.setattr(Opener, "open", counted)
    connection = made(messages=[(True, CLEAN)])
    for _ in range(1000):
        connection.send(True, b"\0" + forged(17, 1))
    outcome = outcome_of(packets(connection.parts), secrets=knowing(connection))
    assert [raw for *_, raw in outcome.messages] == [CLEAN]
    # Two keys are tried: this one, and the one behind it.
    assert tries <= 2 * (TLS_TRIES + TLS_SKIPPED + 1000)


@pytest.mark.parametrize(
    "shape",
    [
        record(HANDSHAKE, b"\1\0\x40\0" + bytes(16_000)),
        record(APPLICATION, bytes(17)) * 200,
        record(APPLICATION, bytes(16_000))[:-1],
    ],
    ids=["a hello that never ends", "records that wait", "a record that never ends"],
)
def test_what_is_held_in_all_is_bounded(shape: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row N5: many connections at once hold no more than one limit says."""
    monkeypatch.setattr(streams, "TLS_HELD", MIB)
    begun = decoder(knowing(made(number=9)))
    hello = Made().hello().parts[0][1]
    with allocating_at_most(4 * MIB):
        for port in range(1024, 1424):
            some = [
                segment(True, 1000, hello, port),
                segment(True, 1000 + len(hello), shape, port),
            ]
            begun.feed(passing(some))


def test_random_bytes_behind_a_true_handshake() -> None:
    """Row N7: what no key opens is counted by its reason, all of it."""
    for version in (0x0304, TLS12):
        connection = made(version, 0x1301 if version != TLS12 else 0xC02F)
        connection.send(True, forged(30, 20))
        connection.send(True, os.urandom(5000))
        some = packets(connection.parts)
        outcome = outcome_of(some, secrets=knowing(connection))
        assert outcome.messages == []
        assert sum(outcome.reasons.values()) == len(some)
        assert outcome.reasons[reasons.TLS_FAILED] == 1


def test_a_neighbour_reads_on() -> None:
    """Row N4: a forged hello of a connection's random on other ports changes nothing for it."""
    connection = made(messages=[(True, CLEAN)])
    forger = Made(TLS12, 0xC02F, 2)
    forger.client_random = connection.client_random
    some = packets(connection.parts)
    others = packets(forger.hello().finish().parts, port=40_000)
    stages = Stages(knowing(connection))
    mixed = [one for pair in zip(others, some, strict=False) for one in pair]
    stages.feed(batch([*mixed, *some[len(others) :]], Linktype.RAW))
    assert [raw for *_, raw in stages.finish().messages] == [CLEAN]
