"""What differs between two messages, word by word, headers against those of the same name.

Works on escaped text. Where headers stand and whether their names are long or compact makes no
difference. What would take more than linear time is bounded: of longer texts the middle that differs
is told as a whole.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sipstream.escape import escape_lines, unescape
from sipstream.render import times
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.lists import shown_kind
from sipstream.sip.bodies import readable
from sipstream.sip.headers import COMPACT
from sipstream.sip.sdp import DIRECTIONS

if TYPE_CHECKING:
    from sipstream.views import Message

MOST_COMPARED = 100
"""Words of two lines, or lines of two bodies, compared with one another: the worst case is cubic, and
takes 5 ms for so many."""
MOST_LINES = 1500
"""Lines of a message that are compared: each is looked at before the first is shown, 5 ms for so many."""
MOST_LETTERS = 8192
"""Letters of a line that is compared word by word; a longer one differs as a whole."""

_LONG = {short: long for long, short in COMPACT.items()}
_HEADER = re.compile(r"([A-Za-z0-9.!%*_+`'~-]{1,64})[ ]{0,8}:")
_FOLDS = (" ", r"\x09")
"""What a line that continues a header begins with: a blank, or a tab as it is shown."""
_IN_BODY = re.compile(r"a=[a-z0-9-]{1,64}|[a-z]=|[A-Za-z-]{1,64}:")
_WORD = re.compile(r"\\(?:\\|x[0-9a-f]{2}|u\{[0-9a-f]+\})|\w+(?:\.\w+)*|\s+|[^\w\s]")
"""What is spelt out is one word, as are addresses and versions."""

Words: TypeAlias = tuple[tuple[str, bool], ...]
"""Pieces of a line, each with whether the other line lacks it."""


class Pair(NamedTuple):
    """A line of the one message beside that of the other which it corresponds to."""

    part: str
    """start, header or body."""
    old: str | None
    """The line of the first message, None where it has none."""
    new: str | None

    @property
    def change(self) -> str:
        """Return same, changed, removed or added."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "changed" if _value(self) else "same"


class _Line(NamedTuple):
    key: str
    """What has to be equal for two lines to correspond: a header's long name."""
    value: str
    text: str


def pairs(old: Message, new: Message) -> Iterator[Pair]:
    """Yield the lines of two messages: the first one's in their order, the second one's beside them."""
    (start, head, body), (new_start, new_head, new_body) = map(_parts, (old, new))
    yield Pair("start", start, new_start)
    yield from _beside("header", head, new_head)
    yield from _bodies(body, new_body)


def lines(old: Message, new: Message, paint: Paint = PLAIN) -> Iterator[str]:
    """Yield the differences as lines of text: ` ` both have it, `-` the first only, `+` the second.

    Words that differ stand in `[-` `-]` and `{+` `+}` where there are no colours.
    """
    for pair in pairs(old, new):
        if pair.change == "same":
            yield f"  {pair.old}"
            continue
        removed, added = words(pair.old or "", pair.new or "")
        if pair.old is not None:
            yield paint.removed("-") + " " + _marked(removed, pair, paint)
        if pair.new is not None:
            yield paint.added("+") + " " + _marked(added, pair, paint, is_new=True)


def heading(message: Message, name: str, sign: str, paint: Paint = PLAIN) -> str:
    """Return the line that says which message a sign stands for; `name` is its conversation's."""
    where = f"conversation {name} " if name else ""
    what = f"{where}message {message.index}  {times.clock(message.time)}  {shown_kind(message)}"
    signs = sign * 3
    return f"{paint.removed(signs) if sign == '-' else paint.added(signs)} {paint.strong(what)}"


def as_object(pair: Pair) -> dict[str, object]:
    """Return a line of a difference as an object, for `--json`."""
    old, new = (None if one is None else unescape(one) for one in (pair.old, pair.new))
    return {"part": pair.part, "change": pair.change, "old": old, "new": new}


def words(old: str, new: str) -> tuple[Words, Words]:
    """Return the pieces of two lines, each with whether the other line lacks it."""
    if max(len(old), len(new)) > MOST_LETTERS:
        return ((old, True),), ((new, True),)
    ours, theirs = _WORD.findall(old), _WORD.findall(new)
    removed: list[tuple[str, bool]] = []
    added: list[tuple[str, bool]] = []
    for same, begin, end, new_begin, new_end in _blocks(ours, theirs):
        for found, piece in ((removed, ours[begin:end]), (added, theirs[new_begin:new_end])):
            if piece:
                found.append(("".join(piece), not same))
    return tuple(removed), tuple(added)


def _marked(pieces: Words, pair: Pair, paint: Paint, *, is_new: bool = False) -> str:
    """Return a line with what differs in it marked; a line without a counterpart needs no marks."""
    around = paint.added if is_new else paint.removed
    begin, end = ("{+", "+}") if is_new else ("[-", "-]")
    if paint.enabled or pair.old is None or pair.new is None:
        begin = end = ""
    return "".join(around(f"{begin}{text}{end}") if new else text for text, new in pieces)


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Yield blocks that are equal, or not, as ranges of both sequences."""
    least = min(len(old), len(new))
    first = next((place for place in range(least) if old[place] != new[place]), least)
    last = next(
        (place for place in range(least - first) if old[-1 - place] != new[-1 - place]),
        least - first,
    )
    end, new_end = len(old) - last, len(new) - last
    if first:
        yield True, 0, first, 0, first
    if max(end, new_end) - first > MOST_COMPARED:
        yield False, first, end, first, new_end
    elif end > first or new_end > first:
        matcher = SequenceMatcher(None, old[first:end], new[first:new_end], autojunk=False)
        for what, a, b, c, d in matcher.get_opcodes():
            yield what == "equal", first + a, first + b, first + c, first + d
    if last:
        yield True, end, len(old), new_end, len(new)


def _value(pair: Pair) -> bool:
    """Tell whether two lines differ in more than the spelling of a header's name."""
    if pair.old == pair.new or pair.old is None or pair.new is None:
        return False
    return pair.part != "header" or _header(pair.old).value != _header(pair.new).value


def left_out(message: Message) -> int:
    """Return how many lines of a message are not compared, because it has so many."""
    lines_of_it = message.raw.count(b"\n") + (not message.raw.endswith(b"\n"))
    return max(lines_of_it - MOST_LINES, 0)


def _parts(message: Message) -> tuple[str, list[_Line], list[_Line]]:
    """Return a message's start line, its header fields with folds undone, the lines of its body."""
    whole = escape_lines(readable(message.raw)).rstrip("\n")
    text = "\n".join(whole.split("\n", MOST_LINES)[:MOST_LINES])
    head, blank, body = text.partition("\n\n")
    start, *rest = head.split("\n")
    fields: list[str] = []
    folded: list[str] = []
    for line in rest:
        if line.startswith(_FOLDS) and folded:
            folded.append(line.removeprefix(_FOLDS[1]).strip(" "))
        else:
            fields += [" ".join(folded)] if folded else []
            folded = [line]
    fields += [" ".join(folded)] if folded else []
    lines_of_body = body.split("\n") if blank else []
    return start, [_header(one) for one in fields], [_of_body(one) for one in lines_of_body]


def _header(text: str) -> _Line:
    name = _HEADER.match(text)
    if name is None:
        return _Line("", text, text)
    key = name[1].lower()
    return _Line(_LONG.get(key, key), text[name.end() :].strip(" "), text)


def _of_body(text: str) -> _Line:
    kind = _IN_BODY.match(text)
    key = kind[0] if kind else ""
    # One direction stands for another; other attributes are different things.
    return _Line("a=" if key.removeprefix("a=") in DIRECTIONS else key, text, text)


def _bodies(old: list[_Line], new: list[_Line]) -> Iterator[Pair]:
    """Yield the lines of two bodies; the order matters there."""
    texts, new_texts = [one.text for one in old], [one.text for one in new]
    for same, begin, end, new_begin, new_end in _blocks(texts, new_texts):
        if same:
            yield from (Pair("body", text, text) for text in texts[begin:end])
        else:
            yield from _beside("body", old[begin:end], new[new_begin:new_end])


def _beside(part: str, old: list[_Line], new: list[_Line]) -> Iterator[Pair]:
    """Yield lines of the same key beside one another, equal ones before others.

    Those that only the second message has follow the line that they stand behind there.
    """
    partner, new_partner = _partners(old, new)

    def alone_from(place: int) -> Iterator[Pair]:
        while place < len(new) and new_partner[place] is None:
            yield Pair(part, None, new[place].text)
            place += 1

    yield from alone_from(0)
    for line, other in zip(old, partner, strict=True):
        yield Pair(part, line.text, None if other is None else new[other].text)
        if other is not None:
            yield from alone_from(other + 1)


def _partners(old: list[_Line], new: list[_Line]) -> tuple[list[int | None], list[int | None]]:
    """Return for each line the place of the one it corresponds to in the other message."""
    partner: list[int | None] = [None] * len(old)
    new_partner: list[int | None] = [None] * len(new)
    for by_value in (True, False):
        waiting: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)
        for place, line in enumerate(new):
            if new_partner[place] is None:
                waiting[line.key, line.value if by_value else ""].append(place)
        for place, line in enumerate(old):
            if partner[place] is None:
                found = waiting.get((line.key, line.value if by_value else ""))
                if found:
                    partner[place] = found.popleft()
                    new_partner[partner[place] or 0] = place
    return partner, new_partner
