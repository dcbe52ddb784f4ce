"""Help texts, made from the registry of commands and the terms of filters.

A family (`show`, `capture`) is listed by its first word; what is said of it as a whole stands here,
everything else comes from the commands themselves.
"""

from __future__ import annotations

import re

from sipstream.shell import filter_help, pipes
from sipstream.shell.registry import COMMANDS, CONTEXTS, FILTER, GENERAL, Command, split
from sipstream.wording import aligned

FAMILIES: dict[tuple[str, str], tuple[str, str]] = {
    # context, word: what the list of commands says, what its own help begins with
    (GENERAL, "show"): (
        "Show information about configuration and data",
        "Show configuration or data. Type help <topic> for further information.",
    ),
    (GENERAL, "capture"): (
        "",
        "Capture live packets. Type help <topic> for further information.",
    ),
    (GENERAL, "set"): (
        "Change a setting",
        "Change a setting, now and for later runs. Type help set <name> for further information.",
    ),
    (FILTER, "show"): ("", ""),
    (FILTER, "set"): ("Set a filter condition", ""),
}
_LIST = "Available commands (type help <topic> for help on topic):"
_FILTERS = ("filters", "language", "and", "or", "not", "each", "any", "first")
"""Topics that are the whole language of filters, and words of it that are no terms."""
_PIPES = "pipes"
"""What one may call all that stands behind a bar."""


def of(topic: str, context: str) -> str | None:
    """Return the help on a topic, the list of commands for "", None where there is no such topic."""
    words = [word.text for word in split(topic)]
    if not words:
        return _commands(context)
    others = (one for one in CONTEXTS if one != context)
    contexts = (context, *others)
    found = (_topic(words, one) for one in contexts)
    text = next((text for text in found if text is not None), None)
    if text is None and len(words) > 1 and _is_word_of_a_command(words):
        # A word within the command, as in `show conversation messages`.
        return of(" ".join(words[:-1]), context)
    return text


def _is_word_of_a_command(words: list[str]) -> bool:
    return any(
        one.words[0] == words[0] and words[-1] in re.findall(r"\w+", one.pattern)
        for one in COMMANDS
    )


def _topic(words: list[str], context: str) -> str | None:
    if len(words) == 1 and words[0].rstrip("(") in _FILTERS:
        return filter_help.overview()
    if words == [_PIPES]:
        return pipes.help_on("|")
    if context == FILTER and words[0] == "add" and len(words) <= 2:
        return filter_help.add() if len(words) == 1 else filter_help.term(words[1])
    family = _family(words, context)
    if not family:
        return _pipe_or_term(words)
    exact = [one for one in family if len(one.words) == len(words)]
    if len(family) > 1 and not exact:
        return _parameters(words, family, context)
    return "\n\n".join(_command(one) for one in (exact or family))


def _pipe_or_term(words: list[str]) -> str | None:
    if len(words) > 1 + words.count("|"):
        return None
    # `last` is both: the term by itself, the pipe behind a bar.
    term = None if words[0] == "|" else filter_help.term(words[0])
    return term or pipes.help_on(words[-1])


def _commands(context: str) -> str:
    rows: dict[str, str] = {}
    for one in COMMANDS:
        if one.context == context:
            word = one.words[0]
            listed = FAMILIES.get((context, word))
            alone = len(one.words) == 1 or word not in rows
            rows[word] = listed[0] if listed else one.summary if alone else rows[word]
    lines = [f"{word:<14}{rows[word]}".rstrip() for word in sorted(rows)]
    return "\n".join([_LIST, "", *lines])


def _family(words: list[str], context: str) -> list[Command]:
    """Return the commands that begin with the words, abbreviations allowed."""
    found = [one for one in COMMANDS if one.context == context]
    for place, word in enumerate(words):
        there = [one for one in found if len(one.words) > place]
        exact = [one for one in there if one.words[place] == word]
        found = exact or [one for one in there if one.words[place].startswith(word)]
    return found


def _parameters(words: list[str], family: list[Command], context: str) -> str:
    """Return what a family's second words are, as fig04 has it."""
    name = family[0].words[0]
    intro = FAMILIES.get((context, name), ("", ""))[1] or f"{name}."
    rows = []
    for one in sorted(family, key=lambda each: each.words):
        syntax = one.syntax.removeprefix(" ".join(one.words)).strip()
        rows.append((" ".join(one.words[1:]), syntax, one.summary))
    return "\n".join([intro, "Valid parameters are:", "", *aligned(rows)])


def _command(one: Command) -> str:
    details = f"\n\n{one.details}" if one.details else ""
    return f"{one.syntax}\n\n{one.summary}{details}"
