"""What the messages of a conversation come to: its state, and the set of their kinds.

Few shapes occur and each is made once, so that what a call adds up to costs one look-up. A message
counts by its code (sip.startline): its kind and, for a response, what it answers.
"""

from __future__ import annotations

from sipstream import states
from sipstream.limits import KIND_SETS, MAX_KINDS
from sipstream.sip.startline import is_request, kind_in, method_name

_LONGEST = 32
"""Codes remembered as one step: a call has a dozen messages."""
_STEPS = 1 << 17
"""Steps remembered in all shapes; then they are found anew."""


class Shape(dict[str, "Shape"]):
    """A state and a set of kinds; the shape after further messages by their codes."""

    __slots__ = ("_shapes", "kinds", "number", "state")

    def __init__(
        self, shapes: Shapes, number: int, state: int, kinds: frozenset[int | str] | None
    ) -> None:
        super().__init__()
        self._shapes = shapes
        self.number = number
        self.state = state
        self.kinds = kinds
        """Methods (text) and status codes (int); None where they are too many to keep."""

    def __missing__(self, codes: str) -> Shape:
        return self._shapes.after(self, codes)


class Shapes:
    """All shapes by number; `new` is that of a conversation without messages."""

    def __init__(self) -> None:
        self.by_number: list[Shape] = []
        self._known: dict[tuple[int, frozenset[int | str] | None], Shape] = {}
        self._steps = 0
        self.new = self._shape(states.NEW, frozenset())

    def after(self, shape: Shape, codes: str) -> Shape:
        """Return the shape that messages of these codes make of a shape."""
        if len(codes) == 1:
            after = self._after_one(shape, ord(codes))
        else:
            after = shape
            for code in codes:
                after = after[code]
        if len(codes) <= _LONGEST:
            if self._steps >= _STEPS:
                self._steps = 0
                for one in self.by_number:
                    one.clear()
            self._steps += 1
            shape[codes] = after
        return after

    def _after_one(self, shape: Shape, code: int) -> Shape:
        state, kinds = states.after(shape.state, code), shape.kinds
        if kinds is not None:
            more = kinds | {kind_key(kind_in(code))}
            kinds = more if len(more) <= MAX_KINDS else None
        return self._shape(state, kinds)

    def _shape(self, state: int, kinds: frozenset[int | str] | None) -> Shape:
        shape = self._known.get((state, kinds))
        if shape is None:
            if kinds is not None and len(self.by_number) >= KIND_SETS:
                return self._shape(state, None)
            shape = self._known[state, kinds] = Shape(self, len(self.by_number), state, kinds)
            self.by_number.append(shape)
        return shape


def kind_key(kind: int) -> int | str:
    """Return a start line's kind as filters name it: status code or method."""
    return method_name(kind) if is_request(kind) else kind
