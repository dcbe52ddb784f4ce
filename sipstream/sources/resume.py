"""Segments that an earlier run left in a spool's folder: read up to the last whole packet.

They become the oldest part of a spool: what comes of them is kept, and goes, as what is captured now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

from sipstream import limits
from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.packets import Batch, Tally
from sipstream.segments import Folder, Room, Segment, label_of
from sipstream.sources.pcap import HEADER, MAGICS, PcapReader
from sipstream.spool import Spool


class ResumedSource:
    """The packets of a room's folder, if it has one, as they are now.

    Raises:
        SourceError: a segment can't be read, isn't private, or is none.
    """

    live = False

    def __init__(self, room: Room) -> None:
        folder = room.folder
        self.name = str(folder.path) if folder is not None else ""
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self._spool = Spool(room=room)
        self._room = room
        self.segments: list[tuple[str, Segment, int]] = []
        """Names, and where in the spool each begins."""
        self._done = 0
        if folder is None:
            return
        for name in folder.names:
            segment = _former(folder, name)
            if segment is None:
                folder.remove(name)
            else:
                self.segments.append((name, segment, self._spool.adopt(segment)))

    @property
    def store(self) -> Spool:
        """Where the packets lie: exports find them again there."""
        return self._spool

    def progress(self) -> tuple[int, int]:
        """Return bytes read and bytes in all."""
        return self._done, self._spool.size()

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield the packets of all segments that are still there."""
        for name, segment, start in self.segments:
            for part in self._read(name, segment, start):
                for batch in part:
                    batch.tap = label_of(name)
                    yield batch
                await asyncio.sleep(0)

    def _read(self, name: str, segment: Segment, start: int) -> Iterator[list[Batch]]:
        """Yield the packets of a segment; what new ones took the room of in between is left out."""
        reader = PcapReader(self._spool, start)
        position, end = start, start + segment.size
        while position < end:
            data = self._spool.read(position, min(limits.CHUNK, end - position))
            if not data:
                return
            position += len(data)
            self._done = position
            yield reader.feed(data)
        if reader.broken:
            self.notes += [f"{escape(name)}: {note}" for note in reader.notes]
        elif reader.position < end:
            rest = end - reader.position
            self.notes.append(
                f"the last {rest} bytes of {escape(name)} are no whole packet: cut off"
            )
            self._room.cut(segment, reader.position - start)


def _former(folder: Folder, name: str) -> Segment | None:
    """Open a segment, None where it holds no packet.

    Raises:
        SourceError: it can't be opened, isn't private, or is no pcap file.
    """
    segment = folder.former(name)
    head = segment.read(0, HEADER)
    if segment.size > HEADER and head.startswith(MAGICS):
        return segment
    segment.close()
    if segment.size <= HEADER and any(magic.startswith(head[:4]) for magic in MAGICS):
        return None
    raise SourceError(f"{escape(str(folder.path / name))}: is no segment of a spool")
