"""Plans traffic with an exact number of conversations and messages, for make_captures.

Units are drawn by weight until the conversations are there; then pairs of messages are put into
those that can hold more, until the messages are there too. Playing a unit that makes another number
than planned is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from captures_calls import Scene, Unit, call
from captures_services import ended, joined, lasting, message, options, register, silent, subscribe

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from captures_sip import Dialog, Message

TWO_LEGS = 0.4
"""How often a call shows both its legs, where it may."""
APART = 10
"""Microseconds between any two messages of a capture, at least."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the plan knows of one kind of unit."""

    messages: int
    play: Callable[[Scene, Unit], list[Dialog]]
    pairs: int = 0
    """How many pairs of messages it can hold beyond its own."""
    both_legs: bool = False
    rings: bool = False
    """It has a 180, which a 183 may follow."""


KINDS: dict[str, Kind] = {
    "answered": Kind(7, call, pairs=5, both_legs=True, rings=True),
    "challenged": Kind(10, call, pairs=5, rings=True),
    "resent": Kind(8, call),
    "cancelled": Kind(7, call, both_legs=True, rings=True),
    "busy": Kind(4, call, both_legs=True),
    "unknown": Kind(4, call, both_legs=True),
    "away": Kind(5, call, both_legs=True, rings=True),
    "moved": Kind(4, call),
    "register": Kind(4, register, pairs=4),
    "options": Kind(2, options),
    "silent": Kind(7, silent),
    "subscribe": Kind(4, subscribe, pairs=2),
    "message": Kind(2, message),
    "joined": Kind(4, joined),
    "ended": Kind(2, ended),
    "lasting": Kind(5, lasting),
}


def size(unit: Unit) -> int:
    """Return how many messages a unit makes."""
    return unit.legs * (KINDS[unit.kind].messages + 2 * unit.pairs + unit.early)


def plan(
    rng: random.Random, weights: Mapping[str, int], pinned: Sequence[Unit], counts: tuple[int, int]
) -> list[Unit]:
    """Return the pinned units and drawn ones: `counts` conversations and messages together."""
    conversations, messages = counts
    units = list(pinned)
    room = conversations - sum(unit.legs for unit in units)
    while room:
        unit = _drawn(rng, weights, room)
        units.append(unit)
        room -= unit.legs
    missing = messages - sum(size(unit) for unit in units)
    if missing < 0:
        raise ValueError(f"the weights make {-missing} messages too many")
    _fill(rng, units[len(pinned) :], missing)
    return units


def play(scene: Scene, units: Sequence[Unit]) -> list[Message]:
    """Return the messages of all units, in no order."""
    messages: list[Message] = []
    for unit in units:
        dialogs = KINDS[unit.kind].play(scene, unit)
        made = [one for dialog in dialogs for one in dialog.messages]
        if (len(dialogs), len(made)) != (unit.legs, size(unit)):
            raise ValueError(f"{unit} made {len(dialogs)} conversations, {len(made)} messages")
        messages += made
    return messages


def free_times(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """Return the messages in order with times apart from each other; the fixed keep theirs."""
    fixed = sorted(one.at for one in messages if one.fixed)
    timed = [(one.at, one) for one in messages if one.fixed]
    last, place = 0, 0
    for moving in sorted((one for one in messages if not one.fixed), key=_time):
        at = max(moving.at, last + APART)
        while place < len(fixed) and fixed[place] <= at - APART:
            place += 1
        for taken in fixed[place:]:
            if taken - at >= APART:
                break
            at = taken + APART
        timed.append((at, moving))
        last = at
    return sorted(timed, key=lambda item: item[0])


def _time(one: Message) -> int:
    return one.at


def _drawn(rng: random.Random, weights: Mapping[str, int], room: int) -> Unit:
    kind = rng.choices(list(weights), list(weights.values()))[0]
    legs = 2 if KINDS[kind].both_legs and room > 1 and rng.random() < TWO_LEGS else 1
    early = KINDS[kind].rings and rng.random() < 0.08
    return Unit(kind, legs, early=early)


def _fill(rng: random.Random, units: Sequence[Unit], missing: int) -> None:
    """Put exactly the missing messages into units that can hold more."""
    if missing % 2:
        ringing = [unit for unit in units if unit.legs == 1 and KINDS[unit.kind].rings]
        missing += 1 if ringing[0].early else -1
        ringing[0].early = not ringing[0].early
    growing = [unit for unit in units if KINDS[unit.kind].pairs]
    while missing:
        unit = rng.choice(growing)
        if unit.pairs < KINDS[unit.kind].pairs and 2 * unit.legs <= missing:
            unit.pairs += 1
            missing -= 2 * unit.legs
