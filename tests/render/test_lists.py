"""Lines of lists and follows, as the thesis printed them."""

from __future__ import annotations

import fakes
from fakes import conversation, message, printed

from sipstream.escape import cells
from sipstream.render import lists
from sipstream.render.colours import SGR, Paint

FIRST = conversation("4a40a41a3636462357f6f6f25b700844@10.20.0.22:5060", message("INVITE"))
SECOND = conversation("91c06e8e-c572-1235-c0ba-00215e2c8c90", message("INVITE", "15:49:30.377296"))


def test_fig11_in_order_of_arrival() -> None:
    assert [lists.by_time(n, one) for n, one in enumerate([FIRST, SECOND])] == printed("fig11")


def test_fig12_by_call_id() -> None:
    assert [lists.by_call_id(one) for one in (FIRST, SECOND)] == printed("fig12")


def test_fig17_and_fig21() -> None:
    one = conversation(
        "x", message("INVITE", "16:41:37.979995", src_num="4151502", dst_num="5660066")
    )
    assert lists.by_time(0, one) == printed("fig17")[-1]
    two = conversation("x", message("INVITE", "15:54:44.871687", src_num="1502", dst_num="5660066"))
    assert lists.by_time(0, two) == printed("fig21")[0]


def test_a_response_came_first() -> None:
    one = conversation("x", message("403 Forbidden"))
    assert lists.by_time(7, one) == "[7] 15:49:30.333525: 403 Forbidden 4151509->8969669"
    assert lists.summary(one) == "15:49:30.333525: 403 Forbidden 4151509->8969669"
    assert (
        lists.summary(conversation("x", message("200"))) == "15:49:30.333525: 200 4151509->8969669"
    )


def test_whole_values_where_there_is_no_number() -> None:
    one = conversation("x", message("OPTIONS", src_num='"A" <sip:a@b>', dst_num=""))
    assert lists.by_time(0, one) == '[0] 15:49:30.333525: OPTIONS "A" <sip:a@b>->?'


def test_a_method_beyond_the_table_is_read_from_the_message() -> None:
    one = message("OTHER", raw=b"STRANGE sip:x SIP/2.0\r\n\r\n")
    assert lists.shown_kind(one) == "STRANGE"
    assert lists.shown_kind(message("OTHER", raw=b"OTHER sip:x SIP/2.0\r\n\r\n")) == "OTHER"


def test_endless_values_are_cut_and_hostile_ones_spelt() -> None:
    one = conversation(
        "call\x1b[2J",
        message(f"200 {'x' * 5000}", src_num="\x9b2J" + "\u0301" * 500, dst_num="電" * 5000),
    )
    line = lists.by_call_id(one)
    assert line.startswith(r"call\x1b[2J: 15:49:30.333525: 200 xxx")
    assert line.isprintable()
    assert cells(line) < 400
    assert line.count("…") == 3


def test_a_line_of_a_follow() -> None:
    one = message("183 Session Progress", source_address="2001:db8::1")
    line = "15:49:30.333525 [2001:db8::1]:5060 -> 10.11.12.13:5060 183 Session Progress"
    assert lists.followed(one, "c@x") == f"{line} 4151509->8969669 c@x"
    assert lists.followed(one, "c@x", number=2) == f"#2 {line} 4151509->8969669 c@x"
    copy = message("INVITE", copy_of=0)
    for width in (40, 80, 90, 110):
        shown = lists.followed(one, "call-id@example.com", width=width)
        assert len(shown) == min(width, len(line) + 37)
    assert lists.followed(one, "call-id@example.com", width=len(line) + 28).endswith(" call-id@e…")
    assert lists.followed(copy, "c\r").endswith(r"INVITE 4151509->8969669 c\x0d (copy)")


def test_colours_change_no_character() -> None:
    paint = Paint(True)
    for plain, painted in [
        (lists.by_time(0, FIRST), lists.by_time(0, FIRST, paint)),
        (lists.by_call_id(SECOND), lists.by_call_id(SECOND, paint)),
        (
            lists.followed(fakes.message("BYE", copy_of=1), "x"),
            lists.followed(fakes.message("BYE", copy_of=1), "x", paint=paint),
        ),
    ]:
        assert painted != plain
        assert SGR.sub("", painted) == plain
