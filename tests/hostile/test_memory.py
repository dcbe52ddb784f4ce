"""Floods of conversations, conversations without end: memory is bounded, the real call stays."""

from __future__ import annotations

import asyncio
import random
import re
import resource
import struct
import subprocess
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hostile_costs import LONG
from hypothesis import given
from hypothesis import strategies as st
from support import A, B, Chain, MemoryStore, batch, ethernet, ipv4, sip, udp

from sipstream.conversations import Conversations
from sipstream.errors import CommandError
from sipstream.filters import Filter
from sipstream.follow import Follow
from sipstream.limits import KEPT_FIRST, MAX_MESSAGES
from sipstream.session import Session
from sipstream.shell.commands.show import while_whole
from sipstream.sources.file import FileSource
from sipstream.views import Message

MIB = 1 << 20
SMALL = 1 * MIB
"""Room for some 1,500 conversations of one message."""
SLACK = 400_000
"""Bytes that one batch and one block of places may take beyond: the next batch makes up for them."""


class Limited(Chain):
    """Decoder, scanner and conversations that may take only so much."""

    def __init__(self, memory: int = SMALL) -> None:
        super().__init__()
        endpoints = self.conversations.index.endpoints
        self.gone: list[int] = []
        self.conversations = Conversations(endpoints, memory=memory, given_up=self.gone.extend)

    def load(self, messages: Iterable[bytes], *, source: bytes = A) -> None:
        packets = [ethernet(ipv4(udp(message), source=source)) for message in messages]
        for first in range(0, len(packets), 500):
            given_packets = packets[first : first + 500]
            start = self.tally.packets
            times = [10**9 + (start + n) * 10**6 for n in range(len(given_packets))]
            self.feed(batch(given_packets, times=times))


def options(number: int) -> bytes:
    return sip("OPTIONS sip:a SIP/2.0", f"flood-{number}", source=f"<sip:{number}@a>;tag=1",
               cseq="1 OPTIONS")  # fmt: skip


def flood(count: int, first: int = 0) -> Iterator[bytes]:
    return (options(number) for number in range(first, first + count))


def settled(call_id: str) -> list[bytes]:
    """An answered call, so far."""
    return [
        sip(call_id=call_id),
        sip("SIP/2.0 180 Ringing", call_id),
        sip("SIP/2.0 200 OK", call_id),
    ]


def size(chain: Chain) -> int:
    return chain.conversations.index.size + chain.conversations._objects()


def assert_sound(chain: Chain) -> None:
    """Every conversation has its own messages and no other, and all figures are of what is there."""
    conversations = chain.conversations
    messages = 0
    for one in conversations:
        assert all(message.header("Call-ID") == one.call_id for message in one.messages)
        assert conversations.by_call_id(one.call_id).id == one.id  # type: ignore[union-attr]
        assert one.src_user == (one.first.header("From") or "").partition(":")[2].partition("@")[0]
        assert one.count == len(one.messages)
        messages += one.count
    assert messages == conversations.message_count
    assert len(list(conversations)) == len(conversations)
    assert sum(conversations.counts_by_state().values()) == len(conversations)
    assert chain.adds_up()


# Many conversations


def test_a_flood_of_conversations_takes_no_more_memory() -> None:
    """Row R1: the longest idle ones go, each is counted; what is left is whole."""
    chain = Limited()
    chain.load(flood(10_000))
    assert size(chain) < SMALL + SLACK
    conversations = chain.conversations
    assert conversations.given_up + len(conversations) == conversations.opened == 10_000
    assert 500 < len(conversations) < 5_000
    # The idlest eighth of what there is goes at a time, so the younger three quarters stay.
    kept = {int(one.call_id.removeprefix("flood-")) for one in conversations}
    assert set(range(10_000 - len(conversations) // 2, 10_000)) <= kept
    assert_sound(chain)


def test_the_real_call_outlives_the_flood() -> None:
    """Row R5: an answered call stays until it ended, however long nothing is heard of it."""
    chain = Limited()
    chain.load(settled("real"))
    chain.load(flood(20_000))
    real = chain.conversations.by_call_id("real")
    assert real is not None
    assert [message.kind for message in real.messages] == ["INVITE", 180, 200]
    chain.load([sip("BYE sip:a SIP/2.0", "real", cseq="2 BYE")])
    assert chain.conversations.by_call_id("real").state == "ended"  # type: ignore[union-attr]
    chain.load(flood(20_000, 20_000))
    assert chain.conversations.by_call_id("real") is None
    assert real.gone
    assert_sound(chain)


def test_a_flood_of_calls_leaves_the_answered_one() -> None:
    """Row R5: calls that are only begun go before those in which people talk."""
    chain = Limited()
    chain.load(settled("real"))
    chain.load(sip(call_id=f"begun-{number}") for number in range(20_000))
    assert chain.conversations.by_call_id("real") is not None
    assert size(chain) < SMALL + SLACK


def test_a_flood_of_answered_calls_is_bounded_too() -> None:
    """Row R1: who answers his own calls doesn't get more memory."""
    chain = Limited()
    chain.load(message for number in range(5_000) for message in settled(f"fake-{number}"))
    assert size(chain) < SMALL + SLACK
    assert chain.conversations.given_up
    assert_sound(chain)


def test_forged_senders_are_forgotten_with_their_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row R1: addresses take memory as well, and numbers of old ones get the new ones' names."""
    monkeypatch.setattr("sipstream.conversations._MANY_ENDPOINTS", 500)
    chain, chance = Limited(), random.Random(1)
    addresses: dict[str, str] = {}
    for number in range(8_000):
        source = bytes([10, *chance.randbytes(3)])
        addresses[f"flood-{number}"] = ".".join(map(str, source))
        chain.load([options(number)], source=source)
    assert len(chain.conversations.index.endpoints) < 4 * len(chain.conversations)
    for one in chain.conversations:
        assert (one.source, one.destination) == (addresses[one.call_id], "10.0.0.2")
    assert_sound(chain)


def test_long_texts_count_by_their_size() -> None:
    """Row R3: 60,000 bytes of Call-ID are kept as 256 and a digest, and these count."""
    chain = Limited()
    chain.load(sip(call_id=f"{number:06d}" + "x" * 60_000) for number in range(3_000))
    assert size(chain) < SMALL + SLACK
    assert chain.conversations.given_up
    assert all(len(one.call_id) < 300 for one in chain.conversations)
    assert len({one.call_id for one in chain.conversations}) == len(chain.conversations)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-5, 5)), max_size=300), st.data())
def test_whatever_comes_and_goes(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    """Row R1: calls of any age and order, with very little room."""
    chain = Limited(data.draw(st.integers(230_000, 260_000)))
    sent: Counter[str] = Counter()
    for place, (call, shift) in enumerate(steps):
        call_id = f"call-{call}"
        packet = ethernet(
            ipv4(udp(sip(call_id=call_id, cseq=f"{place} INVITE", source=f"<sip:{call}@a>")))
        )
        chain.feed(batch([packet], times=[10**9 + (place + shift) * 10**6]))
        sent[call_id] += 1
        assert chain.conversations.by_call_id(call_id) is not None
    assert_sound(chain)
    assert all(one.count <= sent[one.call_id] for one in chain.conversations)


# One conversation without end


def test_a_conversation_without_end_keeps_its_first_and_last_messages() -> None:
    """Row R2: what is left out is said; the first hundred stay."""
    chain = Limited(64 * MIB)
    total = MAX_MESSAGES * 3
    chain.load(sip("OPTIONS sip:a SIP/2.0", "endless", cseq=f"{n} OPTIONS") for n in range(total))
    [one] = chain.conversations
    assert one.count + one.left_out == total
    assert MAX_MESSAGES * 7 // 8 <= one.count <= MAX_MESSAGES + 500
    numbers = [int(message.cseq.split()[0]) for message in one.messages]
    assert numbers[:KEPT_FIRST] == list(range(KEPT_FIRST))
    assert numbers[KEPT_FIRST:] == list(range(total - one.count + KEPT_FIRST, total))
    assert len(chain.conversations.index.m_time) < MAX_MESSAGES * 1.6
    assert_sound(chain)


def test_the_earliest_message_stays_although_it_came_late() -> None:
    """Row R2: lists show the first message by time, wherever it lies."""
    chain = Limited(64 * MIB)
    chain.load(sip("OPTIONS sip:a SIP/2.0", "endless", cseq=f"{n} OPTIONS") for n in range(500))
    late = ethernet(ipv4(udp(sip("OPTIONS sip:a SIP/2.0", "endless", cseq="9 EARLY"))))
    chain.feed(batch([late], times=[5]))
    chain.load(sip("OPTIONS sip:a SIP/2.0", "endless", cseq=f"{n} OPTIONS") for n in range(15_000))
    [one] = chain.conversations
    assert one.left_out
    assert one.first.cseq == one.messages[0].cseq == "9 EARLY"
    assert_sound(chain)


def test_it_says_what_is_left_out(tmp_path: Path) -> None:
    """Row R2: in the overview, and as JSON."""
    path = tmp_path / "endless.pcap"
    write(
        path, (sip("OPTIONS sip:a SIP/2.0", "endless", cseq=f"{n} OPTIONS") for n in range(20_000))
    )
    words = [sys.executable, "-m", "sipstream", str(path), "-c", "show conversation 0"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    told = next(line for line in lines if line.startswith("("))
    left_out = int(told[1:].split()[0])
    assert told == f"({left_out} messages behind the first ones are given up)"
    assert left_out + len([line for line in lines if line.startswith("[")]) == 20_000


# Who looks on meanwhile


async def test_filters_and_follows_know_what_is_gone() -> None:
    """Row R1: places are used again; nobody takes a new conversation for the old one."""
    session = Session(memory=SMALL)
    shown: defaultdict[str, list[str]] = defaultdict(list)

    def deliver(follow: Follow, messages: list[Message]) -> None:
        for message in messages:
            shown[message.header("Call-ID") or ""].append(message.cseq)

    session.deliver = deliver
    words: list[str] = []
    session.sources.notices.tell = words.append
    chance = random.Random(3)
    sent: defaultdict[str, list[str]] = defaultdict(list)
    wanted = Filter.parse("srcnum 1*")
    async with session:
        await session.change_filter(lambda filters: filters.add("srcnum 1*"))
        await session.follow("srcnum 1*")
        chain = Chain()
        for place in range(60):
            packets = []
            for n in range(200):
                call = (place + 1) * 100 + chance.randrange(-100, 200)
                call_id, cseq = f"call-{call}", f"{place * 200 + n} OPTIONS"
                packets.append(
                    sip("OPTIONS sip:a SIP/2.0", call_id, source=f"<sip:{call}@a>", cseq=cseq)
                )
                if str(call).startswith("1"):
                    sent[call_id].append(cseq)
            times = [10**9 + (place * 200 + n) * 10**6 for n in range(200)]
            given_batch = batch([ethernet(ipv4(udp(one))) for one in packets], times=times)
            found = chain.scanner.feed(chain.decoder.feed(given_batch))
            deque(
                session.publishing.publish(session.conversations.feed(found, given_batch.store)), 0
            )
            matching = {one.call_id for one in session.conversations if wanted.matches(one)}
            assert session.matching_count == len(matching) == len(session.matching())
    assert session.conversations.given_up > 1_000
    assert shown == sent
    assert len([line for line in words if "--memory" in line]) == 1


def test_a_list_that_waits_for_its_terminal_leaves_out_what_went(tmp_path: Path) -> None:
    """Row R1: a place that became another conversation's isn't shown in the old one's line."""
    chain = Limited()
    chain.load(flood(1_000))
    index = chain.conversations.index
    before, then = [one.id for one in chain.conversations], index.batch
    chain.load(flood(5_000, 1_000))
    still = [number for number in before if index.is_there(number, then)]
    assert all(int(chain.conversations[number].call_id[6:]) < 1_000 for number in still)
    assert len(still) < 1_000


async def test_a_listing_ends_when_its_messages_go() -> None:
    """Row R1: nobody is shown another call's messages under this one's Call-ID."""
    chain = Limited()
    chain.load([options(1), sip("SIP/2.0 200 OK", "flood-1", cseq="1 OPTIONS")])
    one = chain.conversations.by_call_id("flood-1")
    assert one is not None
    rows = while_whole(one, iter(["first", "second"]))
    assert next(rows) == "first"
    chain.load(flood(5_000, 2))
    with pytest.raises(CommandError, match="given up meanwhile"):
        next(rows)


async def test_a_follow_begins_while_conversations_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row R1: what is given up between two looks at the event loop is no fault."""
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    session = Session(memory=SMALL)
    async with session:
        chain = Chain()

        def feed(count: int, first: int) -> None:
            given_batch = batch([ethernet(ipv4(udp(one))) for one in flood(count, first)])
            found = chain.scanner.feed(chain.decoder.feed(given_batch))
            deque(
                session.publishing.publish(session.conversations.feed(found, given_batch.store)), 0
            )

        for first in range(0, 6_000, 500):
            feed(500, first)
        beginning = asyncio.create_task(session.follow("method OPTIONS"))
        while not beginning.done():
            first += 500
            feed(60, first)
            await asyncio.sleep(0)
        await beginning
        assert session.conversations.given_up > 3_000
        feed(500, first + 500)


# The whole program


def write(path: Path, messages: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n, message in enumerate(messages):
            frame = ethernet(ipv4(udp(message), source=A, destination=B))
            file.write(
                struct.pack("<IIII", n // 1000, n % 1000 * 1000, len(frame), len(frame)) + frame
            )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("megabytes", [256] if LONG else [16, 32])
def test_the_program_keeps_within_its_memory(tmp_path: Path, megabytes: int) -> None:
    """Row R1: peak memory at most the limit and 64 MiB, the program itself included.

    In the long form a million Call-IDs against the limit that a session has by itself.
    """
    count = 1_000_000 if LONG else 150_000
    path = tmp_path / "flood.pcap"
    write(
        path,
        (m for n in range(count) for m in ([options(n)] if n != 20_000 else settled("real"))),
    )
    most = 512 * MIB
    child = subprocess.Popen(
        [sys.executable, "-m", "sipstream", str(path), "--memory", f"{megabytes}M",
         "-c", "show conversation real", "-c", "show sources"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip
    peak = 0
    while child.poll() is None:
        # Not what wait tells: that has the memory of this process in it, from before the exec.
        status = Path(f"/proc/{child.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        peak = int(found[1]) << 10 if found else peak
        time.sleep(0.02)
    output = child.communicate()[0]
    assert SMALL < peak <= (megabytes + 64) * MIB
    assert "200 OK" in output
    assert "conversations were given up to make room (--memory)" in output
    assert output.count("are used up (--memory SIZE gives more)") == 1


@pytest.mark.parametrize("wrong", ["1M", "-5", "x", "", "99999999999G", "5T"])
def test_a_wrong_size_is_one_line(wrong: str) -> None:
    words = [sys.executable, "-m", "sipstream", f"--memory={wrong}", "-c", "help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "no size of 8M or more" in line


async def test_without_a_limit_nothing_is_given_up(tmp_path: Path) -> None:
    """A script that loads a file gets all of it."""
    path = tmp_path / "flood.pcap"
    write(path, flood(3_000))
    conversations = Conversations()
    chain = Chain()
    async for given_batch in FileSource(path).batches():
        found = chain.scanner.feed(chain.decoder.feed(given_batch))
        conversations.feed(found, MemoryStore())
    assert len(conversations) == 3_000
