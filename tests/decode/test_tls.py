"""TLS read along with logged secrets: what is carried comes out whole, all else is counted."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import tls_made
from hostile_costs import allocating_at_most, passing
from hostile_inputs import enhanced, interface, section, websocket_frame
from hostile_targets import Outcome, Stages, outcome_of, read, through
from support import batch, needs, sip
from tls_made import AES_128, ALL, HANDSHAKE, TLS12, TLS13, Made, Part, made, packets, segment

from sipstream import reasons
from sipstream.decode import streams
from sipstream.decode.keylog import Secrets
from sipstream.limits import TLS_SKIPPED, TLS_WAITING
from sipstream.packets import Linktype

ONE, TWO, THREE = (sip(call_id=f"call-{n}", body="v=0\r\n" * n) for n in (1, 2, 3))
OK = sip("SIP/2.0 200 OK", "call-1")
TALK: list[Part] = [(True, ONE), (False, OK), (True, TWO), (True, THREE)]
MESSAGES = [message for _, message in TALK]
CONTROL = {reasons.TLS_CONTROL}
CLIENT, SERVER = True, False


def secrets_of(*logs: bytes) -> Secrets:
    secrets = Secrets()
    for log in logs:
        secrets.add(log)
    return secrets


def opened(some: list[bytes], *logs: bytes) -> Outcome:
    """What comes of packets with these key logs."""
    return outcome_of(some, secrets=secrets_of(*logs))


def texts(outcome: Outcome) -> list[bytes]:
    return [message for *_, message in outcome.messages]


def transports(stages: Stages) -> set[str]:
    return {message.transport for one in stages.conversations for message in one.messages}


@pytest.mark.parametrize(("version", "suite"), ALL)
@pytest.mark.parametrize("size", [1400, 100, 1])
def test_messages_both_ways(version: int, suite: int, size: int) -> None:
    connection = made(version, suite, TALK)
    outcome = opened(packets(connection.parts, size), connection.keylog())
    assert texts(outcome) == MESSAGES
    assert set(outcome.reasons) <= CONTROL | {reasons.PART}


def test_transport_and_endpoints() -> None:
    connection = made(messages=TALK)
    stages = through(
        [batch(packets(connection.parts), Linktype.RAW)], secrets_of(connection.keylog())
    )
    stages.finish()
    assert transports(stages) == {"TLS"}
    first, answer = stages.conversations[0].messages
    assert (first.source, first.destination) == ("10.0.0.1.50000", "10.0.0.2.5061")
    assert (answer.source, answer.destination) == ("10.0.0.2.5061", "10.0.0.1.50000")
    assert stages.tally.with_messages == len(TALK)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_cut_at_every_byte(version: int) -> None:
    suite = next(suite for one, suite in ALL if one == version)
    connection = made(version, suite, [(CLIENT, ONE), (SERVER, OK)])
    stream = b"".join(part for client, part in connection.parts if client)
    for place in range(1, len(stream)):
        rest, parts = place, list[Part]()
        for client, part in connection.parts:
            head = part[:rest] if client else part
            parts += [(client, one) for one in (head, part[len(head) :]) if one]
            rest -= len(head) if client else 0
            rest = rest if rest > 0 else len(stream)
        assert texts(opened(packets(parts), connection.keylog())) == [ONE, OK]


def test_records_and_messages_in_any_number() -> None:
    """A message over several records, several messages in one record, several records a segment."""
    connection = made()
    connection.sealed(CLIENT, ONE, size=50)
    connection.sealed(CLIENT, TWO + THREE)
    stream = [(CLIENT, b"".join(part for client, part in connection.parts[-2:]))]
    some = packets([*connection.parts[:-2], *stream], size=10_000)
    outcome = opened(some, connection.keylog())
    assert texts(outcome) == [ONE, TWO, THREE]
    assert set(outcome.reasons) == CONTROL


def test_largest_record() -> None:
    message = sip(body="x" * 16_000)
    connection = made(messages=[(CLIENT, message)])
    assert texts(opened(packets(connection.parts), connection.keylog())) == [message]


def test_segments_out_of_order_and_again() -> None:
    connection = made(messages=TALK)
    some = packets(connection.parts, 60)
    begin = [
        segment(side, number - 1, b"", flags=2)
        for side, number in ((True, 1000), (False, 2**32 - 100))
    ]
    turned = [one for place in range(0, len(some), 3) for one in some[place : place + 3][::-1]]
    outcome = opened([*begin, *turned, *some[:5]], connection.keylog())
    assert sorted(texts(outcome)) == sorted(MESSAGES)


# What TLS 1.3 does besides


def test_key_updates_on_both_sides() -> None:
    connection = made(messages=TALK[:2])
    for client, message in ((CLIENT, TWO), (SERVER, OK), (CLIENT, THREE)):
        connection.update(client)
        connection.update(client)
        connection.sealed(client, message)
    outcome = opened(packets(connection.parts), connection.keylog())
    assert texts(outcome) == [ONE, OK, TWO, OK, THREE]


def test_hello_retry_tickets_and_padding() -> None:
    connection = Made().hello(retry=True).finish()
    connection.sealed(SERVER, tls_made.handshake(4, bytes(200)) * 2, HANDSHAKE)
    connection.sealed(CLIENT, ONE, padding=300)
    connection.sealed(SERVER, b"", padding=100)
    connection.sealed(SERVER, OK)
    outcome = opened(packets(connection.parts), connection.keylog())
    assert texts(outcome) == [ONE, OK]
    assert set(outcome.reasons) == CONTROL


def test_without_the_handshakes_secrets() -> None:
    connection = made(messages=TALK)
    log = connection.keylog("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")
    outcome = opened(packets(connection.parts), log)
    assert texts(outcome) == MESSAGES
    assert set(outcome.reasons) == CONTROL


def test_secrets_of_one_side() -> None:
    connection = made(messages=TALK)
    log = connection.keylog("SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0")
    outcome = opened(packets(connection.parts), log)
    assert texts(outcome) == [OK]
    # The client's change of ciphers, Finished and messages.
    assert outcome.reasons[reasons.TLS] == 4


@pytest.mark.parametrize("suite", [suite for version, suite in ALL if version == TLS12])
def test_another_handshake_within(suite: int) -> None:
    """TLS 1.2 may make new keys; they come under the new client random."""
    connection, other = made(TLS12, suite, TALK[:2]), made(TLS12, suite, number=2)
    connection.sealed(CLIENT, other.client_hello(), HANDSHAKE)
    connection.sealed(SERVER, other.server_hello(other.server_random), HANDSHAKE)
    for client in (CLIENT, SERVER):
        connection.sealed(client, b"\1", tls_made.CHANGE_CIPHER)
        other.sealers[client].sequence = 0
    connection.sealers = other.sealers
    for client, message in TALK[1:]:
        connection.sealed(client, message)
    outcome = opened(packets(connection.parts), connection.keylog(), other.keylog())
    assert texts(outcome) == [ONE, OK, OK, TWO, THREE]


# Without keys, late keys, wrong keys


@pytest.mark.parametrize("log", [b"", made(number=9).keylog()])
def test_without_keys(log: bytes) -> None:
    connection = made(messages=TALK)
    some = packets(connection.parts, 100)
    outcome = opened(some, log)
    assert outcome.messages == []
    # Where there are no secrets at all nothing is looked into: what goes on in a segment is TLS too.
    control = outcome.reasons.pop(reasons.TLS_CONTROL, 0)
    assert (control > 0) == bool(log)
    assert outcome.reasons == {reasons.TLS: len(some) - control}


@pytest.mark.parametrize(("version", "suite"), ALL)
def test_keys_that_come_late(version: int, suite: int) -> None:
    """Messages keep their times; once keys are there no packet is counted as without."""
    connection = made(version, suite, TALK)
    some = packets(connection.parts)
    times = [10**9 * (1 + number) for number in range(len(some))]
    secrets, stages = secrets_of(made(number=9).keylog()), Stages()
    stages = Stages(secrets)
    stages.feed(batch(some[:-1], Linktype.RAW, times=times[:-1]))
    assert stages.conversations.message_count == 0
    assert stages.tally.reasons[reasons.TLS] >= 3
    secrets.add(connection.keylog())
    stages.feed(batch(some[-1:], Linktype.RAW, times=times[-1:]))
    outcome = stages.finish()
    assert texts(outcome) == MESSAGES
    assert [time for time, *_ in outcome.messages] == times[-4:]
    assert reasons.TLS not in outcome.reasons
    assert stages.tally.with_messages == len(TALK)


def test_keys_that_come_last() -> None:
    connection = made(messages=TALK)
    secrets = secrets_of(made(number=9).keylog())
    stages = through([batch(packets(connection.parts), Linktype.RAW)], secrets)
    secrets.add(connection.keylog())
    assert texts(stages.finish()) == MESSAGES


def test_keys_in_part_at_first() -> None:
    """The handshake can be read before application data can."""
    connection = made(messages=TALK)
    secrets = secrets_of(connection.keylog("SERVER_HANDSHAKE_TRAFFIC_SECRET"))
    stages = through([batch(packets(connection.parts), Linktype.RAW)], secrets)
    secrets.add(connection.keylog())
    assert sorted(texts(stages.finish())) == sorted(MESSAGES)


def test_keys_that_come_behind_a_hole() -> None:
    connection = made(messages=TALK)
    some = packets(connection.parts)
    secrets = secrets_of(made(number=9).keylog())
    sent = sum(len(part) for client, part in connection.parts if client)
    # TWO is missing; that the server has it gives up the hole.
    acknowledgement = segment(SERVER, 5, b"", acknowledged=1000 + sent)
    stages = through([batch([*some[:-2], some[-1], acknowledgement], Linktype.RAW)], secrets)
    secrets.add(connection.keylog())
    assert texts(stages.finish()) == [ONE, OK, THREE]


def test_what_waits_in_all_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection that has waited longest is given up for the other two."""
    monkeypatch.setattr(streams, "TLS_HELD", 20_000)
    connections = [made(messages=[(CLIENT, ONE)] * 20, number=number) for number in range(3)]
    secrets = secrets_of(made(number=9).keylog())
    some = [
        packet
        for number, connection in enumerate(connections)
        for packet in packets(connection.parts, port=40_000 + number)
    ]
    stages = through([batch(some, Linktype.RAW)], secrets)
    secrets.add(b"".join(connection.keylog() for connection in connections))
    assert texts(stages.finish()) == [ONE] * 40


def test_from_the_middle_nothing_is_kept() -> None:
    connection = made(messages=[(CLIENT, ONE)] * 100)
    later = [
        packet
        for port in range(100)
        for packet in packets(connection.parts[-99:], port=40_000 + port)
    ]
    secrets = secrets_of(connection.keylog())
    given = passing(later)
    with allocating_at_most(2 << 20):
        stages = Stages(secrets)
        stages._decoder.feed(given)
    assert stages.tally.reasons == {reasons.TLS: len(later)}


def test_what_waits_for_keys_is_bounded() -> None:
    connection = made(messages=[(CLIENT, ONE)] * (TLS_WAITING // len(ONE) + 1))
    some = packets(connection.parts)
    secrets = secrets_of(made(number=9).keylog())
    stages = through([batch(some, Linktype.RAW)], secrets)
    secrets.add(connection.keylog())
    outcome = stages.finish()
    assert outcome.messages == []
    assert outcome.reasons[reasons.TLS] > len(some) - 10


@pytest.mark.parametrize(("version", "suite"), ALL)
def test_wrong_keys(version: int, suite: int) -> None:
    connection = made(version, suite, TALK)
    other = Made(version, suite, 2)
    other.client_random = connection.client_random
    outcome = opened(packets(connection.parts), other.keylog())
    assert outcome.messages == []
    assert outcome.reasons[reasons.TLS_FAILED] >= len(TALK)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_changed_record(version: int) -> None:
    """It is counted by its own reason, and no message goes on behind it."""
    suite = next(suite for one, suite in ALL if one == version)
    connection = made(version, suite, [(CLIENT, ONE[:-4])])
    connection.sealed(CLIENT, ONE[-4:])
    connection.sealed(CLIENT, TWO)
    some = packets(connection.parts)
    some[-2] = some[-2][:-1] + bytes([some[-2][-1] ^ 1])
    outcome = opened(some, connection.keylog())
    assert texts(outcome) == [ONE[:-4], TWO]
    assert outcome.reasons[reasons.TLS_FAILED] == 1


@pytest.mark.parametrize(
    ("version", "suite", "name"),
    [
        (TLS12, 0xC013, "AES-CBC"), (TLS12, 0xC028, "AES-CBC"), (TLS12, 0xC09C, "AES-CCM"),
        (TLS13, 0x1304, "AES-CCM"), (TLS12, 0x0005, "RC4"), (TLS12, 0xFFFE, "another one"),
    ],
)  # fmt: skip
def test_other_ciphers_are_named(version: int, suite: int, name: str) -> None:
    connection = Made(version, AES_128, 1)
    connection.finish()
    connection.suite, connection.parts = suite, []
    connection.hello()
    for client in (SERVER, CLIENT):
        connection.send(client, tls_made.record(tls_made.CHANGE_CIPHER, b"\1"))
        connection.sealed(client, ONE)
    some = packets(connection.parts)
    outcome = opened(some, connection.keylog())
    assert outcome.messages == []
    assert outcome.reasons[f"{reasons.TLS_CIPHER}: {name}"] >= 2
    assert reasons.TLS in opened(some, made(number=9).keylog()).reasons


def test_from_the_middle_of_a_connection() -> None:
    connection = made(messages=TALK)
    later = packets(connection.parts[-4:])
    assert opened(later, connection.keylog()).reasons == {reasons.TLS: 4}
    without_client_hello = packets(connection.parts)[1:]
    outcome = opened(without_client_hello, connection.keylog())
    assert outcome.messages == []
    assert set(outcome.reasons) <= CONTROL | {reasons.TLS}


# Holes


@pytest.mark.parametrize(("version", "suite"), ALL)
@pytest.mark.parametrize("missing", [1, 5, TLS_SKIPPED - 1])
def test_a_hole(version: int, suite: int, missing: int) -> None:
    """What lies behind missing records is read, also from the middle of one."""
    connection = made(version, suite, [(CLIENT, ONE), *[(CLIENT, TWO)] * missing, (CLIENT, THREE)])
    some = packets(connection.parts)
    assert texts(opened(some[: -missing - 1] + some[-1:], connection.keylog())) == [ONE, THREE]
    half = packets(connection.parts, len(TWO) // 2)
    rest = len(packets(connection.parts[-missing - 1 :], len(TWO) // 2))
    cut = half[:-rest] + half[-rest + 1 :]
    assert texts(opened(cut, connection.keylog()))[0] == ONE
    assert texts(opened(cut, connection.keylog()))[-1] == THREE


def test_a_hole_that_is_too_wide() -> None:
    connection = made(messages=[(CLIENT, ONE), *[(CLIENT, TWO)] * TLS_SKIPPED, (CLIENT, THREE)])
    some = packets(connection.parts)
    assert texts(opened(some[: -TLS_SKIPPED - 1] + some[-1:], connection.keylog())) == [ONE]


def test_a_hole_with_a_key_update_in_it() -> None:
    connection = made(messages=[(CLIENT, ONE)])
    connection.update(CLIENT)
    connection.sealed(CLIENT, TWO)
    connection.sealed(CLIENT, THREE)
    some = packets(connection.parts)
    assert texts(opened(some[:-3] + some[-1:], connection.keylog())) == [ONE, THREE]


def test_a_hole_in_the_handshake() -> None:
    connection = made(messages=TALK)
    parts = connection.parts
    # Of client hello, server hello, change, two of the server's handshake, Finished: both Finished.
    some = packets(parts)
    outcome = opened(some[:4] + some[6:], connection.keylog())
    assert sorted(texts(outcome)) == sorted(MESSAGES)


def test_a_hole_where_encryption_begins() -> None:
    connection = made(TLS12, 0xC02F, [(CLIENT, ONE)])
    connection.sealed(CLIENT, b"\1\0", tls_made.ALERT)
    connection.sealed(CLIENT, TWO)
    some = packets(connection.parts)
    # The client's change of ciphers and Finished.
    outcome = opened(some[:3] + some[4:], connection.keylog())
    assert texts(outcome) == [ONE, TWO]
    assert reasons.TLS_FAILED not in outcome.reasons


def test_a_cut_message_before_a_hole_is_shown_as_it_is() -> None:
    connection = made()
    connection.sealed(CLIENT, ONE[:-4])
    connection.sealed(CLIENT, ONE[-4:])
    connection.sealed(CLIENT, TWO)
    some = packets(connection.parts)
    outcome = opened(some[:-2] + some[-1:], connection.keylog())
    assert texts(outcome) == [ONE[:-4], TWO]


def test_a_false_header_behind_a_hole() -> None:
    connection = made(messages=[(CLIENT, ONE), (CLIENT, TWO)])
    connection.send(CLIENT, b"the rest \x17\x03\x03\0\x40 of a record")
    connection.sealed(CLIENT, THREE)
    some = packets(connection.parts)
    assert texts(opened(some[:-3] + some[-2:], connection.keylog())) == [ONE, THREE]


def test_damage_between_records() -> None:
    connection = made(messages=[(CLIENT, ONE)])
    connection.send(CLIENT, b"\0garbage\x17\x03")
    connection.sealed(CLIENT, TWO)
    connection.sealed(CLIENT, THREE)
    outcome = opened(packets(connection.parts), connection.keylog())
    assert texts(outcome) == [ONE, TWO, THREE]
    assert outcome.reasons[reasons.TLS_DAMAGED] == 1


# Around it


def test_websocket_within() -> None:
    head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    connection = made(messages=[(CLIENT, head), (CLIENT, websocket_frame(ONE, b"abcd"))])
    connection.sealed(
        SERVER, b"HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\n\r\n" + websocket_frame(OK)
    )
    connection.sealed(CLIENT, b"\x8a\0")
    stages = through(
        [batch(packets(connection.parts), Linktype.RAW)], secrets_of(connection.keylog())
    )
    outcome = stages.finish()
    assert texts(outcome) == [ONE, OK]
    assert transports(stages) == {"WSS"}
    assert outcome.reasons[reasons.WEBSOCKET] == 2


def test_damage_within_websocket() -> None:
    head = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
    connection = made(messages=[(CLIENT, head), (CLIENT, websocket_frame(ONE)), (CLIENT, TWO)])
    some = packets(connection.parts)
    some[-2] = some[-2][:-1] + bytes([some[-2][-1] ^ 1])
    assert texts(opened(some, connection.keylog())) == [TWO]


def test_the_same_ports_again() -> None:
    """Another connection on the ports of one before, in whatever way that one ended."""
    first, second = made(messages=[(CLIENT, ONE)]), made(TLS12, 0xC02F, [(CLIENT, TWO)], number=2)
    secrets = secrets_of(first.keylog(), second.keylog())
    again = [
        segment(side, number - 1, b"", flags=2)
        for side, number in ((True, 1000), (False, 2**32 - 100))
    ]
    for end in (None, -1, -2):
        some = [*packets(first.parts)[:end], *again, *packets(second.parts)]
        assert texts(outcome_of(some, secrets=secrets))[-1] == TWO


def test_what_has_ended_holds_nothing() -> None:
    connection = made(messages=TALK)
    some = packets(connection.parts)
    secrets = secrets_of(made(number=9).keylog())
    begin = segment(CLIENT, 5_000_000, b"", flags=2)
    stages = through([batch([*some[:-3], *some[-2:], begin, some[-3]], Linktype.RAW)], secrets)
    assert len(stages._decoder._streams._held_tls) == 1


def test_plain_sip_behind_tls_on_the_same_ports() -> None:
    connection = made(messages=[(CLIENT, ONE)])
    plain = [segment(True, 999, b"", flags=2), segment(True, 1000, TWO)]
    for log in (b"", connection.keylog()):
        outcome = opened([*packets(connection.parts), *plain], log)
        assert texts(outcome)[-1] == TWO


def test_secrets_in_a_pcapng() -> None:
    connection = made(messages=TALK)
    some = packets(connection.parts)
    for order in ("<", ">"):
        head = section(order) + interface(Linktype.RAW, order=order)
        frames = [enhanced(one, order=order) for one in some]
        before = head + tls_made.dsb(connection.keylog(), order) + b"".join(frames)
        assert texts(read(before)) == MESSAGES
        assert texts(read(before, [1] * len(before))) == MESSAGES
        # The first of them says that such secrets come: then connections wait for theirs.
        first = head + tls_made.dsb(made(number=9).keylog(), order)
        between = first + b"".join(frames[:3]) + tls_made.dsb(connection.keylog(), order)
        assert texts(read(between + b"".join(frames[3:]))) == MESSAGES
    other = head + tls_made.dsb(connection.keylog(), ">", kind=0x57474B4C) + b"".join(frames)
    assert texts(read(other)) == []


def test_a_capture_cannot_replace_what_the_user_gave() -> None:
    connection = made(messages=TALK)
    forged = Made(number=2)
    forged.client_random = connection.client_random
    given = batch(packets(connection.parts), Linktype.RAW)
    given.secrets = forged.keylog()
    assert texts(through([given], secrets_of(connection.keylog())).finish()) == MESSAGES


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (ssl.TLSVersion.TLSv1_3, ""),
    ],
)
@pytest.mark.parametrize("size", [1400, 7])
def test_a_true_handshake(version: ssl.TLSVersion, ciphers: str, size: int, tmp_path: Path) -> None:
    """Two ends of Python's ssl, whose library is another one than ours."""
    keylog = tmp_path / "keys.log"
    parts = tls_made.talk(tls_made.certificate(tmp_path), keylog, TALK, version, ciphers)
    outcome = opened(packets(parts, size), keylog.read_bytes())
    assert texts(outcome) == MESSAGES
    assert set(outcome.reasons) <= CONTROL | {reasons.PART}


test_a_true_handshake.pytestmark += needs("openssl")
