"""What scripts call: load a capture whole, or take a source's messages as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.decode.keylog import Secrets
from sipstream.filters import Filter
from sipstream.sources import Source
from sipstream.sources.file import FileSource
from sipstream.views import Message


def load(path: str | Path, keylog: str | Path | None = None, *, rtp: bool = False) -> Conversations:
    """Load a capture: pcap, pcapng, a .gz of these, or what tcpdump printed.

    TLS is read with the secrets of `keylog`. With `rtp` RTP and RTCP are looked at too, and the result's
    `streams.of(conversation)` gives the streams of a call. Runs an event loop of its own; inside one,
    use `stream`.

    Raises:
        SourceError: a file can't be read, or is of no known kind.
    """
    conversations = Conversations()
    if rtp:
        from sipstream.rtp.streams import Streams

        conversations.streams = Streams(conversations.index.endpoints.outers)
    source = FileSource(Path(path))
    intake = pipeline.Intake(source, conversations, _secrets(keylog), conversations.streams)
    asyncio.run(pipeline.run(intake, lambda added: None))
    return conversations


async def stream(
    source: Source | str | Path,
    filter: str = "",  # noqa: A002
    keylog: str | Path | None = None,
) -> AsyncIterator[Message]:
    """Yield a source's messages as they come, those of conversations that match the filter.

    `source` is a path, or a source of `sipstream.sources`; TLS is read with the secrets of `keylog`,
    which may grow. A message that comes before its conversation matches isn't yielded.

    Raises:
        SourceError: the source or the key log can't be read.
        FilterError: the filter can't be understood.
    """
    wanted = Filter.parse(filter) if filter else None
    if isinstance(source, str | Path):
        source = FileSource(Path(source))
    conversations = Conversations()
    intake = pipeline.Intake(source, conversations, _secrets(keylog))
    async with aclosing(source.batches()) as batches:
        async for batch in batches:
            for number in intake.feed(batch):
                message = conversations.message(number)
                if wanted is None or wanted.matches(conversations[message.conversation]):
                    yield message
            await asyncio.sleep(0)
    for number in intake.finish():
        message = conversations.message(number)
        if wanted is None or wanted.matches(conversations[message.conversation]):
            yield message


def _secrets(keylog: str | Path | None) -> Secrets | None:
    """Return the secrets of a key log, None where none was given."""
    if keylog is None:
        return None
    from sipstream.sources.keylog import KeyLogFile

    secrets = Secrets()
    KeyLogFile(Path(keylog)).read_into(secrets)
    return secrets
