"""Tab, `?`, suggestions and keys on a real terminal, as a newcomer finds the way with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import CAPTURES
from terminal import Terminal

TIMEOUT = str(CAPTURES / "timeout.pcap")
_MOUSE = re.compile(rb"\x1b\[\?(?:9|100[0-6]|101[56])[hl]")
"""What switches reports of the mouse on or off."""

Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Terminal] = []

    def begin(**options: int) -> Terminal:
        opened.append(Terminal([TIMEOUT], cwd=tmp_path, **options))
        opened[-1].at_prompt()
        return opened[-1]

    yield begin
    for one in opened:
        # None of them let the terminal report what the mouse does: it selects text as ever.
        assert not _MOUSE.search(one.raw)
        one.close()


def test_tab_leads_from_a_command_to_a_number(start: Start) -> None:
    terminal = start()
    terminal.type("fol\t")
    terminal.until("^sipstream: follow$")
    # Tab ended the word with a blank.
    terminal.type("dst\t")
    terminal.until(r"^ +dstip +<ip> is the destination address")
    terminal.until(r"^ +dstnum +<telnum> is the destination number")
    terminal.editing("sipstream: follow dst")
    terminal.type("n\t")
    terminal.editing("sipstream: follow dstnum")
    terminal.type("\t")
    # The most frequent number comes first; it is the first that Tab goes to.
    terminal.until(r"^ +5523815 +6 conversations")
    terminal.type("\t")
    terminal.editing("sipstream: follow dstnum 5523815")
    terminal.type("\x17566\t")
    terminal.until(r"^ +5660066 +1 conversation$")
    terminal.editing("sipstream: follow dstnum 566")
    terminal.type("00\t")
    terminal.editing("sipstream: follow dstnum 5660066")
    terminal.type("\r")
    terminal.until("^Follow 1: dstnum 5660066$")


def test_a_slip_is_offered_and_a_blank_behind_a_whole_word_is_no_second_one(start: Start) -> None:
    terminal = start()
    terminal.type("flw\t")
    terminal.until("^ +follow +Prints each message")
    terminal.editing("sipstream: flw")
    terminal.type("\t")
    terminal.editing("sipstream: follow")
    terminal.type("\x15")
    terminal.type("fol\t")
    terminal.until("^sipstream: follow$")
    terminal.type(" dstn\t")
    terminal.until("^sipstream: follow dstnum$")
    terminal.type(" 5660066\r")
    terminal.until("^Follow 1: dstnum 5660066$")


def test_a_question_mark_after_each_word_lists_what_may_follow(start: Start) -> None:
    terminal = start(rows=60)
    listed = {
        "": ("show", "Show information about configuration and data"),
        "follow ": ("dstnum", "<telnum> is the destination number"),
        "(": ("not", "the opposite of what follows"),
        "dst": ("dstip", "<ip> is the destination address"),
        "num ": ("5523815", "6 conversations"),
        "5660066 ": (r"\)", "end of the terms that belong together"),
        ") ": ("and", "both must match"),
        "and duration ": (">=", "is at least"),
        "> ": ("30s", "seconds"),
    }
    line = ""
    for more, (word, about) in listed.items():
        line += more
        before = len(terminal.raw)
        terminal.type(f"{more}?")
        terminal.until(rf"^  {word} +{re.escape(about)}")
        terminal.editing(f"sipstream: {line}".rstrip())
        assert f"{line}?".encode() in terminal.raw[before:]
        # A clean screen, so that the next list isn't taken for this one.
        terminal.type("\x0c")
        terminal.pump(0.1)


def test_abbreviated_words_are_asked_about_and_a_number_takes_a_wildcard(start: Start) -> None:
    terminal = start()
    terminal.type("sh conv 0 ?")
    terminal.until("^  messages +all messages whole")
    terminal.until("^  <Enter>$")
    terminal.editing("sipstream: sh conv 0")
    terminal.type("\x15")
    terminal.command("show conversations dstnum 566006? | count")
    terminal.until("^1$")


def test_earlier_lines_are_suggested_and_taken_with_the_right_arrow(start: Start) -> None:
    terminal = start()
    terminal.command("show conversations dstnum 5660066 | count")
    terminal.type("show c")
    terminal.editing("sipstream: show conversations dstnum 5660066 | count")
    # It is dim, and not part of the line until it is taken.
    assert b"\x1b[0;2monversations" in terminal.raw
    terminal.type("\x1b[C\r")
    terminal.at_prompt()
    assert terminal.lines().count("1") == 2
    terminal.type("show conversations d\r")
    terminal.until(r"\*\*\* Error! ")
    assert terminal.lines().count("1") == 2


def test_suggestions_can_be_off_and_keys_are_those_of_emacs(start: Start) -> None:
    terminal = start()
    terminal.command("set suggestions off")
    terminal.command("show filter")
    terminal.type("show f")
    terminal.pump(0.5)
    terminal.editing("sipstream: show f")
    terminal.type("\x01\x1bdnosuch\r")
    terminal.until("unknown command nosuch")
    assert not any(line.startswith("insert |") for line in terminal.lines())


def test_lines_are_edited_with_the_keys_of_vi(start: Start) -> None:
    terminal = start()
    terminal.command("set keys vi")
    terminal.until(r"^insert \| no source")
    terminal.type("nosuch filter\x1b")
    terminal.until(r"^normal \| no source")
    # Back to the beginning, another word there, Enter.
    terminal.type("0cwshow \r")
    terminal.until("^condition or")
    terminal.at_prompt()
    terminal.type("show ?")
    terminal.until("^  conversations +Shows list of conversations")
