"""What was captured, as words for completion: each kind, how often, and when it is counted anew."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from support import CAPTURES, Chain, batch, ethernet, ipv4, sip, udp

import sipstream
from sipstream.conversations import Conversations
from sipstream.filters import Filter, suggest
from sipstream.index import Index
from sipstream.session import Session
from sipstream.shell import sampled, seen
from sipstream.shell.fuzzy import Typed
from sipstream.shell.offered import Offer, filled
from sipstream.shell.steps import at_once
from sipstream.sip.uri import is_number
from sipstream.views import Conversation, Message

SDP = "v=0\r\nc=IN IP4 10.9.9.9\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"


@pytest.fixture(scope="module")
def loaded() -> Conversations:
    return sipstream.load(CAPTURES / "timeout.pcap")


def counted(index: Index, count: seen.Count) -> dict[str, int]:
    """What is counted, read back by looking for everything."""
    words = at_once(seen.words(index, count))
    return {word: number for _, number, word in at_once(words.find(Typed(""), 10_000))}


def by_hand(
    conversations: Conversations, texts: Callable[[Conversation], Iterable[str]]
) -> Counter[str]:
    return Counter(text for one in conversations for text in set(texts(one)))


def messages(
    conversations: Conversations, texts: Callable[[Message], Iterable[str]]
) -> Counter[str]:
    return Counter(
        text for one in conversations for message in one.messages for text in set(texts(message))
    )


def numbers(*users: str) -> list[str]:
    return [user for user in users if is_number(user)]


@pytest.mark.parametrize(
    ("count", "texts"),
    [
        (seen.NUMBERS["srcnum"], lambda one: numbers(one.src_user)),
        (seen.NUMBERS["dstnum"], lambda one: numbers(one.dst_user)),
        (seen.ANY_NUMBER, lambda one: numbers(one.src_user, one.dst_user)),
        (seen.users, lambda one: [user for user in (one.src_user, one.dst_user) if user]),
        (seen.ADDRESSES["srcip"], lambda one: [one.source]),
        (seen.ADDRESSES["dstip"], lambda one: [one.destination]),
        (seen.ANY_ADDRESS, lambda one: [one.source, one.destination]),
        (seen.methods, lambda one: [kind for kind in one.kinds if isinstance(kind, str)]),
        (seen.statuses, lambda one: [str(kind) for kind in one.kinds if isinstance(kind, int)]),
        (seen.in_states, lambda one: [one.state]),
    ],
)
def test_what_is_counted_in_conversations(
    loaded: Conversations, count: seen.Count, texts: Callable[[Conversation], Iterable[str]]
) -> None:
    found = counted(loaded.index, count)
    assert found
    assert found == by_hand(loaded, texts)


@pytest.mark.parametrize(
    ("count", "texts"),
    [
        (seen.endpoints, lambda one: [one.source_uri, one.destination_uri]),
        (seen.ports, lambda one: [one.source.split(".")[-1], one.destination.split(".")[-1]]),
        (seen.transports, lambda one: [one.transport.lower()]),
    ],
)  # fmt: skip
def test_what_is_counted_in_messages(
    loaded: Conversations, count: seen.Count, texts: Callable[[Message], Iterable[str]]
) -> None:
    found = counted(loaded.index, count)
    assert found
    assert found == messages(loaded, texts)


@pytest.mark.parametrize(
    ("count", "texts"),
    [
        (sampled.agents, lambda one: [*one.headers("User-Agent"), *one.headers("Server")]),
        (sampled.reasons, lambda one: [one.reason] if one.reason else []),
    ],
)
def test_small_captures_are_looked_at_whole(
    loaded: Conversations, count: seen.Count, texts: Callable[[Message], Iterable[str]]
) -> None:
    assert loaded.message_count < sampled.SAMPLE
    found = counted(loaded.index, count)
    wanted = messages(loaded, texts)
    assert set(found) <= set(wanted)
    # Of conversations with very many messages the first ones are looked at.
    few = [one for one in loaded if one.count <= 10]
    assert set(found) >= {text for one in few for m in one.messages for text in texts(m)}


def chain(*messages: bytes, tap: str = "") -> Chain:
    made = Chain()
    made.feed(batch([ethernet(ipv4(udp(one))) for one in messages], tap=tap))
    return made


def test_what_headers_and_bodies_say() -> None:
    made = chain(
        sip(
            extra="User-Agent: Phone 1\r\nX-Odd: 1\r\nk: timer\r\nContent-Type: application/sdp\r\n",
            body=SDP,
        )
    )
    index = made.conversations.index
    assert counted(index, sampled.agents) == {"Phone 1": 1}
    names = counted(index, sampled.header_names)
    assert {"X-Odd", "Supported", "Call-ID", "User-Agent"} <= set(names)
    assert "k" not in names
    assert counted(index, sampled.codecs) == {"PCMA": 1, "telephone-event": 1}
    assert counted(index, sampled.media) == {"10.9.9.9": 1, "10.9.9.9:4000": 1}
    assert counted(index, sampled.domains) == {"a": 1, "b": 1}
    assert counted(index, sampled.uris) == {"sip:2@b": 1, "sip:4151500@a": 1, "sip:5660066@b": 1}
    words = at_once(sampled.agents(index))
    assert words.about(1) == "1 of 1 messages looked at"


def test_where_messages_were_captured() -> None:
    made = chain(sip(), tap="eth0")
    assert counted(made.conversations.index, seen.taps) == {"eth0": 1}


def test_a_conversation_counts_once_for_whom_it_has_on_both_sides() -> None:
    made = chain(
        sip(source="<sip:1@a>", destination="<sip:1@b>"), sip(call_id="2", source="<sip:1@a>")
    )
    assert counted(made.conversations.index, seen.ANY_NUMBER) == {"1": 2, "5660066": 1}
    assert seen.Words().about(1) == "1 conversation"
    assert seen.Words().about(2) == "2 conversations"


def test_new_messages_are_counted_and_what_was_given_up_is_not() -> None:
    made = chain(sip())
    index = made.conversations.index
    assert counted(index, seen.ANY_NUMBER) == {"4151500": 1, "5660066": 1}
    assert counted(index, sampled.agents) == {}
    made.feed(
        batch(
            [ethernet(ipv4(udp(sip(call_id="2", extra="User-Agent: New\r\n"))))], times=[2 * 10**9]
        )
    )
    assert counted(index, seen.ANY_NUMBER) == {"4151500": 2, "5660066": 2}
    assert counted(index, sampled.agents) == {"New": 1}
    assert counted(index, seen.endpoints) == {"10.0.0.1:5060": 2, "10.0.0.2:5060": 2}
    made.conversations.give_up([0])
    assert counted(index, seen.ANY_NUMBER) == {"4151500": 1, "5660066": 1}
    assert counted(index, seen.endpoints) == {"10.0.0.1:5060": 1, "10.0.0.2:5060": 1}
    assert counted(index, seen.methods) == {"INVITE": 1}


def test_what_was_counted_is_kept_until_then() -> None:
    index = chain(sip()).conversations.index
    asked = 0

    def count(index: Index) -> seen.Steps[seen.Words]:
        nonlocal asked
        asked += 1
        return (yield from seen.users(index))

    counted(index, count)
    counted(index, count)
    assert asked == 1


async def test_clear_forgets_what_was_counted() -> None:
    async with Session() as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        index = weakref.ref(session.conversations.index)
        assert counted(session.conversations.index, seen.ANY_NUMBER)
        session.clear()
        assert counted(session.conversations.index, seen.ANY_NUMBER) == {}
    del session
    gc.collect()
    assert index() is None


HOSTILE = 'x\x1b]52;c;AA\x07\u202e "q" (a) and'


@pytest.mark.parametrize(
    ("term", "kind"),
    [
        ("ua", "value-agent"), ("reason", "value-reason"), ("user", "value-user"),
        ("callid", "call-id"), ("domain", "value-domain"), ("uri", "value-uri"),
        ("codec", "value-codec"), ("media", "value-media"), ("header", "header-name"),
    ],
)  # fmt: skip
async def test_what_is_offered_of_hostile_messages_finds_them(term: str, kind: str) -> None:
    odd = 'Agent "quoted\\" (or) *?'
    sdp = SDP.replace("telephone-event", "odd(codec)\\")
    for host in ("evil\u202ehost", "media.example"):
        sdp += f"m=audio 5 RTP/AVP 0\r\nc=IN IP4 {host}\r\n"
    texts = (HOSTILE, odd, "and", "srcnum", "dstnumm", "~", ">=")
    made = chain(
        *(
            sip(
                start=f"SIP/2.0 486 {text}",
                call_id=f"{number}{text.replace(' ', '')}",
                source=f"<sip:{text.replace(' ', '')}@h(1)>",
                extra=f"User-Agent: {text}\r\nand: 1\r\nContent-Type: application/sdp\r\n",
                body=sdp,
            )
            for number, text in enumerate(texts)
        )
    )
    async with Session() as session:
        session.conversations = made.conversations
        suggestions = [one for one in suggest(f"{term} ") if one.kind == kind]
        offers = [one for one in filled(session, suggestions, "", term) if isinstance(one, Offer)]
        assert offers
        for offer in offers:
            assert offer.text.isprintable()
            if offer.rank is None:
                continue
            wanted = Filter.parse(f"{term} {offer.text}")
            assert any(map(wanted.matches, session.conversations)), offer.text


async def test_a_header_is_offered_in_one_spelling() -> None:
    async with Session() as session:
        session.conversations = chain(sip(extra="Diversion: <sip:1@a>\r\n")).conversations
        offers = [one for one in filled(session, suggest("has ")) if isinstance(one, Offer)]
    found = [one.text for one in offers if one.text.lower() == "diversion"]
    assert found == ["Diversion"]
