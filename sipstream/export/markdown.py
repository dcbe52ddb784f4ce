"""The format markdown: a text for tickets, with the ladder as a diagram that GitHub and GitLab draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sipstream.export.legs import MASKED, Laddered, leg_name, of_all
from sipstream.findings import diagnose
from sipstream.render import markdown, mermaid
from sipstream.render.facts import Facts
from sipstream.render.lists import users

if TYPE_CHECKING:
    from sipstream.export.selected import Selected
    from sipstream.findings import Finding
    from sipstream.views import Conversation, Message

MOST_LETTERS = 60_000
"""Letters of a text: a ticket of GitHub takes 65,536."""
MOST_CONVERSATIONS = 50
"""Conversations looked at: more have no room anyway."""
_PROOFS = 2
"""Messages shown whole of those that prove a finding."""


def pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the text; what has no room is left out and told, conversation by conversation."""
    room = MOST_LETTERS
    parts = list(islice(selected.views(), MOST_CONVERSATIONS))
    left_out = max(len(selected.numbers) - MOST_CONVERSATIONS, 0)
    together = selected.is_call and len(parts) > 1
    if together:
        laddered = Laddered(selected.name_of, mermaid.MOST_ARROWS, due)
        for _ in of_all(parts, laddered, due):
            yield b""
        text = f"## Call in {len(parts)} legs\n\n{_diagram(laddered)}\n\n"
        if selected.joined_by:
            text += f"One call by: {markdown.code('; '.join(selected.joined_by))}\n\n"
        room -= len(text)
        yield text.encode("utf-8")
    for place, one in enumerate(parts):
        name = leg_name(place) if len(parts) > 1 else ""
        text = ""
        for text in _conversation(selected, one, name, due, with_ladder=not together):
            if not text:
                yield b""
        if len(text) > room:
            left_out += len(parts) - place
            selected.written -= len(parts) - place
            selected.messages -= sum(each.count for each in parts[place:])
            break
        room -= len(text)
        yield text.encode("utf-8")
    if left_out:
        told = f"{left_out} conversations have no room in one text"
        selected.missing.append(told)
        yield f"{told}.\n".encode()
    if selected.redactor is not None:
        yield f"{MASKED}\n".encode()
    if not parts:
        yield b"No conversations.\n"


def _conversation(
    selected: Selected,
    one: Conversation,
    name: str,
    due: Callable[[], bool],
    *,
    with_ladder: bool,
) -> Iterator[str]:
    """Yield "" where a turn is over, at last what there is to say of a conversation."""
    messages = one.messages
    gathered = Facts(one)
    for message in messages:
        gathered.add(message)
        if due():
            yield ""
    found = diagnose(one)
    numbers = " \N{RIGHTWARDS ARROW} ".join(users(one))
    lines = [f"## {name} {markdown.code(numbers)}" if name else f"## {markdown.code(numbers)}", ""]
    lines += [*markdown.facts(gathered.rows()), ""]
    if one.left_out:
        lines += [f"{one.left_out} messages behind the first ones are given up.", ""]
    lines += ["### Findings", "", *markdown.findings(found), ""]
    if with_ladder:
        laddered = Laddered(selected.name_of, mermaid.MOST_ARROWS, due)
        for _ in laddered.steps(messages):
            yield ""
        lines += ["### Ladder", "", _diagram(laddered), ""]
    proofs = _proofs(found, messages)
    if proofs:
        lines += ["### Messages", "", *map(markdown.message, proofs), ""]
    yield "\n".join(lines) + "\n"


def _diagram(laddered: Laddered) -> str:
    ladder = laddered.ladder
    names = [leg_name(place) for place in range(len(ladder.legs))] if len(ladder.legs) > 1 else ()
    return markdown.fenced(
        "\n".join(mermaid.diagram(ladder, names, laddered.left_out).lines), "mermaid"
    )


def _proofs(found: list[Finding], messages: list[Message]) -> list[Message]:
    """Return the messages that are shown whole: of each finding the first ones that aren't copies."""
    places: set[int] = set()
    for finding in found:
        there = (place for place in finding.evidence if place < len(messages))
        plain = (place for place in there if messages[place].copy_of is None)
        places.update(islice(plain, _PROOFS))
    return [messages[place] for place in sorted(places)]
