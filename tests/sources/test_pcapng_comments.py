"""What a pcapng file says beside its packets: comments, hardware, interfaces."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_inputs import block, interface, option, section, segments
from support import ethernet, ipv4, sip, udp

import sipstream
from sipstream import limits
from sipstream.render import message as rendered
from sipstream.render import objects
from sipstream.sources import pcapng

FRAMES = [ethernet(ipv4(udp(sip(call_id=f"call-{n}")))) for n in range(4)]


def packet(frame: bytes, *comments: bytes, order: str = "<", units: int = 10**15) -> bytes:
    """An enhanced packet block with comments behind another option."""
    size = len(frame)
    options = b"".join(option(1, one, order) for one in comments)
    options = option(2, b"\0\0\0\1", order) + options + option(0, b"", order) if comments else b""
    head = struct.pack(order + "5I", 0, units >> 32, units & 0xFFFFFFFF, size, size)
    return block(6, head + frame + bytes(-size % 4) + options, order)


def head(order: str = "<") -> bytes:
    said = option(1, b"from the lab", order) + option(2, b"a \x1b[2Jbox", order)
    begin = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + said
    names = option(2, b"eth0", order) + option(3, b"to the provider", order)
    also = interface(options=option(2, b"eth1", order), order=order)
    return block(0x0A0D0D0A, begin, order) + interface(options=names, order=order) + also


def load(tmp_path: Path, data: bytes) -> sipstream.Conversations:
    path = tmp_path / "some.pcapng"
    path.write_bytes(data)
    return sipstream.load(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_comments_of_packets(order: str, tmp_path: Path) -> None:
    """All of one time: a comment stays with its own packet."""
    data = head(order) + packet(FRAMES[0], order=order)
    data += packet(FRAMES[1], b"here it fails\x07", b"see ticket 5\nor 6", order=order)
    data += packet(FRAMES[2], order=order) + packet(FRAMES[3], b"again", order=order)
    conversations = load(tmp_path, data)
    found = {one.call_id: one.first for one in conversations}
    said = ["", "here it fails\x07\nsee ticket 5\nor 6", "", "again"]
    assert [found[f"call-{n}"].comment for n in range(4)] == said
    assert rendered.whole(found["call-1"]).split("\n")[1:5] == [
        r"comment: here it fails\x07", "comment: see ticket 5", "comment: or 6",
        "INVITE sip:2@b SIP/2.0",
    ]  # fmt: skip
    assert objects.message(found["call-3"], "x")["comment"] == "again"
    assert "comment" not in objects.message(found["call-0"], "x")


def test_a_comment_on_the_segment_that_completes_a_message(tmp_path: Path) -> None:
    first, second = (ethernet(one) for one in segments(sip(), (100,)))
    data = head() + packet(first) + packet(second, b"late", units=10**15 + 7)
    [conversation] = load(tmp_path, data)
    assert conversation.first.comment == "late"


def test_a_comment_goes_with_its_message(tmp_path: Path) -> None:
    """Places in the index are used again: the next message there has no comment."""
    conversations = load(tmp_path, head() + packet(FRAMES[0], b"one"))
    conversations.index.forget(0)
    assert conversations.index.comments == {}


def test_show_sources(tmp_path: Path) -> None:
    path = tmp_path / "some.pcapng"
    path.write_bytes(head() + packet(FRAMES[0]))
    command = [sys.executable, "-m", "sipstream", str(path), "-c", "show sources"]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert [line for line in shown.split("\n") if line.startswith("  ")] == [
        "  section comment: from the lab", r"  section hardware: a \x1b[2Jbox",
        "  interface eth0, description: to the provider", "  interface eth1",
        "  1 packets with messages",
    ]  # fmt: skip
    found = subprocess.run([*command, "--json"], capture_output=True, check=True, text=True).stdout
    assert json.loads(found)["about"][0] == "section comment: from the lab"


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many comments, so long ones, so many lines; what is left out is said."""
    monkeypatch.setattr(pcapng, "MAX_COMMENTS", 2)
    monkeypatch.setattr(pcapng, "MAX_ABOUT", 3)
    reader = pcapng.PcapngReader(None)  # type: ignore[arg-type]
    long = b"x" * (limits.MAX_COMMENT + 5)
    names = b"".join(interface(options=option(2, b"eth%d" % n)) for n in range(9))
    batches = reader.feed(section() + names + b"".join(packet(one, long) for one in FRAMES))
    kept = [text for batch in batches for text in batch.comments.values()]
    assert [len(text) for text in kept] == [limits.MAX_COMMENT] * 2
    assert len([line for batch in batches for line in batch.about]) == 4
    assert len(reader.notes) == 1


@pytest.mark.parametrize("cut", range(1, 30))
def test_damaged_options_do_no_harm(cut: int, tmp_path: Path) -> None:
    whole = packet(FRAMES[0], b"comment")
    damaged = bytearray(whole)
    damaged[-4 - cut] ^= 0xFF
    assert len(load(tmp_path, head() + bytes(damaged) + packet(FRAMES[1]))) == 2


def test_name_resolution_blocks_are_ignored(tmp_path: Path) -> None:
    names = block(4, struct.pack("<HH", 1, 9) + b"\x0a\0\0\1evil\0" + bytes(7))
    [conversation] = load(tmp_path, head() + names + packet(FRAMES[0]))
    assert conversation.first.source == "10.0.0.1.5060"
