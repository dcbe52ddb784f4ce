"""What headers and bodies say, as words for completion, from a sample of the messages.

Nobody waits until a million messages are read: some of the newest conversations and some spread over
all of them tell what is sent here. Each message is a step of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from sipstream.filters.terms.headers import KNOWN_HEADERS
from sipstream.filters.terms.numbers import parties
from sipstream.index import UNUSED
from sipstream.shell.seen import Count, Words
from sipstream.shell.steps import Steps
from sipstream.sip import headers, sdp
from sipstream.sip.uri import uri_in
from sipstream.views import Message

if TYPE_CHECKING:
    from sipstream.index import Index

SAMPLE = 500
"""Messages looked at: a fifth of a millisecond each, so that their sum is hardly felt."""
_EACH = 10
"""Messages of one conversation looked at: a call has no more, and one that never ends says the same
again and again."""
_LARGEST = 16_384
"""Bytes of a message looked at: what is longer would hold the others up."""
_LONGEST = 200
"""Characters of a word: longer ones fit no menu."""
_NAME = re.compile(rb"\n([A-Za-z0-9\-.!%*_+`'~]{1,64})[ \t]*:")
_USUAL = {name.lower(): name for name in (*KNOWN_HEADERS, "Call-ID", "Content-Length")}
_LONG = {short: long for long, short in headers.COMPACT.items()}


def _places(index: Index) -> Iterator[int]:
    """Yield the conversations to look at: in turn one of the newest, and one of those spread over all.

    Places of what was given up are used again, so that the newest by place are the newest but for some.
    """
    count = len(index.c_state)
    half = max(SAMPLE // _EACH, 1)
    spread = range(0, count, max(count // half, 1))
    for newest, other in zip(range(count - 1, -1, -1), spread, strict=False):
        yield newest
        yield other


def _messages(index: Index) -> Iterator[Message]:
    """Yield the messages of the sample, each once."""
    looked_at: set[int] = set()
    left = SAMPLE
    for number in _places(index):
        if number in looked_at or index.c_state[number] == UNUSED:
            continue
        looked_at.add(number)
        for place, message in enumerate(index.arrived(number)):
            if place == _EACH or not left:
                break
            left -= 1
            if index.m_length[message] <= _LARGEST:
                yield Message(index, message)


def _counted(texts: Callable[[Message], Iterable[str]]) -> Count:
    """Return what counts in how many messages of the sample a text is."""

    def count(index: Index) -> Steps[Words]:
        counts: Counter[str] = Counter()
        looked_at = 0
        for message in _messages(index):
            looked_at += 1
            counts.update({text for text in texts(message) if text and len(text) <= _LONGEST})
            yield
        noun = f"of {looked_at} messages looked at"
        return (yield from Words.of(counts.items(), noun))

    return count


def _header_names(message: Message) -> Iterable[str]:
    """Return the names of headers as they are usually written, the compact ones' long forms."""
    raw = message.raw
    for name in _NAME.findall(raw, 0, headers.head_end(raw, 0, len(raw))):
        text = name.decode("ascii")
        long = _LONG.get(text.lower(), text)
        yield _USUAL.get(long.lower(), long)


header_names = _counted(_header_names)
agents = _counted(lambda one: [*one.headers("User-Agent"), *one.headers("Server")])
reasons = _counted(lambda one: [one.reason])
domains = _counted(lambda one: [uri_in(value).host for value in parties(one)])
uris = _counted(lambda one: [uri_in(value).text for value in parties(one)])
codecs = _counted(lambda one: [codec for part in sdp.media(one.raw) for codec in part.codecs])
media = _counted(lambda one: [text for part in sdp.media(one.raw) for text in _ends(part)])


def _ends(part: sdp.Media) -> Iterable[str]:
    """Return where media is wanted, as the term takes it: the address, and it with the port."""
    if not part.address:
        return ()
    address = f"[{part.address}]" if ":" in part.address else part.address
    return part.address, f"{address}:{part.port}"
