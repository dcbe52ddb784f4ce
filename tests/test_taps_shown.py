"""What is shown of messages that several taps saw: in lines, whole, as objects, as ladders; clocks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from consoles import Shell
from sighted import BEGIN, MS, Intake, Line, capture, taken, told
from support import CAPTURES, sip

from sipstream.conversations import Conversations
from sipstream.envelopes import Enveloper
from sipstream.ladder import build
from sipstream.render import ladder, lists, overview, sighted
from sipstream.session import Session
from sipstream.views import Message, Sighting

CAPTURE = CAPTURES / "taps.pcap"
PING = sip("OPTIONS sip:2@b SIP/2.0", "ping", cseq="1 OPTIONS")


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with Session() as one:
        await one.sources.load(CAPTURE)
        yield one


@pytest.fixture
def even() -> Conversations:
    """A call that three taps saw whose clocks are even."""
    return taken(Line(["sbc1", "sbc2", "sbc3"]).call())


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()


def test_the_capture_is_as_it_is_made() -> None:
    assert CAPTURE.read_bytes() == capture()


OVERVIEW = """\
[0] 08:00:00.000000  INVITE       (4151500->5660066)  seen at sbc1, sbc2 +0.5 ms, sbc3 +1.0 ms
[1] 08:00:00.020000  100 Trying   (4151500->5660066)  seen at sbc3, sbc2 +0.5 ms, sbc1 +1.0 ms
"""
NARROW = """\
[0] 08:00:00.000000  INVITE       (4151500->5660066)
    seen at sbc1, sbc2 +0.5 ms, sbc3 +1.0 ms
[1] 08:00:00.020000  100 Trying   (4151500->5660066)
    seen at sbc3, sbc2 +0.5 ms, sbc1 +1.0 ms
"""


@pytest.mark.parametrize(("width", "expected"), [(None, OVERVIEW), (132, OVERVIEW), (80, NARROW)])
def test_overview(even: Conversations, width: int | None, expected: str) -> None:
    lines = "\n".join(overview.lines(even[0], width=width)).splitlines()
    count = len(expected.splitlines())
    assert lines[:count] == expected.splitlines()


LADDER = """\
                       10.0.0.1:5060     10.0.0.9:5060
[0] 08:00:00.000000          |---- INVITE ---->|
                             | sbc1 -> 0.5 ms -> sbc2 -> 0.5 ms -> sbc3
[1] 08:00:00.020000   +0.020 |<-- 100 Trying --|
                             | sbc3 -> 0.5 ms -> sbc2 -> 0.5 ms -> sbc1
"""


@pytest.mark.parametrize("width", [80, 132])
def test_ladder(even: Conversations, width: int) -> None:
    lines = "\n".join(ladder.lines(build(even[0].messages), width)).splitlines()
    assert lines[:5] == LADDER.splitlines()


LONG_NAMES = (
    "edge-proxy-frankfurt-main-0001",
    "core-proxy-amsterdam-west-0002",
    "gateway-london-docklands-00003",
)


@pytest.mark.parametrize(
    ("width", "notes"),
    [
        (
            132,
            [
                "edge-proxy-frankfurt-main-0001 -> 0.5 ms -> core-proxy-amsterdam-west-0002"
                " -> 0.5 ms -> gateway-london-docklands-00003"
            ],
        ),
        (
            80,
            [
                "edge-proxy-frankfurt-main-0001 -> 0.5 ms -> core-proxy-amsterdam-west-0002,",
                "core-proxy-amsterdam-west-0002 -> 0.5 ms -> gateway-london-docklands-00003",
            ],
        ),
        (
            40,
            ["edge-prox… -> 0.5 ms -> core-prox…,", "core-prox… -> 0.5 ms -> gateway-l…"],
        ),
    ],
)
def test_no_hop_lacks_its_delay_for_want_of_room(width: int, notes: list[str]) -> None:
    call = taken(Line(LONG_NAMES).call())[0]
    lines = "\n".join(ladder.lines(build(call.messages), width)).splitlines()
    begin = next(place for place, line in enumerate(lines) if "INVITE" in line) + 1
    assert [one.strip(" |") for one in lines[begin : begin + len(notes)]] == notes
    assert max(map(len, lines)) <= width


def test_delays_stay_with_their_taps() -> None:
    call = taken(Line(LONG_NAMES).call())[0]
    assert next(overview.lines(call, width=80)).splitlines()[1:] == [
        "    seen at edge-proxy-frankfurt-main-0001,",
        "        core-proxy-amsterdam-west-0002 +0.5 ms,",
        "        gateway-london-docklands-00003 +1.0 ms",
    ]


def test_pictures(even: Conversations) -> None:
    """A hop's delay stands in them as text, each name only as what it is."""
    from sipstream.render import mermaid, svg

    drawn = build(taken(Line(["<b>", "a;b"]).call())[0].messages)
    assert "&lt;b&gt; -&gt; 0.5 ms -&gt; a;b" in "".join(svg.picture(drawn))
    assert "Note over p0,p1: #60;b#62; -#62; 0.5 ms -#62; a#59;b" in "\n".join(
        mermaid.diagram(drawn).lines
    )


def test_follow(even: Conversations) -> None:
    first = even[0].first
    line = "08:00:00.000000 10.0.0.1:5060 -> 10.0.0.9:5060 INVITE 4151500->5660066 call-1"
    taps = "seen at sbc1, sbc2 +0.5 ms, sbc3 +1.0 ms"
    assert lists.followed(first, "call-1") == f"{line}  {taps}"
    assert lists.followed(first, "call-1", width=132) == f"{line}  {taps}"
    assert lists.followed(first, "call-1", width=80) == f"{line}\n    {taps}"


def test_names_of_taps_reach_no_terminal_as_they_are() -> None:
    conversations = taken(Line(["a\x1b[2J", "b\u202ec"]).call())
    shown = "\n".join(overview.lines(conversations[0]))
    shown += "\n".join(ladder.lines(build(conversations[0].messages), 80))
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "seen at a\\x1b[2J, b\\u{202e}c +0.5 ms" in shown


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0.00 ms"), (38_000, "0.04 ms"), (412_000, "0.4 ms"), (999_900_000, "999.9 ms"),
     (1_200_400_000, "1.200 s")],
)  # fmt: skip
def test_delays(ns: int, text: str) -> None:
    assert sighted.later(ns) == text


def test_very_many_taps_are_counted() -> None:
    seen = [Sighting(f"t{place}", place * MS) for place in range(20)]
    assert sighted.at(seen).endswith("t7 +7.0 ms, and 12 more")
    assert sighted.hops(seen).endswith("-> 1.0 ms -> t7 and 12 more")
    assert sighted.hop_notes(seen, 10**6)[0].endswith("-> 1.0 ms -> t7")
    assert sighted.hop_notes(seen, 10**6)[1] == "and 12 more"


async def test_each_message_once(session: Session) -> None:
    assert [one.count for one in session.conversations] == [8, 7]
    assert session.sources.all[0].tally.messages == 15


async def test_whole_message_and_object(shell: Shell) -> None:
    async with shell.session:
        await shell(f"load {CAPTURE}")
        lines = await shell("show conversation 0 message 0")
        assert lines[1] == "seen at sbc1, sbc3 +1.7 ms, sbc2 +1.201 s"


async def test_objects(tmp_path: Path) -> None:
    shell = Shell(tmp_path, as_json=True)
    async with shell.session:
        await shell(f"load {CAPTURE}")
        first = json.loads((await shell("show conversation 0"))[0])
        assert [one["tap"] for one in first["sightings"]] == ["sbc1", "sbc3", "sbc2"]
        assert first["sightings"][0] == {
            "tap": "sbc1", "time": "2027-01-15T08:00:00.000000+00:00", "after": 0.0,
        }  # fmt: skip
        assert 1.2 < first["sightings"][2]["after"] < 1.202
        arrow = json.loads((await shell("show conversation 0 flow"))[0])
        assert arrow["sightings"] == first["sightings"]
    shell.close()


@pytest.mark.parametrize(
    ("tap", "count"), [("sbc2", 1), ("sbc3", 2), ("sbc4", 1), ("sbc*", 2), ("x", 0)]
)
async def test_tap_is_that_of_any_sighting(session: Session, tap: str, count: int) -> None:
    assert (await session.select(f"tap {tap}")).count == count


async def test_whole_messages_are_filtered_by_any_sighting(session: Session) -> None:
    from sipstream.filters import Filter

    term = Filter.parse("tap sbc3").node
    first = session.conversations.by_call_id("3c26700857a1@10.0.0.1")
    assert first is not None
    test = term.test()  # type: ignore[union-attr]
    assert [one.index for one in first.messages if not test(one)] == [2]


# Clocks


async def test_clocks_are_measured(session: Session) -> None:
    skew = session.skew.of("sbc2")
    assert skew is not None and skew.within is not None
    assert abs(skew.offset - 1200 * MS) <= skew.within < MS
    assert (skew.tap, skew.reference, str(skew)) == ("sbc2", "sbc1", "1.2 s ahead of sbc1's")
    assert session.skew.of("sbc9") is None


async def test_it_is_told_once_that_clocks_are_far_apart(shell: Shell) -> None:
    told: list[str] = []
    async with shell.session as session:
        session.sources.notices.tell = told.append
        await shell(f"load {CAPTURE}")
        await session.skew.settle()
    assert told == [
        "the clock of sbc2 is 1.2 s ahead of sbc1's:"
        " 'set correct_clocks on' corrects the times that are shown"
    ]


async def test_clocks_are_corrected(shell: Shell) -> None:
    async with shell.session as session:
        await shell(f"load {CAPTURE}")
        before = await shell("show conversation 0")
        await shell("set correct_clocks on")
        after = await shell("show conversation 0")
        assert after[1] == (
            "[0] 08:00:00.000000  INVITE       (4151500->5660066)"
            "  seen at sbc1, sbc2 +0.8 ms, sbc3 +1.8 ms"
        )
        assert session.conversations[0].first.tap == "sbc1"
        await shell("set correct_clocks off")
        assert await shell("show conversation 0") == before


async def test_order_is_corrected(shell: Shell) -> None:
    """A tap whose clock is ahead tells of an answer first; by clocks corrected it comes last."""
    slow = Line(["sbc1", "sbc2"], ahead={"sbc1": 5000 * MS})
    async with shell.session as session:
        entry = session.sources.entry("taps")
        await entry.take([one.envelope for one in slow.call(at=-60_000 * MS)])
        call = slow.call("other")
        seen = [
            one
            for one in call
            if one.tap == ("sbc1" if "INVITE sip" in str(one.envelope) else "sbc2")
        ]
        await entry.take([one.envelope for one in seen])
        kinds = [one.kind for one in session.conversations[1].messages]
        assert kinds[0] == 100 and session.conversations[1].first.kind == 100
        await shell("set correct_clocks on")
        kinds = [one.kind for one in session.conversations[1].messages]
        assert kinds == ["INVITE", 100, 180, 200, "ACK", "BYE", 200]
        assert session.conversations[1].first.kind == "INVITE"
        assert [one.index for one in session.conversations[1].messages] == list(range(7))
        assert lists.by_time(0, session.conversations[1]).startswith("[0] 08:00:05.000000: INVITE")


def test_lists_and_filters_go_by_what_taps_said() -> None:
    """Also where taps tell of a message again while clocks are corrected."""
    late = Line(["sbc1", "sbc2"], ahead={"sbc2": -5000 * MS})
    call = late.call("other")
    some = [call[0], call[2], *sorted(call[4:6], key=lambda one: one.tap)]
    assert [one.tap for one in some] == ["sbc1", "sbc2", "sbc1", "sbc2"]
    found = []
    for correct in (False, True):
        intake = Intake()
        intake.take(late.call(at=-60_000 * MS))
        index = intake.conversations.index
        if correct:
            index.correct({index.tap_number("sbc2"): -5000 * MS})
        for one in some:
            intake.take([one])
        found.append((index.m_time[index.c_first[1]] - BEGIN, index.c_latest[1] - BEGIN))
    assert found[0] == found[1] == (-4980 * MS, 0)


def test_copies_are_told_by_clocks_as_they_are_shown() -> None:
    """What a tap told whose clock is ahead is a copy of what was captured here."""
    ahead = Line(["sbc1", "sbc2"], ahead={"sbc2": 5000 * MS})
    intake = Intake()
    intake.take(ahead.call(at=-60_000 * MS))
    intake.take(Line([""]).send(0, PING))
    intake.take([one for one in ahead.send(0, PING) if one.tap == "sbc2"])
    index = intake.conversations.index
    ping = intake.conversations[1]
    assert [one.copy_of for one in ping.messages] == [None, None]
    index.correct({index.tap_number("sbc2"): 5000 * MS})
    assert [one.copy_of for one in ping.messages] == [None, 0]


# Exports


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
async def test_exports_hold_packets_as_they_were(shell: Shell, tmp_path: Path, kind: str) -> None:
    """No HEP is in them: each message in a packet between the endpoints that the tap told."""
    file = tmp_path / f"calls.{kind}"
    async with shell.session as session:
        await shell(f"load {CAPTURE}")
        lines = await shell(f"export {kind} {file}")
        assert "15 messages came in HEP: each stands in a packet of its own, made anew" in lines
        was = packets(session.conversations)
    assert b"HEP3" not in file.read_bytes()
    async with Session() as again:
        await again.sources.load(file)
        assert packets(again.conversations) == was
        if kind == "pcapng":
            first = again.conversations[0].first
            told = "seen at sbc1, sbc3 +1.7 ms, sbc2 +1.201 s"
            assert (first.tap, first.comment) == ("sbc1", told)


def packets(conversations: Conversations) -> list[tuple[object, ...]]:
    return [
        (one.time, one.source, one.destination, one.raw)
        for conversation in conversations
        for one in conversation.messages
    ]


async def test_what_is_sent_on_keeps_all_taps(session: Session) -> None:
    """Where taps keep their names, all sightings are put into envelopes."""
    numbers = [one.id for conversation in session.conversations for one in conversation.messages]
    packed = Enveloper("relay", keeps_taps=True).pack(session.conversations.index, numbers)
    intake = Intake()
    intake.take(packed)
    assert told(intake.conversations) == told(session.conversations)


async def test_who_passes_on_what_taps_told_keeps_all() -> None:
    async with Session(folds=False) as session:
        await session.sources.load(CAPTURE)
        assert session.conversations.message_count == 37
        assert session.conversations.seen_again == 0
        shown: list[Message] = []
        session.deliver = lambda _, messages: shown.extend(messages)
        await session.follow(None)
        await session.sources.entry("x").take(
            [Line(["sbc1"]).send(0, b"OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\n\r\n")[0].envelope]
        )
        assert len(shown) == 1, "nothing is to be waited for"
