"""Whole conversations under attack: what is found, drawn, joined, counted, masked and written of them.

An input is messages behind one another, each behind a mark and a byte that says which way it went and how
long after the one before: `scripted` makes one, `played` takes it through the stages. What is written of
it is read again as its readers do: XML, JSON, CSV, HTML, Prometheus's text, pcap.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from prometheus_client.parser import text_string_to_metric_families
from rtp_made import (
    ANSWER,
    OFFER,
    block,
    event,
    messages,
    receiver_report,
    rtp,
    sender_report,
    voip_metrics,
)
from secret_messages import MESSAGES as SECRET_MESSAGES
from support import CAPTURES, Chain, MemoryStore, batch, ipv4, udp

from sipstream.calls import Calls
from sipstream.conversations import Conversations
from sipstream.errors import CommandError
from sipstream.escape import cells, shield
from sipstream.export.formats import FORMATS
from sipstream.export.selected import Selected
from sipstream.findings import Around, diagnose
from sipstream.ladder import build
from sipstream.metrics import measure
from sipstream.metrics.exposition import Snapshot
from sipstream.metrics.exposition import text as exposed
from sipstream.packets import Batch, Linktype, Tally
from sipstream.redact import Redactor
from sipstream.render import calls as render_calls
from sipstream.render import findings as render_findings
from sipstream.render import ladder as render_ladder
from sipstream.render import objects, stats
from sipstream.render import rtp as render_rtp
from sipstream.render.arrows import ASCII, BOX
from sipstream.rtp.streams import Streams
from sipstream.sip import headers, offers, passport, sdp, via
from sipstream.sip.startline import NOT_SIP, kind_of
from sipstream.sources.container import AnyReader

_MARK = b"\x1e\x1e"
_HOSTS = [bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)), bytes((192, 0, 2, 9)), bytes((8, 8, 4, 4))]
_MS = 10**6
_STEPS = (0, _MS, 20 * _MS, 500 * _MS, 4000 * _MS, 3_600_000 * _MS, -1000 * _MS, 10**18)
_WIDTHS = (24, 80, None)
_LONGEST = 8000
"""Bytes of a seed at most: the longer, the fewer inputs in the same time."""
_KEY = b"a key of a test"


def scripted(packets: Iterable[tuple[int, bytes]]) -> bytes:
    """An input of payloads, each with its byte: hosts in the lower bits, the time above."""
    return b"".join(_MARK + bytes((code,)) + payload for code, payload in packets)


def played(data: bytes, port: int = 5060, other: int = 5060) -> Batch:
    """An input as packets."""
    packets: list[bytes] = []
    times: list[int] = []
    now = 1_600_000_000 * 10**9
    for part in data.split(_MARK):
        code, payload = part[:1], part[1:65_000]
        if not code:
            continue
        here, there = _HOSTS[code[0] & 3], _HOSTS[code[0] >> 2 & 3]
        ends = (port, other) if code[0] & 1 else (other, port)
        now = max(now + _STEPS[code[0] >> 4 & 7], 0) % (9 * 10**18)
        packets.append(ipv4(udp(payload, *ends), source=here, destination=there))
        times.append(now)
    return batch(packets, Linktype.RAW, times=times)


def grouped(data: bytes) -> Conversations:
    """The conversations of an input; no stage may fail on any packet of it."""
    chain = Chain()
    chain.feed(played(data))
    chain.finish()
    assert not chain.tally.suspects, chain.tally.suspects
    return chain.conversations


def _shown(lines: Iterable[str], width: int | None = None) -> None:
    """Lines are fit for a terminal, and for its width."""
    for line in lines:
        assert line.replace("\n", "").isprintable(), line
        assert shield(line) == line
        assert width is None or all(cells(one) <= width for one in line.split("\n")), line


def _is_json(value: object) -> None:
    text = objects.dumps(value)
    assert text.isascii() and text.isprintable()
    json.loads(text)


# One function for each kind of input


def check_described(data: bytes, chance: random.Random) -> None:
    """What a message says of media, its way and its caller, and offers with their answers."""
    for session in sdp.sessions(data):
        assert len(session.media) <= sdp.MOST_NAMED
        for one in session.media:
            assert 0 <= one.port <= 99_999
            assert len(one.formats) == len(one.codecs) <= sdp.MOST_FORMATS
            assert one.direction in sdp.DIRECTIONS
            offers.on_hold(one)
    values = [value.decode("utf-8", "surrogateescape") for value in _values(data)]
    for value in values:
        passport.claims(value)
        passport.attestation(value)
    for hop in via.every(values):
        assert hop.port is None or 0 <= hop.port <= 99_999


def _values(data: bytes) -> list[bytes]:
    return headers.every_of(data, 0, len(data), ("Via", "Identity", "From", "Contact"))


def check_findings(data: bytes, chance: random.Random) -> None:
    """What is found has messages that prove it, and is told in lines that fit a terminal."""
    conversations = grouped(data)
    for place, one in enumerate(conversations):
        found = diagnose(one)
        for finding in found:
            assert finding.evidence == tuple(sorted(set(finding.evidence)))
            assert 0 <= finding.evidence[0] <= finding.evidence[-1] < one.count
            _is_json(render_findings.finding_object(finding))
        width = chance.choice(_WIDTHS)
        _shown(render_findings.of_conversation(place, one, found, width))


def check_ladders(data: bytes, chance: random.Random) -> None:
    """Every message is on an arrow, and no line is wider than it may be."""
    conversations = grouped(data)
    for several in (*([one] for one in conversations), list(conversations)[:4]):
        ladder = build([message for one in several for message in one.messages])
        assert len(ladder.columns) <= 8 * len(several)
        names = [render_calls.leg_name(place) for place in range(len(ladder.legs))]
        width, style = chance.choice(((24, ASCII), (60, BOX), (132, ASCII), (None, BOX)))
        _shown(render_ladder.lines(ladder, width, names=names, style=style), width)


def check_calls(data: bytes, chance: random.Random) -> None:
    """Each conversation is a leg of one call, whatever they claim of one another."""
    conversations = grouped(data)
    calls = Calls(conversations, ("X-Session", "Subject"))
    met: set[int] = set()
    for place, call in enumerate(calls):
        assert met.isdisjoint(call.legs)
        met.update(call.legs)
        assert all({link.first, link.second} <= set(call.legs) for link in call.links)
        _is_json(render_calls.whole(place, call))
        _shown(render_calls.legs(call, width=chance.choice(_WIDTHS)))
        _shown(render_calls.messages(call))
    _shown(render_calls.common(calls.common))


def check_figures(data: bytes, chance: random.Random) -> None:
    """Figures of whatever times, and what Prometheus reads of them."""
    conversations = grouped(data)
    metrics = measure(conversations)
    width = chance.choice((20, 80))
    for lines in (stats.delays, stats.calls, stats.registrations, stats.methods):
        _shown(lines(metrics, width), width)
    _shown(stats.overview(metrics, [(one.dst_user, 1) for one in conversations], width), width)
    codes = dict.fromkeys(conversations.index.m_code, 1)
    text = exposed(Snapshot(codes=codes, metrics=metrics)).decode("ascii")
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert all(value.isprintable() for value in sample.labels.values())


def check_exports(data: bytes, chance: random.Random) -> None:
    """A format, masked or not, gives a file that its readers understand."""
    conversations = grouped(data)
    numbers = [one.id for one in conversations]
    name = chance.choice(list(_READERS))
    redactor = Redactor(_KEY) if chance.random() < 0.5 else None
    selected = Selected(
        conversations, numbers, range(len(numbers)), redactor=redactor,
        is_call=chance.random() < 0.3,
    )  # fmt: skip
    try:
        made = b"".join(FORMATS[name].pieces(selected, lambda: chance.random() < 0.5))
    except CommandError:
        return
    _READERS[name](made, conversations.message_count)
    _shown([*selected.remarks, *selected.missing])


def check_masks(data: bytes, chance: random.Random) -> None:
    """A masked message is as long as it was, and is still what it was."""
    redactor = Redactor(_KEY)
    masked = redactor.message(data)
    assert len(masked) == len(data)
    assert redactor.message(data) == masked
    assert kind_of(masked, 0, len(masked)) in (kind_of(data, 0, len(data)), NOT_SIP)
    text = data[:300].decode("utf-8", "surrogateescape")
    redactor.user(text)
    redactor.call_id(text)
    redactor.words(text)


def check_rtp(data: bytes, chance: random.Random) -> None:
    """RTP and RTCP beside a call: whatever comes is counted, and told in lines that fit."""
    chain = Chain()
    streams = Streams(chain.conversations.index.endpoints.outers)
    chain.feed(_CALL)
    given = played(data, 4000, 5000)
    tally = Tally("rtp")
    datagrams = chain.decoder.feed(given)
    others = streams.feed(datagrams, tally)
    assert len(others) + sum(tally.reasons.values()) == len(datagrams)
    assert not tally.suspects, tally.suspects
    for one in chain.conversations:
        media = streams.media_of(one)
        table = render_rtp.Table(chance.choice((40, 80, None)))
        rows = [table.add(place, stream) for place, stream in enumerate(media.streams)]
        _shown([table.heading(), *map(table.line, rows), *render_rtp.below(media)])
        for place, stream in enumerate(media.streams):
            assert 0 <= stream.lost <= stream.expected
            _is_json(render_rtp.stream_object("a", place, stream))
        for report in media.reports:
            _is_json(render_rtp.report_object("a", report))
        diagnose(one, Around(streams=streams.of))


_CALL = batch(
    [ipv4(udp(one)) for one in messages(OFFER, ANSWER)],
    Linktype.RAW,
    times=[1_600_000_000 * 10**9, 1_600_000_001 * 10**9],
)


# What reads files


def _packets(made: bytes, count: int) -> None:
    store = MemoryStore(made)
    notes: list[str] = []
    reader = AnyReader(store, notes=notes, modified_ns=lambda: 0)  # type: ignore[arg-type]
    chain = Chain()
    for one in (*reader.feed(made), *reader.finish()):
        chain.feed(one)
    chain.finish()
    assert not notes and not chain.tally.suspects
    assert chain.conversations.message_count <= count


def _text(made: bytes, count: int) -> None:
    _shown(made.decode("utf-8", "surrogateescape").replace("\t", " ").split("\n"))


def _ndjson(made: bytes, count: int) -> None:
    lines = made.decode("ascii").splitlines()
    assert len(lines) == count
    for line in lines:
        assert line.isprintable()
        json.loads(line)


def _csv(made: bytes, count: int) -> None:
    rows = list(csv.reader(io.StringIO(made.decode("utf-8"), newline="")))
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows:
        for field in row:
            assert field.isprintable()
            assert not field.strip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), field


def _lines(made: bytes, count: int) -> None:
    _shown(made.decode("utf-8").split("\n"))


def _svg(made: bytes, count: int) -> None:
    root = ElementTree.fromstring(made.decode("utf-8"))
    tags = {one.tag.rpartition("}")[2] for one in root.iter()}
    assert tags <= {"svg", "style", "title", "desc", "defs", "marker", "path", "g", "line", "text",
                    "tspan", "rect", "polygon", "polyline", "a", "circle"}, tags  # fmt: skip


class _Page(HTMLParser):
    """Counts what would run, or ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = self.styles = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.styles += tag == "style"
        assert tag not in ("img", "iframe", "object", "embed", "base", "form"), tag
        for name, value in attrs:
            assert name != "src" and not name.startswith("on"), (tag, attrs)
            assert name != "href" or (value or "").startswith(("#", "data:,")), (tag, attrs)


def _html(made: bytes, count: int) -> None:
    text = made.decode("utf-8")
    assert text.replace("\n", "").replace("\t", "").isprintable()
    page = _Page()
    page.feed(text)
    page.close()
    assert (page.scripts, page.styles) == (1, 1)


_READERS = {
    "pcap": _packets,
    "pcapng": _packets,
    "text": _text,
    "ndjson": _ndjson,
    "csv": _csv,
    "markdown": _lines,
    "mermaid": _lines,
    "svg": _svg,
    "html": _html,
}


# The seeds


def _seeds(paths: Sequence[Path]) -> Iterator[bytes]:
    """Conversations of captures, those that aren't too long."""
    for path in paths:
        data = path.read_bytes()
        chain = Chain()
        opened = gzip.decompress(data) if path.suffix == ".gz" else data
        reader = AnyReader(MemoryStore(opened), notes=[], modified_ns=lambda: 0)  # type: ignore[arg-type]
        for one in (*reader.feed(opened), *reader.finish()):
            chain.feed(one)
        chain.finish()
        for conversation in list(chain.conversations)[:3]:
            some = conversation.messages
            ends = sorted({one.source for one in some} | {one.destination for one in some})
            made = scripted(
                (
                    ends.index(one.source) & 3 | (ends.index(one.destination) & 3) << 2 | 2 << 4,
                    one.raw,
                )
                for one in some
            )
            if len(made) <= _LONGEST:
                yield made


def _one_of_each() -> list[Path]:
    """A capture for each thing that is found."""
    folders = sorted(one for one in (CAPTURES / "findings").iterdir() if one.is_dir())
    return [next(iter(sorted(folder.glob("*.pcap*")))) for folder in folders]


_TOLD = [*messages(OFFER, ANSWER), *SECRET_MESSAGES]
_CALLS = list(_seeds(_one_of_each()))
_MEDIA = [
    scripted([(4 | 2 << 4, rtp(one, 160 * one)) for one in range(5)]),
    scripted([(1 | 2 << 4, rtp(one, 160 * one, payload_type=101, payload=event(1, 160 * one)))
              for one in range(4)]),
    scripted([
        (4, sender_report(1, 1 << 40, 3, block(2, lost=3))),
        (1 | 3 << 4, receiver_report(2, block(1, lsr=1 << 24, dlsr=9))),
        (4, voip_metrics(2, 1)),
        (4 | 2 << 4, rtp(1, 1, first=0xBF)),
    ]),
]  # fmt: skip

SEEDS = {
    "descriptions": _TOLD,
    "findings": _CALLS,
    "ladders": _CALLS,
    "calls": _CALLS,
    "figures": _CALLS,
    "exports": _CALLS,
    "masks": _TOLD,
    "RTP": _MEDIA,
}
CHECKS = {
    "descriptions": check_described,
    "findings": check_findings,
    "ladders": check_ladders,
    "calls": check_calls,
    "figures": check_figures,
    "exports": check_exports,
    "masks": check_masks,
    "RTP": check_rtp,
}
"""By the names of their targets."""
