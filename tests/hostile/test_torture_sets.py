"""The torture sets: each message is grouped as its list says, on every way in and in any cut."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hostile_costs import LONG
from hostile_inputs import hep3, outer, pcap
from hostile_targets import Stages, look_at, read, says_its_length, through
from support import SHARED, batch, ethernet, ipv4, needs, sip, tcp, udp

from sipstream.limits import MAX_CALL_ID
from sipstream.packets import Linktype
from sipstream.titles import title

Record = Callable[[str, object], None]
TORTURE = SHARED / "torture"
pytestmark = needs(shared=True)
DAMAGED = sorted(TORTURE.glob("tcpdump-pcaps/*.pcap*"))


class Case(NamedTuple):
    """A torture message."""

    name: str
    raw: bytes
    call_id: str
    """What it is grouped under; "" for none. A `..` stands for bytes that aren't printable."""


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _cases() -> list[Case]:
    cases = []
    for row in _rows(TORTURE / "MANIFEST.tsv"):
        wanted = row["group_under"].replace("(none)", "")
        for path in (TORTURE / row["file"], TORTURE / (row["file"].replace("5118/", "5118-lf/"))):
            case = Case(f"{path.parent.name}/{path.stem}", path.read_bytes(), wanted)
            if case not in cases:
                cases.append(case)
    for row in _rows(TORTURE / "known-bugs" / "MANIFEST.tsv"):
        if row["file"].endswith(".sip"):
            raw = (TORTURE / "known-bugs" / row["file"]).read_bytes()
            wanted = row["expected_call_id"].replace("(none)", "")
            cases.append(Case(f"known-bugs/{row['file']}", raw, wanted))
    for name, wanted in _VARIANTS.items():
        path = TORTURE / "rfc4475-variants" / name
        if path.is_file():
            cases.append(Case(f"variants/{name}", path.read_bytes(), wanted))
    return cases


# No list has them; the second one's first line names no version.
_VARIANTS = {
    "baddn.ersip-terminated.dat": "baddn.31415@c.example.com",
    "test.dat": "",
}
CASES = _cases()
SECOND = {"rfc4475/dblreq": "dblreq.0ha0isnda977644900765@192.0.2.15"}
"""Call-IDs of what follows a message where it isn't alone: in a stream it is a message too."""
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_the_sets_are_whole() -> None:
    """Row F4: every message of RFC 4475 and RFC 5118 is there, the latter with both line ends."""
    sets = Counter(case.name.partition("/")[0] for case in CASES)
    assert (sets["rfc4475"], sets["rfc5118"], sets["rfc5118-lf"]) == (49, 12, 12)
    assert sets["known-bugs"] == len(list(TORTURE.glob("known-bugs/*.sip")))


@pytest.mark.parametrize("row", _rows(TORTURE / "MANIFEST.tsv"), ids=lambda row: row["name"])
def test_read_as_the_list_says(row: dict[str, str]) -> None:
    """Row F4: method or status, CSeq and the body's length are those of the list."""
    raw = (TORTURE / row["file"]).read_bytes()
    stages = through([batch([ethernet(ipv4(udp(raw)))])])
    stages.finish()
    for conversation in stages.conversations:
        message = conversation.first
        assert title(message).partition(" ")[0] == row["method_or_status"]
        # Of several the first one counts.
        assert message.cseq == row["cseq"].partition(" || ")[0]
        assert len(message.body) == int(row["body_bytes"])


def is_grouped_as(wanted: str, found: str) -> bool:
    """Tell whether a Call-ID is what a list says, which writes some of them in its own way."""
    if wanted == "A x4096":
        return found.startswith("A" * MAX_CALL_ID) and len(found) < 2 * MAX_CALL_ID
    pattern = re.escape(wanted).replace(re.escape(".."), ".*") if "..@" in wanted else ""
    return found == wanted or bool(pattern and re.fullmatch(pattern, found, re.DOTALL))


def check(case: Case, *frames: bytes, second: str = "") -> None:
    """Send the frames, then a clean call, which must be shown whatever the frames did."""
    clean = ethernet(ipv4(udp(sip(call_id="clean"))))
    stages = through([batch([*frames, clean])])
    stages.finish()
    found = [one.call_id for one in stages.conversations]
    wanted = [one for one in (case.call_id, second) if one] + ["clean"]
    found.sort(key="clean".__eq__)
    assert len(found) == len(wanted), found
    assert all(map(is_grouped_as, wanted, found)), found
    look_at(stages.conversations)


@every_case
def test_over_udp(case: Case) -> None:
    """Row F4: over UDP."""
    check(case, ethernet(ipv4(udp(case.raw))))


@every_case
def test_over_tcp(case: Case) -> None:
    """Row F4: over TCP."""
    check(case, ethernet(ipv4(tcp(case.raw, 1), 6)), second=SECOND.get(case.name, ""))


@every_case
def test_over_hep(case: Case) -> None:
    """Row F4: from a HEP agent."""
    check(case, outer(udp(hep3(case.raw), 51_000, 9060)))


def _in_tcp(case: Case) -> bytes:
    return ethernet(ipv4(tcp(case.raw, 1, source_port=1 + CASES.index(case)), 6))


@pytest.mark.parametrize(
    ("form", "carried"),
    [
        *((form, lambda case: ethernet(ipv4(udp(case.raw)))) for form in ("-v", "-A", "-X", "-xx")),
        *((form, _in_tcp) for form in ("-A", "-X")),
    ],
    ids=["-v", "-A", "-X", "-xx", "TCP -A", "TCP -X"],
)
@pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump")
def test_printed_by_tcpdump(
    form: str, carried: Callable[[Case], bytes], tmp_path: Path, record_property: Record
) -> None:
    """Row F4: as text of tcpdump, as far as the form prints the Call-ID; over UDP and over TCP."""
    record_property("tried", len(CASES))
    capture = tmp_path / "all.pcap"
    times = [(number, 0) for number in range(len(CASES))]
    capture.write_bytes(pcap([carried(case) for case in CASES], times=times))
    command = ["tcpdump", "-nn", "-tt", form, "-r", str(capture)]
    text = subprocess.run(command, capture_output=True, check=True).stdout
    found: dict[int, str] = {}
    for time, _, call_id, _ in read(text).messages:
        found.setdefault(time // 10**9, call_id.decode("utf-8", "surrogateescape"))
    wrong = {
        case.name: found.get(number)
        for number, (case, shown) in enumerate(zip(CASES, by_packet(text), strict=True))
        if is_printed(form, case, shown) and not is_grouped_as(case.call_id, found.get(number, ""))
    }
    assert not wrong


def by_packet(text: bytes) -> list[bytes]:
    """The text of each packet, whose line begins with its number as the time."""
    places = [
        re.search(rb"^%d\.000000 IP " % number, text, re.MULTILINE) for number in range(len(CASES))
    ]
    starts = [place.start() for place in places if place is not None]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def is_printed(form: str, case: Case, shown: bytes) -> bool:
    """Tell whether a form prints a message's Call-ID; a byte that isn't printable becomes a dot.

    -v prints no text of methods that tcpdump doesn't know, and stops at what isn't ASCII.
    """
    if form in ("-X", "-xx"):
        return True
    return "..@" not in case.call_id and (case.call_id or "none").encode() in shown


@pytest.mark.parametrize("path", DAMAGED, ids=lambda path: path.name)
def test_damaged_captures(path: Path) -> None:
    """Row F4: what crashed tcpdump and others; all is counted, in any cut."""
    data = path.read_bytes()
    whole = read(data)
    for size in (1, 7, 500):
        assert read(data, [size] * (len(data) // size)) == whole


# Over TCP, cut


@every_case
def test_cut_at_every_byte(case: Case, record_property: Record) -> None:
    """Row F5: in two pieces, at every byte (of the longest messages at 500 places, in the long form too
    at every one)."""
    places = range(1, len(case.raw), 1 if LONG else len(case.raw) // 3600 * 7 or 1)
    for some in (places[first : first + 500] for first in range(0, len(places), 500)):
        compare(case, [[case.raw[:place], case.raw[place:]] for place in some])
    record_property("tried", len(places))


@every_case
def test_byte_by_byte(case: Case, record_property: Record) -> None:
    """Row F5: one byte at a time, and in pieces of a few bytes."""
    record_property("tried", 4)
    pieces = [
        [case.raw[place : place + size] for place in range(0, len(case.raw), size)]
        for size in (1, 2, 3, 7)
    ]
    compare(case, pieces)


def test_all_joined() -> None:
    """Row F5: all messages that say how long they are in one stream, whole and in pieces."""
    told = [case.raw for case in CASES if case.call_id and says_its_length(case.raw)]
    assert len(told) > len(CASES) / 2
    stream = b"".join(told)
    streams = [
        [stream[place : place + size] for place in range(0, len(stream), size)]
        for size in (60_000, 1400, 97)
    ]
    for found in delivered(streams):
        assert [raw for _, _, raw in found] == told


def test_behind_a_message_without_length() -> None:
    """Row F5: what follows a message without Content-Length is found, wherever the two are cut."""
    first = sip(call_id="first").replace(b"Content-Length: 0\r\n", b"")
    second = sip(call_id="second")
    both = first + second
    places = range(len(first), len(both))
    lost = [
        place
        for place, found in zip(
            places, delivered([[both[:place], both[place:]] for place in places]), strict=True
        )
        if [raw for *_, raw in found][-1] != second
    ]
    assert lost == []


def compare(case: Case, streams: Sequence[Sequence[bytes]]) -> None:
    """Compare what comes of streams with what comes of the message in one piece.

    Where a message doesn't say how long it is only its beginning can be the same.
    """
    [whole] = delivered([[case.raw]])
    told = all(says_its_length(raw) for *_, raw in whole)
    for pieces, found in zip(streams, delivered(streams), strict=True):
        assert [one[:2] for one in found] == [one[:2] for one in whole], pieces[0][-40:]
        if told:
            assert found == whole, pieces[0][-40:]


Delivered = list[tuple[int, bytes, bytes]]
"""Kind, Call-ID and bytes of the messages in a stream."""


def delivered(streams: Sequence[Sequence[bytes]]) -> list[Delivered]:
    """What comes of each stream, given as its segments: each has ports of its own."""
    packets = []
    for port, pieces in enumerate(streams, 1):
        sequence = 1000
        for piece in pieces:
            packets.append(ipv4(tcp(piece, sequence, source_port=port), 6))
            sequence += len(piece)
    stages = Stages()
    stages.feed(batch(packets, Linktype.RAW))
    found: list[Delivered] = [[] for _ in streams]
    outcome = stages.finish()
    for key, (_, *message) in zip(stages.flows, outcome.messages, strict=True):
        found[int.from_bytes(key[-2:], "big") - 1].append(tuple(message))
    return found
