"""--hep: what agents send over UDP and TCP, who may, and that no sender harms what others send."""

from __future__ import annotations

import asyncio
import csv
import ipaddress
import random
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hep_agents import (
    AGENT,
    DESTINATION,
    DESTINATION6,
    ENDS,
    FAMILY,
    KEY,
    MICROSECONDS,
    PORTS,
    PROTOCOL,
    SECONDS,
    SIP,
    SOURCE,
    SOURCE6,
    TIMES,
    agents,
    chunk,
    listening,
    whole,
)
from hostile_inputs import hep2, hep3
from support import SHARED, needs, sip

from sipstream import limits, reasons
from sipstream.errors import SipstreamError
from sipstream.opening import Opened
from sipstream.sources.hep_gate import Gate, read_key
from sipstream.sources.hep_socket import bind

KNOWN = SHARED / "torture" / "known-bugs"
NAMES = list(agents(b""))
LOOPBACK = ipaddress.ip_network("127.0.0.1/32")


def clean(number: int = 0) -> bytes:
    """A packet that must be shown whatever came before it."""
    return agents(sip(call_id=f"clean-{number}"))["kamailio"][0]


async def closed(connection: socket.socket) -> None:
    """Wait until the other end has closed a connection."""
    with suppress(ConnectionResetError):
        assert await asyncio.to_thread(connection.recv, 1) == b""


# What agents send


async def test_agents() -> None:
    """Row H4: time, ends, bytes and tap are what the agent says; who sent them is kept beside it."""
    async with listening() as agent:
        for number, name in enumerate(NAMES):
            raw = sip(call_id=name)
            packet, tap = agents(raw)[name]
            agent.send(packet)
            await agent.came(number + 1)
            [message] = agent.session.conversations.by_call_id(name).messages
            ends = (SOURCE6, DESTINATION6) if name == "ipv6" else (SOURCE, DESTINATION)
            assert (message.source_address, message.destination_address) == ends
            assert message.source.endswith(".5060") and message.destination.endswith(".5070")
            assert (message.raw, message.tap, message.transport) == (raw, tap, "UDP")
            assert message.outer.startswith("HEP from 127.0.0.1.")
            if name != "version 1":
                assert message.time == SECONDS * 10**9 + MICROSECONDS * 1000
        assert agent.adds_up()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_all_of_them_at_once(host: str) -> None:
    """Agents of every kind side by side, over IPv4 and IPv6: nothing gets mixed up."""
    async with listening(host=host) as agent:
        sent = {}
        for call in range(3):
            for name in NAMES:
                packet, tap = agents(sip(call_id=f"{name}-{call}"))[name]
                agent.send(packet)
                sent[f"{name}-{call}"] = tap
        await agent.came(len(sent))
        assert {one.call_id: one.first.tap for one in agent.session.conversations} == sent
        assert agent.tally.drops == 0


async def test_what_comes_lies_in_a_spool() -> None:
    """Bytes are read again later, and can be exported as packets."""
    async with listening() as agent:
        agent.send(clean())
        await agent.came(1)
        store = agent.source.store
        [conversation] = agent.session.conversations
        assert conversation.first.raw == sip(call_id="clean-0")
        assert store.read(0, store.size()).count(b"HEP3") == 1


# What is none


def known() -> list[tuple[str, str]]:
    with (KNOWN / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(one["file"], one["expected_call_id"]) for one in rows if one["file"].endswith(".bin")]


@pytest.mark.parametrize(
    "over", [pytest.param(one, marks=needs(shared=True)) for one in ("UDP", "TCP")]
)
async def test_known_cases(over: str, record_property: Callable[[str, object], None]) -> None:
    """Row H1: each file gives its message or is counted; a clean call behind it is shown."""
    files = known()
    record_property("tried", len(files))
    async with listening() as agent:
        for number, (name, expected) in enumerate(files):
            data = (KNOWN / name).read_bytes()
            agent.session.clear()
            if over == "UDP":
                agent.send(data, clean(number))
            else:
                with agent.connection() as one:
                    one.sendall(data)
                    one.shutdown(socket.SHUT_WR)
                    await agent.came(2 * number + 1)
                with agent.connection() as one:
                    one.sendall(clean(number))
                    await agent.came(2 * number + 2)
            await agent.came(2 * number + 2)
            found = set(agent.call_ids)
            good, none = {"hep@h", f"clean-{number}"}, {f"clean-{number}"}
            may_be = "hep@h" in expected or "decoded" in expected
            wanted = [good] if expected == "hep@h" else [good, none]
            assert found in (wanted if may_be else [none]), name
            assert agent.adds_up()


async def test_damaged_ones() -> None:
    """Row H1: bytes changed, cut out, put in: all is counted, and a clean call behind it is shown."""
    chance = random.Random(7)
    seeds = [packet for packet, _ in agents(sip(call_id="seed")).values()]
    seeds += [hep3(sip()), hep2(sip()), whole(FAMILY, chunk(16, b"x" * 30))]
    count = 0
    async with listening() as agent:
        with agent.udp() as one:
            for number in range(1500):
                data = bytearray(chance.choice(seeds))
                for _ in range(chance.randint(1, 12)):
                    place = chance.randrange(len(data))
                    what = chance.random()
                    if what < 0.6:
                        data[place] = chance.choice(
                            (0, 1, 5, 6, 7, 0x7F, 0xFF, chance.randrange(256))
                        )
                    elif what < 0.8:
                        del data[place : place + chance.randint(1, 30)]
                    else:
                        data[place:place] = chance.randbytes(chance.randint(1, 30))
                    if not data:
                        break
                one.send(data)
                count += 1
                if number % 100 == 99:
                    await agent.came(count)
        agent.send(clean())
        await agent.came(count + 1)
        assert "clean-0" in agent.call_ids
        assert agent.adds_up()
        assert not any(reason.startswith(reasons.FAULT) for reason in agent.tally.reasons)


async def test_reports_and_logs_are_counted() -> None:
    """What isn't SIP is counted by what it is."""
    async with listening() as agent:
        for kind, payload in ((5, b'{"ssrc": 1}'), (100, b"a line of a log"), (200, b"?")):
            other = chunk(11, bytes([kind]))
            agent.send(
                whole(FAMILY, PROTOCOL, ENDS, PORTS, TIMES, other, AGENT, chunk(15, payload))
            )
        await agent.came(3)
        assert agent.tally.reasons == {
            f"{reasons.OTHER_HEP}: {what}": 1 for what in ("RTCP", "logs", "type 200")
        }


# TCP


async def test_envelopes_in_pieces() -> None:
    """Several envelopes a segment, one in several, cut anywhere: the same messages."""
    packets = [agents(sip(call_id=f"call-{n}"))[NAMES[n % 9]][0] for n in range(18)]
    stream = b"".join(packets)
    chance = random.Random(3)
    async with listening() as agent:
        for count, sizes in enumerate(([len(stream)], None, [1] * 900), start=1):
            with agent.connection() as one:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                place = 0
                while place < len(stream):
                    size = sizes.pop() if sizes else chance.randint(1, 900)
                    one.sendall(stream[place : place + size])
                    place += size
                    await asyncio.sleep(0)
                await agent.came(18 * count)
        assert sorted(agent.call_ids) == sorted(f"call-{n}" for n in range(18))
        assert agent.adds_up()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", reasons.NOT_HEP),
        (b"\r", reasons.NOT_HEP),
        (b"HEP3\0\5", reasons.NOT_HEP),
        (b"HEP3\0\0" + bytes(90), reasons.NOT_HEP),
        (hep2(sip()), reasons.NOT_HEP),
        (b"HEP3\xff\xff" + bytes(40_000), reasons.BAD_HEP),
        (b"HE", reasons.BAD_HEP),
    ],
)
async def test_streams_that_lose_their_way(data: bytes, reason: str) -> None:
    """A connection that brings something else, or half of an envelope, is closed and counted once."""
    async with listening() as agent:
        with agent.connection() as one:
            one.sendall(clean(1) + data)
            if reason == reasons.BAD_HEP:
                one.shutdown(socket.SHUT_WR)
            await agent.came(2)
            await closed(one)
        assert agent.tally.reasons == {reason: 1}
        agent.send(clean(2))
        await agent.came(3)
        assert agent.call_ids == ["clean-1", "clean-2"]


async def test_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many connections the longest idle one goes; one that stays within an envelope too."""
    monkeypatch.setattr(limits, "HEP_CONNECTIONS", 3)
    async with listening() as agent:
        opened = []
        for number in range(4):
            opened.append(agent.connection())
            opened[-1].sendall(clean(number))
            await agent.came(number + 1)
        await closed(opened[0])
        for number, one in enumerate(opened[1:], start=4):
            one.sendall(clean(number))
        await agent.came(7)
        monkeypatch.setattr(limits, "HEP_PART_SECONDS", 0.0)
        opened[1].sendall(clean(9)[:50])
        await agent.came(8)
        await closed(opened[1])
        assert agent.tally.reasons == {reasons.BAD_HEP: 1}
        for one in opened:
            one.close()


async def test_a_connection_holds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its share of a second a sender over TCP waits: nothing is lost, and little is held."""
    async with listening() as agent:
        monkeypatch.setattr(agent.source._gate, "_rate", 200)
        packets = [
            agents(sip(call_id=f"call-{n}", body="x" * 900))["kamailio"][0] for n in range(500)
        ]
        with agent.connection() as one:
            await asyncio.to_thread(one.sendall, b"".join(packets))
            await agent.came(500)
        assert len(agent.call_ids) == 500
        assert not agent.tally.reasons


# Who may send


async def test_only_those_that_are_allowed() -> None:
    """Row H3: others are counted and told, and nothing of theirs is looked at."""
    async with listening(LOOPBACK) as agent:
        agent.send(clean(1), source="127.0.0.2")
        agent.send(clean(2))
        await agent.came(2)
        with agent.connection("127.0.0.3") as one:
            await closed(one)
        with agent.connection() as one:
            one.sendall(clean(3))
            await agent.came(4)
        assert agent.call_ids == ["clean-2", "clean-3"]
        assert agent.tally.reasons == {reasons.DENIED: 2}
        await agent.until(lambda: any("127.0.0.2" in note for note in agent.notes))


@pytest.mark.parametrize("over_tcp", [False, True])
async def test_keys(over_tcp: bool) -> None:
    """Row H3: without the key, with a wrong or very long one, in a version without: rejected, counted."""
    raw = sip(call_id="wrong")
    body = (FAMILY, PROTOCOL, ENDS, PORTS, TIMES, SIP, AGENT, chunk(15, raw))
    wrong = [
        whole(*body),
        whole(chunk(14, b""), *body),
        whole(chunk(14, KEY[:-1]), *body),
        whole(chunk(14, KEY + b"\0"), *body),
        whole(chunk(14, KEY * 1000), *body),
        whole(chunk(14, b"other"), chunk(14, KEY), *body),
        whole(chunk(14, KEY, vendor=1), *body),
    ]
    right = whole(chunk(14, KEY), *body[:-1], chunk(15, sip(call_id="right")))
    if not over_tcp:
        wrong.append(hep2(raw))
    async with listening(key=KEY) as agent:
        if over_tcp:
            with agent.connection() as one:
                one.sendall(b"".join(wrong) + right)
                await agent.came(len(wrong) + 1)
        else:
            agent.send(*wrong, right)
            await agent.came(len(wrong) + 1)
        assert agent.call_ids == ["right"]
        assert agent.tally.reasons == {reasons.WRONG_KEY: len(wrong)}
        await agent.until(lambda: bool(agent.notes))
        store = agent.source.store
        kept = store.read(0, store.size())
        assert b"right" in kept and b"wrong" not in kept
        assert KEY not in kept
        assert KEY.decode() not in repr((agent.notes, agent.tally, agent.source))


async def test_keys_are_kept_of_nobody() -> None:
    """A key that nobody asks for isn't kept either: an export would hand it on."""
    async with listening() as agent:
        for name in NAMES:
            agent.send(agents(sip())[name][0])
        await agent.came(len(NAMES))
        store = agent.source.store
        assert KEY not in store.read(0, store.size())


def test_key_files(tmp_path: Path) -> None:
    """The key is the first line of a file that nobody else may read."""
    path = tmp_path / "key"
    for text, mode, wrong in (
        (b"sesame\nmore", 0o600, ""),
        (b"sesame", 0o400, ""),
        (b"sesame", 0o640, "mode 0640"),
        (b"sesame", 0o604, "chmod 600"),
        (b"", 0o600, "1 to 255 bytes"),
        (b"\nsesame", 0o600, "1 to 255 bytes"),
        (b"x" * 300, 0o600, "1 to 255 bytes"),
    ):
        path.unlink(missing_ok=True)
        path.write_bytes(text)
        path.chmod(mode)
        if wrong:
            with pytest.raises(SipstreamError, match=wrong) as raised:
                read_key(path)
            assert "sesame" not in str(raised.value)
        else:
            assert read_key(path) == b"sesame"
    for other, wrong in ((tmp_path, "no file"), (tmp_path / "none", "no such file")):
        with pytest.raises(SipstreamError, match=wrong):
            read_key(other)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "sesame" not in repr(Opened(hep_key=b"sesame"))


async def test_one_note_a_second() -> None:
    """Row H1: however many do wrong, one line a second is said of it."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with listening(LOOPBACK) as agent:
        for number in range(2, 42):
            agent.send(b"no HEP", clean(), source=f"127.0.0.{number}")
        await agent.came(80)
        await agent.until(lambda: len(agent.notes) >= 2)
        assert len(agent.notes) <= loop.time() - begun + 1
        assert agent.tally.reasons == {reasons.DENIED: 80}


def test_so_many_a_second() -> None:
    """Each sender has its own share; those that nobody can remember have one together."""
    gate = Gate(rate=5)
    assert [gate.is_full("10.0.0.1") for _ in range(12)] == [False] * 10 + [True] * 2
    assert not gate.is_full("10.0.0.2")
    for now, more in ((100.0, 10), (100.9, 0), (101.0, 5), (101.5, 0), (102.2, 6), (110.0, 10)):
        gate.look_at_clock(now)
        assert [gate.is_full("10.0.0.1") for _ in range(more + 1)] == [False] * more + [True]
    gate.look_at_clock(111.0)
    assert not gate.is_full("10.0.0.1")
    taken = sum(
        not gate.is_full(f"2001:db8::{number:x}") for number in range(limits.HEP_SENDERS * 2)
    )
    assert taken == limits.HEP_SENDERS - 1 + 10
    assert not gate.is_full("10.0.0.1")
    lists = Gate([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fe80::/10")])
    for number in range(limits.HEP_SENDERS * 3):
        assert lists.may(f"10.0.{number >> 8}.{number & 255}")
        assert not lists.may(f"11.0.{number >> 8}.{number & 255}")
    assert lists.may("fe80::1%lo")
    assert not lists.may("::1")
    assert len(lists._may) <= limits.HEP_SENDERS


async def test_what_is_too_much_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its share a sender's datagrams are counted, told once, and others go on."""
    async with listening() as agent:
        monkeypatch.setattr(agent.source._gate, "_rate", 50)
        agent.send(*[clean(n) for n in range(40)] * 5, source="127.0.0.2")
        agent.send(clean(99), source="127.0.0.3")
        await agent.came(201)
        assert 0 < agent.tally.reasons[reasons.TOO_FAST] <= 200 - 2 * 50
        assert "clean-99" in agent.call_ids
        assert agent.adds_up()


# What the kernel drops


def dropped_of(port: int) -> int:
    """What /proc/net/udp says was dropped at a port."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    [line] = [one for one in lines if one.split()[1].endswith(f":{port:04X}")]
    return int(line.split()[-1])


async def test_drops_are_shown() -> None:
    """Row H2: what the socket had no room for is the source's drops, as the kernel counts them."""
    bound = bind("127.0.0.1", 0, 4096)
    port = bound.udp.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for _ in range(300):
            one.sendto(clean(), ("127.0.0.1", port))
    lost = dropped_of(port)
    assert 0 < lost < 300
    assert bound.take_drops() == lost
    assert bound.take_drops() == 0
    bound.dropped = (1 << 32) - 5
    assert bound.take_drops() == (lost + 5) % (1 << 32)
    bound.close()


async def test_a_flood_of_what_is_damaged() -> None:
    """Row H2: the loop has its turns meanwhile, and each datagram is counted or a drop."""
    bad = [
        b"",
        b"x" * 300,
        b"HEP3\0\7x",
        whole(FAMILY, chunk(15, b"x" * 600, 1)),
        b"HEP3\xff\xff" * 99,
    ]
    enough = threading.Event()
    async with listening(buffer=1 << 16) as agent:
        with agent.udp() as one:

            def flood() -> int:
                count = 0
                while not (enough.is_set() and count > 60_000) and count < 5_000_000:
                    one.send(bad[count % len(bad)])
                    count += 1
                return count

            flooding = asyncio.create_task(asyncio.to_thread(flood))
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert not flooding.done()
            enough.set()
            sent = await flooding
            one.send(clean())
        await agent.until(lambda: agent.tally.packets + agent.tally.drops >= sent + 1)
        assert agent.tally.packets + agent.tally.drops == sent + 1
        assert agent.tally.messages <= 1
        assert agent.adds_up()
