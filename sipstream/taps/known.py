"""The taps that are known: who answers when the bus is asked for agents, and who no longer does. Sans-IO.

What they say of themselves comes from the bus: each text has a length, and no subject is ever taken
from it, they are all made of the tap's name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sipstream.bus.names import FIND, SERVICE, request_subject, token
from sipstream.escape import escape
from sipstream.limits import MAX_NODE
from sipstream.taps.answers import fields_of

MOST = 1000
"""Taps that are known at once: ten times the largest network that this is made for."""
DISCOVERY_SECONDS = 5.0
"""How often the bus is asked who is there."""
GONE_SECONDS = 2 * DISCOVERY_SECONDS + 2.0
"""A tap is gone that nothing was heard of for so long: it missed two of these, the second by 2 s."""
_TEXT = 64
"""Characters of a host's name, and of a version."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""No character: JSON can spell half of one."""
_NUMBER = re.compile("([0-9]+)")
_RUNS = 16
"""Runs of one tap that are told apart."""


@dataclass(slots=True, eq=False)
class Tap:
    """An agent as the bus knows it; times are of the monotonic clock."""

    name: str
    host: str = ""
    version: str = ""
    heard: float = 0.0
    """When it last said anything."""
    excused: float = 0.0
    """Until when it couldn't be heard, because the bus was away."""
    runs: dict[str, float] = field(default_factory=dict)
    """Its agent's runs by their numbers on the bus, each with when it was last heard."""
    gone: bool = False
    silent: bool = False
    """It left the last question without an answer."""
    took: float | None = None
    """Seconds from the last question that it answered to the answer's end."""
    stats: dict[str, object] = field(default_factory=dict)
    """What it last said of how it is, as it said it."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What of its answers was left out, or changed, by reason."""
    told: set[str] = field(default_factory=set)
    """The reasons of these that the user was told."""
    has_twin: bool = False
    """Another agent has the same name, which was told."""

    def hear(self, now: float) -> None:
        """It said something."""
        self.heard = now
        self.silent = False


class Known:
    """The taps by what their subjects call them; `tell` takes what the user should know, in a line."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.refused: Counter[str] = Counter()
        """Answers to the question who is there that make no sense, by reason."""
        self._tell = tell
        self._taps: dict[str, Tap] = {}

    @property
    def all(self) -> list[Tap]:
        """All of them, by name."""
        return sorted(self._taps.values(), key=lambda tap: _in_order(tap.name))

    @property
    def there(self) -> list[Tap]:
        """Those that aren't gone, by name."""
        return [tap for tap in self.all if not tap.gone]

    def take(self, data: bytes, now: float) -> Tap | None:
        """Take what one says who is there; return it when it is new, back, or has been started anew."""
        info = fields_of(data)
        metadata = info.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        name = metadata.get("tap")
        wrong = _wrong(name, info)
        if wrong or not isinstance(name, str):
            self._refuse(wrong)
            return None
        tap = self._taps.get(token(name))
        if tap is None and not self._make_room():
            self._refuse(f"is one more than {MOST} taps")
            return None
        if tap is None:
            tap = self._taps[token(name)] = Tap(name, gone=True)
        tap.host, tap.version = _text(metadata.get("host")), _text(info.get("version"))
        is_new = self._is_new_run(tap, _text(info.get("id")), now) or tap.gone
        tap.heard, tap.gone = now, False
        # Who only says that he is there has answered no question yet.
        tap.silent = tap.silent and not is_new
        return tap if is_new else None

    def settle(self, now: float) -> list[Tap]:
        """Return those that are gone since this was last asked."""
        gone = [tap for tap in self.there if now - max(tap.heard, tap.excused) > GONE_SECONDS]
        for tap in gone:
            tap.gone = True
            tap.runs.clear()
        return gone

    def excuse(self, now: float) -> None:
        """Nobody could be heard until now."""
        for tap in self.there:
            tap.excused = now

    def _is_new_run(self, tap: Tap, run: str, now: float) -> bool:
        """Note that a run of a tap's agent was heard, return whether it is a new one."""
        is_new = run not in tap.runs
        others = [heard for other, heard in tap.runs.items() if other != run]
        together = any(now - heard < DISCOVERY_SECONDS / 2 for heard in others)
        if together and not is_new and not tap.has_twin:
            tap.has_twin = True
            self._tell(
                f"two agents call themselves {escape(tap.name)}: start one of them with another --tap"
            )
        tap.runs = {other: heard for other, heard in tap.runs.items() if now - heard < GONE_SECONDS}
        if len(tap.runs) < _RUNS:
            tap.runs[run] = now
        return is_new

    def _make_room(self) -> bool:
        """Have a place for one more tap, that of one that is gone where there is no other."""
        if len(self._taps) < MOST:
            return True
        gone = next((known for known, tap in self._taps.items() if tap.gone), None)
        return gone is not None and bool(self._taps.pop(gone))

    def _refuse(self, why: str) -> None:
        self.refused[why] += 1
        if self.refused[why] == 1:
            self._tell(f"left out: what answers as an agent but {why}")


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return what names are sorted by: sbc2 stands before sbc10."""
    return [(len(part) if part.isdecimal() else 0, part) for part in _NUMBER.split(name)]


def _wrong(name: object, info: dict[str, Any]) -> str:
    """Return what is wrong with an agent of a name as it tells of itself, "" where nothing is."""
    if info.get("name") != SERVICE or not isinstance(name, str):
        return "is no agent of sipstream"
    if not 0 < len(name.encode("utf-8", "replace")) <= MAX_NODE or _SURROGATE.search(name):
        return f"names no tap of at most {MAX_NODE} bytes"
    # A service without an endpoint for it is no agent.
    if request_subject(name, FIND) not in _subjects(info.get("endpoints")):
        return "isn't asked at the subjects of its tap's name"
    return ""


def _subjects(endpoints: object) -> set[object]:
    """Return where a service is asked."""
    there = endpoints if isinstance(endpoints, list) else []
    subjects = (one.get("subject") for one in there if isinstance(one, dict))
    return {subject for subject in subjects if isinstance(subject, str)}


def _text(value: object) -> str:
    return value[:_TEXT] if isinstance(value, str) else ""
