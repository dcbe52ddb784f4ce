"""Times that no capture has: marked wherever a time of day is shown, in a stable order."""

from __future__ import annotations

import struct

import pytest
from hostile_inputs import SECONDS, enhanced, hep3, interface, option, outer, pcap, section
from hostile_targets import loaded, read
from support import SHARED, ethernet, ipv4, needs, sip, udp

from sipstream.conversations import Conversations
from sipstream.limits import EARLIEST_CAPTURE, LATEST_CAPTURE
from sipstream.render import lists, overview
from sipstream.render import message as rendered

UNITS = ("micro", "nano")
FRAME = ethernet(ipv4(udp(sip())))


def marks(conversations: Conversations) -> list[bool]:
    """Whether each message's time is marked: it must be so in all views or in none."""
    [one] = conversations
    found = []
    for place, message in enumerate(one.messages):
        shown = {
            next(line for line in overview.lines(one) if line.startswith(f"[{place}]")),
            rendered.headline(message),
            lists.followed(message, one.call_id),
        }
        marked = {"? " in line for line in shown}
        assert len(marked) == 1, shown
        found.append(marked == {True})
    assert ("?: INVITE" in lists.by_call_id(one)) == found[0]
    return found


@pytest.mark.parametrize(
    ("seconds", "marked"),
    [
        (0, True), (1, True), (EARLIEST_CAPTURE // 10**9 - 1, True),
        (EARLIEST_CAPTURE // 10**9, False), (SECONDS, False), (LATEST_CAPTURE // 10**9 - 1, False),
        (2**31, True), (4_294_967_295, True),
    ],
)  # fmt: skip
def test_times_of_no_capture_are_marked(seconds: int, marked: bool) -> None:
    """Row P9: 0, 2038 and 2106 look like any time of day: a question mark stands behind them."""
    assert marks(loaded(pcap([FRAME], times=[(seconds, 0)]))) == [marked]


def test_times_before_1970_are_marked() -> None:
    """Row P9: an interface's offset in a pcapng may be negative."""
    options = option(14, struct.pack("<q", -2 * SECONDS))
    conversations = loaded(section() + interface(options=options) + enhanced(FRAME))
    assert marks(conversations) == [True]
    assert conversations.message(0).time == -SECONDS * 10**9


def test_the_columns_stay_where_they_are() -> None:
    """Row P9: the mark takes the place of a blank."""
    frames = [ethernet(ipv4(udp(sip(cseq=f"{n} INVITE")))) for n in range(2)]
    [one] = loaded(pcap(frames, times=[(0, 0), (SECONDS, 0)]))
    lines = [line for line in overview.lines(one) if line.startswith("[")]
    assert lines[0].index("INVITE") == lines[1].index("INVITE")


@pytest.mark.parametrize(("nano", "unit"), [(False, "µs"), (True, "ns")])
def test_a_second_of_too_many_parts_is_told(nano: bool, unit: str) -> None:
    """Row P9: 9,999,999 µs, and as many ns: said once, with the place; the time is what they make."""
    limit = 10**9 if nano else 10**6
    times = [(SECONDS, limit - 1), (SECONDS, limit), (SECONDS, 10 * limit - 1 & 0xFFFFFFFF)]
    frames = [ethernet(ipv4(udp(sip(cseq=f"{n} INVITE")))) for n in range(3)]
    outcome = read(pcap(frames, times=times, nano=nano))
    [note] = outcome.notes
    place = 24 + 16 + len(frames[0])
    assert note.startswith(f"times that no clock has, the first at byte {place}: {limit} {unit}")
    assert [time for time, *_ in outcome.messages] == [
        seconds * 10**9 + parts * (10**9 // limit) for seconds, parts in times
    ]
    assert read(pcap(frames[:1], times=times[:1], nano=nano)).notes == []


@pytest.mark.parametrize("unit", [pytest.param(unit, marks=needs(shared=True)) for unit in UNITS])
def test_tcpdumps_invalid_timestamps(unit: str) -> None:
    """Row P9: tcpdump's own captures of them."""
    path = SHARED / "torture" / "tcpdump-pcaps" / f"timestamp_invalid_{unit}.pcap"
    [note] = read(path.read_bytes()).notes
    assert note.startswith("times that no clock has")


def test_steps_back_keep_a_stable_order() -> None:
    """Row P9: a clock that is set back: by time, and of equal times by arrival."""
    seconds = [5, 3, 5, 3, 9, 3]
    frames = [ethernet(ipv4(udp(sip(cseq=f"{n} INVITE")))) for n in range(len(seconds))]
    [one] = loaded(pcap(frames, times=[(SECONDS + at, 0) for at in seconds]))
    assert [message.cseq[0] for message in one.messages] == ["1", "3", "5", "0", "2", "4"]
    assert one.first.cseq == "1 INVITE"


def test_times_of_an_agent() -> None:
    """Row P9: an agent's time is as doubtful as any."""
    sent = hep3(sip()).replace(struct.pack("!I", SECONDS), b"\xff" * 4)
    frame = outer(udp(sent, 51000, 9060))
    assert marks(loaded(pcap([frame]))) == [True]
