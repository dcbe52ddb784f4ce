"""Ways in: each module here is one kind of source, an async iterator of packet batches.

A source finds packets and says where their bytes lie; it knows nothing of what is inside them.
`pcap`, `pcapng` and `text` are sans-IO readers, `container` chooses between them by content;
`file`, `tail`, `stdin` and `live` draw bytes from the system and are where asyncio begins.

There is no registry: which way in is meant is a question of the option or command that was given
(`load`, `--tail`, `-`, `--live`), never of a name that is looked up.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Protocol

from sipstream.packets import Batch, Store, Tally


class Missing(str):
    """A note that says which part of a source couldn't be read: the exit status says so too."""

    __slots__ = ()


class Source(Protocol):
    """What the pipeline draws packets from."""

    name: str
    """How the user called it: a path, an interface, `standard input`."""

    live: bool
    """Whether packets come as they happen: such a source can't be made to wait."""

    tally: Tally
    """Its accounting; packets and bytes are counted by who takes the batches."""

    notes: list[str]
    """One-line remarks for the user, without the source's name; who shows them clears the list."""

    def progress(self) -> tuple[int, int] | None:
        """Return bytes done and bytes in all, None where there is no end to speak of."""

    def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield the packets; ends with the source. Closing it closes what it opened for reading.

        The bytes stay readable in the batches' stores.

        Raises:
            SourceError: the source can't be read, or holds nothing of a known kind.
        """


def stores_of(sources: Iterable[Source]) -> list[Store]:
    """Return where the packets of sources lie, of those that keep them, in the order of the sources."""
    stores = [
        store
        for source in sources
        for store in getattr(source, "stores", None) or [getattr(source, "store", None)]
    ]
    return [store for store in stores if store is not None]
