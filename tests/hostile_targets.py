"""What is done with a hostile input, and what must hold whatever it is: one function a decoder.

`TARGETS` is used by the tests, by `hostile/run.py` and by the coverage-guided `hostile/fuzz_*.py`.
"""

from __future__ import annotations

import os
import random
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from xml.etree import ElementTree

import hostile_calls
import hostile_inputs as inputs
import hostile_tls
from support import CAPTURES, MemoryStore, batch, ipv4, sip, udp
from tls_made import AES_128_OF_12, TLS12, Made

from sipstream.conversations import Conversations
from sipstream.decode.decoder import Decoder
from sipstream.decode.keylog import Secrets
from sipstream.errors import FilterError
from sipstream.escape import shield
from sipstream.filters import Filter, suggest, unfinished
from sipstream.ladder import build
from sipstream.packets import Batch, Linktype, Tally
from sipstream.render import diff, fields, lists, mermaid, objects, overview, svg
from sipstream.render import message as rendered
from sipstream.render import offers as render_offers
from sipstream.render.colours import Paint
from sipstream.sip.found import Found
from sipstream.sip.framing import Framer
from sipstream.sip.offers import exchanges
from sipstream.sip.scan import Scanner
from sipstream.sip.startline import kind_in
from sipstream.sources.container import AnyReader
from sipstream.views import Conversation

PR_INPUTS = 3000
INPUTS = int(os.environ.get("HOSTILE_INPUTS", PR_INPUTS))
"""How many inputs each target gets in a run of the tests."""
CUT_SHARE = float(os.environ.get("HOSTILE_CUT_SHARE", 1))
"""How many of the inputs are decoded a second time in pieces: in the long form fewer, to have more."""
_WRITTEN = inputs.SECONDS * 10**9 + 999_999_999
"""When text is said to have been printed, ns since the epoch."""


class StrictTally(Tally):
    """A tally for tests: what a stage fails on isn't kept for later, it fails the test."""

    def suspect(
        self, error: Exception, packets: int, linktype: int, time: int, data: bytes
    ) -> None:
        """Let the fault be seen."""
        raise error


class Outcome(NamedTuple):
    """What came of an input: the same, however it is cut."""

    packets: list[tuple[int, int, str, int, bytes]]
    """Time, link type, capture point, size on the wire, bytes."""
    messages: list[tuple[int, int, bytes, bytes]]
    """Time, kind, Call-ID, bytes."""
    reasons: dict[str, int]
    notes: list[str]


class Stages:
    """All stages behind a source, which keep what went through; nothing may fail or get lost."""

    def __init__(self, secrets: Secrets | None = None) -> None:
        self.tally = StrictTally("hostile")
        self.conversations = Conversations()
        self.notes: list[str] = []
        self._decoder = Decoder(self.tally, self.conversations.index.endpoints, secrets)
        self._scanner = Scanner(self.tally)
        self._packets: list[tuple[int, int, str, int, bytes]] = []
        self._messages: list[tuple[int, int, bytes, bytes]] = []
        self.flows: list[bytes] = []
        """The source's key for each message."""

    def feed(self, given: Batch) -> None:
        """Take a batch; each byte must lie where the batch says."""
        for time, start, end, wire in given.records:
            data = given.data[start:end]
            assert len(data) == end - start
            assert data == given.store.read(given.base + start, end - start)
            self._packets.append((time, given.linktype, given.tap, wire, data))
        self._group(self._decoder.feed(given), given)

    def finish(self) -> Outcome:
        """The source ended: the accounts must add up, to the unit."""
        self._group(self._decoder.finish(), Batch(MemoryStore(), 0, b"", 0, []))
        tally = self.tally
        assert tally.packets == len(self._packets)
        assert tally.packets == tally.with_messages + sum(tally.reasons.values()), tally
        assert min(tally.reasons.values(), default=0) >= 0, tally
        assert self.conversations.message_count + self.conversations.duplicates <= len(
            self._messages
        )
        return Outcome(self._packets, self._messages, dict(+tally.reasons), self.notes)

    def _group(self, datagrams: list, given: Batch) -> None:
        found = self._scanner.feed(datagrams, Checked(given))
        self._messages += found.messages_added
        self.flows += found.sources_added
        self.conversations.feed(found, given.store, given.tap)


class Checked(Found):
    """Messages of a batch; each must lie where it is said to."""

    def __init__(self, given: Batch) -> None:
        super().__init__()
        self._store = given.store
        self.messages_added: list[tuple[int, int, bytes, bytes]] = []
        self.sources_added: list[bytes] = []

    def gather(self) -> None:
        for row, code, call_id in zip(self.rows, self.new_codes, self.call_ids, strict=True):
            time, flow, data, start, end, offset, _ = row
            message = data[start:end]
            assert message
            assert offset < 0 or message == self._store.read(offset, end - start)
            self.messages_added.append((time, kind_in(ord(code)), call_id, message))
            self.sources_added.append(flow.source_key)
        super().gather()


def through(batches: Iterator[Batch] | Sequence[Batch], secrets: Secrets | None = None) -> Stages:
    """The stages after all of the batches."""
    stages = Stages(secrets)
    for one in batches:
        stages.feed(one)
    return stages


def outcome_of(
    packets: Sequence[bytes],
    linktype: int = Linktype.RAW,
    sizes: Sequence[int] = (),
    secrets: Secrets | None = None,
) -> Outcome:
    """What comes of packets, a millisecond apart, in batches of these sizes and a rest."""
    times = [10**9 + number * 10**6 for number in range(len(packets))]
    batches, place = [], 0
    for size in (*sizes, len(packets)):
        part = list(packets[place : place + size])
        batches.append(batch(part, linktype, times=times[place : place + size]))
        place += size
    return through(batches, secrets).finish()


def read(data: bytes, sizes: Sequence[int] = ()) -> Outcome:
    """What comes of a capture file or of tcpdump's text, fed in pieces of these sizes and a rest."""
    stages, reader = _reading(data)
    place = 0
    for size in (*sizes, len(data)):
        for one in reader.feed(data[place : place + size]):
            stages.feed(one)
        place += size
    for one in reader.finish():
        stages.feed(one)
    return stages.finish()


def loaded(data: bytes) -> Conversations:
    """The conversations of a capture file or of tcpdump's text."""
    stages, reader = _reading(data)
    for one in (*reader.feed(data), *reader.finish()):
        stages.feed(one)
    stages.finish()
    return stages.conversations


def _reading(data: bytes) -> tuple[Stages, AnyReader]:
    stages = Stages()
    store = MemoryStore(data)
    reader = AnyReader(
        store,  # type: ignore[arg-type]
        notes=stages.notes,
        modified_ns=lambda: _WRITTEN,
    )
    return stages, reader


def cuts(chance: random.Random, length: int) -> list[int]:
    """Sizes of pieces that add up to a length: single bytes, small ones, or large ones."""
    most = chance.choice((1, 7, 7, 100, 100, 600, 600, 5000)) if length <= 8000 else 600
    sizes = []
    while length > 0:
        sizes.append(chance.randint(1, most))
        length -= sizes[-1]
    return sizes


def look_at(conversations: Conversations) -> None:
    """Look at all there is to see of conversations: nothing raises, every line is escaped."""
    for number, conversation in enumerate(conversations):
        for line in _lines(number, conversation):
            assert line.replace("\n", "").isprintable(), line
            assert shield(line) == line
        assert conversation.state
        assert isinstance(conversation.kinds, frozenset)
        for wanted in _FILTERS:
            wanted.matches(conversation)


def _lines(number: int, conversation: Conversation) -> Iterator[str]:
    yield lists.by_call_id(conversation)
    yield lists.by_time(number, conversation)
    yield from overview.lines(conversation)
    yield from rendered.every(conversation.messages)
    yield objects.dumps(objects.conversation(number, conversation))
    for message in conversation.messages:
        yield lists.followed(message, conversation.call_id)
        yield objects.dumps(objects.message(message, conversation.call_id))
        yield rendered.whole(message, Paint(True)).translate({0x1B: None})
    yield from _beside_one_another(conversation)


def _beside_one_another(conversation: Conversation) -> Iterator[str]:
    """What commands show of messages together, and what is drawn of them."""
    messages = conversation.messages
    yield from fields.lines(messages, ["Via", "contact", "x"])
    for old, new in pairwise(messages[:8]):
        yield from diff.lines(old, new)
    for exchange in exchanges(messages):
        yield from render_offers.lines(exchange, messages, 80)
    ladder = build(messages)
    yield from mermaid.diagram(ladder).lines
    picture = "\n".join(svg.picture(ladder, standalone=True))
    ElementTree.fromstring(picture)
    yield picture


_FILTERS = [
    Filter.parse(text)
    for text in (
        "srcnum 1*", "dstnum *", "telnum 5", "ip 10.0.0.0/8", "diversion *", "pai *", "ppi 1",
        "has privacy", "method INVITE", "status 4xx", "callid *a*", "header From x",
    )
]  # fmt: skip


# One function for each kind of input


def check_file(data: bytes, chance: random.Random) -> None:
    """A capture or text gives the same in any cut."""
    whole = read(data)
    if chance.random() < CUT_SHARE:
        assert read(data, cuts(chance, len(data))) == whole


def check_frames(data: bytes, chance: random.Random) -> None:
    """Frames give the same in one batch and in several."""
    linktype, frames = unpacked(data)
    whole = outcome_of(frames, linktype)
    if chance.random() < CUT_SHARE:
        sizes = [chance.randint(1, 3) for _ in frames]
        assert outcome_of(frames, linktype, sizes) == whole


def check_datagram(data: bytes, chance: random.Random) -> None:
    """SIP over UDP: whatever was found can be looked at."""
    packet = ipv4(udp(data[:65_000]))
    stages = through([batch([packet, packet], Linktype.RAW)])
    stages.finish()
    look_at(stages.conversations)


def check_stream(data: bytes, chance: random.Random) -> None:
    """SIP over TCP gives the same messages in any cut, where nothing else is in the stream.

    After nonsense, and behind a message that doesn't say how long it is, where the next one begins is
    a guess that depends on what has come.
    """
    whole = outcome_of(inputs.segments(data, []))
    if chance.random() >= CUT_SHARE:
        return
    parts = outcome_of(inputs.segments(data, cuts(chance, len(data))))
    framer = Framer()
    framed = framer.feed(data, 0, len(data), -1)
    if not framer.skipped and all(says_its_length(one[start:end]) for one, start, end, _ in framed):
        assert [one[1:] for one in parts.messages] == [one[1:] for one in whole.messages]


def says_its_length(message: bytes) -> bool:
    """Tell whether a message has one Content-Length, which is that of its body."""
    blank = _BLANK_LINE.search(message)
    if blank is None:
        return False
    head = message[: blank.start() + 1]
    lengths = _CONTENT_LENGTH.findall(head)
    if len(lengths) != 1 or head.lower().count(b"\ncontent-length") != 1:
        return False
    return int(lengths[0]) == len(message) - blank.end()


def check_hep(data: bytes, chance: random.Random) -> None:
    """What a HEP agent sends, on its port and on another one."""
    outcome_of([inputs.outer(udp(data[:65_000], 51_000, 9060))], Linktype.ETHERNET)
    outcome_of([inputs.outer(udp(data[:65_000], 51_000, 40_000))], Linktype.ETHERNET)


def check_tls(data: bytes, chance: random.Random) -> None:
    """Packets of TLS connections with known secrets give the same in one batch and in several."""
    linktype, frames = unpacked(data)
    whole = outcome_of(frames, linktype, secrets=hostile_tls.secrets())
    if chance.random() >= CUT_SHARE:
        return
    sizes = [chance.randint(1, 3) for _ in frames]
    assert outcome_of(frames, linktype, sizes, hostile_tls.secrets()) == whole
    assert outcome_of(frames, linktype).packets == whole.packets


def check_sealed(data: bytes, chance: random.Random) -> None:
    """What is within TLS may be damaged too: the records are authentic, whatever they hold."""
    frames = hostile_tls.connection_of(data)
    outcome_of(frames, secrets=hostile_tls.secrets())
    del frames[chance.randrange(len(frames))]
    chance.shuffle(frames)
    outcome_of(frames, secrets=hostile_tls.secrets())


def check_keylog(data: bytes, chance: random.Random) -> None:
    """A key log gives the secrets of its whole lines, whatever else is in it."""
    count = Secrets().add(data)
    added = Secrets()
    assert added.add(data + b"\n" + _LOG) == count + 5
    for name, secret in Made().secrets.items():
        assert added.find(name, Made().client_random) == secret


def check_filter(data: bytes, chance: random.Random) -> None:
    """A filter's text is understood or refused; what was understood reads back as the same."""
    text = data.decode("utf-8", "surrogateescape")
    suggest(text)
    unfinished(text)
    try:
        wanted = Filter.parse(text)
    except FilterError:
        return
    assert Filter.parse(str(wanted)) == wanted
    for conversation in _SOME:
        wanted.matches(conversation)


def _some_conversations() -> Conversations:
    packets = [ipv4(udp(message)) for message in inputs.MESSAGES]
    return through([batch(packets, Linktype.RAW)]).conversations


_SOME = _some_conversations()
_BLANK_LINE = re.compile(rb"\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"\nContent-Length: (\d{1,10})\r?\n(?![ \t])")


# Frames in one input

_KNOWN_LINKS = sorted({linktype for linktype, _ in inputs.CAPTURES_MADE}) + [12, 228, 229, 999]


def packed(linktype: int, frames: Sequence[bytes]) -> bytes:
    """Frames as one input: the link type's place in the list, then each frame behind its length."""
    return bytes([_KNOWN_LINKS.index(linktype)]) + b"".join(
        struct.pack("!H", len(frame)) + frame for frame in frames
    )


def unpacked(data: bytes) -> tuple[int, list[bytes]]:
    """The link type and the frames of an input; lengths are believed as far as there are bytes."""
    frames, place = [], 1
    while place < len(data):
        length = int.from_bytes(data[place : place + 2], "big")
        frames.append(data[place + 2 : place + 2 + length])
        place += 2 + length
    return _KNOWN_LINKS[(data or b"\0")[0] % len(_KNOWN_LINKS)], frames


# The targets


class Target(NamedTuple):
    """A decoder under attack."""

    check: Callable[[bytes, random.Random], None]
    seeds: list[bytes]
    one_in: int = 1
    """Of the inputs on each change it gets one in so many: each takes a millisecond or more."""


def _text_seeds(form: str) -> list[bytes]:
    first, *_, last = (ipv4(udp(message)) for message in inputs.MESSAGES)
    streams = inputs.segments(inputs.INVITE + inputs.RESPONSE, (200, 400))
    texts = [
        b"".join(inputs.printed(packet, form, n) for n, packet in enumerate(some))
        for some in ([first, last], streams, [last, *streams[:1], ipv4(udp(inputs.COMPACT))])
    ]
    return [*texts, inputs.broken(texts[0]), inputs.broken(texts[1])]


def _beginning(name: str) -> bytes:
    with (CAPTURES / name).open("rb") as file:
        return file.read(inputs.LONGEST_SEED)


_STREAM = b"".join(
    sip(call_id=f"call-{number}", body="v=0\r\n\r\n" * number) for number in range(3)
)

_LOG = Made().keylog() + Made(TLS12, AES_128_OF_12, 2).keylog()

TARGETS: dict[str, Target] = {
    "SIP over UDP": Target(check_datagram, [*inputs.MESSAGES, inputs.SEVERAL_PARTS]),
    "SIP over TCP": Target(check_stream, [_STREAM, inputs.INVITE + b"\r\n\r\n" + inputs.RESPONSE]),
    "HEP": Target(
        check_hep, [build(one) for one in inputs.MESSAGES for build in (inputs.hep3, inputs.hep2)]
    ),
    "frames": Target(check_frames, [packed(*made) for made in inputs.CAPTURES_MADE]),
    "pcap": Target(
        check_file,
        [inputs.pcap(frames, linktype) for linktype, frames in inputs.CAPTURES_MADE]
        + [inputs.pcap(inputs.CAPTURES_MADE[0][1], order=">", nano=True)],
    ),
    "pcapng": Target(
        check_file,
        [inputs.pcapng(frames, linktype) for linktype, frames in inputs.CAPTURES_MADE]
        + [inputs.pcapng(inputs.CAPTURES_MADE[0][1], order=">")]
        + [inputs.commented(inputs.CAPTURES_MADE[0][1])],
    ),
    "text of -v": Target(check_file, _text_seeds("-v")),
    "text of -A": Target(check_file, [*_text_seeds("-A"), _beginning("timeout.txt")]),
    "text of -X": Target(check_file, _text_seeds("-X")),
    "TLS": Target(check_tls, [packed(Linktype.RAW, one) for one in hostile_tls.connections()]),
    "sealed in TLS": Target(check_sealed, hostile_tls.SCRIPTS),
    "key log": Target(check_keylog, [_LOG]),
    "filter": Target(
        check_filter,
        [
            b"dstnum 5660066 and not (status 2xx or method OPTIONS)",
            b'header User-Agent "a b" callid *@10.0.0.1 or ip 10.0.0.0/8 ::1',
            b"has diversion (pai +3545660066 or ppi 00354*) srcip 10.0.0.1 status 100-199",
        ],
    ),
    **{
        name: Target(check, hostile_calls.SEEDS[name], one_in=5)
        for name, check in hostile_calls.CHECKS.items()
    },
}


def attack(name: str, number: int) -> bytes:
    """Input `number` of a target, the same in every run."""
    return inputs.mutate(_chance(name, number), TARGETS[name].seeds)


def check(name: str, number: int, data: bytes) -> None:
    """Give an input to its target."""
    TARGETS[name].check(data, _chance(name, number))


def _chance(name: str, number: int) -> random.Random:
    return random.Random(f"{name} {number}")
