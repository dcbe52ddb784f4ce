"""show calls, show call, follow call: what the active filter does to them, and what comes later."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES, sip

from sipstream.render import calls as render
from sipstream.shell.completion import offers
from sipstream.shell.registry import GENERAL

OK = "SIP/2.0 200 OK"


@pytest.fixture
async def typed(tmp_path: Path) -> AsyncIterator[Shell]:
    """Three calls: one of two legs, one alone, and one whose second leg failed; and a registration."""
    made = Shell(tmp_path)
    async with made.session:
        made.put(
            leg("first-in"), leg("first-out", "777", "X-CID: first-in\r\n"),
            leg("alone-one", "888"), leg("second-in", "5660067"),
            leg("second-out", "999", "X-CID: second-in\r\n"),
            sip("SIP/2.0 503 Busy", "second-out", cseq="1 INVITE"),
            sip("REGISTER sip:a SIP/2.0", "registered", cseq="1 REGISTER", extra="X-CID: first-in\r\n"),
        )  # fmt: skip
        yield made
    made.close()


def leg(call_id: str, number: str = "5660066", extra: str = "") -> bytes:
    return sip(call_id=call_id, destination=f"<sip:{number}@b>", extra=extra)


def told(line: str) -> tuple[str, ...]:
    """Index, numbers, legs and worst status of a line of the table."""
    words = line.split()
    return words[0], words[2], words[3], words[4]


async def test_a_line_for_each_call(typed: Shell) -> None:
    lines = await typed("show calls")
    assert [told(line) for line in lines[1:]] == [
        ("0", "4151500->5660066", "2", "-"),
        ("1", "4151500->888", "1", "-"),
        ("2", "4151500->5660067", "2", "503"),
    ]
    assert lines[1].endswith("X-CID")
    assert lines[2].endswith("calling")


async def test_a_call_is_shown_when_any_of_its_legs_matches(typed: Shell) -> None:
    lines = await typed("show calls dstnum 999 or dstnum 888")
    assert [told(line)[:2] for line in lines[1:]] == [
        ("1", "4151500->888"),
        ("2", "4151500->5660067"),
    ]
    await typed("run filter add status 503")
    assert await typed("filter") == []
    await typed("add status 503")
    await typed("exit")
    lines = await typed("show calls")
    assert [told(line) for line in lines[1:]] == [("0", "4151500->5660067", "2", "503")]
    assert await typed("show calls dstnum 888") == ["no calls"]
    assert (await typed("show call 0"))[0] == (
        "=== Call 0: 4151500->5660067, 2 legs, calling, worst status 503 ==="
    )


async def test_a_call_with_its_legs_and_links(typed: Shell) -> None:
    lines = await typed("show call 0")
    assert lines[0] == "=== Call 0: 4151500->5660066, 2 legs, calling ==="
    assert [lines[1], lines[3]] == ["A: first-in", "B: first-out"]
    assert lines[5:] == [
        "A and B: X-CID, proof",
        "   X-CID of the second is the Call-ID of the first",
    ]
    assert (await typed("show call first-out"))[1:] == lines[1:]
    titles = await typed('show call 0 messages | match "====="')
    assert titles == ["===== Leg A message #0 =====", "===== Leg B message #0 ====="]
    [arrow] = await typed("show call 0 flow | match ^B.0")
    assert arrow.startswith("B[0]")


async def test_as_objects(tmp_path: Path) -> None:
    made = Shell(tmp_path, as_json=True)
    async with made.session:
        made.put(leg("first-in"), leg("first-out", "777", "X-CID: first-in\r\n"))
        [call] = map(json.loads, await made("show calls"))
        assert (call["call"], call["legs"]) == (0, ["first-in", "first-out"])
        assert (call["reasons"], call["worst_status"]) == (["X-CID"], None)
        [whole] = map(json.loads, await made("show call first-in"))
        assert whole["call"] is None
        assert [one["dst_num"] for one in whole["legs"]] == ["5660066", "777"]
        [link] = whole["links"]
        assert (link["first"], link["second"], link["strength"]) == (0, 1, "proof")
    made.close()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("show call 3", "no call 3: the last one is 2"),
        ("show call nobody", "no conversation has the Call-ID nobody"),
        ("show call registered", "this conversation is no call; 'show conversation' shows it"),
        ("show call", "missing argument: show call needs <index|call-id>; see 'help show call'"),
    ],
)
async def test_what_is_no_call(typed: Shell, line: str, error: str) -> None:
    assert await typed(line) == [f"*** Error! {error}"]


async def test_without_calls(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session:
        assert await made("show calls") == ["no calls"]
        assert await made("show call 0") == ["*** Error! no call 0: there is none to show"]
        assert await made("show calls | count") == ["0"]
    made.close()


async def test_a_header_of_the_settings_joins_and_unsetting_it_parts(typed: Shell) -> None:
    typed.put(leg("third-in"), leg("third-out", "777", "X-Leg: third-in\r\n"))
    assert await typed("show calls | count") == ["5"]
    await typed("set leg_headers X-Trace,X-Leg")
    assert await typed("show calls | count") == ["4"]
    assert typed.config.read_text().count('leg_headers = ["X-Trace", "X-Leg"]') == 1
    await typed("unset leg_headers")
    assert await typed("show calls | count") == ["5"]
    [error] = await typed("set leg_headers X Leg:")
    assert error == "*** Error! leg_headers is names of headers, at most 16, not 'X Leg:'"


async def test_what_too_many_share_is_told(typed: Shell) -> None:
    typed.put(*(leg(f"of-many-{n}", f"70{n}", "X-CID: everyone-has-it\r\n") for n in range(60)))
    lines = await typed("show calls")
    assert len(lines) == 1 + 3 + 60 + 1
    assert lines[-1] == "X-CID: 1 value joined nothing, too many share them, as everyone-has-it"
    assert await typed("show calls | count") == ["63"]


async def test_the_indexes_listed_last_are_offered(typed: Shell) -> None:
    def offered(line: str) -> dict[str, str]:
        return {one.text: one.about for one in offers(typed.session, line, GENERAL)[1]}

    assert offered("show call 1") == {}
    await typed("show calls dstnum 888")
    assert offered("show call 1")["1"].endswith("INVITE 4151500->888")
    assert "first-out" in offered("show call fi")
    assert {"flow", "messages"} <= offered("show call 1 ").keys()


def shown(lines: list[str]) -> list[str]:
    """What a follow printed: kind and Call-ID of each message."""
    return [f"{line.split()[4]} {line.split()[-1]}" for line in lines]


async def test_a_leg_is_followed_as_soon_as_its_proof_is_seen(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session:
        made.put(leg("there-before"), leg("of-it-before", "777", "X-CID: there-before\r\n"))
        assert await made("follow call dstnum 5660066") == ["Follow 1: call dstnum 5660066"]
        made.put(leg("first-in"), leg("nobodys", "888"))
        assert shown(await made.written()) == ["INVITE first-in"]
        made.put(leg("first-out", "777", "X-CID: first-in\r\n"))
        assert shown(await made.written()) == ["INVITE first-out"]
        made.put(sip(OK, "first-out", destination="<sip:777@b>", cseq="1 INVITE"))
        assert shown(await made.written()) == ["200 first-out"]
        # What came before its proof is shown with it.
        made.put(leg("late-out", "999"))
        assert await made.written() == []
        made.put(sip(OK, "late-out", cseq="1 INVITE", extra="X-CID: first-in\r\n"))
        assert shown(await made.written()) == ["INVITE late-out", "200 late-out"]
        # Of those that were there before, only what comes.
        made.put(sip(OK, "of-it-before", destination="<sip:777@b>", cseq="1 INVITE"))
        assert shown(await made.written()) == ["200 of-it-before"]
        assert await made("unfollow") == ["Follow 1 ended (6 messages shown)"]
    made.close()


async def test_a_leg_that_matches_late_brings_those_before_it(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session:
        await made("follow call status 503")
        made.put(leg("first-in"), leg("first-out", "777", "X-CID: first-in\r\n"))
        assert await made.written() == []
        made.put(sip("SIP/2.0 503 No", "first-out", destination="<sip:777@b>", cseq="1 INVITE"))
        assert shown(await made.written()) == [
            "INVITE first-in",
            "INVITE first-out",
            "503 first-out",
        ]
        await made("follow 1")
        assert await made("filter dstnum 777") == ["2 conversations"]
        await made("exit")
        made.put(sip("SIP/2.0 503 No", "first-in", cseq="1 INVITE"))
        assert shown(await made.written()) == ["503 first-in"]
        await made("follow dstnum 777")
        assert (await made("show follows"))[0] == "1: call dstnum 777 (4 messages shown)"
    made.close()


async def test_follow_call_goes_on_after_clear(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session as session:
        await made("follow call dstnum 5660066")
        made.put(leg("first-in"))
        session.clear()
        await made.written()
        made.put(leg("first-out", "777", "X-CID: first-in\r\n"), leg("other-in"))
        assert shown(await made.written()) == ["INVITE other-in"]
        made.put(leg("other-out", "777", "X-CID: other-in\r\n"))
        assert shown(await made.written()) == ["INVITE other-out"]
    made.close()


async def test_both_legs_of_figure_12_are_one_call(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session as session:
        await session.sources.load(CAPTURES / "testdata-pt.pcap.gz")
        await made.written()
        lines = await made("show call 4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060")
        assert lines[3] == "B: 91c06e8e-c572-1235-c0ba-00215e2c8c90"
        assert lines[5:] == [
            "A and B: media, likely",
            "   the same numbers 44 ms apart, and"
            " 10.11.12.13 got one, sent the other and takes its media",
        ]
        assert await made("show calls | count") == ["547"]
        assert await made("show calls | match media | count") == ["199"]
    made.close()


async def test_lines_of_a_call_fit_a_narrow_terminal(typed: Shell) -> None:
    session = typed.session
    call = (await session.joining.calls()).call_of(0)
    lines = list(render.legs(call, width=40))
    assert max(map(len, lines)) <= 40
    assert lines[-2:] == ["   X-CID of the second is the Call-ID of", "       the first"]


async def test_how_far_the_joining_has_come_is_told_on_a_terminal(
    typed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.pace.TURN_SECONDS", 0)
    monkeypatch.setattr("sipstream.shell.console._SHARE_SECONDS", 0)
    typed.console.width = lambda: 80
    shown = "\n".join(await typed("show calls"))
    assert "joined 0 of 6, 0%; Ctrl-C ends it" in shown
