"""Letters that are wider, narrower or higher than they seem: columns stay columns."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from fakes import conversation, message
from hostile_inputs import pcap
from support import ethernet, ipv4, sip, udp
from wcwidth import wcwidth

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.escape import MARKS, cells
from sipstream.render import lists, overview, status
from sipstream.render.lists import KIND_CELLS, PARTY_CELLS
from sipstream.session import Session
from sipstream.shell.completion import listing

LETTERS = {
    "marks": "e" + "\u0301" * 500,
    "marks of a wide one": "電" + "\u0316" * 500,
    "marks alone": "\u0301" * 500,
    "enclosing": "a" + "\u20dd\u0489" * 250,
    "wide": "電話" * 250,
    "full width": "ＡＢ" * 250,
    "emoji": "\U0001f469\u200d\U0001f4bb" * 100,
    "ambiguous": "¡°±¶¿×÷αЯ①■…" * 40,
    "blank letters": "\u3164\u115f\u2800\u034f" * 100,
    "joining": "\u1100" + "\u1161\u11a8" * 200,
    "right to left": "שלום مرحبا " * 50,
    "controls": "\x1b[31m\x07" * 100,
    "short": "é",
}
every_kind = pytest.mark.parametrize("letters", LETTERS.values(), ids=LETTERS)


def assert_no_pile(line: str) -> None:
    """No letter carries more marks than any script writes, and nothing is blank but a blank."""
    marks = 0
    for char in line:
        marks = marks + 1 if wcwidth(char) == 0 else 0
        assert marks <= MARKS
        assert char not in "\u3164\u115f\u2800\u034f"
        assert wcwidth(char) >= 0


@every_kind
def test_an_overview_keeps_its_columns(letters: str) -> None:
    """Row T3: method, reason, numbers: each in its column, cut with a sign, the next one below."""
    call = conversation(
        "x",
        message("INVITE", src_num=letters, dst_num=letters),
        message(f"480 {letters}", src_num="1", dst_num="2"),
        message(letters.replace(" ", ""), src_num="1", dst_num=letters),
    )
    lines = list(overview.lines(call))
    places = set()
    for line in lines:
        assert_no_pile(line)
        kind, _, rest = line.removeprefix("[").partition("  (")
        assert cells(kind) <= len("0] 00:00:00.000000  ") + KIND_CELLS
        source, _, destination = rest.removesuffix(")").partition("->")
        assert cells(source) <= PARTY_CELLS
        assert cells(destination) <= PARTY_CELLS
        places.add(sum(map(wcwidth, line[: line.index("  (")])))
    assert len(places) == 1
    if len(letters) > 100:
        assert sum("…" in line for line in lines) == 3


@every_kind
def test_the_bottom_line_fits(letters: str, width: int = 60) -> None:
    """Row T3: names of sources in the bottom line."""

    class Figures:
        sources = (letters, letters, letters)
        rate, messages, conversations, matching, drops, follows, given_up = 1.0, 2, 3, 4, 5, 6, 7

    for columns in (width, 30, 7, 1):
        line = status.line(Figures(), columns)
        assert cells(line) <= columns
        assert_no_pile(line)


def test_what_may_come_next_keeps_its_columns(tmp_path: Path) -> None:
    """Row T3: the list that ? shows; no line is wider than the terminal."""
    short = {name: letters[:8] for name, letters in LETTERS.items()}
    calls = [sip(call_id="HERE").replace(b"HERE", one.encode()) for one in short.values()]
    path = tmp_path / "wide.pcap"
    path.write_bytes(pcap([ethernet(ipv4(udp(one))) for one in calls]))

    async def listed() -> list[str]:
        async with Session() as session:
            await session.sources.load(path)
            return listing(session, "show conversation ", "general", 90)

    rows = [line for line in asyncio.run(listed()) if "] " in line and "[" in line]
    assert len(rows) == len(LETTERS)
    places = set()
    for line in rows:
        assert cells(line) <= 90
        assert_no_pile(line)
        found = re.search(r"  \[\d+\] \d\d:", line)
        assert found is not None, line
        if cells(line[: found.start()].rstrip()) <= 40:
            places.add(cells(line[: found.start() + 2]))
    assert places == {42}


def test_a_menu_of_such_letters_is_cut() -> None:
    """Row T3: the few words that Tab shows beside a Call-ID."""
    for letters in LETTERS.values():
        shown = lists.summary(conversation("x", message("INVITE", src_num=letters)))
        assert cells(shown) <= 20 + KIND_CELLS + 2 * PARTY_CELLS
        assert_no_pile(shown)
