"""What scripts call: load a capture whole, or take a source's messages as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.filters import Filter
from sipstream.sources import Source
from sipstream.sources.file import FileSource
from sipstream.views import Message


def load(path: str | Path) -> Conversations:
    """Load a capture: pcap, pcapng, a .gz of these, or what tcpdump printed.

    Runs an event loop of its own; inside one, use `stream`.

    Raises:
        SourceError: the file can't be read, or is of no known kind.
    """
    conversations = Conversations()
    intake = pipeline.Intake(FileSource(Path(path)), conversations)
    asyncio.run(pipeline.run(intake, lambda added: None))
    return conversations


async def stream(source: Source | str | Path, filter: str = "") -> AsyncIterator[Message]:  # noqa: A002
    """Yield a source's messages as they come, those of conversations that match the filter.

    `source` is a path, or a source of `sipstream.sources`. A message that comes before its
    conversation matches isn't yielded.

    Raises:
        SourceError: the source can't be read.
        FilterError: the filter can't be understood.
    """
    wanted = Filter.parse(filter) if filter else None
    if isinstance(source, str | Path):
        source = FileSource(Path(source))
    conversations = Conversations()
    intake = pipeline.Intake(source, conversations)
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
