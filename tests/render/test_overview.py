"""A conversation's messages in one line each, as the thesis printed them."""

from __future__ import annotations

import re

import pytest
from fakes import conversation, message, printed, words

from sipstream.render import overview
from sipstream.render.colours import SGR, Paint
from sipstream.views import Conversation

LINE = re.compile(r"\[\d+\] (\S+)\s+(\S.*\S)\s+\((\d+)->(\d+)\)")


def of_figure(figure: str) -> tuple[Conversation, list[str]]:
    """The conversation that a figure shows, and the figure's lines."""
    lines = printed(figure)
    call_id = "256c2b012c04d48e5bbbad970bca3268@10.20.0.22:5060"
    if lines[0].startswith("==="):
        call_id = lines[0].split()[3]
    messages = []
    for line in lines:
        match = LINE.fullmatch(line)
        if match:
            clock, kind, source, destination = match.groups()
            messages.append(message(kind, clock, src_num=source, dst_num=destination))
    return conversation(call_id, *messages), lines


@pytest.mark.parametrize("figure", ["fig13", "fig18", "fig22"])
def test_figures_by_index(figure: str) -> None:
    one, lines = of_figure(figure)
    shown = [overview.heading(one.call_id), *overview.lines(one)]
    assert list(map(words, shown)) == list(map(words, lines))


def test_fig26_by_call_id() -> None:
    one, lines = of_figure("fig26")
    assert list(map(words, overview.lines(one))) == list(map(words, lines))


def test_columns_stand_below_each_other() -> None:
    one = conversation("x", *(message("INVITE" if n % 2 else "180 Ringing") for n in range(12)))
    assert {line.index("(4151509") for line in overview.lines(one)} == {35}
    assert len(set(map(len, overview.lines(one)))) == 1


def test_columns_stand_below_each_other_on_a_terminal_too() -> None:
    one = conversation("x", message("180 電話"), message("180 Ringing"))
    first, second = overview.lines(one)
    assert second.index("(") - first.index("(") == 2


def test_a_message_that_the_capture_lacks_a_part_of() -> None:
    one = conversation("x", message("INVITE", cut=True), message("100 Trying"))
    first, second = overview.lines(one)
    assert first.endswith("(4151509->8969669)  (cut short)")
    assert second.endswith("(4151509->8969669)")


def test_colours_change_no_character() -> None:
    one = conversation("x\x1b", message("INVITE"), message("INVITE", copy_of=0), message("403 No"))
    painted = list(overview.lines(one, Paint(True)))
    assert [SGR.sub("", line) for line in painted] == list(overview.lines(one))
    assert painted[1].startswith("\x1b[2m[1]")
    heading = overview.heading(one.call_id, Paint(True))
    assert (
        SGR.sub("", heading)
        == overview.heading(one.call_id)
        == r"=== Conversation Call-ID: x\x1b ==="
    )


def test_the_widest_kind_of_a_long_conversation_is_not_cut() -> None:
    one = conversation(
        "x", *[message("ACK")] * 300, message("100 Trying -- your call is important to us")
    )
    *_, last = overview.lines(one)
    assert last.endswith("100 Trying -- your call is important to us  (4151509->8969669)")


def test_a_conversation_without_messages() -> None:
    assert list(overview.lines(conversation("x"))) == []
