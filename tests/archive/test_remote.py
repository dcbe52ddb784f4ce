"""`archive://DIR`: commands find in it what they find in the captures it was made of."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from archives import archive, messages
from consoles import Shell
from support import CAPTURES

from sipstream.archive import conditions, finding
from sipstream.errors import SourceError
from sipstream.filters.terms import TERMS
from sipstream.plan import Plan, use_plan
from sipstream.session import Session
from sipstream.stored import open_stored

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

CAPTURED = [CAPTURES / name for name in ("diversion-problem.txt", "media.pcap.gz")]
EXPRESSIONS = (
    "dstnum 5660066", "srcnum 4151502", "telnum 1502", "dstnum 566*", "srcnum *15?0", "dstnum ??",
    "dstnum 5660000-5669999", "dstnum +3545660066 003545660066 5660066", "srcnum ~ ^41", "dstnum *",
    "number 5660066", "number 1502 or dstnum 112", "user 5660066", "domain 10.20.0.22",
    "uri sip:*@10.*", "diversion 1502", "diversion *", "pai 4151500", "ppi *", "has diversion",
    "has pai", "has privacy", "has user-agent", "has subject", "header User-Agent asterisk",
    "header Contact = *5060>", "header Max-Forwards < 70", "ua Asterisk", "ua ~ 'aster.*13'",
    "reason busy", "reason found", "srcip 10.20.0.22", "dstip 10.20.0.0/16",
    "ip 10.10.10.2-10.20.0.1", "ip example.com", "port 5060", "port 5061-65535",
    "endpoint 10.20.0.22:5060", "transport udp", "transport tcp tls", "tap eth0", "interface *",
    "method REGISTER", "method OPTIONS INVITE", "status 404", "status 4xx 183", "status > 399",
    "final 4xx", "state failed", "callid *@10.20.0.22*", "callid nothing", "callid ~ ^[0-4]",
    "since 16:00", "until 15:55", "last 5m", "since 2018-04-16 and until 2018-04-17",
    "last 1h dstnum 5660066", "codec PCMA", "stir", "body telephone-event", "media 10.20.0.22",
    "setup > 1s", "messages > 8", "duration > 20s", "dstnum 5660066 and not status 2xx",
    "not dstnum 5660066", "dstnum 5660066 or status 404",
    "(srcnum 4151502 or dstnum 1502) and method BYE and port 5060",
    "any(method INVITE and dstnum 5660066)", "first(method REGISTER or status 404)",
    "each(dstnum 5660066)", "retransmissions > 0", "finding problem",
    "any(not method INVITE) dstnum 5660066", "telnum 41515* and (ip 10.20.0.22 or messages > 3)",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives") / "a"
    asyncio.run(archive(folder, *CAPTURED))
    return folder


@pytest.fixture(scope="module")
def loaded() -> Session:
    """A session with the captures."""

    async def load() -> Session:
        async with Session(memory=None) as session:
            for path in CAPTURED:
                await session.sources.load(path)
            return session

    return asyncio.run(load())


async def call_ids(session: Session, expression: str) -> set[str]:
    listed = await session.listed(expression)
    return {session.conversations[number].call_id for number in listed.numbers}


@pytest.mark.parametrize("expression", EXPRESSIONS)
async def test_finds_the_same(folder: Path, loaded: Session, expression: str) -> None:
    async with Session() as session:
        open_stored(f"archive://{folder}", session)
        assert await call_ids(session, expression) == await call_ids(loaded, expression)


def test_every_term_is_tried() -> None:
    """A term that rows answer is among the expressions above."""
    words = set(" ".join(EXPRESSIONS).replace("(", " ").split())
    assert set(conditions.ANSWERED) <= set(TERMS)
    assert set(conditions.ANSWERED) <= words


@pytest.mark.parametrize(
    "expression",
    ["dstnum 5660066", "dstnum 354566*", "dstnum 35*", "dstnum 3545660000-3545669999", "number 566006?"],
)  # fmt: skip
async def test_numbers_of_a_country(folder: Path, loaded: Session, expression: str) -> None:
    """Numbers with and without the country's code are the same there too."""
    use_plan(Plan("354", "0"))
    try:
        async with Session() as session:
            open_stored(f"archive://{folder}", session)
            found = await call_ids(session, expression)
        assert found == await call_ids(loaded, expression)
        assert found
    finally:
        use_plan(Plan())
        loaded.forget_filters()


async def test_only_what_is_asked_for_comes(folder: Path) -> None:
    """Calls come whole, and nothing but what may match."""
    async with Session() as session:
        open_stored(f"archive://{folder}", session)
        assert len(session.conversations) == 0
        wanted = await call_ids(session, "dstnum 5660066")
        assert {one.call_id for one in session.conversations} == wanted


async def test_messages_are_what_they_were(folder: Path, loaded: Session) -> None:
    async with Session() as session:
        open_stored(f"archive://{folder}", session)
        await session.listed()
        assert messages(session) == messages(loaded)


async def test_asked_again_nothing_comes_twice(folder: Path) -> None:
    async with Session() as session:
        remote = open_stored(f"archive://{folder}", session)
        await session.listed("dstnum 5660066")
        [source] = [one for one in session.sources.all if one.name == remote.name]
        count = source.tally.messages
        for expression in ("dstnum 5660066", "telnum 5660066", "dstnum 5660066 and method INVITE"):
            await session.listed(expression)
        packets = source.tally.packets
        await remote.complete(next(iter(session.conversations)).call_id)
        assert (source.tally.packets, source.tally.messages) == (packets, source.tally.messages)
        assert source.tally.messages >= count


async def test_a_limit_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest come, and that there are more is said."""
    monkeypatch.setattr(finding, "CONVERSATIONS", 5)
    shell = Shell(tmp_path)
    async with shell.session as session:
        await shell(f"load archive://{folder}")
        lines = await shell("list")
        assert f"archive://{folder}: the newest 5 conversations are here" in " ".join(lines)
        newest = {one.call_id for one in session.conversations}
    async with Session() as session:
        monkeypatch.undo()
        open_stored(f"archive://{folder}", session)
        await session.listed()
        ends = {one.call_id: one.messages[-1].time for one in session.conversations}
        assert newest == set(sorted(ends, key=ends.__getitem__)[-5:])
    shell.close()


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty", "fifo", "link"])
async def test_damaged_and_foreign_files(tmp_path: Path, damage: str) -> None:
    """They are named and left out; the others answer."""
    folder = tmp_path / "a"
    await archive(folder, CAPTURES / "timeout.pcap", CAPTURES / "media.pcap.gz")
    path = max(folder.glob("hour=*/partition=*/*.parquet"), key=lambda one: one.stat().st_size)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data[:4] + bytes(len(data) - 3000) + data[-2996:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "fifo":
        path.unlink()
        os.mkfifo(path)
    elif damage == "link":
        path.rename(tmp_path / "elsewhere.parquet")
        path.symlink_to(tmp_path / "elsewhere.parquet")
    else:
        path.rename(path.with_name("other.parquet"))
    shell = Shell(tmp_path)
    async with shell.session as session:
        await shell(f"load archive://{folder}")
        told = " ".join(await shell("list | count"))
        assert "is left out" in told, told
        assert "5660066" in " ".join(await shell("show conversations dstnum 5660066"))
        assert len(session.conversations) > 0
    shell.close()


@pytest.mark.parametrize("column", ["raw", "tap", "size"])
async def test_rows_that_lie(tmp_path: Path, column: str) -> None:
    """A few KB may hold as many bytes as they like: such rows don't come, which is told once."""
    folder = tmp_path / "a"
    await archive(folder, CAPTURES / "timeout.pcap", CAPTURES / "media.pcap.gz")
    path = max(folder.glob("hour=*/partition=*/*.parquet"), key=lambda one: one.stat().st_size)
    table = pq.read_table(path)
    values: Any = pa.array([-(1 << 30)] * len(table), pa.int32())
    if column != "size":
        kind = table.schema.field(column).type
        value = pa.array([b"x" * (1 << 20)], pa.binary()).cast(kind)
        places = pa.array([0] * len(table), pa.int32())
        values = pa.DictionaryArray.from_arrays(places, value)
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, values), path)
    shell = Shell(tmp_path)
    async with shell.session as session:
        await shell(f"load archive://{folder}")
        told = [*await shell("list | count"), *await shell("list dstnum 1 | count")]
        assert sum("rows that no archive has" in one for one in told) == 1, told
        assert "5660066" in " ".join(await shell("show conversations dstnum 5660066"))
        assert all(
            len(one.raw) < 1 << 16 for each in session.conversations for one in each.messages
        )
    shell.close()


@pytest.mark.parametrize(
    "expression",
    [
        "dstnum \"1' OR 1=1 --\"", "srcnum \"x') UNION SELECT * FROM read_csv('/etc/passwd') --\"",
        "header X-\\'; \"'\"", "callid \"?'*\"", "ua \"{}'?\"", "dstnum ~ \"(((((a+)+)+)+)+)$\"",
        "dstnum " + "?" * 16, "srcnum ~ x{1000}", "ip \"a.b\"", "tap \"'*\"",
    ],
)  # fmt: skip
async def test_hostile_filters(folder: Path, loaded: Session, expression: str) -> None:
    """Quotes and question marks are text; what is too large leaves out nothing."""
    async with Session() as session:
        open_stored(f"archive://{folder}", session)
        try:
            wanted = await call_ids(loaded, expression)
        except Exception as error:
            with pytest.raises(type(error)):
                await call_ids(session, expression)
            return
        assert await call_ids(session, expression) == wanted


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no archive in"):
        open_stored(f"archive://{tmp_path}", Session())


async def test_what_is_archived_meanwhile_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    await archive(folder, CAPTURES / "timeout.pcap")
    async with Session() as session:
        open_stored(f"archive://{folder}", session)
        before = await call_ids(session, "method INVITE")
        await archive(folder, CAPTURES / "media.pcap.gz")
        assert await call_ids(session, "method INVITE") > before
