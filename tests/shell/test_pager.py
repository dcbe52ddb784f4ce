"""Paging on a real terminal: a screenful, a line, the end, other sizes, what comes meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import CAPTURES
from terminal import Terminal

TIMEOUT = str(CAPTURES / "timeout.pcap")
MORE = r"^-- more -- {} lines shown: space, Enter, q$"
ROWS = 12

Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Terminal] = []

    def begin(*arguments: str, **options: object) -> Terminal:
        options = {"rows": ROWS, "columns": 100, **options}
        opened.append(Terminal(list(arguments), cwd=tmp_path, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def more(terminal: Terminal, lines: int) -> None:
    terminal.until(MORE.format(lines))


def places(terminal: Terminal) -> list[int]:
    """Return the indexes of the conversations shown, in order."""
    found = (re.match(r"\[(\d+)\] ", line) for line in terminal.lines())
    return [int(hit[1]) for hit in found if hit]


def show(terminal: Terminal, command: str = "show conversations sorted") -> None:
    terminal.at_prompt()
    terminal.type(f"{command}\r")


def test_a_screenful_a_line_and_all_the_rest(start: Start) -> None:
    terminal = start(TIMEOUT)
    show(terminal)
    more(terminal, ROWS - 1)
    assert terminal.screen.display[0].startswith("[0] ")
    assert terminal.screen.display[ROWS - 2].startswith("[10] ")
    assert terminal.screen.cursor.y == ROWS - 1
    terminal.type(" ")
    more(terminal, 2 * (ROWS - 1))
    assert terminal.screen.display[0].startswith("[11] ")
    terminal.type("\r")
    more(terminal, 2 * (ROWS - 1) + 1)
    terminal.type("x\r")
    more(terminal, 2 * (ROWS - 1) + 2)
    terminal.type("G")
    terminal.at_prompt()
    assert places(terminal) == list(range(45)), "each once, in order"
    assert not [line for line in terminal.lines() if "more" in line], "its line was taken away"


def test_the_end_comes_with_q_and_with_ctrl_c(start: Start) -> None:
    terminal = start(TIMEOUT)
    show(terminal)
    more(terminal, ROWS - 1)
    terminal.type("q")
    terminal.at_prompt()
    assert places(terminal) == list(range(ROWS - 1))
    assert not [line for line in terminal.lines() if "more" in line or "interrupted" in line]
    show(terminal, "show conversations sorted | match .")
    more(terminal, ROWS - 1)
    terminal.type(" \x03")
    terminal.until("^interrupted$")
    terminal.at_prompt()
    assert not [line for line in terminal.lines() if "more" in line]
    terminal.command("show states | count")
    terminal.until("^6$")


def test_what_is_pasted_behind_q_is_not_run(start: Start) -> None:
    terminal = start(TIMEOUT)
    show(terminal)
    more(terminal, ROWS - 1)
    terminal.type("qshow filter\r")
    terminal.editing("sipstream: show filter")
    terminal.type("\r")
    terminal.until("^condition or")


def test_what_was_typed_before_is_there_at_the_prompt(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.at_prompt()
    # Pasted: the second line is typed before the first one's answer stops.
    terminal.type("show conversations sorted\rshow q filter")
    more(terminal, ROWS - 1)
    terminal.type("q")
    terminal.editing("sipstream: show q filter")


def test_a_short_answer_does_not_stop(start: Start) -> None:
    terminal = start(TIMEOUT)
    for pipe in (f"last {ROWS - 1}", "count", "no-more"):
        terminal.command(f"show conversations sorted | {pipe}")
    assert places(terminal) == [*range(45 - ROWS + 1, 45), *range(45)]


def test_help_and_objects_are_paged_too(start: Start) -> None:
    terminal = start(TIMEOUT)
    show(terminal, "help add")
    terminal.until("^-- more --")
    terminal.type("q")
    show(terminal, "show conversations | display csv")
    terminal.until("^-- more --")
    terminal.type("q")
    terminal.at_prompt()


def test_wrapped_lines_and_other_sizes(start: Start) -> None:
    terminal = start(TIMEOUT, columns=60)
    show(terminal, "show conversations")
    # Most lines take two rows of sixty cells.
    terminal.until("^-- more -- [5-9] lines shown")
    shown = "".join(terminal.screen.display[:2])
    assert "0_1359521984@178.19.48.70: " in shown, "the first line is still to be seen"
    terminal.type("q")
    show(terminal, "show conversations sorted | except OPTIONS")
    more(terminal, ROWS - 1)
    terminal.screen.resize(lines=14, columns=30)
    terminal.child.setwinsize(14, 30)
    terminal.until("^-- more -- 11 lines shown: s…$")
    terminal.screen.resize(lines=14, columns=90)
    terminal.child.setwinsize(14, 90)
    more(terminal, ROWS - 1)
    terminal.type(" ")
    more(terminal, ROWS - 1 + 13)
    terminal.type(" ")
    terminal.at_prompt()


def test_lines_of_a_follow_are_held_while_it_waits(start: Start, tmp_path: Path) -> None:
    grows = tmp_path / "grows.txt"
    grows.write_text("")
    terminal = start("--tail", str(grows), TIMEOUT)
    terminal.command("follow method INVITE messages")
    show(terminal)
    more(terminal, ROWS - 1)
    before = terminal.lines()
    text = (CAPTURES / "testdata-pt.txt").read_bytes()
    grows.write_bytes(text[:20_000])
    terminal.pump(1)
    assert [line for line in terminal.lines() if line] == [line for line in before if line]
    terminal.type("q")
    terminal.until("^INVITE sip:")
    terminal.at_prompt()
    assert "interrupted" not in "\n".join(terminal.lines())
