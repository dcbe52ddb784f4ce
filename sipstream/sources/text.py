"""What tcpdump prints to a terminal, cut into packets with their times: every -t form.

Sans-IO: text is fed in any cut. One regular expression over each chunk finds the lines that begin a
packet; nothing is split into lines, each byte is looked at once. What a packet's text says is
`decode.printed`'s concern. Text of -A holds the traffic's own lines: who sends a line that looks
like a packet's in every detail can split a message there. -v and -X can't be deceived like this.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from sipstream.limits import BATCH_PACKETS, MAX_TEXT_PACKET
from sipstream.packets import Batch, Linktype, Record, Store
from sipstream.sources import Missing
from sipstream.sources.textclock import Clock, Form, Intervals
from sipstream.spool import FileStore, Spool

_EPOCH = date(1970, 1, 1)
_LATE = 10**9
"""How far (ns) a packet's time may lie after the file's: file times come from a coarser clock."""
_LINE_SHAPE = 512
"""Bytes of a line that tell whether it begins a packet: the patterns below reach no further."""
_STAMPED = 3
"""Groups that a stamp fills."""

_BOM = b"\xef\xbb\xbf"
"""What editors put before text."""
_NUMBER = rb" {0,10}\d{1,10}  "
_TIME_OF_DAY = rb"[0-2]\d:[0-5]\d):([0-6]\d)\.(\d{6,10}) "
_STAMPS = {
    Form.CLOCK: rb"(" + _TIME_OF_DAY,
    Form.DATE: rb"((?:\d{4}-[01]\d-[0-3]\d|[01]\d/[0-3]\d/\d{4}|[0-3]\d\.[01]\d\.\d{4}) "
    + _TIME_OF_DAY,
    Form.INTERVAL: rb"([ -]" + _TIME_OF_DAY,
    Form.EPOCH: rb"()(\d{1,10})\.(\d{6,10}) ",
}
_NO_STAMP = rb"[ -]?\[[A-Z][^\]\n]{1,40}\] "
"""`[Error converting time] `: in place of a time that tcpdump can't print."""
_CARD = rb"[0-9a-f]{2}(?::[0-9a-f]{2}){5} "
_DIRECTION = rb"(?:In|Out|B|M|P) "

_AFTER_STAMP = (
    rb"(?:IP6?[ ,]|[A-Z][\w./+-]{1,40}+[ ,:]|" + _CARD + rb"|ip: | {0,2}" + _DIRECTION + rb"| ?\[\|"
    rb"|\S{1,16}+ {1,16}" + _DIRECTION + rb"|\()"
)
"""How a packet's line goes on: protocol, card addresses (-e), interface and direction (any)."""
_UNSTAMPED = (
    rb"()()()(?:IP6? {1,2}(?:\((?:tos|class|hlim|flowlabel) |\S{1,200}+ > \S{1,200}+|\[\||bad-|trunc)"
    rb"|" + _CARD + rb"(?:\(oui [^)\n]{1,40}\) )?> | {0,2}" + _DIRECTION + _CARD + rb"ethertype "
    rb"|\S{1,16}+ {1,16}" + _DIRECTION + rb" {0,2}(?:IP6? |ifindex )|ip: |AF IPv[46] \("
    rb"|R?ARP, (?:Re|Ethernet \()|STP 802|LLDP, length|CDPv\d, |PPPoE  \[|MPLS \(label|Loopback, skip"
    rb"|LACPv1, )"
)
"""The same where -t left nothing before it: only what is hardly anything else."""
_END = (
    rb"\n(?:\^C)?(?:\d{1,10} packets? (?:captured|received by filter|dropped by )"
    rb"|tcpdump: |reading from file |listening on [^\n]{1,200}, link-type )()()()()"
)
"""What tcpdump says itself, before the first packet and behind the last."""

_NO_PACKET = re.compile(
    rb"\n(?=[^\r\n])(?!tcpdump: |listening on |reading from |dropped privs |\^C|\d{1,10} packets? )"
)
"""Begins a line that is neither blank nor one of tcpdump's own words."""

_HEADLINE_REACH = 4096
"""Bytes before a message in which its packet's line is looked for."""

_CUT_STAMP = re.compile(rb"[ -]?[\d:. -]{1,40}\Z")
"""The beginning of a packet's line that was cut off by the end of the text."""


_HEADLINES = (
    re.compile(
        rb"\n(?:" + _NUMBER + rb")?(?:" + b"|".join(_STAMPS.values()) + rb")" + _AFTER_STAMP
    ),
    re.compile(rb"\n(?:" + _NUMBER + rb")?" + _UNSTAMPED),
)


def headline_before(text: bytes) -> bytes | None:
    """Return the last packet's line in `text`, which ends where a message begins."""
    text = b"\n" + text
    for pattern in _HEADLINES:
        places = [match.start() + 1 for match in pattern.finditer(text)]
        if places:
            return text[places[-1] :].partition(b"\n")[0].rstrip(b"\r")
    return None


def _pattern(form: Form, numbered: bool) -> re.Pattern[bytes]:
    line = _UNSTAMPED
    if form is not Form.NONE:
        line = rb"(?:" + _STAMPS[form] + rb"|" + _NO_STAMP + rb")" + _AFTER_STAMP
    return re.compile(rb"\n" + (_NUMBER if numbered else rb"") + line + rb"|" + _END)


_PATTERNS = {
    (form, numbered): _pattern(form, numbered) for form in Form for numbered in (False, True)
}
_FIRST = re.compile(
    rb"\n(?P<numbered>" + _NUMBER + rb")?(?:"
    rb"(?P<date>" + _STAMPS[Form.DATE] + rb")|(?P<interval>" + _STAMPS[Form.INTERVAL] + rb")|"
    rb"(?P<clock>" + _STAMPS[Form.CLOCK] + rb")|(?P<epoch>" + _STAMPS[Form.EPOCH] + rb"))"
    + _AFTER_STAMP + rb"|\n(?P<unstampednumbered>" + _NUMBER + rb")?(?P<none>" + _UNSTAMPED + rb")"
)  # fmt: skip


class TextStore:
    """Text that tcpdump printed, in a file or spool: it also knows the line above a message."""

    def __init__(self, inner: FileStore | Spool) -> None:
        self.inner = inner

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        return self.inner.read(offset, length)

    def headline(self, offset: int) -> bytes | None:
        """Return the packet's line as it was printed, or None when it isn't near."""
        start = max(0, offset - _HEADLINE_REACH)
        return headline_before(self.inner.read(start, offset - start))


class TextReader:
    """Reads what one tcpdump printed.

    `offset` is the place in `store` of the first byte that will be fed; `modified_ns` tells by when
    the text was printed (ns since the epoch), for forms that print no date: it is asked once the
    first packet is there; `live` says that the text is being printed now, so that `flush` may be
    called.
    """

    def __init__(
        self,
        store: Store,
        offset: int = 0,
        *,
        modified_ns: Callable[[], int] | None = None,
        live: bool = False,
    ) -> None:
        self.notes: list[str] = []
        self._store = store
        self._live = live
        self._modified_ns = modified_ns
        # Each line is found by the line end before it: the first one gets one that isn't there.
        self._buffer = bytearray(b"\n")
        self._base = offset - 1
        self._start = offset
        self._scanned = 0
        """Line ends before this place of the buffer were looked behind."""
        self._pending = -1
        """Where in the buffer the packet begins that may still grow; -1: none does."""
        self._pending_time = 0
        self._flushed = False
        self._strange = 0
        """Lines that stand in no packet."""
        self._pattern: re.Pattern[bytes] | None = None
        self._clock = Clock(Form.NONE, _EPOCH)
        self._intervals: Intervals | None = None
        self._held: list[Batch] = []

    def feed(self, data: bytes) -> list[Batch]:
        """Take the next bytes, return the packets that are whole: another one follows them."""
        buffer = self._buffer
        if data.startswith(_BOM) and self._base < self._start and len(buffer) == 1:
            data = data[len(_BOM) :]
            self._base += len(_BOM)
        buffer += data
        last = buffer.rfind(b"\n", self._scanned)
        # What is behind the last line end may still become a packet's line.
        undecided = last >= 0 and len(buffer) - last <= _LINE_SHAPE
        return self._give(self._scan(last if undecided else len(buffer)))

    def flush(self) -> list[Batch]:
        """The text has been quiet for a while: return the last packet if it ends with its line.

        Does nothing where the text isn't `live`.
        """
        records: list[Record] = []
        if self._live and self._pending >= 0 and self._buffer.endswith(b"\n"):
            self._end_packet(records, len(self._buffer))
            self._scanned = len(self._buffer) - 1
            self._flushed = True
        if self._intervals is not None and records:
            self._intervals.look(records[0][0])
            self._intervals.settle()
            return self._settled(self._batches(records))
        return self._batches(records)

    def finish(self) -> list[Batch]:
        """The text ended: return the packets that are left, whole or not."""
        end = len(self._buffer)
        whole = self._buffer.endswith(b"\n")
        last = self._buffer.rfind(b"\n")
        records = self._scan(end)
        if self._pending >= 0:
            if not whole:
                place = self._base + end - self._start
                self.notes.append(
                    Missing(f"cut short at byte {place}: the last packet may lack its end")
                )
                if self._pending <= last and _CUT_STAMP.match(self._buffer, last + 1):
                    end = last + 1
            self._end_packet(records, end)
        batches = self._give(records)
        if self._intervals is not None:
            if not self._intervals.settled:
                self._intervals.settle()
                if self._intervals.guessed:
                    self.notes.append(
                        "too few packets to tell -ttt from -ttttt: times may be wrong"
                    )
            batches += self._settled([])
        self._note_orphans(len(self._buffer))
        if self._strange and self._pattern is not None:
            self.notes.append(f"{self._strange} lines belong to no packet and are passed over")
        return batches

    def _scan(self, limit: int) -> list[Record]:
        """Return the packets that end before `limit`, up to which line ends are looked behind."""
        records: list[Record] = []
        buffer, time = self._buffer, self._clock.time
        if self._pattern is None:
            first = _FIRST.search(buffer, self._scanned, limit + _LINE_SHAPE)
            if first is None or first.start() >= limit:
                self._pass_over(self._scanned, limit)
                self._scanned = limit
                return records
            self._recognise(first)
            self._pass_over(self._scanned, first.start())
            # What stands before it is no packet, however the text was cut.
            self._scanned = first.start()
            time = self._clock.time
        assert self._pattern is not None
        behind = self._scanned
        for match in self._pattern.finditer(buffer, self._scanned, limit + _LINE_SHAPE):
            place = match.start() + 1
            if place > limit:
                break
            if self._pending >= 0:
                self._end_packet(records, place)
            else:
                self._pass_over(behind, match.start())
            behind = place
            self._note_orphans(place)
            self._flushed = False
            if match.lastindex is None or match.lastindex == _STAMPED:
                self._pending = place
                before, seconds, fraction = match.group(1, 2, 3)
                self._pending_time = time((before, seconds, fraction) if seconds else None)
        if self._pending < 0:
            self._pass_over(behind, limit)
        self._scanned = max(self._scanned, limit)
        if self._pending >= 0 and len(buffer) - self._pending > MAX_TEXT_PACKET:
            self._end_packet(records, len(buffer))
        return records

    def _pass_over(self, start: int, limit: int) -> None:
        """Count the lines of no packet that begin behind line ends from `start` to before `limit`."""
        if self._flushed:
            return
        for match in _NO_PACKET.finditer(self._buffer, start, limit + _LINE_SHAPE):
            if match.start() >= limit:
                break
            self._strange += 1

    def _recognise(self, first: re.Match[bytes]) -> None:
        """Take the first packet's line for how all of them are stamped."""
        kinds = {
            "date": Form.DATE,
            "interval": Form.INTERVAL,
            "clock": Form.CLOCK,
            "epoch": Form.EPOCH,
            "none": Form.NONE,
        }
        groups = first.groupdict()
        form = next(form for name, form in kinds.items() if groups[name] is not None)
        numbered = groups["numbered"] is not None or groups["unstampednumbered"] is not None
        self._pattern = _PATTERNS[form, numbered]
        day = self._first_day(form, first)
        self._clock = Clock(form, day)
        if form is Form.INTERVAL:
            self._intervals = Intervals(day)
            self.notes.append(f"its times count from the first packet, taken as {day} 00:00")
        elif form is Form.NONE:
            self.notes.append("has no times: only the order of its packets is known")

    def _first_day(self, form: Form, first: re.Match[bytes]) -> date:
        """Return the local date of the first packet, for forms that print none.

        It is the day of the last change, or the day before where the printed time of day would lie
        behind it.
        """
        modified = 0 if self._modified_ns is None else self._modified_ns()
        try:
            day = datetime.fromtimestamp(modified // 10**9).date()
        except (OverflowError, OSError, ValueError):
            return _EPOCH
        if form is not Form.CLOCK:
            return day
        before, _, rest = first["clock"].rpartition(b":")
        seconds, _, fraction = rest.strip().partition(b".")
        late = Clock(form, day).time((before, seconds, fraction)) > modified + _LATE
        return day - timedelta(days=1) if late and day > date.min else day

    def _end_packet(self, records: list[Record], end: int) -> None:
        start, self._pending = self._pending, -1
        if end - start > MAX_TEXT_PACKET:
            place = self._base + start - self._start
            self.notes.append(
                Missing(f"the packet at byte {place} was cut after {MAX_TEXT_PACKET} bytes")
            )
            end = start + MAX_TEXT_PACKET
        records.append((self._pending_time, start, end, end - start))

    def _note_orphans(self, place: int) -> None:
        """Say that text before `place` came for a packet that had been given out."""
        if self._flushed and self._buffer[:place].strip():
            self.notes.append("text came late for a packet that was shown already: left out")
            self._flushed = False

    def _give(self, records: list[Record]) -> list[Batch]:
        """Return packets with their times, as soon as these can be told."""
        batches = self._batches(records)
        if self._intervals is None:
            return batches
        for printed, *_ in records:
            self._intervals.look(printed)
        return self._settled(batches)

    def _settled(self, batches: list[Batch]) -> list[Batch]:
        """Return what was held and these, once it is known what their times count from."""
        assert self._intervals is not None
        self._held += batches
        if not self._intervals.settled:
            return []
        if self._intervals.changed:
            self._intervals.changed = False
            self.notes.append("its times count from elsewhere than it seemed: load it again")
        held, self._held = self._held, []
        for batch in held:
            batch.records = [(self._intervals.time(one[0]), *one[1:]) for one in batch.records]
        return held

    def _batches(self, records: list[Record]) -> list[Batch]:
        """Return packets as batches; forget the text that isn't needed any more."""
        batches = []
        if records:
            first, last = records[0][1], records[-1][2]
            data, base = bytes(self._buffer[first:last]), self._base + first
            moved = [(time, start - first, end - first, size) for time, start, end, size in records]
            batches = [
                Batch(
                    self._store, base, data, Linktype.TCPDUMP_TEXT, moved[at : at + BATCH_PACKETS]
                )
                for at in range(0, len(moved), BATCH_PACKETS)
            ]
        if self._pending < 0:
            if not records:
                self._note_orphans(self._scanned)
            self._forget(self._scanned)
        else:
            self._forget(self._pending)
        return batches

    def _forget(self, place: int) -> None:
        """Drop the buffer's bytes before `place`."""
        del self._buffer[:place]
        self._base += place
        self._scanned -= place
        if self._pending >= 0:
            self._pending -= place
