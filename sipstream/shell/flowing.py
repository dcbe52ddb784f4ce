"""Ladders that are drawn while messages come: what is printed stays, so each message is a line more.

Names stand there again when a new endpoint appears or another conversation's lines came between.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sipstream.ladder import COPY, Arrow, Column, Columns, Folds, arrow
from sipstream.render import objects, overview
from sipstream.render.ladder import Drawing

if TYPE_CHECKING:
    from sipstream.follow import Follow
    from sipstream.render.arrows import Lines
    from sipstream.render.colours import Paint
    from sipstream.shell.naming import Naming
    from sipstream.views import Message

_OPEN = 64
"""Conversations whose columns are remembered; one that was longest silent begins anew."""
_COLUMNS = 32
"""Endpoints of one conversation beyond which it begins anew as well: no screen has so many columns."""
_FOLDED = 64
"""Messages of each that retransmissions are known by."""
_INDEX = 99
"""Room is left for indexes up to here."""


class _Open:
    """A conversation's ladder so far."""

    def __init__(self, call_id: str, naming: Naming) -> None:
        self.call_id = call_id
        self.columns = Columns(naming.name_of)
        self.folds = Folds(_FOLDED)
        self.shown: tuple[Column, ...] = ()
        self.drawing: Drawing | None = None
        self.before = 0
        """The time of the last arrow."""
        self.transport = "UDP"
        self.media = ""
        """What the last session description said."""


class Flowing:
    """The ladders of follows."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._open: OrderedDict[tuple[Follow, int], _Open] = OrderedDict()
        self._last: tuple[Follow, int] | None = None
        """Whose lines stand last."""

    def objects(self, follow: Follow, messages: list[Message]) -> Iterator[dict[str, object]]:
        """Yield an object for each arrow; `sendings` counts those so far."""
        for message in messages:
            one = self._of(follow, message)
            drawn = self._arrow(one, message)
            if drawn is not None:
                yield objects.arrow(drawn, one.call_id, one.columns.all())

    def lines(
        self,
        follow: Follow,
        messages: list[Message],
        *,
        number: int | None,
        width: int | None,
        paint: Paint,
        style: Lines,
    ) -> Iterator[str]:
        """Yield the lines of messages; those that came together stand by their conversations.

        `number` is the follow's, where there are several.
        """
        by_conversation: dict[int, list[Message]] = {}
        for message in messages:
            by_conversation.setdefault(message.conversation, []).append(message)
        for together in by_conversation.values():
            for message in together:
                one = self._of(follow, message)
                drawn = self._arrow(one, message)
                if drawn is None:
                    continue
                key = follow, message.conversation
                if self._last != key:
                    self._last = key
                    one.drawing, one.media = None, ""
                    before = "" if number is None else f"#{number} "
                    yield before + overview.heading(one.call_id, paint)
                columns = one.columns.all()
                if one.drawing is None or columns != one.shown or one.drawing.width != width:
                    one.shown = columns
                    one.drawing = Drawing(columns, width, highest=_INDEX, paint=paint, style=style)
                    yield from one.drawing.lifelines.left_out()
                    yield from one.drawing.lifelines.heads()
                over = "" if drawn.transport == one.transport else drawn.transport
                one.transport = drawn.transport
                if drawn.sendings > 1:
                    # Its session description stands some lines above.
                    drawn = drawn._replace(media="")
                same = drawn.media == one.media
                one.media = drawn.media or one.media
                yield from one.drawing.arrow(drawn, over=over, same_media=same)

    def _of(self, follow: Follow, message: Message) -> _Open:
        """Return the ladder of a message's conversation."""
        key = follow, message.conversation
        call_id = message.origin.c_call_id[message.conversation].decode("utf-8", "surrogateescape")
        one = self._open.pop(key, None)
        # The number may have been another's before.
        if one is None or one.call_id != call_id or len(one.columns) > _COLUMNS:
            one = _Open(call_id, self._naming)
        self._open[key] = one
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return one

    def _arrow(self, one: _Open, message: Message) -> Arrow | None:
        """Return a message's arrow with what it says of sendings before; None for a copy."""
        self._naming.begin((message.source_address, message.destination_address))
        one.columns.learn(message)
        sent, what = one.folds.enter(message)
        if what == COPY:
            return None
        delta = message.time - one.before if one.before else 0
        one.before = message.time
        drawn = arrow(message, sent, one.columns.ends(message), delta, {message.conversation: 0})
        return drawn._replace(time=message.time, messages=(message.index,))
