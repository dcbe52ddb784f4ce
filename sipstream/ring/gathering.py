"""What packets of a ring's file hold, gathered batch by batch until an index is made of it. Sans-IO."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache

from sipstream.decode.endpoints import Flow, Key, parts_of
from sipstream.decode.plain import is_plain_udp
from sipstream.packets import Batch
from sipstream.ring.contents import JOINED, ODD, Contents, Lists, Preface, Texts, key_of
from sipstream.sip.found import Found
from sipstream.sip.uri import coded_number, user_of
from sipstream.sources.pcap import RECORD

_LONGEST_USER = 200
"""Bytes behind `sip:` that are looked at: a longer user part makes its conversation an ODD one."""
_REMEMBERED = 4096
"""Texts of users remembered with what they come to."""
_URIS = re.compile(rb"(?i:(sips?|tel)):(?=([^\s>]{0,%d}))" % _LONGEST_USER)
_END = re.compile(rb"[\s>]")
_USUAL = re.compile(
    rb"sip:(?:(\+?[0-9A-Za-z*#]{1,64}+)@|[^@\s>\"]{1,%d}+[\s>])" % (_LONGEST_USER - 1)
)
"""Behind `sip:` a user part as most are, or a host alone."""


class Gathering:
    """Conversations and what is known of each; `take` what came, `contents` are made of it."""

    def __init__(self) -> None:
        self.begin, self.end = 1 << 62, -1
        """The times of the earliest and the latest message, ns since the epoch."""
        self._numbers: dict[bytes, int] = {}
        """Call-IDs, each with its place."""
        self._begins = array("q")
        self._ends = array("q")
        self._kinds = bytearray()
        self._words: dict[bytes, int] = {}
        self._addresses: dict[bytes, int] = {}
        self._places: set[int] = set()
        """Pairs, as the ones below: a conversation's number in the upper half."""
        self._parties: set[int] = set()
        self._named: set[int] = set()
        self._hosts: set[int] = set()
        self._flows: list[tuple[int, int, bool]] = []
        """Of the flows of a batch: addresses, and whether it is a stream."""
        self._hosts_known: dict[Key, int] = {}
        self._loose = array("I")

    def __len__(self) -> int:
        return len(self._numbers)

    def take(self, batch: Batch, found: Found) -> None:
        """Take packets and the messages that came of them."""
        records = batch.records
        self.begin = min(self.begin, min(found.times, default=self.begin))
        self.end = max(self.end, max(found.times, default=self.end))
        heads = [record[1] - RECORD for record in records]
        self._loose.extend(
            batch.base + head
            for head, record in zip(heads, records, strict=True)
            if not is_plain_udp(batch, record)
        )
        numbers = [self._number(call_id) for call_id in found.ids]
        self._take_parties(found, numbers)
        flows = found.ways(self._flow_numbers)
        columns = zip(
            found.conversations, found.times, found.offsets, found.lengths, flows, strict=True
        )
        for place, (conversation, time, offset, length, way) in enumerate(columns):
            number = numbers[conversation]
            source, destination, stream = self._flows[way]
            self._hosts.update((number << 32 | source, number << 32 | destination))
            self._begins[number] = min(self._begins[number], time)
            self._ends[number] = max(self._ends[number], time)
            start = offset - batch.base
            if offset < 0 or stream or not 0 <= start < len(batch.data):
                self._kinds[number] |= JOINED
            else:
                head = heads[bisect_right(heads, start) - 1]
                self._places.add(number << 32 | batch.base + head)
            raw = found.joined.get(place) or batch.data[max(start, 0) : start + length]
            self._take_users(number, raw)

    def contents(self, covered: int, head: bytes) -> Contents:
        """Return what is known now of the first `covered` bytes of a file that begins with `head`."""
        call_ids = list(self._numbers)
        keys = list(map(key_of, call_ids))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        rank = array("I", bytes(4 * len(order)))
        for place, number in enumerate(order):
            rank[number] = place
        lists = [
            Lists.of_pairs((rank[one >> 32] << 32 | one & 0xFFFFFFFF for one in pairs), len(order))
            for pairs in (self._places, self._parties, self._named, self._hosts)
        ]
        preface = Preface(covered, self.begin, self.end, len(order), 0, head, 0, 0)
        return Contents(
            preface,
            array("Q", [keys[number] for number in order]),
            array("q", [self._begins[number] for number in order]),
            array("q", [self._ends[number] for number in order]),
            bytes(self._kinds[number] for number in order),
            (lists[0], lists[1], lists[2], lists[3]),
            (
                Texts.of_texts(call_ids[number] for number in order),
                Texts.of_texts(self._words),
                Texts.of_texts(self._addresses),
            ),
            self._loose,
        )

    # Within

    def _number(self, call_id: bytes) -> int:
        number = self._numbers.get(call_id)
        if number is None:
            number = self._numbers[call_id] = len(self._kinds)
            self._begins.append(1 << 62)
            self._ends.append(-1)
            self._kinds.append(0)
        return number

    def _take_parties(self, found: Found, numbers: list[int]) -> None:
        for number, users in zip(numbers, found.parties(list(range(len(numbers)))), strict=True):
            for user in users:
                text = coded_number(user) if isinstance(user, int) else user
                if text:
                    self._parties.add(number << 32 | self._word(text))

    def _take_users(self, number: int, raw: bytes) -> None:
        words, pair = self._words, number << 32
        for user in users_in(raw):
            if user is None:
                self._kinds[number] |= ODD
            elif user:
                self._named.add(pair | words.setdefault(user, len(words)))

    def _word(self, text: str) -> int:
        return self._words.setdefault(text.encode("utf-8", "surrogateescape"), len(self._words))

    def _flow_numbers(self, flows: Iterable[Flow]) -> list[int]:
        """Return places in `_flows`, which is anew each time: a flow lives as long as its decoder."""
        self._flows = [
            (
                self._address(flow.source_key),
                self._address(flow.destination_key),
                flow.stream is not None or flow.framer is not None,
            )
            for flow in flows
        ]
        return list(range(len(self._flows)))

    def _address(self, key: Key) -> int:
        """Return the place in the table of addresses of an endpoint's."""
        address = key if isinstance(key, str) else key[:-2]
        number = self._hosts_known.get(address)
        if number is None:
            text = parts_of(key)[0].encode("utf-8", "surrogateescape")
            number = self._addresses.setdefault(text, len(self._addresses))
            self._hosts_known[address] = number
        return number


def users_in(raw: bytes) -> Iterator[bytes | None]:
    """Yield the user parts of all URIs of a message, "" for none; None for one that can't be told."""
    small = raw.lower()
    usual = b"sips:" not in small and b"tel:" not in small
    if usual and small.count(b"sip:") == raw.count(b"sip:"):
        users = _USUAL.findall(raw)
        if len(users) == raw.count(b"sip:"):
            yield from set(users)
            return
    for match in _URIS.finditer(raw):
        yield _user(match[1].lower(), match[2])


@lru_cache(maxsize=_REMEMBERED)
def _user(scheme: bytes, piece: bytes) -> bytes | None:
    """Return the user part of what stands behind a scheme, None where it isn't sure what that is."""
    value = _END.split(piece, maxsplit=1)[0]
    if (len(value) == _LONGEST_USER and b"@" not in value) or b'"' in value:
        return None
    user = user_of((scheme + b":" + value).decode("utf-8", "surrogateescape"))
    return user.encode("utf-8", "surrogateescape")
