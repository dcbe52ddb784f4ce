"""Commands: typed functions, registered with the pattern of what is typed.

A pattern such as `show conversation {ref} [message {index}|messages]` and the function's annotations
say everything: how a line is read, what is missing, what may come next, what help prints. Words may be
abbreviated as long as they stay unique. Pure: nothing here knows a session or a terminal.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any, TypeAlias, get_type_hints

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.shell.arguments import Argument
from sipstream.shell.words import unquoted
from sipstream.wording import listed

GENERAL, FILTER, CONVERSATION, FOLLOW = "general", "filter", "conversation", "follow"
CONTEXTS = (GENERAL, FILTER, CONVERSATION, FOLLOW)

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"?|[^\s"][^\s]*')
_LEAVING = ("quit", "q", "bye", "end", "logout", "done")
"""What other shells call it."""
_PLACE = re.compile(r"\[\{(\w+)\}\]|\{(\w+)\}")
_PATTERN = re.compile(r"\[[^\]]*\]|\S+")


class UnknownWordError(CommandError):
    """A word fits no command of the context."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A place in a pattern that takes a value."""

    name: str
    kind: type[Argument]


class Whole(str):
    """A fixed word that is never short: where it isn't written whole, a value stands."""

    __slots__ = ()


Part: TypeAlias = str | Parameter


@dataclass(frozen=True, slots=True)
class Command:
    """A registered function; `variants` are all ways to type it."""

    pattern: str
    context: str
    function: Callable[..., Any]
    variants: tuple[tuple[Part, ...], ...]
    syntax: str
    summary: str
    details: str
    """What the docstring says beyond its first line: examples of use and output."""

    @property
    def words(self) -> tuple[str, ...]:
        """The fixed words the command begins with."""
        fixed = []
        for word in self.pattern.split():
            if not word.rstrip("!").replace("_", "").isalpha():
                break
            fixed.append(word.rstrip("!"))
        return tuple(fixed)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a line and where it begins."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Call:
    """A line that was understood: which command, which values as text, which words that are flags."""

    command: Command
    values: dict[str, tuple[Parameter, str]]
    flags: frozenset[str]


COMMANDS: list[Command] = []
RUN = "run"
"""The command that runs one of the general context."""
EVERYWHERE = (
    *("show", "list", "diagnose", "follow", "unfollow", "watch", "unwatch"),
    *("export", "set", "unset", "alias", "unalias", "save", "delete", "source"),
)
"""Commands of the general context that work in the others too, where these have none of the kind."""
_MEANT = {"l": "load", "t": "tail", "r": "reset"}
"""Words short for several commands that are used for one of them."""


def command(
    pattern: str, context: str = GENERAL
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function under a pattern.

    `{name}` takes the parameter of that name, `[...]` may be left out, `|` separates alternatives in
    there; a fixed word in brackets sets the bool parameter of its name. A fixed word with `!` behind
    it has to be typed whole, and may be a value as well.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(function, include_extras=True)
        kinds = {name: _kind_of(hint) for name, hint in hints.items()}
        summary, _, details = inspect.cleandoc(function.__doc__ or "").partition("\n")
        variants = tuple(
            tuple(part for piece in choice for part in piece)
            for choice in product(*(_choices(piece, kinds) for piece in _PATTERN.findall(pattern)))
        )
        syntax = _PLACE.sub(lambda hit: _shown_syntax(hit, kinds), pattern.replace("!", ""))
        COMMANDS.append(
            Command(pattern, context, function, variants, syntax, summary, details.strip())
        )
        return function

    return register


def _shown_syntax(place: re.Match[str], kinds: dict[str, type[Argument]]) -> str:
    """Return how help shows a place of a pattern; a kind may bring brackets of its own."""
    if place[2]:
        return kinds[place[2]].syntax
    syntax = kinds[place[1]].syntax
    return syntax if syntax.startswith("[") else f"[{syntax}]"


def _kind_of(hint: Any) -> type[Argument]:
    """Return the kind of argument that an annotation `Annotated[type, Kind]` names."""
    for part in getattr(hint, "__metadata__", ()):
        if isinstance(part, type) and issubclass(part, Argument):
            return part
    for part in getattr(hint, "__args__", ()):
        found = _kind_of(part)
        if found is not Argument:
            return found
    return Argument


def _choices(piece: str, kinds: dict[str, type[Argument]]) -> list[tuple[Part, ...]]:
    """Return the ways to type one piece of a pattern."""
    if not piece.startswith("["):
        return [(_part(piece, kinds),)]
    choices: list[tuple[Part, ...]] = [()]
    for alternative in piece[1:-1].split("|"):
        choices.append(tuple(_part(word, kinds) for word in alternative.split()))
    return choices


def _part(word: str, kinds: dict[str, type[Argument]]) -> Part:
    if word.startswith("{"):
        return Parameter(word[1:-1], kinds[word[1:-1]])
    return Whole(word[:-1]) if word.endswith("!") else word


def split(line: str) -> list[Word]:
    """Return the words of a line; a word in double quotes may hold blanks."""
    return [Word(match[0], match.start()) for match in _WORD.finditer(line)]


@dataclass(slots=True)
class _Way:
    """A variant, as far as the words so far fit it."""

    command: Command
    variant: tuple[Part, ...]
    values: dict[str, tuple[Parameter, str]]
    flags: set[str]
    rest: int = -1
    """Where the part of the line begins that a parameter took up to the end, -1 while none did."""

    def part(self, place: int) -> Part | None:
        """Return what the variant has at a place, None behind its end."""
        return self.variant[place] if place < len(self.variant) and self.rest < 0 else None


def _ways(context: str) -> list[_Way]:
    return [
        _Way(one, variant, {}, set())
        for one in COMMANDS
        if one.context == context
        for variant in one.variants
    ]


def follow_words(line: str, words: list[Word], context: str) -> list[_Way]:
    """Return the variants that the words fit, abbreviations allowed.

    Raises:
        CommandError: a word fits none, or is short for several.
    """
    ways = _ways(context)
    for place, word in enumerate(words):
        if any(way.rest >= 0 for way in ways):
            break
        ways = _step(line, words, place, word, ways)
    return ways


def _step(line: str, words: list[Word], place: int, word: Word, ways: list[_Way]) -> list[_Way]:
    """Return those ways that one more word fits: exact words first, then short ones, then values."""
    fixed = [way for way in ways if isinstance(way.part(place), str)]
    literals = {str(way.part(place)) for way in fixed}
    short = {str(way.part(place)) for way in fixed if not isinstance(way.part(place), Whole)}
    meant = _MEANT.get(word.text, word.text) if not place else word.text
    wanted = {meant} & literals or {one for one in short if one.startswith(word.text)}
    shortest = min(wanted, key=len, default="")
    if any(not one.startswith(shortest) for one in wanted):
        raise CommandError(f"{brief(word.text)} is short for {listed(sorted(wanted))}")
    chosen = [way for way in fixed if way.part(place) in wanted]
    for way in chosen:
        way.flags.add(str(way.part(place)))
    if chosen and not all(isinstance(way.part(place), Whole) for way in chosen):
        return chosen
    valued = _valued(line, place, word, ways)
    if not chosen and not valued:
        raise UnknownWordError(_unknown(words, place, literals, ways))
    return chosen + valued


def _valued(line: str, place: int, word: Word, ways: list[_Way]) -> list[_Way]:
    """Return those ways that take a word as a value."""
    chosen = [way for way in ways if isinstance(way.part(place), Parameter)]
    # `sh conv 0` is short for two commands: a filter is what is no single value.
    single = [way for way in chosen if not _takes_rest(way.part(place))]
    chosen = single or chosen
    for way in chosen:
        parameter = way.part(place)
        assert isinstance(parameter, Parameter)
        if parameter.kind.rest:
            way.rest = word.start
        text = line[word.start :].rstrip() if parameter.kind.rest else unquoted(word.text)
        way.values[parameter.name] = (parameter, text)
    return chosen


def _takes_rest(part: Part | None) -> bool:
    return isinstance(part, Parameter) and part.kind.rest


def read(line: str, context: str) -> Call:
    """Understand a line in a context.

    Raises:
        CommandError: it is no command, is short for several, or lacks something.
    """
    words = split(line)
    ways = follow_words(line, words, context)
    whole = [way for way in ways if way.rest >= 0 or len(way.variant) == len(words)]
    if not whole:
        typed = brief(" ".join(word.text for word in words))
        parts = [way.variant[len(words)] for way in ways]
        # What may be a value as well is named by that.
        parts = [part for part in parts if not isinstance(part, Whole)] or parts
        missing = listed([_name(part) for part in parts])
        topic = " ".join(ways[0].command.words[: len(words)])
        raise CommandError(f"missing argument: {typed} needs {missing}; see 'help {topic}'")
    way = whole[0]
    return Call(way.command, way.values, frozenset(way.flags))


@dataclass(frozen=True, slots=True)
class Expected:
    """What may be typed at a line's end."""

    typed: str
    """The word being typed."""
    parts: list[Part]
    """What may stand in its place."""
    values: dict[str, tuple[Parameter, str]]
    """The values that stand before it."""
    complete: bool
    """Without that word the line is a command."""


def expected(line: str, context: str) -> Expected:
    """Return what may be typed at the line's end.

    Raises:
        CommandError: what stands before fits no command.
    """
    words = split(line)
    typed = words.pop() if words and not _ended(line, words[-1].text) else None
    ways = follow_words(line, words, context)
    text = typed.text if typed is not None else ""
    parts: dict[Part, None] = {}
    for way in ways:
        if way.rest >= 0:
            text = line[way.rest :]
            parts[next(reversed(way.values.values()))[0]] = None
        elif (part := way.part(len(words))) is not None:
            parts[part] = None
            if typed is not None and isinstance(part, Parameter) and part.kind.rest:
                text = line[typed.start :]
    complete = any(way.rest < 0 and len(way.variant) == len(words) for way in ways)
    values = {name: value for way in ways for name, value in way.values.items()}
    return Expected(text, list(parts), values, bool(words) and complete)


def first_words() -> frozenset[str]:
    """Return the words that commands begin with, in whatever context."""
    return frozenset(one.words[0] for one in COMMANDS)


def _ended(line: str, word: str) -> bool:
    """Tell whether the last word of a line is finished: a blank follows that isn't inside quotes."""
    in_quotes = word.startswith('"') and (len(word) == 1 or not word.endswith('"'))
    return line[-1:] in (" ", "\t") and not in_quotes


def _name(part: Part) -> str:
    return part if isinstance(part, str) else part.kind.syntax


def _unknown(words: list[Word], place: int, literals: set[str], ways: list[_Way]) -> str:
    """Say that a word fits nothing, with the nearest known one."""
    word = brief(words[place].text)
    if not literals and place and any(len(way.variant) == place for way in ways):
        before = brief(" ".join(one.text for one in words[:place]))
        return f"nothing more is expected behind {before}: {word}"
    elsewhere = {one.context for one in COMMANDS if place == 0 and one.words[0] == words[0].text}
    if elsewhere:
        return f"{word} is a command of the context {listed(sorted(elsewhere))}"
    near = get_close_matches(words[place].text, literals, 1)
    if place == 0 and words[0].text in _LEAVING:
        near = ["exit"]
    hint = f"did you mean {near[0]}?" if near else f"it may be {listed(sorted(literals))}"
    what = "unknown command" if place == 0 else "unknown word"
    return f"{what} {word}: {hint}" if place or near else f"{what} {word}: 'help' lists them"
