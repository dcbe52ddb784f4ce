"""Whole messages, as the thesis printed them, from captures and from printed text."""

from __future__ import annotations

import pytest
from fakes import message, printed

from sipstream.render import message as rendered
from sipstream.render.colours import SGR, Paint
from sipstream.titles import title


def both_forms(lines: list[str], behind: str = "\n") -> list[bytes]:
    """A message as it went over the wire, and as it stands in printed text."""
    text = "\n".join(lines) + behind
    return [text.replace("\n", "\r\n").encode(), text.encode(), text.rstrip("\n").encode()]


def test_fig15_from_captures_and_from_text() -> None:
    headline, *text = printed("fig15")
    for raw in both_forms(text, "\n\n"):
        bye = message(
            "BYE",
            "15:50:03.479602",
            raw=raw,
            source_address="10.11.12.13",
            destination_address="10.20.0.22",
            headline=headline,
        )
        assert rendered.whole(bye).split("\n") == printed("fig15")


def test_fig14_all_messages() -> None:
    lines = printed("fig14")
    second = lines.index("===== Message #1 =====")
    headline, *text = lines[1 : second - 1]
    trying = lines[second + 1 :]
    for raw, answer in zip(both_forms(text), both_forms(trying[1:], "\n\n"), strict=True):
        messages = [
            message("INVITE", raw=raw, headline=headline),
            message("100 Trying", raw=answer, headline=trying[0], index=1),
        ]
        assert "\n".join(rendered.every(messages)).split("\n") == lines


def test_fig19_keeps_the_line_that_was_printed() -> None:
    headline, *text = printed("fig19")
    invite = message("INVITE", raw="\r\n".join(text).encode(), headline=headline + " \n")
    assert rendered.whole(invite).split("\n") == printed("fig19")


@pytest.mark.parametrize(
    ("transport", "address", "line"),
    [
        ("UDP", "10.20.0.22", "IP 10.20.0.22.5060 > 10.11.12.13.5060: SIP, length: 1041"),
        ("TCP", "10.20.0.22", "IP 10.20.0.22.5060 > 10.11.12.13.5060: SIP over TCP, length: 1041"),
        ("UDP", "2001:db8::1", "IP6 2001:db8::1.5060 > 10.11.12.13.5060: SIP, length: 1041"),
    ],
)
def test_the_line_above_is_made_where_none_was_printed(
    transport: str, address: str, line: str
) -> None:
    one = message("INVITE", raw=bytes(1041), transport=transport, source_address=address)
    assert rendered.headline(one) == f"15:49:30.333525 {line}"


def test_copies_and_cut_messages_say_so() -> None:
    raw = b"INVITE sip:x SIP/2.0\r\nTo: x"
    one = message("INVITE", raw=raw, index=1, copy_of=0, cut=True)
    lines = rendered.numbered(one).split("\n")
    assert lines[0] == "===== Message #1 (copy of #0, cut short) ====="
    assert lines[-2:] == ["To: x", rendered.CUT]
    one = message("INVITE", raw=raw, index=3, copy_of=1)
    assert rendered.numbered(one).startswith("===== Message #3 (copy of #1) =====\n")


def test_a_message_that_its_file_has_lost() -> None:
    lines = rendered.whole(message("INVITE", cut=True)).split("\n")
    assert lines == [
        "15:49:30.333525 IP 10.20.0.22.5060 > 10.11.12.13.5060: SIP, length: 0",
        rendered.LOST,
    ]


def test_hostile_text_is_spelt_line_by_line() -> None:
    raw = b"INVITE sip:\x1b[2J SIP/2.0\r\nTo: a\rb\tc\xff\r\nX: \xe2\x80\xae\r\n\r\n\x00\x01"
    one = message("INVITE", raw=raw, headline="15:00 \x1b]0;x\x07 IP")
    assert rendered.whole(one).split("\n") == [
        r"15:00 \x1b]0;x\x07 IP",
        r"INVITE sip:\x1b[2J SIP/2.0",
        r"To: a\x0db\x09c\xff",
        r"X: \u{202e}",
        "",
        r"\x00\x01",
    ]


def test_colours_change_no_character() -> None:
    one = message(
        "404 Not Found", raw=b"SIP/2.0 404 Not Found\r\nTo: x\r\n\r\n", copy_of=0, cut=True
    )
    painted = rendered.numbered(one, Paint(True))
    assert painted != rendered.numbered(one)
    assert SGR.sub("", painted) == rendered.numbered(one)


def test_titles() -> None:
    assert title(message("INVITE")) == "INVITE"
    assert title(message("100 Trying -- your call")) == "100 Trying -- your call"
    assert title(message("200")) == "200"
    assert title(message("099 Odd")) == "099 Odd"
    long = message("000", raw=b"SIP/2.0 4294967301 better not break\r\n")
    assert title(long) == "4294967301 better not break"


def test_the_line_above_says_how_it_came() -> None:
    shown = rendered.headline(message("INVITE", tap="eth0", outer="GRE 192.0.2.1 > 192.0.2.2"))
    assert shown.endswith("SIP, length: 0 (on eth0, in GRE 192.0.2.1 > 192.0.2.2)")
    assert rendered.headline(message("INVITE", tap="a\x1b")).endswith(r"(on a\x1b)")
