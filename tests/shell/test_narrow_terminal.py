"""What is said on a narrow terminal: lines end between words, not where the terminal breaks them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import CAPTURES
from terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal([str(CAPTURES / "timeout.pcap")], cwd=tmp_path, columns=50, rows=60)
    yield made
    made.close()


def shown(terminal: Terminal, command: str) -> list[str]:
    """Return the lines between a command and the next prompt."""
    terminal.command(command)
    lines = [line for line in terminal.lines() if line]
    begin = max(place for place, line in enumerate(lines) if line.endswith(f": {command}"))
    end = next(n for n in range(begin + 1, len(lines)) if lines[n].startswith("sipstream:"))
    return lines[begin + 1 : end]


def test_words_are_whole(terminal: Terminal) -> None:
    assert shown(terminal, "list state foo") == [
        "*** Error! 'foo' is no state: calling, ringing,",
        "    answered, ended, cancelled, failed,",
        "    registering, registered, open, done,",
        "    unanswered",
        "  state foo",
        "        ^",
    ]
    lines = shown(terminal, "show settings")
    begin = lines.index("country_code    none   default  Country code that")
    assert lines[begin + 1].startswith(" " * 32 + "numbers have")
    # A pipe has whole lines to look at, wherever the terminal ends.
    found = shown(terminal, "show settings | match try.*lack")
    assert found[0].startswith("country_code    none   default  Country")


def test_what_an_export_has_to_say_is_in_whole_words(terminal: Terminal) -> None:
    assert shown(terminal, "export pcap x.pcap rtp dstnum 5660066") == [
        "0 packets are media: none is in the captures",
        "    (--live keeps media with --rtp only)",
        "14 packets written to x.pcap: 1 conversations (14",
        "    SIP messages), nothing masked",
    ]


def test_columns_without_room_stand_in_one_line(terminal: Terminal) -> None:
    lines = shown(terminal, "list columns en,nu last 1")
    assert lines[-1] == "no room for endpoints"
    lines = shown(terminal, "list columns i,ti,en,nu,du,state last 1")
    assert lines[-1] == "no room for endpoints, duration"


def test_what_is_watched_is_as_wide_as_it_is_drawn(terminal: Terminal) -> None:
    terminal.command("watch list last 2 every 1s")
    terminal.until("^every 1 s: list last 2")
    assert not any("…" in line for line in terminal.screen.display if "method" in line)
    assert any(line.rstrip().endswith("finding") for line in terminal.screen.display)
