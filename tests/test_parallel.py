"""Big capture files read by several processes: the same as by one, whatever stands in the file."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from support import A, B, ethernet, ipv4, sip, tcp, udp

from sipstream import cli, limits, options, parallel, ranges
from sipstream.conversations import Conversations
from sipstream.parallel import ParallelFile, Scanned
from sipstream.pipeline import Intake
from sipstream.session import Session
from sipstream.sources.file import FileSource
from sipstream.sources.pcap import PcapReader

RANGE = 1 << 16
needs_tcpdump = pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump isn't installed")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of some ranges, without the time that large ones take; two processes anywhere."""
    monkeypatch.setattr(parallel, "PARALLEL_FROM", RANGE)
    monkeypatch.setattr(parallel, "PARALLEL_RANGE", RANGE)
    for module in (parallel, ranges, limits):
        monkeypatch.setattr(module, "TEXT_CHUNK", RANGE // 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})


def record(time: int, frame: bytes) -> bytes:
    seconds, rest = divmod(time, 10**9)
    return struct.pack("<IIII", seconds, rest // 1000, len(frame), len(frame)) + frame


def write(path: Path, frames: Iterable[bytes], head: int = 0xA1B2C3D4) -> Path:
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", head, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            file.write(record(1_700_000_000 * 10**9 + number * 10**6, frame))
    return path


def packet(message: bytes, *, back: bool = False) -> bytes:
    source, destination = (B, A) if back else (A, B)
    return ethernet(ipv4(udp(message), source=source, destination=destination))


def calls(count: int, seed: int = 1) -> Iterator[bytes]:
    """Messages of calls that lie apart, so that most go over several ranges."""
    chance = random.Random(seed)
    steps = ["", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK", "BYE sip:a SIP/2.0"]
    for number in range(count):
        call, step = chance.randrange(200), chance.choice(steps)
        given = {
            "call_id": f"call-{call}",
            "cseq": f"{number} {'BYE' if 'BYE' in step else 'INVITE'}",
        }
        source = f"<sip:{call if call % 3 else f'name-{call}'}@a>"
        yield packet(sip(step, source=source, **given) if step else sip(source=source, **given))


def told(conversations: Conversations) -> list[tuple[object, ...]]:
    return [
        (one.call_id, one.state, one.kinds, one.src_user, one.dst_user,
         [(m.time, m.kind, m.source, m.destination, m.raw, m.transport) for m in one.messages])
        for one in conversations
    ]  # fmt: skip


async def read(
    source: FileSource,
) -> tuple[list[tuple[object, ...]], dict[str, int], list[str], int]:
    """Return what came of a file, its accounts and notes, and how many ranges others have read."""
    conversations, scanned = Conversations(), 0
    intake = Intake(source, conversations)
    async for batch in source.batches():
        scanned += isinstance(batch, Scanned)
        intake.feed(batch)
    intake.finish()
    tally = source.tally
    assert tally.packets == tally.with_messages + tally.reasons.total()
    accounts = {"packets": tally.packets, "bytes": tally.bytes, "messages": tally.messages,
                **+tally.reasons}  # fmt: skip
    return told(conversations), accounts, list(map(str, source.notes)), scanned


async def ranges_read_alike(path: Path) -> int:
    """Compare with what one process makes of it; return how many ranges others have read."""
    *expected, none = await read(FileSource(path))
    *found, scanned = await read(ParallelFile(path))
    assert found == expected
    assert none == 0
    return scanned


async def test_conversations_over_several_ranges_are_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.pcap", calls(2_000))
    assert await ranges_read_alike(path) == -(-path.stat().st_size // RANGE)


@pytest.mark.parametrize("head", [0xA1B23C4D, 0xA1B2C3D4])
async def test_both_precisions(tmp_path: Path, head: int) -> None:
    assert await ranges_read_alike(write(tmp_path / "calls.pcap", calls(500), head)) > 1


async def test_what_needs_the_packets_before_is_read_in_order(tmp_path: Path) -> None:
    frames = list(calls(1_500))
    message = sip(call_id="over-tcp")
    pieces = [message[:100], message[100:]]
    segments = [ethernet(ipv4(tcp(pieces[0], 1), 6)), ethernet(ipv4(tcp(pieces[1], 101), 6))]
    frames[300:300] = segments[:1]
    frames[900:900] = segments[1:]
    path = write(tmp_path / "mixed.pcap", frames)
    assert 1 < await ranges_read_alike(path) < path.stat().st_size // RANGE


async def test_packets_that_hold_a_capture_deceive_nobody(tmp_path: Path) -> None:
    """Who sends packets may choose what stands where a range begins."""
    inner = b"".join(record(1_700_000_000 * 10**9, b"x" * 20) for _ in range(600))
    frames = [
        packet(b"X" + inner) if number % 3 else frame for number, frame in enumerate(calls(60))
    ]
    await ranges_read_alike(write(tmp_path / "nested.pcap", frames))


async def test_odd_packets(tmp_path: Path) -> None:
    """Empty ones, methods nobody knows, times that go back, copies, rubbish."""
    chance = random.Random(3)
    frames = []
    for number, frame in enumerate(calls(1_500)):
        odd = [b"", b"\x80" + chance.randbytes(170), frame, frame + bytes(9), frame[:90],
               packet(sip(f"FOO{number % 7} sip:a SIP/2.0", call_id="odd"))]  # fmt: skip
        frames += [frame, chance.choice(odd)] if number % 5 == 0 else [frame]
    await ranges_read_alike(write(tmp_path / "odd.pcap", frames))


@pytest.mark.parametrize("cut", [1, 15, 17, 200, RANGE + 5])
async def test_a_file_that_was_cut_says_so(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "cut.pcap", calls(800))
    os.truncate(path, path.stat().st_size - cut)
    await ranges_read_alike(path)


async def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "damaged.pcap", calls(800))
    data = bytearray(path.read_bytes())
    place = len(data) // 2
    data[place : place + 3_000] = b"\xff" * 3_000
    path.write_bytes(data)
    await ranges_read_alike(path)


async def test_a_process_that_is_killed_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = PcapReader.find

    def die(self: PcapReader, data: bytes, around: int) -> int | None:
        place = find(self, data, around)
        if b"call-77" in data[:RANGE] and next(often):
            os.kill(os.getpid(), signal.SIGKILL)
        return place

    often = iter([False, False, True])
    monkeypatch.setattr(PcapReader, "find", die)
    scanned = await ranges_read_alike(write(tmp_path / "calls.pcap", calls(2_000)))
    assert 1 < scanned <= 6


async def test_without_processes_one_has_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row R9: a limit on processes is no reason not to load."""

    def fail() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fail)
    assert await ranges_read_alike(write(tmp_path / "calls.pcap", calls(800))) == 0


async def test_a_load_that_is_interrupted_leaves_no_process(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.pcap", calls(2_000))
    async with Session() as session:
        loaded = await session.sources.load(path, lambda progress: session.sources.interrupt())
        assert loaded.interrupted
        assert 0 < session.conversations.message_count < 2_000
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # noqa: ASYNC222


def media(count: int) -> Iterator[bytes]:
    """A call with an hour's packets of RTP."""
    kind = "Content-Type: application/sdp\r\n"
    body = "v=0\r\nc=IN IP4 10.0.0.2\r\nm=audio 5000 RTP/AVP 8\r\n"
    yield packet(sip(extra=kind, body=body))
    for number in range(count):
        head = struct.pack("!BBHII", 0x80, 8, number & 0xFFFF, 160 * number, 7)
        yield ethernet(ipv4(udp(head + bytes(160), 4000, 5000)))


async def test_rtp_is_looked_at_in_order_by_one_process(tmp_path: Path) -> None:
    path = write(tmp_path / "media.pcap", media(3000))
    async with Session(rtp=True) as session:
        await session.sources.load(path)
        assert session.streams is not None
        (stream,) = session.streams.of(session.conversations[0])
    assert (stream.packets, stream.lost) == (3000, 0)
    assert cli._open_and_drop(options.parse(["--rtp", str(path)])).readings == {}


async def test_filters_see_what_other_processes_found(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.pcap", calls(1_000))
    async with Session() as session:
        await session.change_filter(lambda filters: filters.add("srcnum 7"))
        await session.sources.load(path)
        [number] = session.matching()
        assert session.conversations[number].call_id == "call-7"


# Text


def printed(path: Path, flags: list[str]) -> Path:
    """What tcpdump prints of a capture."""
    text = path.with_suffix(".txt")
    with text.open("wb") as file:
        words = ["tcpdump", "-n", *flags, "-r", str(path)]
        subprocess.run(words, stdout=file, stderr=subprocess.DEVNULL, check=True)
    return text


@needs_tcpdump
@pytest.mark.parametrize("time", ["", "-tt", "-tttt"])
@pytest.mark.parametrize("form", ["-v", "-A", "-X", "-xx", "-e -v"])
async def test_text_is_read_by_several_too(tmp_path: Path, form: str, time: str) -> None:
    flags = f"{form} {time}".split()
    text = printed(write(tmp_path / "calls.pcap", calls(2_000)), flags)
    assert await ranges_read_alike(text) > 3


@needs_tcpdump
@pytest.mark.parametrize("time", ["-t", "-ttt", "-ttttt"])
async def test_times_that_count_from_others_are_read_in_order(tmp_path: Path, time: str) -> None:
    text = printed(write(tmp_path / "calls.pcap", calls(1_000)), ["-v", time])
    assert await ranges_read_alike(text) == 0


@needs_tcpdump
async def test_midnight_in_a_text(tmp_path: Path) -> None:
    """Times of day behind it are of the next day, whoever reads them."""
    frames = list(calls(2_000))
    path = tmp_path / "night.pcap"
    midnight = 1_700_006_400 * 10**9
    with write(path, []).open("ab") as file:
        for number, frame in enumerate(frames):
            file.write(record(midnight + (number - 1_200) * 10**8, frame))
    text = printed(path, ["-A"])
    assert 0 < await ranges_read_alike(text) < text.stat().st_size // RANGE - 1


@needs_tcpdump
@pytest.mark.parametrize("form", ["-v", "-A"])
async def test_a_forged_line_where_a_range_begins(tmp_path: Path, form: str) -> None:
    """A message may hold lines that look like a packet's."""
    line = "15:54:44.300000 IP 10.0.0.9.5060 > 10.0.0.8.5060: SIP: INVITE sip:9@b SIP/2.0"
    body = "\r\n".join([line, *sip(call_id="forged").decode().split("\r\n")[:8]] * 12)
    frames = [packet(sip(call_id=f"real-{n}", body=body)) for n in range(400)]
    text = printed(write(tmp_path / "forged.pcap", frames), [form])
    await ranges_read_alike(text)


@needs_tcpdump
async def test_words_of_tcpdump_and_of_others_between_packets(tmp_path: Path) -> None:
    text = printed(write(tmp_path / "calls.pcap", calls(1_500)), ["-v"])
    lines = text.read_bytes().split(b"\n")
    for place in range(len(lines) - 40, 0, -997):
        lines[place:place] = [b"17 packets captured", b"what is this", b"and that"]
    text.write_bytes(b"\n".join(lines))
    await ranges_read_alike(text)


@needs_tcpdump
@pytest.mark.parametrize("cut", [1, 300, RANGE])
async def test_a_text_that_was_cut_says_so(tmp_path: Path, cut: int) -> None:
    text = printed(write(tmp_path / "calls.pcap", calls(1_500)), ["-A"])
    os.truncate(text, text.stat().st_size - cut)
    await ranges_read_alike(text)
