"""Which conversations are legs of one call: what they say of it is collected, and who shares is joined.

Nothing is collected before somebody asks. Each message of interest is read once; what conversations
have in common is found by keys, so that a million messages take seconds. Values from traffic are what
attackers write: a value that too many share joins nobody, and a call has so many legs and no more.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sipstream.calls import alike
from sipstream.calls.call import Call
from sipstream.calls.facts import Fact, Kind, Reader, kind_of, of_call_id, of_correlation
from sipstream.calls.facts import key as key_of
from sipstream.calls.groups import Groups
from sipstream.calls.interest import is_call, of_interest
from sipstream.calls.limits import FEW_SHARING, MOST_KEYS, MOST_LEGS, MOST_SHARED, MOST_SHARING
from sipstream.calls.shared import Shared
from sipstream.index import UNUSED
from sipstream.runs import runs
from sipstream.sip.startline import is_request, kind_in

if TYPE_CHECKING:
    from sipstream.conversations import Conversations

TRANSFER_WINDOW = 60 * 10**9
"""Time within which a REFER is done as it says (ns)."""

_PIECE = 4096
"""Conversations looked through together, in well under a millisecond."""
_TOGETHER = 64
"""Messages read together, in a millisecond."""


def _never() -> bool:
    return False


class Calls:
    """The calls that conversations are legs of, as far as they are known: `update` takes in what came.

    `headers` are names of headers that hold Call-IDs of other legs, or a value that all legs share,
    beside those that are known. Conversations that are no calls (registrations, keepalives) belong to
    none. A conversation that nothing is joined with is a call of one leg.
    """

    def __init__(self, conversations: Conversations, headers: Iterable[str] = ()) -> None:
        self.conversations = conversations
        self.headers = tuple(headers)
        self.reader = Reader(self.headers)
        self.common: dict[str, tuple[int, bytes]] = {}
        """By what it is: how many values were shared by too many to join them, and one of them."""
        self.too_long = 0
        """Links left out because the call would have had more than MOST_LEGS legs."""
        self.left_out = 0
        """Keys left out because there was no room for more."""
        self.looked_through = 0
        """Numbers up to which `update` has looked."""
        self._index = conversations.index
        self._shared = Shared(MOST_SHARED)
        self._groups = Groups(MOST_LEGS)
        self._keys: list[array[int] | None] = []
        self._next = array("i")
        """A conversation's first message that may be unread."""
        self._begun = array("I")
        """When it began: the same number may be another's later."""
        self._lost: dict[int, int] = {}
        """How many messages it had lost."""
        self._waiting: set[int] = set()
        """Others have the same numbers; what they say of media decides, and they may yet say it."""
        self._broken: dict[int, None] = {}
        """Legs of calls that are to be joined anew."""
        self._seen = -1
        """The last batch that was taken in, -1 while none was."""

    # For who looks

    def __iter__(self) -> Iterator[Call]:
        """Yield all calls there are now, in order of time."""
        for _ in self.update():
            pass
        heads = array("I")
        for _ in self.heads_of(self.conversations.order.numbers(), heads):
            pass
        return map(self.call_of, heads)

    def call_of(self, number: int) -> Call:
        """Return the call that a conversation is a leg of.

        Raises:
            IndexError: there is no conversation of this number.
        """
        if self._seen < 0:
            for _ in self.update():
                pass
        if not self.conversations.has(number):
            raise IndexError(number)
        return Call(self, self.legs_of(number))

    def legs_of(self, number: int) -> tuple[int, ...]:
        """Return the legs of a conversation's call by time, itself among them."""
        there = [one for one in self._groups.of(number) if one == number or self.is_current(one)]
        return tuple(sorted(there, key=lambda one: (alike.begin(self._index, one), one)))

    def is_joined(self, number: int) -> bool:
        """Tell whether a conversation's call has other legs."""
        return len(self._groups.of(number)) > 1

    def heads_of(
        self, numbers: Sequence[int], heads: array[int], due: Callable[[], bool] = _never
    ) -> Iterator[None]:
        """Add to `heads` the first leg of each call that one of some conversations is a leg of.

        These are given in order of time. Gives control back whenever it is `due`.
        """
        done: set[int] = set()
        for place, number in enumerate(numbers):
            if not place % _TOGETHER and due():
                yield
            if number in done:
                done.discard(number)
            elif self.conversations.has(number) and is_call(self._index, number):
                done.update(one for one in self._groups.of(number) if one != number)
                heads.append(number)

    # What comes in

    def update(self, due: Callable[[], bool] = _never) -> Iterator[None]:
        """Take in what came since the last time, giving control back whenever it is `due`."""
        index, seen = self._index, self._seen
        batch = index.batch
        for start in range(0, len(index.c_state), _PIECE):
            self.looked_through = start
            heard = index.c_heard[start : start + _PIECE]
            yield from self.take([one for one, at in enumerate(heard, start) if at > seen], due)
            if due():
                yield
        self._seen = max(self._seen, batch)

    def take(self, numbers: Iterable[int], due: Callable[[], bool] = _never) -> Iterator[None]:
        """Take in what came of some conversations, likewise."""
        index = self._index
        messages: list[int] = []
        for number in numbers:
            if index.c_state[number] == UNUSED or not is_call(index, number):
                continue
            messages += self._unread(number)
            if number in index.correlations and (
                said := of_correlation(index.correlations[number])
            ):
                self._add(number, said)
            while len(messages) >= _TOGETHER:
                self._read(messages[:_TOGETHER])
                messages = messages[_TOGETHER:]
                yield from self._mend(due)
        self._read(messages)
        yield from self._mend(due)

    def _mend(self, due: Callable[[], bool]) -> Iterator[None]:
        """Join calls anew of which some legs share what is too common by now."""
        if due():
            yield
        while self._broken:
            members = self._groups.break_up(self._broken.popitem()[0])
            for one in members:
                self._broken.pop(one, None)
            self._regroup(members)
            if due():
                yield

    def _unread(self, number: int) -> list[int]:
        """Return the messages of a conversation that are to be read, and note that they are."""
        index = self._index
        self._make_room()
        if self._keys[number] is not None and not self.is_current(number):
            self.forget(number)
        if self._keys[number] is None:
            self._begin(number)
        elif self._lost.get(number, 0) != index.c_left_out.get(number, 0):
            # The message that was read last may be gone: nothing leads on from it.
            self._next[number] = 0
        if number in index.c_left_out:
            self._lost[number] = index.c_left_out[number]
        first, last = self._next[number], index.c_last[number]
        if first == last + 1:
            return []
        self._next[number] = last + 1
        begin, codes = index.c_begin[number], index.m_code
        unread = index.arrived(number, first - 1)
        return [one for one in unread if one == begin or of_interest(codes[one])]

    def _make_room(self) -> None:
        more = len(self._index.c_state) - len(self._next)
        if more > 0:
            self._next.frombytes(bytes(self._next.itemsize * more))
            self._begun.extend([0] * more)
            self._keys.extend([None] * more)

    def is_current(self, number: int) -> bool:
        """Tell whether a conversation is still the one of which something is known."""
        index = self._index
        return index.c_state[number] != UNUSED and index.c_begun[number] == self._begun[number]

    def _begin(self, number: int) -> None:
        """Take in a conversation that wasn't known: its Call-ID and its numbers."""
        index = self._index
        self._begun[number] = index.c_begun[number]
        self._keys[number] = array("Q")
        self._next[number] = 0
        call_id = index.c_call_id[number]
        for other in tuple(self._shared.holders(key_of(Kind.ID, call_id))):
            self._join(number, other)
        common = of_call_id(call_id)
        if common is not None:
            self._add(number, common)
        source, destination = alike.users(index, number)
        if source and destination:
            bucket = alike.begin(index, number) // alike.NUMBERS_WINDOW
            self._add(number, Fact(Kind.NUMBERS, "numbers", _numbers(source, destination, bucket)))

    def _read(self, messages: list[int]) -> None:
        """Read messages, and enter what they say."""
        index = self._index
        for run in runs(index, messages):
            for message in run.messages:
                start = index.m_offset[message] - run.begin
                raw = run.block[start : start + index.m_length[message]]
                number = index.m_conversation[message]
                # While others had their turn it may have been given up.
                if self._keys[number] is None or not self.is_current(number):
                    continue
                request = is_request(kind_in(index.m_code[message]))
                for fact in self.reader.facts(raw, request=request):
                    if fact.kind in (Kind.REFER, Kind.REFERRED):
                        self._add_transfer(number, fact, index.m_time[message])
                    else:
                        self._add(number, fact)
                if number in self._waiting:
                    self._compare(number)

    def _add(self, number: int, fact: Fact) -> None:
        """Let a conversation have a fact, and join it with others that have it."""
        key = fact.key
        keys = self._keys[number]
        if keys is None or key in keys:
            return
        if len(keys) >= MOST_KEYS or (self._shared.is_full and not self._shared.holders(key)):
            self.left_out += 1
            return
        most = MOST_SHARING if fact.kind is Kind.ID else FEW_SHARING
        others = self._shared.add(key, number, most)
        keys.append(key)
        if len(others) >= most:
            self._too_common(fact, others)
            return
        if fact.kind is Kind.NUMBERS:
            self._compare(number)
            return
        if fact.kind is Kind.ID and not self._shared.is_common(key):
            self._join_owner(number, fact.value)
        for other in others:
            joined = self._groups.are_joined(number, other)
            if not joined and self._makes_one(fact.kind, number, other):
                self._join(number, other)

    def _join_owner(self, number: int, value: bytes) -> None:
        """Join a conversation with the one whose Call-ID it names."""
        owner = self.conversations.by_call_id(value.decode("utf-8", "surrogateescape"))
        # One that isn't known yet finds out by itself.
        if owner is not None and owner.id < len(self._keys) and self.is_current(owner.id):
            self._join(number, owner.id)

    def _too_common(self, fact: Fact, others: Sequence[int]) -> None:
        """A value is nobody's any more: what it joined is joined only by what else speaks for it."""
        count, _ = self.common.get(fact.label, (0, b""))
        self.common[fact.label] = count + 1, fact.value
        # All at once, in turns: many values may become common with one message.
        self._broken.update(dict.fromkeys(others))

    def _makes_one(self, kind: Kind, one: int, other: int) -> bool:
        """Tell whether sharing such a thing makes two conversations legs of one call."""
        index = self._index
        if kind in (Kind.NUMBERS, Kind.REFER, Kind.REFERRED) or not self.is_current(other):
            return False
        if kind is Kind.PAIR:
            return True
        if not alike.overlap(index, one, other):
            return False
        if kind in (Kind.BRANCH, Kind.TAG):
            same = any(alike.same_numbers(index, one, other))
            return same and not alike.parallel(index, one, other)
        return True

    # What two have in common only where more speaks for it

    def _compare(self, number: int) -> None:
        """Join a conversation with those of the same numbers whose media show that it is one call."""
        for other in self.of_same_numbers(number):
            if self._groups.are_joined(number, other):
                continue
            if alike.may_be_one(self._index, number, other) and alike.evidence(
                self._index, number, other, self.of_same_numbers
            ):
                self._pair(number, other)
            else:
                self._waiting.update((number, other))

    def of_same_numbers(self, number: int) -> list[int]:
        """Return the others that have about the same numbers at about the same time."""
        source, destination = alike.users(self._index, number)
        bucket = alike.begin(self._index, number) // alike.NUMBERS_WINDOW
        near = (_numbers(source, destination, bucket + step) for step in (-1, 0, 1))
        holders = (self._shared.holders(key_of(Kind.NUMBERS, value)) for value in near)
        return [
            one for several in holders for one in several if one != number and self.is_current(one)
        ]

    def _add_transfer(self, number: int, fact: Fact, time: int) -> None:
        """Join the conversation of a REFER with the one that came of it."""
        bucket = time // TRANSFER_WINDOW
        refers = fact.kind is Kind.REFER
        counterpart = Kind.REFERRED if refers else Kind.REFER
        self._add(number, fact._replace(value=b"%d " % bucket + fact.value))
        for near in (bucket, bucket + 1 if refers else bucket - 1):
            key = key_of(counterpart, b"%d " % near + fact.value)
            for other in tuple(self._shared.holders(key)):
                if other == number or not self.is_current(other):
                    continue
                first, second = (number, other) if refers else (other, number)
                if alike.begin(self._index, first) <= alike.begin(self._index, second):
                    self._pair(number, other)

    def _pair(self, one: int, other: int) -> None:
        """Join two conversations by what was found out for them alone."""
        times = sorted(((self._begun[one], one), (self._begun[other], other)))
        fact = Fact(Kind.PAIR, "", repr(times).encode())
        self._add(one, fact)
        self._add(other, fact)

    # Groups

    def _join(self, one: int, other: int) -> None:
        if self.is_current(other) and not self._groups.join(one, other):
            self.too_long += 1

    def _regroup(self, members: Sequence[int]) -> None:
        """Join conversations anew by what still joins them."""
        for first, second, _ in self.pairs([one for one in members if self.is_current(one)]):
            self._join(first, second)

    def pairs(self, legs: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Yield which of some conversations are joined, each pair with the key that does it.

        Where many share an identifier, each is with the one of those before it that lasts longest.
        """
        index, among = self._index, set(legs)
        for one in legs:
            key = key_of(Kind.ID, index.c_call_id[one])
            yield from ((one, other, key) for other in self._held(key, among) if other != one)
        for key in dict.fromkeys(key for one in legs for key in self._keys[one] or ()):
            kind, holders = kind_of(key), self._held(key, among)
            if kind is Kind.ID:
                longest = holders[0] if holders else -1
                for one in holders[1:]:
                    if alike.overlap(index, longest, one):
                        yield longest, one, key
                    if alike.end(index, one) > alike.end(index, longest):
                        longest = one
                continue
            for place, one in enumerate(holders):
                for other in holders[place + 1 :]:
                    if self._makes_one(kind, one, other):
                        yield one, other, key

    def _held(self, key: int, among: set[int]) -> list[int]:
        """Return who of some holds a key, in order of time."""
        held = [one for one in self._shared.holders(key) if one in among]
        return sorted(held, key=lambda one: (alike.begin(self._index, one), one))

    def forget(self, number: int) -> None:
        """Forget what is known of a conversation that was given up."""
        for key in self._keys[number] or ():
            self._shared.remove(key, number)
        self._keys[number] = None
        self._waiting.discard(number)
        self._lost.pop(number, None)
        left = [one for one in self._groups.break_up(number) if one != number]
        self._regroup(left)


def _numbers(source: str, destination: str, bucket: int) -> bytes:
    digits = alike.KEYED_DIGITS
    text = f"{source[-digits:]} {destination[-digits:]} {bucket}"
    return text.encode("utf-8", "surrogateescape")
