"""Whole screens at two sizes: lists, a follow, help and a page, no line of them wrapped or torn."""

from __future__ import annotations

import os
from pathlib import Path

import pyte
import pytest
from support import CAPTURES, ROOT
from terminal import Terminal

README = (ROOT / "README.md").read_text(encoding="utf-8")
SIZES = [(80, 24), (200, 50)]
_WIDER = 1000
"""Columns of a terminal on which nothing wraps, whatever is printed."""


class Session:
    """A terminal that watches a growing file, with a follow; `screen` is what it shows in the end."""

    def __init__(self, columns: int, rows: int, folder: Path) -> None:
        self.growing = folder / "growing.txt"
        self.growing.write_text("")
        self.columns = columns
        self.rows = rows
        self.terminal = Terminal(
            [str(CAPTURES / "testdata-pt.txt"), "--tail", str(self.growing)],
            cwd=folder,
            columns=columns,
            rows=rows,
        )
        self.terminal.at_prompt()

    def check(self) -> None:
        """What is shown is what was printed, line by line, and none is wider than the terminal.

        Then it is wiped away.
        """
        lines = [line for line in self.unwrapped() if line]
        assert len(lines) > 3
        assert max(map(len, lines)) <= self.columns
        assert lines == [line for line in self.terminal.lines() if line]
        self.terminal.type("\x0c")
        self.terminal.at_prompt()

    def unwrapped(self) -> list[str]:
        """Return all that was shown, on a terminal so wide that no line wraps."""
        screen = pyte.HistoryScreen(_WIDER, self.rows, history=20_000)
        pyte.ByteStream(screen).feed(self.terminal.raw)
        gone = ["".join(line[x].data for x in range(_WIDER)) for line in screen.history.top]
        return [line.rstrip() for line in [*gone, *screen.display]]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_no_line_is_wrapped_or_torn(columns: int, rows: int, tmp_path: Path) -> None:
    session = Session(columns, rows, tmp_path)
    terminal = session.terminal
    terminal.command("list dstnum 8969669 or final 5xx last 8")
    terminal.command("list method INVITE last 8")
    session.check()
    terminal.command("follow dstnum 5660066 or status 403")
    session.growing.write_bytes((CAPTURES / "callerid-problem.txt").read_bytes())
    terminal.until(r"^15:54:44.900831 10.20.0.22:5060 -> 10.11.12.13:5060 ACK 1502->5660066")
    terminal.at_prompt()
    session.check()
    terminal.command("unfollow")
    terminal.command("help filters")
    session.check()
    terminal.type("list\r")
    terminal.until("-- more --")
    terminal.type(" ")
    terminal.pump(0.3)
    terminal.type("q")
    terminal.at_prompt()
    session.check()


def test_who_comes_for_the_first_time_is_told_three_commands(tmp_path: Path) -> None:
    mine = {"SIPSTREAM_USER": "root"} if os.geteuid() == 0 else {}
    first = Terminal([], cwd=tmp_path, columns=80, rows=24, environment=mine)
    first.at_prompt()
    shown = "\n".join(first.lines())
    assert max(map(len, first.lines())) < 80
    assert all(word in shown for word in ("'load FILE'", "'follow dstnum 5660066'", "'help'"))
    assert shown.count("'") == 6
    first.command("show follows")
    first.type("exit\r")
    assert first.end() == 0
    second = Terminal([], cwd=tmp_path, columns=80, rows=24, environment=mine)
    second.at_prompt()
    assert "'help'" not in "\n".join(second.lines())
    second.close()


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_the_screens_in_readme_are_real(columns: int, rows: int, tmp_path: Path) -> None:
    (tmp_path / "captures").symlink_to(CAPTURES)
    growing = tmp_path / "growing.txt"
    growing.write_text("")
    arguments = ["captures/testdata-pt.txt", "--tail", "growing.txt"]
    terminal = Terminal(arguments, cwd=tmp_path, columns=columns, rows=rows)
    terminal.at_prompt()
    terminal.type("\x0c")
    terminal.at_prompt()
    terminal.command("list final 5xx or dstnum 8969669 sorted by duration desc")
    for line in ("filter", "add dstnum 5660066 or retransmissions > 3", "exit"):
        terminal.command(line)
    terminal.command("follow number 5660066")
    growing.write_bytes((CAPTURES / "callerid-problem.txt").read_bytes())
    terminal.until("ACK 1502->5660066")
    terminal.at_prompt()
    terminal.command("show states | match failed")
    shown = [line.rstrip() for line in terminal.screen.display]
    terminal.close()
    assert_in_readme(shown)


def test_the_page_in_readme_is_real(tmp_path: Path) -> None:
    (tmp_path / "captures").symlink_to(CAPTURES)
    terminal = Terminal(["captures/testdata-pt.txt"], cwd=tmp_path, columns=80, rows=24)
    terminal.at_prompt()
    terminal.type("list final 486\r")
    terminal.until("-- more --")
    assert_in_readme([line.rstrip() for line in terminal.screen.display])
    terminal.close()


def assert_in_readme(shown: list[str]) -> None:
    """README has a block that is what a screen shows from its top on."""
    begin = README.index(shown[1])
    block = README[README.rindex("```", 0, begin) : README.index("```", begin)].splitlines()[1:]
    # The bottom line tells a rate as well, which is never the same.
    block = [line for line in block if not line.startswith("growing.txt")]
    assert len(block) > 3
    assert block == shown[: len(block)]
