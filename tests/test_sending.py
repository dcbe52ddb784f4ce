"""--send-hep: what is sent on, that nothing is lost where it can wait, and that capture never waits."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hep_agents import agents, listening
from support import CAPTURES, sip

from sipstream import limits, reasons
from sipstream.errors import SipstreamError
from sipstream.options import parse
from sipstream.sending import Sending, wires
from sipstream.sending.wires import Tcp, Udp, Wire
from sipstream.session import Session

CAPTURE = CAPTURES / "timeout.pcap"
MESSAGES = 354


def facts(session: Session) -> list[tuple[object, ...]]:
    return sorted(
        (one.time, one.source, one.destination, one.transport, one.raw)
        for conversation in session.conversations
        for one in conversation.messages
    )


def wire(kind: str, where: tuple[str, int], told: list[str]) -> Wire:
    made = Tcp if kind == "tcp" else Udp
    return made("there", *where, told.append)


@asynccontextmanager
async def sending(
    session: Session, out: Wire, text: str | None = None, key: bytes = b""
) -> AsyncIterator[Sending]:
    async with Sending(session, out, text, "tap-1", key) as made:
        yield made
        await made.flush(10)


def closed_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", ["udp", "tcp"])
@pytest.mark.parametrize("name", ["timeout.pcap", "media.pcap.gz"])
async def test_all_arrives(kind: str, host: str, name: str) -> None:
    """Whatever a file holds is there, with times, ends, transport and bytes; the tap is that named."""
    async with listening(host=host) as there, Session() as session:
        async with sending(session, wire(kind, there.where, [])) as out:
            await session.sources.load(CAPTURES / name)
        count = session.conversations.message_count
        await there.came(count)
        assert facts(there.session) == facts(session)
        assert {one.first.tap for one in there.session.conversations} == {"tap-1"}
        assert (out.sent, out.all_sent) == (count, True)
        assert out.account == f"{count} messages sent to there"


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_only_what_matches(kind: str) -> None:
    """With a filter, what a follow of it shows: whole conversations, from their first message on."""
    async with listening() as there, Session() as session:
        async with sending(session, wire(kind, there.where, []), "status 401") as out:
            await session.sources.load(CAPTURE)
        matching = await session.select("status 401")
        expected = [one for one in session.conversations if one.id in matching]
        await there.came(sum(one.count for one in expected))
        assert 0 < len(expected) < len(session.conversations)
        assert sorted(there.call_ids) == sorted(one.call_id for one in expected)
        assert out.sent == there.tally.messages


async def test_taps_of_others_stay() -> None:
    """What an agent named keeps its name when it is sent on; only what has none gets ours."""
    async with listening() as there, listening() as between:
        async with sending(between.session, wire("udp", there.where, [])):
            packets = agents(sip(call_id="x"))
            for name in ("heplify", "kamailio", "sngrep"):
                packet, tap = agents(sip(call_id=name))[name]
                between.send(packet)
            await between.came(3)
        await there.came(3)
        taps = {one.call_id: one.first.tap for one in there.session.conversations}
        assert taps == {"heplify": packets["heplify"][1], "kamailio": "2001", "sngrep": "tap-1"}


async def test_key() -> None:
    """A key goes with every packet."""
    async with listening(key=b"sesame") as there, Session() as session:
        async with sending(session, wire("tcp", there.where, []), key=b"sesame"):
            await session.sources.load(CAPTURE)
        async with sending(session, wire("udp", there.where, [])):
            await session.sources.load(CAPTURES / "media.pcap.gz")
        await there.until(lambda: there.tally.packets > MESSAGES)
        assert len(there.session.conversations) == 45
        assert set(there.tally.reasons) == {reasons.WRONG_KEY}


async def test_nobody_there() -> None:
    """Datagrams that come back are counted; the user is told once."""
    told: list[str] = []
    async with Session() as session:
        async with sending(session, wire("udp", ("127.0.0.1", closed_port()), told)) as out:
            await session.sources.load(CAPTURE)
        assert out.account == f"0 messages sent to there; {MESSAGES} couldn't be sent"
        assert told == ["nobody takes what is sent to there: connection refused"]


async def test_somebody_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where datagrams aren't refused any more the user is told, and is told when they are again."""
    monkeypatch.setattr(wires, "_QUIET_SECONDS", 0.0)
    told: list[str] = []
    packet = agents(sip())["heplify"][0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        way = Udp("there", *one.getsockname(), told.append)
        await way.open(lambda key: None)
        assert await way.send([packet]) == 1
        assert one.recv(9999) == packet
    assert await way.send([packet]) == 1
    await way.settle()
    assert (way.refused, len(told)) == (1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(way._where)
        assert await way.send([packet]) == 1
    await way.send([packet])
    await way.settle()
    await way.close()
    assert [text.replace(" there", "") for text in told] == [
        "nobody takes what is sent to: connection refused",
        "what is sent to isn't refused any more",
        "nobody takes what is sent to: connection refused",
    ]


async def test_nobody_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TCP a file waits for who isn't there; who was gone gets what is sent once it is back."""
    monkeypatch.setattr(limits, "SEND_WAITING", 400_000)
    told: list[str] = []
    port = closed_port()
    taken = b""
    gone = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        if not gone.is_set():
            await reader.readexactly(100_000)
            gone.set()
            writer.transport.abort()
            return
        while data := await reader.read(65_536):
            taken += data

    async with Session() as session:
        async with sending(session, Tcp("there", "127.0.0.1", port, told.append)) as out:
            loading = asyncio.create_task(session.sources.load(CAPTURE))
            await until(lambda: bool(told))
            assert 0 < out._size <= 400_000
            assert not loading.done()
            server = await asyncio.start_server(once, "127.0.0.1", port)
            await loading
            await gone.wait()
            await out.flush(10)
            await session.sources.load(CAPTURES / "media.pcap.gz")
        count = session.conversations.message_count
        assert (out.sent, out.unsent) == (count, 0)
        assert told[0].startswith("nobody takes what is sent to there")
        assert told[1] == "what is sent to there is taken again"
        raw = session.conversations.index.raw
        await until(lambda: all(raw(number) in taken for number in range(MESSAGES, count)))
        server.close()


async def test_who_closed_in_silence() -> None:
    """A connection that the other end has closed meanwhile isn't sent to: it would be lost."""
    first, second = (agents(sip(call_id=one))["heplify"][0] for one in ("first", "second"))
    taken: list[bytes] = []

    async def one_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.read(65_536))
        writer.close()

    server = await asyncio.start_server(one_each, "127.0.0.1", 0)
    way = Tcp("there", "127.0.0.1", server.sockets[0].getsockname()[1], [].append)
    await way.open(lambda key: None)
    await way.send([first])
    sock = way._socket
    assert sock is not None
    await until(lambda: wires._is_closed(sock))
    await way.send([second])
    await until(lambda: len(taken) == 2)
    assert taken == [first, second]
    await way.close()
    server.close()


async def test_capture_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes live while nobody takes it is counted beyond what there is room for."""
    monkeypatch.setattr(limits, "SEND_WAITING", 5000)
    async with listening() as between:
        out = Sending(
            between.session, Tcp("there", "127.0.0.1", closed_port(), [].append), None, "a"
        )
        async with out:
            between.send(*[agents(sip(call_id=f"call-{n}"))["heplify"][0] for n in range(100)])
            await between.came(100)
            assert between.tally.messages == 100
            assert out._size <= 5000
            assert 80 < out.unsent < 100
        assert (out.sent, out.unsent) == (0, 100)


async def test_what_comes_back_is_not_sent_again() -> None:
    """A shell that hears itself ends no circle of it."""
    async with listening() as there:
        async with sending(there.session, wire("udp", there.where, [])) as out:
            there.send(agents(sip(call_id="x"))["heplify"][0])
            await there.came(2)
            assert there.tally.reasons == {reasons.OWN_HEP: 1}
        assert out.sent == 1
        assert there.call_ids == ["x"]


async def test_what_was_cleared_and_given_up() -> None:
    """Other conversations may take the place of those that were sent: each is sent once."""
    async with listening() as there, listening() as between:
        async with sending(between.session, wire("udp", there.where, []), "callid call*") as out:
            for part in range(3):
                numbers = range(part * 50, part * 50 + 50)
                between.send(*[agents(sip(call_id=f"call-{n}"))["heplify"][0] for n in numbers])
                await between.came(part * 50 + 50)
                between.session.clear()
        await there.came(150)
        assert sorted(there.call_ids) == sorted(f"call-{n}" for n in range(150))
        assert out.sent == 150
    assert between.session.silent == []


async def test_no_such_host() -> None:
    async with Session() as session:
        with pytest.raises(SipstreamError, match=r"no host nowhere\.invalid"):
            async with sending(session, Udp("x", "nowhere.invalid", 9060, [].append)):
                pass


# The program


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "SIPSTREAM_USER": "root"},
    )  # fmt: skip


async def test_files_to_the_end(tmp_path: Path) -> None:
    """A run of files ends when all is sent, and says how much that was."""
    key = tmp_path / "key"
    key.write_bytes(b"sesame\n")
    key.chmod(0o600)
    async with listening(key=b"sesame") as there:
        where = f"127.0.0.1:{there.where[1]}"
        more = [
            "--send-hep",
            where,
            "--tap",
            "édge",
            "--hep-key",
            str(key),
            "--filter",
            "status 401",
        ]
        done = await asyncio.to_thread(run, str(CAPTURE), *more)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].endswith(f" messages sent to {where}")
        await there.until(
            lambda: there.tally.messages == int(done.stdout.split("\n")[-2].split()[0])
        )
        assert {one.first.tap for one in there.session.conversations} == {"édge"}
        assert not there.tally.reasons
        done = await asyncio.to_thread(
            run, str(CAPTURE), "--send-hep", f"127.0.0.1:{closed_port()}"
        )
        assert done.returncode == 1
        assert f"{MESSAGES} couldn't be sent" in done.stdout


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("--send-hep homer.example:9060", "needs what is to be sent"),
        ("x --send-hep homer.example", "no host with a port"),
        ("x --send-hep homer.example:0", "no host with a port"),
        ("x --send-hep homer.example:65536", "no host with a port"),
        ("x --send-hep [::1:9060", "no host with a port"),
        ("x --send-hep ho/mer:9060", "no host with a port"),
        ("x --tap a", "add --send-hep"),
        ("x --write y.pcap --send-hep h:1", "leave out --send-hep"),
        ("x --write y.pcap --hep :9060", "leave out --hep"),
        ("--hep :9060 --send-hep localhost:9060", "all would come back"),
        ("--hep 0.0.0.0:9060", "--hep-allow"),
        ("--hep [::]:9060", "--hep-allow"),
        ("--hep 192.0.2.1", "--hep-allow"),
        ("--hep :9060 --hep :9060", "twice"),
        ("--hep :9060 --hep-allow 10.0.0.0/40", "no list of networks"),
        ("--hep :9060 --hep-allow homer", "no list of networks"),
        ("--hep homer:9060", "no address with a port"),
        ("--hep-allow 10.0.0.0/8", "add --hep"),
        ("x --hep-key y", "add --hep or --send-hep"),
    ],
)
def test_options_that_make_no_sense(
    line: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    [said] = capsys.readouterr().err.splitlines()
    assert wrong in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":9061", ("127.0.0.1", 9061)),
        ("localhost", ("127.0.0.1", 9060)),
        ("127.0.0.5", ("127.0.0.5", 9060)),
        ("::1", ("::1", 9060)),
        ("[::1]", ("::1", 9060)),
        ("[::1]:9", ("::1", 9)),
    ],
)
def test_where_it_listens(text: str, expected: tuple[str, int]) -> None:
    assert parse(["--hep", text]).hep == [expected]


def test_where_it_is_sent() -> None:
    for text, tcp, host in (
        ("homer:9060", False, "homer"),
        ("tcp:homer:9060", True, "homer"),
        ("udp:192.0.2.1:9060", False, "192.0.2.1"),
        ("tcp:[2001:db8::1]:9060", True, "2001:db8::1"),
    ):
        where = parse(["x", "--send-hep", text]).send_hep
        assert where is not None
        assert where == (tcp, host, 9060)
        assert where.text == text.removeprefix("udp:")
