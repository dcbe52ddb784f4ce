"""What tcpdump prints of a capture holds the same messages as the capture: every form, every time.

The reference is sipstream's own reading of the capture, which other tests compare with tshark's.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import sipstream
from support import CAPTURES, SHARED, needs

pytestmark = needs("tcpdump", shared=True)

FILES = sorted((SHARED / "captures-real").glob("*.pcap*")) + [CAPTURES / "timeout.pcap"]
FORMS = ("-v", "-vv", "-A", "-X", "-XX", "-x", "-v -A", "-e -v", "-v -X")
STAMPS = ("", "-t", "-tt", "-ttt", "-tttt", "-ttttt")
DAY = 86_400 * 10**9


class Seen(NamedTuple):
    """What must come out alike of a message."""

    call_id: str
    kind: int | str
    source: str
    destination: str
    src_num: str
    dst_num: str
    transport: str


@pytest.fixture(autouse=True, params=["UTC"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both tcpdump's local time and ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def messages(path: Path) -> list[tuple[int, Seen]]:
    """Times and contents of a capture's messages, by conversation."""
    return [
        (
            one.time // 1000 * 1000,
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


def carried(form: str, seen: Seen) -> bool:
    """Tell whether a form prints a message at all: the rules of tcpdump, not of ours.

    A hex dump holds all. -A prints SCTP chunks and WebSocket frames with their headers as text among
    dots. -v reads SIP only in UDP of the port 5060 or 5061.
    """
    if "x" in form.lower():
        return True
    if "A" in form:
        return seen.transport in ("UDP", "TCP")
    ports = {end.rpartition(".")[2] for end in (seen.source, seen.destination)}
    return seen.transport == "UDP" and bool(ports & {"5060", "5061"})


def printed(path: Path, form: str, stamp: str, out: Path) -> Path:
    """The text of a capture, changed last when its last packet came."""
    command = ["tcpdump", "-n", *form.split(), *stamp.split(), "-r", str(path)]
    with out.open("wb") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, check=True)
    return out


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[-28:])
def test_text_equals_capture(path: Path, form: str, tmp_path: Path) -> None:
    reference = messages(path)
    expected = [seen for _, seen in reference if carried(form, seen)]
    for stamp in STAMPS:
        text = printed(path, form, stamp, tmp_path / "text")
        if not expected:
            continue
        got = messages(text)
        assert [s for _, s in got] == expected, stamp
