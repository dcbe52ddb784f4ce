"""What tcpdump prints of a capture holds the same messages as the capture: every form, every time.

The reference is sipstream's own reading of the capture, which other tests compare with tshark's.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support import CAPTURES, SHARED, needs

import sipstream

pytestmark = needs("tcpdump")

REAL = sorted((SHARED / "captures-real").glob("*.pcap*"))
NONE = pytest.param(None, id="real", marks=needs(shared=True))
FILES = [CAPTURES / "timeout.pcap", *(REAL or [NONE])]
FORMS = ("-v", "-vv", "-A", "-X", "-XX", "-x", "-v -A", "-e -v", "-v -X")
STAMPS = ("", "-t", "-tt", "-ttt", "-tttt", "-ttttt")


class Seen(NamedTuple):
    """What must come out alike of a message."""

    call_id: str
    kind: int | str
    source: str
    destination: str
    src_num: str
    dst_num: str
    transport: str


@pytest.fixture(autouse=True, params=["UTC0", "EST5EDT,M3.2.0,M11.1.0"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both tcpdump's local time and ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def messages(path: Path) -> list[tuple[int, bytes, Seen]]:
    """Times, bytes and contents of a capture's messages, by conversation."""
    return [
        (
            one.time // 1000 * 1000,
            one.raw,
            Seen(
                conversation.call_id,
                one.kind,
                one.source,
                one.destination,
                one.src_num,
                one.dst_num,
                one.transport,
            ),
        )
        for conversation in sipstream.load(path)
        for one in conversation.arrived()
    ]


def carried(form: str, raw: bytes, seen: Seen) -> bool:
    """Tell whether a form prints a message at all: the rules of tcpdump, not of ours.

    A hex dump holds all. -A prints SCTP chunks and WebSocket frames with their headers as text among
    dots. -v reads SIP only in UDP of the port 5060 or 5061, and stops at a line that isn't ASCII.
    """
    if "x" in form.lower():
        return True
    if "A" in form:
        return seen.transport in ("UDP", "TCP")
    ports = {end.rpartition(".")[2] for end in (seen.source, seen.destination)}
    if seen.transport != "UDP" or not ports & {"5060", "5061"}:
        return False
    shown = re.match(rb"[\t\r\n -~]*", raw)
    assert shown is not None
    return re.search(rb"\n(?:Call-ID|i)[ \t]*:[^\n]*\n", shown[0], re.IGNORECASE) is not None


def printed(path: Path, form: str, stamp: str, out: Path, changed: int) -> Path:
    """The text of a capture, changed last when its last message came (ns since the epoch)."""
    command = ["tcpdump", "-n", *form.split(), *stamp.split(), "-r", str(path)]
    with out.open("wb") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, check=True)
    os.utime(out, ns=(changed, changed))
    return out


def tells_times(times: list[int], stamp: str) -> bool:
    """Tell whether a -t form prints these times.

    Of a few packets nobody can tell -ttt from -ttttt. tcpdump prints no time behind 2038 (one capture
    has such, made up).
    """
    few = stamp in ("-ttt", "-ttttt") and len(times) < 8
    return stamp != "-t" and not few and max(times) < 2**31 * 10**9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[-28:])
def test_text_equals_capture(path: Path, form: str, tmp_path: Path) -> None:
    reference = messages(path)
    # Of WebSocket frames -A shows those that aren't masked, as text in a stream.
    in_frames = {seen.call_id for _, _, seen in reference if "A" in form and seen.transport == "WS"}
    expected = [
        (time, seen)
        for time, raw, seen in reference
        if carried(form, raw, seen) and seen.call_id not in in_frames
    ]
    if not expected:
        return
    times = [time for time, _ in expected]
    for stamp in STAMPS:
        text = printed(path, form, stamp, tmp_path / "text", max(times))
        got = [one for one in messages(text) if one[2].call_id not in in_frames]
        assert [seen for _, _, seen in got] == [seen for _, seen in expected], stamp
        if tells_times(times, stamp):
            since = times[0] if stamp in ("-ttt", "-ttttt") else 0
            first = got[0][0] if since else 0
            assert [time - first for time, _, _ in got] == [time - since for time in times], stamp
