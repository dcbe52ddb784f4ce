"""Which kind of capture a stream of bytes is: told by its first bytes, never by a name.

Sans-IO. `AnyReader` has the shape of the readers it chooses between, so files, pipes and growing
files are read alike. It doesn't unpack: `unpack` stands in front of it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from sipstream.errors import SourceError
from sipstream.escape import escape
from sipstream.packets import Batch, Store
from sipstream.sources import Missing, pcap, pcapng
from sipstream.sources.pcap import PcapReader
from sipstream.sources.pcapng import PcapngReader
from sipstream.sources.records import RecordReader
from sipstream.spool import FileStore, Spool

if TYPE_CHECKING:
    from sipstream.sources.text import TextReader
    from sipstream.sources.textstore import TextStore

UNKNOWN = "neither a capture file nor text that tcpdump printed"
TEXT_SEARCH = 64 << 20
"""Bytes of text searched for the first packet before a stream is called unknown: this ends the
reading of a sparse file or of /dev/zero within a second."""
MAGIC_LENGTH = 4
_GZIP_MAGIC = b"\x1f\x8b"

Reader: TypeAlias = "PcapReader | PcapngReader | TextReader"


class Kind(enum.Enum):
    """What the first bytes say."""

    PCAP = "pcap"
    PCAPNG = "pcapng"
    GZIP = "gzip"
    TEXT = "text"


def sniff(head: bytes) -> Kind | None:
    """Return the kind that a stream's first bytes tell, None when it takes more of them."""
    if head[:2] == _GZIP_MAGIC:
        return Kind.GZIP
    if len(head) < MAGIC_LENGTH:
        return None
    magic = head[:MAGIC_LENGTH]
    if magic in pcap.MAGICS:
        return Kind.PCAP
    return Kind.PCAPNG if magic == pcapng.MAGIC else Kind.TEXT


def make_reader(
    kind: Kind,
    store: Store,
    offset: int = 0,
    *,
    modified_ns: Callable[[], int] | None = None,
    live: bool = False,
) -> Reader:
    """Return the reader for a kind other than GZIP; `offset` is the place of its first byte.

    `modified_ns` and `live` are for text, see TextReader.
    """
    if kind is Kind.PCAP:
        return PcapReader(store, offset)
    if kind is Kind.PCAPNG:
        return PcapngReader(store, offset)
    # Its patterns take some time to be imported: captures needn't wait for that.
    from sipstream.sources.text import TextReader

    return TextReader(store, offset, modified_ns=modified_ns, live=live)


class AnyReader:
    """Reads a stream of any kind; what is compressed gives nothing but `kind`.

    `offset` is the place in `store` of the first byte that will be fed, `text` the store as text
    where the caller has one already. `notes` is the caller's list. `modified_ns` tells by when the
    stream was written, in ns since the epoch.
    """

    def __init__(
        self,
        store: FileStore | Spool,
        offset: int = 0,
        *,
        notes: list[str],
        modified_ns: Callable[[], int],
        text: TextStore | None = None,
        live: bool = False,
    ) -> None:
        self.kind: Kind | None = None
        self.packets = 0
        """Packets found so far."""
        self.taken = 0
        """Bytes fed so far."""
        self._store = store
        self._offset = offset
        self._notes = notes
        self._modified_ns = modified_ns
        self._text_store = text
        self._live = live
        self._head = b""
        self._reader: Reader | None = None
        self._lost = False

    @property
    def text(self) -> TextReader | None:
        """What reads the stream, where it is text."""
        return None if isinstance(self._reader, RecordReader) else self._reader

    def keep(self, data: bytes) -> list[Batch]:
        """Append the next bytes to the store, which is a spool, and feed them.

        The first ones say where the stream lies in it, whatever `offset` was.
        """
        if self.hopeless:
            # Nobody will look at it: it must not fill the disk.
            self.taken += len(data)
            return []
        assert isinstance(self._store, Spool)
        place = self._store.append(data)
        if not self.taken:
            self._offset = place
        if self._store.lost and not self._lost:
            self._lost = True
            self._notes.append(
                "the temporary folder is full: messages are counted, but can't be shown whole"
            )
        return self.feed(data)

    def feed(self, data: bytes) -> list[Batch]:
        """Take the next bytes, return the whole packets they complete."""
        self.taken += len(data)
        if self._reader is None:
            if self.kind is not None:
                return []
            data = self._head + data
            self.kind = sniff(data)
            if self.kind is None:
                self._head = data
                return []
            self._head = b""
            if self.kind is Kind.GZIP:
                return []
            self._reader = self._make(self.kind)
        return self._found(self._reader.feed(data))

    def flush(self) -> list[Batch]:
        """Return the last packet of text that has stopped growing for now."""
        if self._reader is None or isinstance(self._reader, RecordReader):
            return []
        return self._found(self._reader.flush())

    def finish(self, *, told: bool = False) -> list[Batch]:
        """The stream ended: return what its rest still gives.

        `told` says that the user knows already why its end is missing.
        """
        if self._reader is None:
            self.kind = self.kind or (Kind.TEXT if self._head else None)
            return []
        batches = self._reader.finish()
        if told:
            self._reader.notes = [
                note for note in self._reader.notes if not isinstance(note, Missing)
            ]
        return self._found(batches)

    @property
    def hopeless(self) -> bool:
        """Whether nothing comes of what follows: it is packed, damaged, or no capture at all."""
        if isinstance(self._reader, RecordReader):
            return self._reader.broken
        return self.kind is Kind.GZIP or self.unrecognised(TEXT_SEARCH)

    def unrecognised(self, patience: int) -> bool:
        """Return whether no packet was found in `patience` bytes of text."""
        return self.kind is Kind.TEXT and not self.packets and self.taken >= patience

    def require_known(self, name: str, *, ended: bool = False) -> None:
        """Refuse what has shown to be no capture: text without packets, or packed once more.

        Raises:
            SourceError: a sentence that begins with `name`.
        """
        if self.kind is Kind.GZIP:
            raise SourceError(
                f"{escape(name)}: holds a .gz inside the .gz; unpack the outer one first"
            )
        if self.unrecognised(0 if ended else TEXT_SEARCH):
            raise SourceError(f"{escape(name)}: {UNKNOWN}")

    def _make(self, kind: Kind) -> Reader:
        if kind is not Kind.TEXT:
            return make_reader(kind, self._store, self._offset)
        from sipstream.sources.textstore import TextStore

        store = self._text_store or TextStore(self._store)
        return make_reader(
            kind, store, self._offset, modified_ns=self._modified_ns, live=self._live
        )

    def _found(self, batches: list[Batch]) -> list[Batch]:
        assert self._reader is not None
        self._notes += self._reader.notes
        self._reader.notes.clear()
        self.packets += sum(len(batch.records) for batch in batches)
        return batches
