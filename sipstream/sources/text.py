"""What tcpdump prints to a terminal, cut into packets with their times: every -t form.

Sans-IO: text is fed in any cut. One regular expression finds the lines that begin a packet; nothing
is split into lines. Of a packet that is printed as nearly all are it finds the endpoints and the
message as well (`decode.printed_usual`), and where -v printed a length, the next packet's line is
looked for at the place that follows from it. What any other packet's text says is `decode.printed`'s
concern. Text of -A holds the traffic's own lines: who sends a line that looks like a packet's in
every detail can split a message there. -v and -X can't be deceived like this.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from re import Match, Pattern

from sipstream.decode import printed_usual
from sipstream.limits import BATCH_PACKETS, MAX_TEXT_PACKET
from sipstream.packets import Batch, Linktype, Record, Store, Usual
from sipstream.sources import Missing
from sipstream.sources import textlines as lines
from sipstream.sources.textclock import Clock, Form, Intervals

_EPOCH = date(1970, 1, 1)
_LATE = 10**9
"""How far (ns) a packet's time may lie after the file's: file times come from a coarser clock."""
_BOM = b"\xef\xbb\xbf"
"""What editors put before text."""
_HALF_DAY = 12 * 3600 * 10**9


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
        self.store = store
        self._live = live
        self._modified_ns = modified_ns
        # Each line is found by the line end before it: the first one gets one that isn't there.
        self._buffer = b"\n"
        self._base = offset - 1
        self._start = offset
        self._scanned = 0
        """Line ends before this place of the buffer were looked behind."""
        self._pending = -1
        """Where in the buffer the packet begins that may still grow; -1: none does."""
        self._records: list[Record] = []
        """Packets found that weren't given out yet."""
        self._usual: list[Usual | None] = []
        self._pending_time = 0
        self._flushed = False
        self.strange = 0
        """Lines that stand in no packet."""
        self._given_time = 0
        self._pattern: Pattern[bytes] | None = None
        self._form, self._day = Form.NONE, _EPOCH
        self._clock = Clock(self._form, self._day)
        self._intervals: Intervals | None = None
        self._held: list[Batch] = []

    # For several readers of one text

    @property
    def position(self) -> int:
        """The place in the store of the packet that may still grow, or that is to come next."""
        return self._base + (self._pending if self._pending >= 0 else 1)

    @property
    def is_plain(self) -> bool:
        """Whether each stamp so far has told its packet's time by itself."""
        return self._clock.is_plain

    @property
    def is_divisible(self) -> bool:
        """Whether packets behind `position` tell their times without those before them."""
        tells = self._form in (Form.CLOCK, Form.DATE, Form.EPOCH)
        return tells and self.is_plain and (self._pending >= 0 or len(self._buffer) == 1)

    def find(self, data: bytes) -> int | None:
        """Return where in bytes out of the middle, behind the first one, a packet seems to begin.

        None where none does. A message may hold what looks like it: who relies on this has to see that
        the packets before it lead there.
        """
        assert self._pattern is not None
        match = self._pattern.search(data)
        if match is None or match[lines.STAMP] is None:
            return None
        return match.start() + 1

    def at(self, position: int) -> TextReader:
        """Return a reader of the same text for the packets from `position` on, where one begins."""
        reader = TextReader(self.store, position)
        reader._pattern, reader._form, reader._day = self._pattern, self._form, self._day
        reader._clock = Clock(self._form, self._day)
        return reader

    def passes(self, position: int, time: int) -> None:
        """Go on at `position`; what lies before was read elsewhere, its last packet of that time (ns)."""
        self._buffer, self._base, self._scanned, self._pending = b"\n", position - 1, 0, -1
        self._clock.previous = self._given_time = time

    def follows(self, time: int) -> bool:
        """Tell whether a packet of that time (ns), taken for one of the first day, comes next."""
        return self._form is not Form.CLOCK or time >= self._given_time - _HALF_DAY

    # Reading

    def feed(self, data: bytes) -> list[Batch]:
        """Take the next bytes, return the packets that are whole: another one follows them."""
        if data.startswith(_BOM) and self._base < self._start and len(self._buffer) == 1:
            data = data[len(_BOM) :]
            self._base += len(_BOM)
        buffer = self._buffer = self._buffer + data
        last = buffer.rfind(b"\n", self._scanned)
        # What is behind the last line end may still become a packet's line.
        undecided = last >= 0 and len(buffer) - last <= lines.REACH
        self._scan(last if undecided else len(buffer))
        return self._give()

    def flush(self) -> list[Batch]:
        """The text has been quiet for a while: return the last packet if it ends with its line.

        Does nothing where the text isn't `live`.
        """
        records = self._records
        if self._live and self._pending >= 0 and self._buffer.endswith(b"\n"):
            self._end_packet(len(self._buffer))
            self._scanned = len(self._buffer) - 1
            self._flushed = True
        if self._intervals is not None and records:
            self._intervals.look(records[0][0])
            self._intervals.settle()
            return self._settled(self._batches())
        return self._batches()

    def finish(self) -> list[Batch]:
        """The text ended: return the packets that are left, whole or not."""
        end = len(self._buffer)
        whole = self._buffer.endswith(b"\n")
        last = self._buffer.rfind(b"\n")
        self._scan(end)
        if self._pending >= 0:
            if not whole:
                place = self._base + end - self._start
                self.notes.append(
                    Missing(f"cut short at byte {place}: the last packet may lack its end")
                )
                if self._pending <= last and lines.CUT_STAMP.match(self._buffer, last + 1):
                    end = last + 1
            self._end_packet(end)
        batches = self._give()
        if self._intervals is not None:
            if not self._intervals.settled:
                self._intervals.settle()
                if self._intervals.guessed:
                    self.notes.append(
                        "too few packets to tell -ttt from -ttttt: times may be wrong"
                    )
            batches += self._settled([])
        self._note_orphans(len(self._buffer))
        if self.strange and self._pattern is not None:
            self.notes.append(f"{self.strange} lines belong to no packet and are passed over")
        return batches

    def _scan(self, limit: int) -> None:
        """Find the packets that end before `limit`, up to which line ends are looked behind."""
        buffer = self._buffer
        if self._pattern is None:
            first = lines.FIRST.search(buffer, self._scanned, limit + lines.REACH)
            if first is None or first.start() >= limit:
                self._pass_over(self._scanned, limit)
                self._scanned = limit
                return
            self._recognise(first)
            self._pass_over(self._scanned, first.start())
            # What stands before it is no packet, however the text was cut.
            self._scanned = first.start()
        assert self._pattern is not None
        behind = self._cut(self._pattern, limit)
        if self._pending < 0:
            self._pass_over(behind, limit)
        self._scanned = max(self._scanned, limit)
        if self._pending >= 0 and len(buffer) - self._pending > MAX_TEXT_PACKET:
            self._end_packet(len(buffer))

    def _cut(self, pattern: Pattern[bytes], limit: int) -> int:
        """Do so, the text's form being known; return the place behind the last line end used."""
        buffer, reach, clock = self._buffer, limit + lines.REACH, self._clock
        search, line_at, as_sent = pattern.search, pattern.match, printed_usual.indented
        add, add_usual = self._records.append, self._usual.append
        pending, time, behind = self._pending, self._pending_time, self._scanned
        usual: Usual | None = None
        match = search(buffer, behind, reach)
        while match is not None:
            place = match.start() + 1
            if place > limit:
                break
            if usual is not None and place - pending <= MAX_TEXT_PACKET:
                add((time, pending, place, place - pending))
                add_usual(usual)
            else:
                self._end_pending(behind, place)
            behind = pending = place
            text = match.end()
            second, fraction, ends, indented, length, end_of_all = match.groups()
            usual = following = None
            if end_of_all is not None:
                pending = -1
            elif second == clock.second and len(fraction) == 6:
                time = clock.begun + int(fraction) * 1000
            else:
                if clock.second:
                    clock.previous = time
                time = clock.printed(second, fraction)
            if indented is not None:
                # CR and LF take as much room as a line end and a tab: the next packet's line begins
                # behind the last CR, or where there is none behind a line end that tcpdump added.
                size = int(indented)
                end = text + size - 2
                following = line_at(buffer, end, reach) or line_at(buffer, end + 2, reach)
                if following is not None:
                    message = as_sent(buffer[text : following.start()], size)
                    if message is not None:
                        usual = ends, text, size, message
                    else:
                        following = None
            elif ends is not None:
                usual = ends, text, -1 if length is None else int(length), None
            match = following or search(buffer, text, reach)
            self._pending, self._pending_time = pending, time
        return behind

    def _end_pending(self, behind: int, place: int) -> None:
        """End the packet before the line at `place`, or pass over what stands there from `behind` on."""
        if self._pending >= 0:
            self._end_packet(place)
        else:
            self._pass_over(behind, place - 1)
        self._note_orphans(place)
        self._flushed = False

    def _pass_over(self, start: int, limit: int) -> None:
        """Count the lines of no packet that begin behind line ends from `start` to before `limit`."""
        if self._flushed:
            return
        for match in lines.NO_PACKET.finditer(self._buffer, start, limit + lines.REACH):
            if match.start() >= limit:
                break
            self.strange += 1

    def _recognise(self, first: Match[bytes]) -> None:
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
        self._pattern = lines.lines(form, numbered)
        day = self._first_day(form, first)
        self._form, self._day, self._clock = form, day, Clock(form, day)
        if form is Form.INTERVAL:
            self._intervals = Intervals(day)
            self.notes.append(f"its times count from the first packet, taken as {day} 00:00")
        elif form is Form.NONE:
            self.notes.append("has no times: only the order of its packets is known")

    def _first_day(self, form: Form, first: Match[bytes]) -> date:
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
        second, _, fraction = first["clock"].strip().partition(b".")
        late = Clock(form, day).printed(second, fraction) > modified + _LATE
        return day - timedelta(days=1) if late and day > date.min else day

    def _end_packet(self, end: int) -> None:
        start, self._pending = self._pending, -1
        if end - start > MAX_TEXT_PACKET:
            place = self._base + start - self._start
            self.notes.append(
                Missing(f"the packet at byte {place} was cut after {MAX_TEXT_PACKET} bytes")
            )
            end = start + MAX_TEXT_PACKET
        self._records.append((self._pending_time, start, end, end - start))
        self._usual.append(None)

    def _note_orphans(self, place: int) -> None:
        """Say that text before `place` came for a packet that had been given out."""
        if self._flushed and self._buffer[:place].strip():
            self.notes.append("text came late for a packet that was shown already: left out")
            self._flushed = False

    def _give(self) -> list[Batch]:
        """Return packets with their times, as soon as these can be told."""
        if self._intervals is None:
            return self._batches()
        for printed, *_ in self._records:
            self._intervals.look(printed)
        return self._settled(self._batches())

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

    def _batches(self) -> list[Batch]:
        """Return the packets found as batches; forget the text that isn't needed any more."""
        records, usual = self._records, self._usual
        batches = []
        if records:
            self._given_time = records[-1][0]
            for at in range(0, len(records), BATCH_PACKETS):
                batch = Batch(
                    self.store,
                    self._base,
                    self._buffer,
                    Linktype.TCPDUMP_TEXT,
                    records[at : at + BATCH_PACKETS],
                    usual=usual[at : at + BATCH_PACKETS],
                )
                batches.append(batch)
        elif self._pending < 0:
            self._note_orphans(self._scanned)
        self._forget(self._scanned if self._pending < 0 else self._pending)
        self._records, self._usual = [], []
        return batches

    def _forget(self, place: int) -> None:
        """Drop the buffer's bytes before `place`."""
        self._buffer = self._buffer[place:]
        self._base += place
        self._scanned -= place
        if self._pending >= 0:
            self._pending -= place
