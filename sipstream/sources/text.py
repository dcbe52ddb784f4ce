"""What tcpdump prints: text cut into packets, each with its time. Sans-IO.

One regular expression finds the lines that begin a packet; all up to the next such line belongs to
it, and what it means is `decode.printed`'s business. The form of the time stamp is told by the first
packet and holds for the whole text.
"""

from __future__ import annotations

import re
from datetime import date

from sipstream.limits import BATCH_PACKETS, MAX_TEXT_PACKET
from sipstream.packets import Batch, Linktype, Record, Store
from sipstream.sources.stamps import FORMS, Stamps

_WHAT = (
    rb"(?=(?:[\w.@:-]{1,64} +(?:In|Out|B|M|P|\?) +)?"  # `any`: interface and direction
    rb"(?:(?:[0-9a-f]{2}:){5}|IP6? |ARP[, ]|[A-Z][\w.-]{0,31}[ ,:(]))"
)
_LINES = {
    form: re.compile(rb"^" + stamp + _WHAT, re.MULTILINE) for form, stamp in FORMS.items() if stamp
}
_LINES[""] = re.compile(rb"^IP6? (?=[^\n]* > )|^ARP, ", re.MULTILINE)
"""The line that begins a packet, by form of the time stamp; -t prints none."""
_LONGEST_LINE = 4096
"""A packet's line that is looked for across a cut is no longer than this."""


class TextReader:
    """Reads one text; `offset` is the place in `store` of the first byte that will be fed.

    `day` is the local date of the first packet, for forms without one (None: the day the clock of
    1970 began); `live` says that the text is being printed, so a pause ends a packet (`flush`).
    """

    def __init__(
        self, store: Store, offset: int = 0, *, day: date | None = None, live: bool = False
    ) -> None:
        self.notes: list[str] = []
        self._store = store
        self._base = offset
        self._day = day
        self._live = live
        self._rest = b""
        self._searched = 0
        self._line: re.Pattern[bytes] | None = None
        self._stamps: Stamps | None = None
        self._begun = False
        """`_rest` begins with a packet's line."""

    def feed(self, data: bytes) -> list[Batch]:
        """Take the next text, return the packets that the next one's line ends."""
        data = self._rest + data if self._rest else data
        if self._line is None and not self._recognise(data):
            self._keep(data, max(data.rfind(b"\n") + 1, len(data) - _LONGEST_LINE), False)
            return []
        assert self._line is not None
        starts = [match.start() for match in self._line.finditer(data, self._searched)]
        if self._begun:
            starts.insert(0, 0)
        if not starts:
            self._keep(data, max(data.rfind(b"\n") + 1, len(data) - _LONGEST_LINE), False)
            return []
        batches = self._packets(data, starts)
        self._keep(data, starts[-1], True)
        if len(self._rest) > MAX_TEXT_PACKET:
            self.notes.append(f"a packet of over {MAX_TEXT_PACKET} bytes of text was cut there")
            batches += self._give_out()
        return batches

    def flush(self) -> list[Batch]:
        """Return the last packet although no other follows: the text has been quiet."""
        if not self._rest.endswith(b"\n"):
            return self._settle(ended=False)
        return self._give_out()

    def finish(self) -> list[Batch]:
        """The text ended: return its last packet."""
        return self._give_out() + self._settle(ended=True)

    def _recognise(self, data: bytes) -> bool:
        """Find the first packet's line; its time stamp tells the form."""
        found = [
            (match.start(), len(form) == 0, form)
            for form, line in _LINES.items()
            if (match := line.search(data, self._searched))
        ]
        if not found:
            return False
        form = min(found)[2]
        self._line = _LINES[form]
        self._stamps = Stamps(form, self._day)
        return True

    def _packets(self, data: bytes, starts: list[int]) -> list[Batch]:
        """Return batches of the packets between the starts; the last one waits for its end."""
        assert self._stamps is not None
        batches: list[Batch] = []
        for first in range(0, len(starts) - 1, BATCH_PACKETS):
            records: list[Record] = []
            for place in range(first, min(first + BATCH_PACKETS, len(starts) - 1)):
                start, end = starts[place], starts[place + 1]
                records.append((self._stamps.time(data, start), start, end, end - start))
            batches.append(Batch(self._store, self._base, data, Linktype.TCPDUMP_TEXT, records))
        return self._stamps.settled(batches)

    def _settle(self, *, ended: bool) -> list[Batch]:
        """Return what waited for the meaning of its time stamps."""
        if self._stamps is None or not (ended or self._live):
            return []
        return self._stamps.decide()

    def _give_out(self) -> list[Batch]:
        """Return the packet that waits, as far as it has come."""
        if not self._begun:
            return []
        data, self._begun = self._rest, False
        batches = self._packets(data, [0, len(data)])
        self._keep(data, len(data), False)
        return batches + self._settle(ended=False)

    def _keep(self, data: bytes, start: int, begun: bool) -> None:
        """Keep data[start:] for the next text; its whole lines needn't be searched again."""
        self._rest = data[start:]
        self._base += start
        self._begun = begun
        last_line = self._rest.rfind(b"\n") + 1
        self._searched = max(last_line, 1 if begun else 0)


def headline_before(text: bytes) -> bytes | None:
    """Return the last packet's line in the text that ends where a message begins."""
    best: re.Match[bytes] | None = None
    for line in _LINES.values():
        for match in line.finditer(text):
            if best is None or match.start() > best.start():
                best = match
    if best is None:
        return None
    return text[best.start() :].split(b"\n", 1)[0].rstrip(b"\r")
