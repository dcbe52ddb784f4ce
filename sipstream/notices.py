"""What sources have to say, on its way to the user: notes, advice, faults, and what came at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from sipstream import suspects
from sipstream.decode.keylog import Secrets
from sipstream.escape import escape
from sipstream.faults import where
from sipstream.limits import TLS_SECRETS
from sipstream.reasons import BROKEN, FAULT, IN_PART, NO_TEXT, TLS
from sipstream.sources import Missing, Source

_PRINTED = "SIP {} can't be loaded: let tcpdump print it with"
_ADVICE = {
    NO_TEXT: f"{_PRINTED.format(NO_TEXT)} -v, -A or -X",
    IN_PART: f"{_PRINTED.format(IN_PART)} -A or -X",
    BROKEN: f"{_PRINTED.format(BROKEN)} -X, whose lines are short, or to a file",
    TLS: f"{TLS} can't be read: --keylog FILE opens connections of which it has the secrets",
}
"""Why packets gave no message, and what would help."""
_FORGOTTEN = f"key logs hold more than {TLS_SECRETS} secrets of TLS: the oldest are forgotten"

Tell = Callable[[str], None]
_SECONDS = 0.2
"""How often sources are asked whether they have something to say."""


class Notices:
    """Passes on what sources say; advice and faults once for each source."""

    def __init__(self, secrets: Secrets) -> None:
        self.tell: Tell = lambda text: None
        """Called with what sources have to say, a sentence at a time."""
        self.complain: Tell = lambda text: None
        """Called with the error that ended a source."""
        self._secrets = secrets
        self._partial = False
        self._told: set[tuple[Source, str]] = set()
        """Sources of which the user was told something that is said once, and what."""

    def pass_on(self, source: Source) -> None:
        """Pass on what a source has to say now."""
        if source.tally.suspects:
            self._keep_suspects(source)
        self._partial = self.partial([source])
        name = escape(source.name)
        for note in source.notes:
            self.tell(f"{name}: {note}")
        source.notes.clear()
        if self._secrets.forgotten and self._is_new(source, _FORGOTTEN):
            self.tell(f"{name}: {_FORGOTTEN}")
        for reason, advice in _ADVICE.items():
            if reason == TLS and self._secrets:
                continue
            if source.tally.reasons[reason] and self._is_new(source, reason):
                self.tell(f"{name}: {advice}")

    async def listen(self, running: Callable[[], list[Source]]) -> None:
        """Pass on what running sources have to say, also while no packet comes."""
        while sources := running():
            for source in sources:
                try:
                    self.pass_on(source)
                except Exception as error:
                    # A sentence that can't be said ends nothing.
                    suspects.keep_traceback(error)
                    source.notes.clear()
            await asyncio.sleep(_SECONDS)

    def partial(self, sources: Iterable[Source]) -> bool:
        """Tell whether a part of some source couldn't be read: it is cut short or damaged."""
        waiting = (note for source in sources for note in source.notes)
        return self._partial or any(isinstance(note, Missing) for note in waiting)

    def fault(self, source: Source, error: Exception) -> str:
        """Keep the traceback of a fault that ended a source, return what to say of it."""
        kept = where(suspects.keep_traceback(error))
        name = escape(source.name)
        return f"{name}: a fault in sipstream ended it ({type(error).__name__}){kept}"

    def ended(self, source: Source) -> None:
        """Say what came of a capture."""
        self.tell(f"{escape(source.name)}: {source.tally.account}")

    def _keep_suspects(self, source: Source) -> None:
        """Put packets that a stage failed on where they can be looked at; tell so once."""
        kept = suspects.keep_packets(source.tally.suspects)
        source.tally.suspects.clear()
        if self._is_new(source, FAULT):
            place = f", they are kept in {kept}" if kept else ""
            name = escape(source.name)
            self.complain(f"{name}: sipstream failed on some packets and goes on{place}")

    def _is_new(self, source: Source, what: str) -> bool:
        new = (source, what) not in self._told
        self._told.add((source, what))
        return new
