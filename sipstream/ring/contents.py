"""What a file of a ring holds, conversation by conversation: the index beside it, to bytes and back.

Sans-IO. An index says where the packets of each conversation begin, which numbers and addresses it has
and when it was; of a message's bytes nothing. What it says is a hint: the packets decide. Its bytes
may have been damaged or written by somebody else: they are checked, and whatever is wrong with them
makes them a `ContentsError`.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple

JOINED = 1
"""Of a conversation: some of its messages were joined of packets, or came in a stream."""
ODD = 2
"""Of a conversation: its numbers aren't all known here."""

HEAD = 40
"""Bytes of the file that an index remembers: the header, and the head of the first packet."""
SMALL = 1 << 14
"""Bytes that an index may have in any case."""
_MAGIC = b"sipring1"
_PREFACE = struct.Struct(f"<8sqqqII{HEAD}sII")
"""Magic, bytes covered, first and last time, conversations, bytes of the rest, head, two checksums."""
PREFACE = _PREFACE.size
_KEY = 8
"""Bytes of the digest that a Call-ID is found by."""
_LOW = 0xFFFFFFFF


class ContentsError(Exception):
    """An index's bytes are none."""


class Preface(NamedTuple):
    """What an index begins with."""

    covered: int
    """Bytes of the file that it is about."""
    begin: int
    end: int
    """Times of the earliest and the latest message, ns since the epoch; begin > end: there is none."""
    keys: int
    """How many conversations there are."""
    size: int
    """Bytes behind the keys."""
    head: bytes
    """What the file begins with."""
    keys_sum: int
    rest_sum: int


def most_bytes(size: int) -> int:
    """Return how large the index of a file may be: a flood's could be nearly as large as the file."""
    return max(size // 2, SMALL)


def key_of(call_id: bytes) -> int:
    """Return the number that a Call-ID is found by."""
    return int.from_bytes(blake2b(call_id, digest_size=_KEY).digest(), "little")


class Lists:
    """For each conversation some numbers, one behind the other."""

    def __init__(self, starts: array[int], values: array[int]) -> None:
        self._starts = starts
        self.values = values

    def of(self, place: int) -> array[int]:
        """Return the numbers of one."""
        return self.values[self._starts[place] : self._starts[place + 1]]

    def holders(self, wanted: set[int]) -> Iterator[int]:
        """Yield those that have one of some numbers."""
        if not wanted:
            return
        starts = self._starts
        for place, value in enumerate(self.values):
            if value in wanted:
                yield bisect_right(starts, place) - 1

    @classmethod
    def of_pairs(cls, pairs: Iterable[int], count: int) -> Lists:
        """Make them of numbers with the conversation in the upper half."""
        ordered = sorted(pairs)
        starts = array("I", bytes(4 * (count + 1)))
        for pair in ordered:
            starts[(pair >> 32) + 1] += 1
        starts = array("I", accumulate(starts))
        return cls(starts, array("I", [pair & _LOW for pair in ordered]))


class Texts:
    """Texts one behind the other."""

    def __init__(self, ends: array[int], blob: bytes) -> None:
        self._ends = ends
        self._blob = blob

    def __len__(self) -> int:
        return len(self._ends)

    def raw(self, place: int) -> bytes:
        """Return the bytes of one."""
        begin = self._ends[place - 1] if place else 0
        return self._blob[begin : self._ends[place]]

    def __getitem__(self, place: int) -> str:
        return self.raw(place).decode("utf-8", "surrogateescape")

    def near(self, pieces: Iterable[str] | None) -> Iterator[int]:
        """Yield those that may hold one of some texts, in order; all where None is given."""
        if pieces is None:
            yield from range(len(self))
            return
        found: set[int] = set()
        for piece in pieces:
            wanted = piece.encode("utf-8", "surrogateescape")
            if not wanted:
                yield from range(len(self))
                return
            place = self._blob.find(wanted)
            while place >= 0:
                number = bisect_right(self._ends, place)
                found.add(number)
                place = self._blob.find(wanted, self._ends[number])
        yield from sorted(found)

    @classmethod
    def of_texts(cls, texts: Iterable[bytes]) -> Texts:
        """Make them of texts."""
        parts = list(texts)
        return cls(array("I", accumulate(map(len, parts))), b"".join(parts))


class Contents:
    """What the first `covered` bytes of a file hold; a place for each conversation, by its key."""

    def __init__(
        self,
        preface: Preface,
        keys: array[int],
        begins: array[int],
        ends: array[int],
        kinds: bytes,
        lists: tuple[Lists, Lists, Lists, Lists],
        texts: tuple[Texts, Texts, Texts],
        loose: array[int],
    ) -> None:
        self.preface = preface
        self.keys = keys
        """Numbers of Call-IDs (`key_of`), ascending."""
        self.begins = begins
        self.ends = ends
        """The times of the first and last message, ns since the epoch."""
        self.kinds = kinds
        """JOINED and ODD."""
        self.places, self.parties, self.named, self.hosts = lists
        """Places in the file where packets begin; places in `words` of From and To, and of all users that
        URIs name; places in `addresses` of where messages came from and went to."""
        self.call_ids, self.words, self.addresses = texts
        self.loose = loose
        """Places of the packets that others may be needed with: streams, fragments, tunnels."""

    def __len__(self) -> int:
        return len(self.keys)

    def place(self, key: int) -> int:
        """Return the place of a conversation, -1 where it isn't here."""
        place = bisect_left(self.keys, key)
        return place if place < len(self.keys) and self.keys[place] == key else -1

    @property
    def size(self) -> int:
        """Bytes of the index, roughly."""
        sections = (values for _, values in self._sections())
        return (
            PREFACE
            + 8 * len(self)
            + sum(
                len(one) if isinstance(one, bytes) else one.itemsize * len(one) for one in sections
            )
        )

    def pack(self) -> bytes:
        """Return the bytes of an index."""
        keys = _bytes(self.keys)
        rest = b"".join(map(_section, self._sections()))
        preface = self.preface._replace(
            keys=len(self), size=len(rest), keys_sum=zlib.crc32(keys), rest_sum=zlib.crc32(rest)
        )
        return _PREFACE.pack(_MAGIC, *preface) + keys + rest

    def _sections(self) -> Iterator[tuple[str, array[int] | bytes]]:
        yield "q", self.begins
        yield "q", self.ends
        yield "b", self.kinds
        for lists in (self.places, self.parties, self.named, self.hosts):
            yield "I", lists._starts
            yield "I", lists.values
        for texts in (self.call_ids, self.words, self.addresses):
            yield "I", texts._ends
            yield "b", texts._blob
        yield "I", self.loose


def preface_of(data: bytes) -> Preface:
    """Return what an index's first bytes say.

    Raises:
        ContentsError: it is none.
    """
    if len(data) < PREFACE:
        raise ContentsError("it is cut short")
    magic, *values = _PREFACE.unpack_from(data)
    if magic != _MAGIC:
        raise ContentsError("it is none of this version")
    preface = Preface(*values)
    if preface.covered < 0:
        raise ContentsError("its numbers make no sense")
    return preface


def keys_of(data: bytes, preface: Preface) -> array[int]:
    """Return the keys, of an index's bytes up to the end of these.

    Raises:
        ContentsError: they are damaged.
    """
    raw = data[PREFACE : PREFACE + preface.keys * _KEY]
    if len(raw) != preface.keys * _KEY or zlib.crc32(raw) != preface.keys_sum:
        raise ContentsError("it is damaged")
    return _array("Q", raw)


def unpack(data: bytes) -> Contents:
    """Return what an index says.

    Raises:
        ContentsError: it is none, or damaged.
    """
    preface = preface_of(data)
    keys = keys_of(data, preface)
    rest = memoryview(data)[PREFACE + len(keys) * _KEY :]
    if len(rest) != preface.size or zlib.crc32(rest) != preface.rest_sum:
        raise ContentsError("it is damaged")
    count = len(keys)
    sections = _Sections(rest)
    begins, ends = sections.numbers("q", count), sections.numbers("q", count)
    kinds = sections.bytes()
    if len(kinds) != count:
        raise ContentsError("its parts don't fit together")
    lists = [sections.lists(count) for _ in range(4)]
    texts = [sections.texts() for _ in range(3)]
    loose = sections.numbers("I")
    _, parties, named, hosts = lists
    call_ids, words, addresses = texts
    fitting = len(call_ids) == count and not sections.rest
    for one, table in ((parties, words), (named, words), (hosts, addresses)):
        fitting = fitting and max(one.values, default=-1) < len(table)
    if not fitting:
        raise ContentsError("its parts don't fit together")
    return Contents(
        preface, keys, begins, ends, kinds, (lists[0], parties, named, hosts),
        (call_ids, words, addresses), loose,
    )  # fmt: skip


class _Sections:
    """Reads one section of an index after the other."""

    def __init__(self, data: memoryview) -> None:
        self.rest = data

    def bytes(self) -> bytes:
        """Return the bytes of the next one."""
        if len(self.rest) < 4:
            raise ContentsError("it is cut short")
        end = 4 + int.from_bytes(self.rest[:4], "little")
        if len(self.rest) < end:
            raise ContentsError("it is cut short")
        data, self.rest = bytes(self.rest[4:end]), self.rest[end:]
        return data

    def numbers(self, code: str, count: int | None = None) -> array[int]:
        """Return the numbers of the next one, as many as `count` where it is given."""
        values = _array(code, self.bytes())
        if count is not None and len(values) != count:
            raise ContentsError("its parts don't fit together")
        return values

    def lists(self, count: int) -> Lists:
        """Return the next two as lists of so many conversations."""
        starts, values = self.numbers("I", count + 1), self.numbers("I")
        if starts[0] or not _ascends(starts) or starts[-1] != len(values):
            raise ContentsError("its parts don't fit together")
        return Lists(starts, values)

    def texts(self) -> Texts:
        """Return the next two as texts."""
        ends, blob = self.numbers("I"), self.bytes()
        if not _ascends(ends) or (ends[-1] if ends else 0) != len(blob):
            raise ContentsError("its parts don't fit together")
        return Texts(ends, blob)


def _ascends(values: array[int]) -> bool:
    return values.tolist() == sorted(values)


def _section(section: tuple[str, array[int] | bytes]) -> bytes:
    _, values = section
    data = values if isinstance(values, bytes) else _bytes(values)
    return len(data).to_bytes(4, "little") + data


def _bytes(values: array[int]) -> bytes:
    if sys.byteorder != "little":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def _array(code: str, data: bytes) -> array[int]:
    values = array(code)
    if len(data) % values.itemsize:
        raise ContentsError("its parts don't fit together")
    values.frombytes(data)
    if sys.byteorder != "little":
        values.byteswap()
    return values
