"""What messages say beside one another: diff, sdp and headers, also of a context and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from consoles import Shell
from offer_calls import message, sdp
from support import CAPTURES, sip

from sipstream.shell import completion
from sipstream.shell.registry import CONVERSATION, GENERAL


async def test_a_context_does_the_same(shell: Shell) -> None:
    for what in ("diff 0 1", "sdp", "headers via cseq", "diff 0 with 3 0"):
        answer = await shell(f"show conversation 5 {what}")
        assert shell.good and answer, what
        await shell("conversation 5")
        assert await shell(f"show {what}") == answer
        await shell("exit")


async def test_messages_of_two_conversations(shell: Shell) -> None:
    call_id = shell.session.conversations[shell.session.shown(3)].call_id
    shown = await shell(f"show conversation 5 diff 0 with {call_id} 1")
    assert shown[0].startswith("--- conversation 5 message 0  ")
    assert shown[1].startswith(f"+++ conversation {call_id} message 1  ")
    assert any(line.startswith("- Call-ID: ") for line in shown)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("diff 0 999", "no message 999: the last one is "),
        ("diff 0 with 4 999", "no message 999: the last one is "),
        ("diff 0 with 999 1", "no conversation 999: the last one is 44"),
        ("headers Contatc", "no well-known header is Contatc: did you mean Contact?"),
        ("headers a(b", "'a(b' is no header name such as User-Agent"),
        ("headers " + " ".join(f"x{place}" for place in range(21)), "21 headers at once: 20 is"),
    ],
)
async def test_mistakes(shell: Shell, line: str, error: str) -> None:
    shown = await shell(f"show conversation 5 {line}")
    assert not shell.good
    assert shown[0].startswith(f"*** Error! {error}")


async def test_a_name_in_quotes_is_taken_as_it_is(shell: Shell) -> None:
    shown = await shell('show conversation 5 headers "Contatc"')
    assert shell.good and all(line.endswith("  -") for line in shown)


async def test_no_description_and_too_many(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.put(sip(call_id="silent"))
    assert await shell("show conversation silent sdp") == ["no session description"]
    monkeypatch.setattr("sipstream.sip.offers.MOST_EXCHANGES", 1)
    updates = (
        message("UPDATE", f"{place} UPDATE", sdp("audio 8"), branch=f"{place}")
        for place in range(3)
    )
    shell.put(*updates)
    shown = await shell("show conversation call-1 sdp")
    assert len(shown) == 4
    assert shown[-1] == "2 more offers and answers are left out, there are too many"


async def test_objects(tmp_path: Path) -> None:
    shell = Shell(tmp_path, as_json=True)
    async with shell.console.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        shell.put(
            message("INVITE", "1 INVITE", sdp("audio 8 0"), extra="X-Bytes: \x1b\r\n"),
            message("200 OK", "1 INVITE", sdp("audio 0")),
        )
        (exchange,) = map(json.loads, await shell("show conversation call-1 sdp"))
        assert exchange["offer"]["media"][0]["codecs"] == ["PCMA", "PCMU"]
        assert exchange["answer"]["index"] == 1
        assert exchange["agreed"] == [
            {
                "outcome": "agreed",
                "codecs": ["PCMU"],
                "direction": "sendrecv",
                "held_by": [],
            }
        ]
        found = [json.loads(line) for line in await shell("show conversation call-1 diff 0 1")]
        assert {"part": "header", "change": "removed", "old": "X-Bytes: \x1b", "new": None} in found
        first, second = map(json.loads, await shell("show conversation call-1 headers x-bytes via"))
        assert first["headers"]["x-bytes"] == ["\x1b"]
        assert (second["kind"], second["headers"]["x-bytes"]) == ("200 OK", [])
    shell.close()


async def test_tab_offers_names_and_messages(shell: Shell) -> None:
    def offered(line: str, context: str = GENERAL) -> list[str]:
        chosen = shell.session.conversations[shell.session.shown(5)]
        return [one.text for one in completion.offers(shell.session, line, context, chosen)[1]]

    assert offered("show conversation 5 headers Via cs") == ["CSeq"]
    assert "User-Agent" in offered("show headers ", CONVERSATION)
    count = shell.session.conversations[shell.session.shown(3)].count
    last = [one for one in offered("show conversation 5 diff 0 with 3 ") if one.isdigit()]
    assert last == [str(place) for place in range(count)]
    _, found = completion.offers(shell.session, "show conversation 5 ", GENERAL)
    words = {one.text: one.about for one in found}
    assert words["diff"] == "what differs between two messages"
    assert all(words[name] for name in ("sdp", "headers", "message", "messages", "flow", "rtp"))


async def test_lines_that_are_not_compared_are_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.render.diff.MOST_LINES", 3)
    shell.put(sip(call_id="long"), sip(call_id="long", start="ACK sip:2@b SIP/2.0"))
    shown = await shell("show conversation long diff 0 1")
    assert shown[2:] == [
        *("- [-INVITE-] sip:2@b SIP/2.0", "+ {+ACK+} sip:2@b SIP/2.0"),
        *("  Via: SIP/2.0/UDP a;branch=z9hG4bK1", "  From: <sip:4151500@a>;tag=1"),
        *("(- 5 more lines are not compared)", "(+ 5 more lines are not compared)"),
    ]
