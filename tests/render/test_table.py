"""The table of `list`: golden ones at several widths, and no line wider than it may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import at
from support import Chain, batch, ethernet, ipv4, ipv6, sip, udp

from sipstream.escape import cells
from sipstream.render.colours import SGR, Paint
from sipstream.render.table import COLUMNS, Layout, Row, span
from sipstream.views import Conversation

ANSWERED, REFUSED = "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here"
HOSTILE = "\x1b[2J\u202e\x9b" + "電話" * 90 + "e\u0301" * 9


def made() -> list[Conversation]:
    """An answered call, a refused one over IPv6, a request without end, one full of oddities."""
    chain = Chain()
    packets = [
        ("15:49:30.333525", ipv4(udp(sip(call_id="a")))),
        ("15:51:35.4", ipv4(udp(sip(ANSWERED, "a")))),
        ("15:49:31", ipv6(udp(sip(call_id="b", source="<sip:+3544151500@a>")))),
        ("15:49:31.25", ipv6(udp(sip(REFUSED, "b", source="<sip:+3544151500@a>")))),
        ("15:49:31.3", ipv6(udp(sip("ACK sip:2@b SIP/2.0", "b")))),
        ("15:50:00", ipv4(udp(sip("SUBSCRIBE sip:2@b SIP/2.0", "c", cseq="1 SUBSCRIBE")))),
        (
            "15:50:01",
            ipv4(
                udp(
                    sip(
                        "SIP/2.0 403 漢字漢字漢字漢字",
                        HOSTILE,
                        source=f'"{HOSTILE}"',
                        destination="<sip:電話@b>",
                    )
                )
            ),
        ),
    ]
    times = [at(clock) for clock, _ in packets]
    for time, (_, packet) in zip(times, packets, strict=True):
        ethertype = 0x86DD if packet[0] >> 4 == 6 else 0x0800
        chain.feed(batch([ethernet(packet, ethertype)], times=[time]))
    return list(chain.conversations)


ALL = made()


def lines(width: int | None, *names: str, paint: Paint | None = None, **values: int) -> list[str]:
    layout = Layout(
        [COLUMNS[name] for name in names] or COLUMNS.values(),
        width,
        highest=values.get("highest", 12),
        dated=bool(values.get("dated")),
    )
    given = () if paint is None else (paint,)
    return [
        layout.heading(*given),
        *(layout.line(Row(9 + place, one), *given) for place, one in enumerate(ALL)),
    ]


TABLES = Path(__file__).parent / "tables"
"""What is shown of them, a file for each width."""


@pytest.mark.parametrize("width", [40, 80, 132, 200])
def test_golden_tables(width: int) -> None:
    assert lines(width) == (TABLES / f"{width}.txt").read_text(encoding="utf-8").splitlines()


def test_no_line_is_wider_than_the_terminal() -> None:
    """At any width, whatever the values and however large the indexes."""
    for width in range(20, 240):
        for highest in (9, 123_456_789):
            for line in lines(width, highest=highest):
                assert cells(line) <= width
                assert line.isprintable()


def test_wide_characters_keep_the_columns_straight() -> None:
    heading, *rows = lines(132)
    place = heading.index("state")
    for row in rows:
        # What stands before the state takes as many cells as the heading does there.
        state = next(word for word in ("answered", "failed", "open", "calling") if word in row)
        assert cells(row[: row.rindex(state)]) == place


def test_columns_come_in_the_order_asked_for_and_the_least_important_go() -> None:
    layout = Layout([COLUMNS["state"], COLUMNS["endpoints"], COLUMNS["index"]], 40, highest=5)
    assert layout.heading() == "state        #"
    assert layout.left_out == ["endpoints"]
    assert Layout([COLUMNS["endpoints"]], 20, highest=5).left_out == []
    assert lines(20, "endpoints")[1] == "10.0.0.… -> 10.0.0.…"


def test_nothing_is_cut_where_there_is_no_terminal() -> None:
    heading, *rows = lines(None)
    assert [name for name in COLUMNS if COLUMNS[name].heading not in heading] == []
    assert not any("…" in row for row in rows[:3])
    assert "[2001:db8::1]:5060 -> [2001:db8::2]:5060" in rows[1]


def test_times_have_dates_where_they_are_of_several_days() -> None:
    assert lines(None, "time", dated=1)[1] == "04-16 15:49:30.333525"
    assert lines(20, "time", dated=1)[:2] == ["time", "04-16 15:49:30.333"]
    assert lines(20, "index", "time", dated=1)[1] == " 9  04-16 15:49:30"


def test_a_time_that_can_not_be_right_says_so() -> None:
    chain = Chain()
    chain.feed(batch([ethernet(ipv4(udp(sip())))]))
    [one] = chain.conversations
    for width, text in ((None, "00:00:01.000000?"), (20, "00:00:01.000?"), (8, "00:00:0…")):
        assert Layout([COLUMNS["time"]], width, highest=0).line(Row(0, one)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.000s"),
        (31.801, "31.801s"),
        (59.9999, "59.999s"),
        (60, "1m00s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (86_399, "23h59m"),
        (86_400 * 3 + 3600 * 4, "3d04h"),
        (86_400 * 999, "999d00h"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(int(seconds * 10**9)) == text


def test_colours_change_no_character() -> None:
    for width in (20, 80, 132, None):
        plain, painted = lines(width), lines(width, paint=Paint(True))
        assert [SGR.sub("", line) for line in painted] == plain
        assert all(one != other for one, other in zip(plain, painted, strict=True))


def test_the_colours_are_those_of_other_lists() -> None:
    paint = Paint(True)
    row = lines(132, paint=paint)[2]
    assert paint.call_id("10", "b") in row
    assert paint.status("486", 486) in row
    assert paint.status("INVITE", "INVITE") in row


def test_what_is_left_out_is_the_least_important() -> None:
    order = sorted(COLUMNS, key=lambda name: COLUMNS[name].rank)
    left_out: list[int] = []
    for width in range(20, 200):
        gone = Layout(COLUMNS.values(), width, highest=12).left_out
        assert sorted(gone, key=order.index) == order[len(order) - len(gone) :]
        left_out.append(len(gone))
    assert left_out == sorted(left_out, reverse=True)
    assert (left_out[0], left_out[-1]) == (8, 0)
