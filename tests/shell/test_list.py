"""`list`: what it chooses, in which order, and what is said of clauses that make no sense."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from consoles import Shell
from support import CAPTURES, sip

from sipstream.errors import CommandError
from sipstream.findings import diagnose
from sipstream.render.table import COLUMNS
from sipstream.session import Session
from sipstream.shell.clauses import Clauses
from sipstream.shell.commands import table
from sipstream.shell.completion import offers
from sipstream.shell.registry import GENERAL
from sipstream.states import NAMES
from sipstream.views import Conversation


@pytest.fixture
async def typed(tmp_path: Path) -> AsyncIterator[Shell]:
    made = Shell(tmp_path)
    async with made.session as session:
        await session.sources.load(CAPTURES / "testdata-pt.pcap.gz")
        await made.written()
        yield made
    made.close()


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Shell]:
    made = Shell(tmp_path)
    async with made.session:
        yield made
    made.close()


def indexes(lines: list[str]) -> list[int]:
    """The first column of a table, without its heading."""
    return [int(line.split()[0]) for line in lines[1:]]


def by_hand(typed: Shell) -> list[Conversation]:
    session = typed.session
    return [session.conversations[number] for number in session.matching()]


def last_status(one: Conversation) -> int:
    """What the messages themselves say."""
    return next((m.status for m in reversed(one.messages) if m.status is not None), -1)


NAIVE: dict[str, Callable[[Conversation], Any]] = {
    "index": lambda one: one.time,
    "time": lambda one: one.time,
    "method": lambda one: one.first.method or f"{one.first.status:03d}",
    "numbers": lambda one: (one.src_user, one.dst_user),
    "endpoints": lambda one: (one.source, one.destination),
    "messages": lambda one: len(one.messages),
    "status": last_status,
    "duration": lambda one: one.messages[-1].time - one.messages[0].time,
    "state": lambda one: NAMES.index(one.state),
    "finding": lambda one: max((found.severity for found in diagnose(one)), default=0),
}


def test_each_column_is_sorted_below() -> None:
    assert list(NAIVE) == list(COLUMNS)


@pytest.mark.parametrize("name", COLUMNS)
async def test_sorted_by_each_column(
    typed: Shell, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a naive sort does; what is equal stays in order of time."""
    monkeypatch.setattr("sipstream.shell.commands.table._TOGETHER", 100)
    everything, key = by_hand(typed), NAIVE[name]
    places = sorted(range(len(everything)), key=lambda at: key(everything[at]))
    assert indexes(await typed(f"list sorted by {name} columns index")) == places
    if name in ("index", "time"):
        # Nothing is equal where they are listed by time anyway: the other way round.
        places.reverse()
    else:
        places = sorted(range(len(everything)), key=lambda at: key(everything[at]), reverse=True)
    assert indexes(await typed(f"list sorted by {name} desc columns index")) == places


async def test_the_values_are_those_of_the_messages(typed: Shell) -> None:
    lines = await typed("list columns index,messages,status,state")
    for line, one in zip(lines[1:], by_hand(typed), strict=True):
        _, count, status, state = line.split()
        assert (int(count), state) == (len(one.messages), one.state)
        assert (-1 if status == "-" else int(status)) == last_status(one)


async def test_the_index_is_the_one_that_show_conversation_takes(typed: Shell) -> None:
    await typed("filter")
    await typed("add method INVITE")
    await typed("exit")
    _, line = await typed("list dstnum 8969669 last 1 columns index,time,method,numbers")
    index, time, method, numbers = line.split()
    [shown] = await typed(
        f'show conversations sorted dstnum 8969669 and callid "{by_hand(typed)[int(index)].call_id}"'
    )
    assert shown == f"[{index}] {time}: {method} {numbers}"


async def test_clauses_in_any_order_and_the_term_last(typed: Shell) -> None:
    clauses = ["sorted by duration desc", "columns index, duration", "last 7"]
    answers = [
        await typed(f"list method INVITE last 1d {' '.join(one)}") for one in permutations(clauses)
    ]
    assert len(answers[0]) == 8
    assert all(one == answers[0] for one in answers)
    newest = [int(line.split()[0]) for line in (await typed("list method INVITE"))[1:]][-7:]
    assert sorted(indexes(answers[0])) == newest


async def test_last_takes_what_there_is(typed: Shell) -> None:
    assert len(await typed("list last 1000000")) == 1 + len(by_hand(typed))
    assert await typed("list last 0") == ["no conversations"]
    assert await typed("list last 3 | count") == ["3"]


async def test_words_in_quotes_are_the_filters(empty: Shell) -> None:
    empty.put(sip(call_id="a", extra="Subject: new\r\n"), sip(call_id="b"))
    assert len(await empty('list header subject "new"')) == 2
    assert len(await empty("list")) == 3
    assert await empty('list header subject "new" new') == [
        "0 began or got messages since the last list"
    ]


async def test_new_is_what_came_since_one_looked(empty: Shell) -> None:
    empty.put(sip(call_id="a"), sip(call_id="b"), sip(call_id="c"))
    first = await empty("list new columns index")
    assert indexes(first[:-1]) == [0, 1, 2]
    assert first[-1] == "3 began or got messages since the last list"
    assert await empty("list new") == ["0 began or got messages since the last list"]
    empty.put(sip("SIP/2.0 180 Ringing", "b"), sip(call_id="d"))
    # What is only counted isn't looked at.
    assert await empty("list new | count") == ["2"]
    lines = await empty("list new sorted by index desc columns index,status")
    assert [line.split() for line in lines[1:-1]] == [["3", "-"], ["1", "180"]]
    empty.put(sip(call_id="e"))
    await empty("list callid e")
    assert await empty("list new | count") == ["0"]


async def test_behind_last_stands_how_many(empty: Shell) -> None:
    assert offers(empty.session, "list new last ", GENERAL)[1] == [
        ("20", "so many of those that began last", None)
    ]


async def test_what_is_watched_was_not_looked_at(empty: Shell) -> None:
    empty.put(sip(call_id="a"))
    await empty("list")
    empty.put(sip(call_id="b"))
    assert len(await empty("watch list new times 1")) == 3
    assert len(await empty("watch list times 1")) == 3
    assert (await empty("list new"))[-1] == "1 began or got messages since the last list"


async def test_after_clear_all_is_new(empty: Shell) -> None:
    empty.put(*(sip(call_id=str(n)) for n in range(5)))
    empty.put(sip(call_id="x"))
    assert len(await empty("list")) == 7
    await empty("clear")
    empty.put(sip(call_id="y"))
    assert (await empty("list new"))[-1] == "1 began or got messages since the last list"


async def test_days_stand_between_lines_only_in_order_of_time(empty: Shell) -> None:
    empty.put(sip(call_id="a"))
    empty._clock += 86_400 * 10**9
    empty.put(sip(call_id="b"))
    lines = await empty("list columns index,time")
    assert [lines[1], lines[3]] == ["--- 2001-09-09 ---", "--- 2001-09-10 ---"]
    lines = await empty("list columns index,time sorted by time desc")
    assert [lines[1], lines[3]] == ["--- 2001-09-10 ---", "--- 2001-09-09 ---"]
    lines = await empty("list columns time sorted by messages")
    assert [line.split()[0] for line in lines] == ["time", "09-09", "09-10"]


async def test_objects_have_all_values_whatever_the_columns(tmp_path: Path) -> None:
    made = Shell(tmp_path, as_json=True)
    async with made.session:
        made.put(
            sip(call_id="a"),
            sip("SIP/2.0 200 OK", "a"),
            sip(call_id="b"),
            sip("ACK sip:a SIP/2.0", "a"),
        )
        found = [
            json.loads(line) for line in await made("list columns index sorted by duration desc")
        ]
    made.close()
    assert [(one["index"], one["last_status"], one["duration"]) for one in found] == [
        (0, 200, 0.003),
        (1, None, 0.0),
    ]
    assert {"call_id", "time", "method", "src_num", "dst_num", "source", "state"} <= set(found[0])


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("sorted", "sorted by which column?"),
        ("sorted time", "sorted by which column?"),
        ("sorted by", "missing argument: a column is expected: index, time"),
        ("sorted by foo", "unknown column foo: it may be index, time, method"),
        ("sorted by tiem", "unknown column tiem: did you mean time?"),
        ("sorted by m", "m is short for method or messages"),
        ("sorted by time sorted by time", "sorted stands there twice"),
        ("columns", "missing argument: a column is expected"),
        ("columns time,,index", "missing argument: a column is expected"),
        ("columns time index", "unknown word index: the filter stands first, behind it only"),
        ("last", "last takes how many (last 20); last 5m is a term"),
        ("new last 5m", "last takes how many (last 20); last 5m is a term"),
        ("new dstnum 5", "unknown word dstnum: the filter stands first"),
        ("sortd by time", "unknown word sortd: did you mean sorted?"),
        ("dst 5 new", "unknown term 'dst'"),
    ],
)
async def test_what_makes_no_sense(empty: Shell, line: str, error: str) -> None:
    said = await empty(f"list {line}")
    assert not empty.good
    assert said[0].startswith(f"*** Error! {error}")


async def test_an_abbreviation_of_load_stays_one(empty: Shell) -> None:
    assert (await empty("l /nonexistent"))[-1].startswith("*** Error! ")
    assert await empty("li") == ["no conversations"]


async def test_what_is_given_up_while_lines_wait_is_left_out(empty: Shell) -> None:
    session = empty.session
    empty.put(*(sip(call_id=str(n), destination=f"<sip:{n}@b>") for n in range(len(COLUMNS))))
    for name in COLUMNS:
        listed = await session.listed()
        wanted = Clauses.parse(session, f"sorted by {name}")
        rows = table._there(listed, await table._in_order(listed, wanted))
        before = len(listed.numbers)
        session.conversations.give_up([listed.numbers[-1]])
        assert len(list(rows)) == before - 1


async def test_others_have_their_turn_while_many_are_sorted(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With turns of no length others have one for each conversation that is asked for its value."""
    empty.put(*(sip(call_id=str(random.random())) for _ in range(1500)))
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    monkeypatch.setattr("sipstream.shell.output._PIECE_SECONDS", 0)
    turns = 0
    task = asyncio.ensure_future(empty("list sorted by duration"))
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(await task) == 1501
    assert turns > 3000


def test_what_may_follow() -> None:
    session = Session()

    def texts(line: str) -> Iterator[str]:
        yield from (one.text for one in offers(session, line, GENERAL)[1])

    assert {"dstnum", "sorted", "columns", "last", "new"} <= set(texts("list "))
    assert set(texts("list dstnum 5 and ")).isdisjoint({"sorted", "columns", "new"})
    assert "sorted" in texts("list dstnum 5 s")
    [last] = [one for one in offers(session, "list la", GENERAL)[1] if one.text == "last"]
    assert "20" in last.about
    assert "5m" in last.about
    assert list(texts("list sorted ")) == ["by"]
    assert list(texts("list sorted by ")) == list(COLUMNS)
    assert {"asc", "desc", "columns", "new"} <= set(texts("list sorted by time "))
    assert list(texts("list sorted by time d")) == ["desc"]
    assert list(texts("list columns time,du")) == ["duration"]
    assert list(texts("list columns time, du")) == ["duration"]
    assert "sorted" not in texts("list sorted by time ")
    assert "| count" in texts("list ")


def test_a_filter_is_checked_before_anything_is_done() -> None:
    with pytest.raises(CommandError, match="last takes how many"):
        Clauses.parse(Session(), "dstnum 5 last")
