"""show rtp: the streams of conversations as tables, sentences and objects."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import captures_media
import pytest
import rtp_made as made
from consoles import Shell
from support import CAPTURES

import sipstream
from sipstream.escape import cells
from sipstream.render import rtp as render
from sipstream.session import Session

MEDIA = CAPTURES / "media.pcap.gz"


@pytest.fixture(params=[False, True], ids=["text", "json"])
async def shell(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Shell]:
    made_shell = Shell(tmp_path, as_json=request.param)
    made_shell.console.session = Session(rtp=True)
    async with made_shell.console.session as session:
        await session.sources.load(MEDIA)
        yield made_shell
    made_shell.close()


def test_the_capture_is_what_its_program_makes() -> None:
    assert gzip.decompress(MEDIA.read_bytes()) == captures_media.build()


async def test_a_conversation_s_streams(shell: Shell) -> None:
    lines = await shell("show conversation 0 rtp")
    assert shell.good
    if not shell.console.out.json:
        assert lines[2].split() == (
            "0 PCMA 147 3 2.0% 2.3ms 12.8ms 0.061s 10.20.0.3:4000 -> 10.20.0.9:5000 DTMF 42#".split()
        )
        assert sum(line.startswith("0: DTMF ") for line in lines) == 3
        # Of 40 ms the receiver took 1024/65536 s.
        assert lines[-4].endswith("round trip 24.4ms/24.4ms")
        return
    first, second = map(json.loads, lines)
    assert (first["call_id"], first["index"], second["index"]) == ("media-1@10.20.0.3", 0, 1)
    assert (first["packets"], first["expected"], first["lost"]) == (147, 150, 3)
    assert (first["out_of_order"], first["duplicates"], first["codec"]) == (2, 0, "PCMA")
    assert [(one["event"], one["duration"], one["ended"]) for one in first["events"]] == [
        ("4", 0.1, True), ("2", 0.1, True), ("#", 0.1, True),
    ]  # fmt: skip
    (report,) = first["reports"]
    assert (report["lost"], report["worst_fraction_lost"]) == (3, 10 / 256)
    assert report["round_trip"] == 0.024375
    assert (second["silence"], second["pauses"], second["markers"]) == (0.62, 1, 2)


async def test_all_streams_the_worst_first(shell: Shell) -> None:
    lines = await shell("show rtp")
    if shell.console.out.json:
        assert [json.loads(line)["index"] for line in lines] == [1, 0, 0]
        assert [json.loads(line)["one_way"] for line in lines] == [True, False, False]
        assert json.loads(lines[0])["source_offered"] is False
    else:
        assert [line.split()[0] for line in lines] == ["#", "1", "0", "0"]
        assert lines[1].endswith("one way, NAT")


async def test_only_of_those_that_match(shell: Shell) -> None:
    await shell("filter")
    await shell("add callid media-1@10.20.0.3")
    await shell("exit")
    as_json = shell.console.out.json
    assert await shell("show rtp | count") == ['{"count": 2}' if as_json else "2"]
    assert len(await shell("show rtp | match 10.20.0.3")) == 2


async def test_in_the_context_of_a_conversation(shell: Shell) -> None:
    whole = await shell("show conversation 1 rtp")
    await shell("conversation 1")
    assert await shell("show rtp") == whole


async def test_none_is_said_with_where_it_would_be(shell: Shell) -> None:
    shell.put(*made.messages(made.OFFER, made.ANSWER, call_id="silent"))
    (line,) = await shell("show conversation silent rtp")
    assert line == (
        "no RTP from or to 10.0.0.1:4000, 10.0.0.1:4001, 10.0.0.2:5000, 10.0.0.2:5001 was captured"
    )
    shell.put(*made.messages("", call_id="no-media"))
    (line,) = await shell("show conversation no-media rtp")
    assert line == "no session description in it says where media go"


async def test_clear_forgets_streams(shell: Shell) -> None:
    await shell("clear")
    assert await shell("show rtp") == ["no RTP was captured of 0 conversations"]
    assert shell.session.streams is not None and len(shell.session.streams) == 0


async def test_what_was_given_up_is_told(shell: Shell) -> None:
    assert shell.session.streams is not None
    shell.session.streams.given_up = 7
    assert (await shell("show rtp"))[-1] == "streams given up to make room for others: 7"


async def test_without_the_option_it_says_how(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    async with shell.session as session:
        await session.sources.load(MEDIA)
        assert session.streams is None
        for line in ("show rtp", "show conversation 0 rtp"):
            assert await shell(line) == [
                "*** Error! RTP isn't looked at: start sipstream with --rtp"
            ]
        assert "  371 not SIP" in await shell("show sources")
    shell.close()


def test_scripts_get_them() -> None:
    conversations = sipstream.load(MEDIA, rtp=True)
    assert conversations.streams is not None
    one = conversations.by_call_id("media-1@10.20.0.3")
    assert one is not None
    streams = conversations.streams.of(one)
    assert all(isinstance(stream, sipstream.Stream) for stream in streams)
    assert [stream.lost for stream in streams] == [3, 0]
    assert sipstream.load(MEDIA).streams is None


@pytest.mark.parametrize("width", [20, 40, 60, 80, 132])
def test_the_table_fits_any_terminal(width: int) -> None:
    call = made.Call()
    ends = ("2001:db8::1", 40000), ("2001:db8::2", 50000)
    bad = "m=audio {} RTP/AVP 97", "a=rtpmap:97 \x1b[31m\u202eevil-codec-without-end/8000"
    call.signal(*(made.described(end[0], bad[0].format(end[1]), bad[1]) for end in ends))
    call.talk(100, source=ends[0], destination=ends[1], payload_type=97)
    media = call.media()
    table = render.Table(width)
    rows = [table.add(0, stream) for stream in media.streams]
    lines = [table.heading(), *map(table.line, rows)]
    assert len(lines) == 2
    assert all(cells(line) <= width for line in lines)
    assert all(line.isprintable() for line in [*lines, *render.below(media)])
    assert "2001:db8" in lines[1]


async def test_streams_go_on_in_another_file(tmp_path: Path) -> None:
    call = made.Call()
    call.signal(made.OFFER, made.ANSWER)
    call.talk(60)
    call.feed("")
    call.talk(60, at=2200 * made.MS, sequence=160, timestamp=16_000 + 160 * 60)
    (stream,) = call.of()
    assert (stream.packets, stream.lost, stream.gap) == (120, 0, 20 * made.MS)
