"""What a conversation comes to, in a few lines: who called whom, how far it came, how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.render import times
from sipstream.render.offers import sentence
from sipstream.sip.offers import Negotiation
from sipstream.wording import seconds

if TYPE_CHECKING:
    from sipstream.views import Conversation, Message

_AGENTS = 6
"""User agents named."""


class Facts:
    """Gathers them message by message, in order of time; texts are the traffic's own."""

    def __init__(self, conversation: Conversation) -> None:
        self._one = conversation
        self._invite: Message | None = None
        self._ringing: int | None = None
        self._answered: int | None = None
        self._ended: int | None = None
        self._agents: dict[str, str] = {}
        self._negotiation = Negotiation()
        self._copies = 0

    def add(self, message: Message) -> None:
        """Take a message in."""
        self._negotiation.add(message)
        self._copies += message.copy_of is not None
        agent = message.header("User-Agent") or message.header("Server")
        if agent and len(self._agents) < _AGENTS:
            self._agents.setdefault(message.source_address, agent)
        status = message.status
        if status is None:
            if message.method == "INVITE" and self._invite is None:
                self._invite = message
            elif message.method == "BYE" and self._ended is None:
                self._ended = message.time
        elif self._invite is not None and message.cseq.endswith("INVITE"):
            if 100 < status < 200 and self._ringing is None:
                self._ringing = message.time
            elif 200 <= status < 300 and self._answered is None:
                self._answered = message.time

    def rows(self) -> list[tuple[str, str]]:
        """Return each fact with what it is called."""
        one = self._one
        last = one.last_status
        state = one.state if last is None else f"{one.state}, last response {last:03d}"
        rows = [
            ("From", one.src_num or "?"),
            ("To", one.dst_num or "?"),
            ("State", state),
            ("Began", times.iso(one.time)),
            ("Lasted", seconds(one.duration)),
        ]
        if self._invite is not None:
            begun = self._invite.time
            if self._ringing is not None:
                rows.append(("First sign of life", f"after {seconds(self._ringing - begun)}"))
            if self._answered is not None:
                rows.append(("Answered", f"after {seconds(self._answered - begun)}"))
                if self._ended is not None:
                    rows.append(("Talked", seconds(self._ended - self._answered)))
        copies = f", of these {self._copies} copies of other capture points" * bool(self._copies)
        rows.append(("Messages", f"{one.count}{copies}"))
        rows += self._media()
        rows += [(f"Agent at {where}", agent) for where, agent in self._agents.items()]
        rows.append(("Call-ID", one.call_id))
        return rows

    def _media(self) -> list[tuple[str, str]]:
        """Return what was agreed on last."""
        last = self._negotiation.latest()
        if last is None:
            return []
        pairs = zip(last.offer.session.media, last.agreed, strict=True)
        return [(media.kind.capitalize(), sentence(agreed)) for media, agreed in pairs]
