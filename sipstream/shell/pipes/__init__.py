"""What may stand behind `|`: it takes the lines that a command shows and makes another answer of them.

A new pipe is a class with its name, a few words on it and examples; completion and help come from
these. Several may follow each other: each is fed what the one before gives out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.shell.pipes.choosing import Count, Except, Find, Last, Match, NoMore
from sipstream.shell.pipes.display import Display
from sipstream.shell.pipes.save import Save
from sipstream.shell.pipes.stage import Stage
from sipstream.wording import aligned, listed, meant

PIPED = ("show", "list", "diagnose", "help")
"""Commands whose lines may be piped; elsewhere a `|` belongs to the command: kernel filters have it."""

PIPES: dict[str, type[Stage]] = {
    one.name: one for one in (Count, Match, Except, Find, Last, NoMore, Save, Display)
}
"""All pipes by name."""

_MARK = re.compile(r'"(?:[^"\\]|\\.)*"?|\s(\|)(?!\|)', re.DOTALL)
"""What is in quotes, or a `|` that begins a word; `||` is a slip for `or`."""
_HELP = "help"
_BEHIND_COUNT = (Display, NoMore, Save)
_STAGES = 32
"""Pipes in one line: more than anyone types, and each costs every line its time."""


class Cut(NamedTuple):
    """A line cut at its first `|`."""

    command: str
    pipe: str | None
    """What stands behind it, other pipes included; None where there is none."""


def shows(line: str) -> bool:
    """Tell whether a line is of a command that may be piped, its name may be short."""
    first = line.split(maxsplit=1)[:1]
    return bool(first) and len(first[0]) > 1 and any(one.startswith(first[0]) for one in PIPED)


def split(line: str) -> Cut:
    """Cut a line of a command that may be piped at its first `|` that begins a word, outside of quotes.

    `help |` and `help | match` ask for help on pipes.
    """
    if shows(line):
        command, *behind = _pieces(line, 1)
        if behind and not _asks_for_help(command, behind[0]):
            return Cut(command, behind[0])
    return Cut(line, None)


def _asks_for_help(command: str, behind: str) -> bool:
    return _HELP.startswith(command.strip()) and len(behind.split()) < 2


def _pieces(text: str, most: int = -1) -> list[str]:
    """Cut a text at its bars, at `most` of them."""
    pieces: list[str] = []
    begin = 0
    # A text that begins with a bar has an empty piece before it.
    for mark in _MARK.finditer(text):
        if mark[1] and most != len(pieces):
            pieces.append(text[begin : mark.start()])
            begin = mark.end()
    return [
        piece.lstrip() if place else piece for place, piece in enumerate([*pieces, text[begin:]])
    ]


@dataclass(slots=True)
class Chain:
    """The pipes of a line, in order."""

    stages: list[Stage]
    saved: Save | None = None
    """The last pipe, where it is one that saves."""
    paged: bool = True
    """Nobody said no-more."""

    @property
    def objects(self) -> bool:
        """Whether objects are wanted, not text."""
        return any(one.objects for one in self.stages)

    @property
    def line_end(self) -> str:
        """How lines end outside of a terminal."""
        return next((one.line_end for one in reversed(self.stages) if one.line_end), "\n")


def read(line: str) -> tuple[str, Chain]:
    """Return the command of a line, and the pipes behind it.

    Raises:
        SipstreamError: a pipe is unknown, lacks something, or stands where it may not.
    """
    command, behind = split(line)
    chain = Chain([])
    if behind is None:
        return command, chain
    # The blank makes a bar that comes at once one that begins a word.
    pieces = [piece.strip() for piece in _pieces(f" {behind}")]
    if len(pieces) > _STAGES:
        raise CommandError(f"a line has at most {_STAGES} pipes, this one {len(pieces)}")
    for piece in pieces:
        stage = _stage(piece)
        if not may_follow(chain, type(stage)):
            raise CommandError(_misplaced(chain, piece))
        _append(chain, stage)
    return command, chain


def may_follow(chain: Chain, pipe: type[Stage]) -> bool:
    """Tell whether a pipe may stand behind some others."""
    if chain.saved is not None or (issubclass(pipe, Display) and chain.objects):
        return False
    counted = bool(chain.stages) and isinstance(chain.stages[-1], Count)
    return not counted or issubclass(pipe, _BEHIND_COUNT)


def _misplaced(chain: Chain, piece: str) -> str:
    if chain.saved is not None:
        return f"| save comes last: nothing may stand behind it, not {brief(piece)}"
    if isinstance(chain.stages[-1], Count):
        return (
            f"unknown word behind |: count | {brief(piece)}: a count is a single line, "
            "which only display, no-more or save may follow"
        )
    return f"| display may stand in a line once: {brief(piece)}"


def _append(chain: Chain, stage: Stage) -> None:
    if isinstance(stage, NoMore):
        chain.paged = False
        return
    if isinstance(stage, Save):
        chain.saved = stage
    if isinstance(stage, Display):
        for one in chain.stages:
            if isinstance(one, Count):
                one.as_json = True
    chain.stages.append(stage)


def _stage(piece: str) -> Stage:
    name, *argument = piece.split(maxsplit=1) or [""]
    return named(name, piece)(*argument or [""])


def named(name: str, piece: str = "") -> type[Stage]:
    """Return the pipe of a name, which may be short; `piece` is what an error quotes.

    Raises:
        CommandError: there is none.
    """
    found = [one for known, one in PIPES.items() if name and known.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not name:
        raise CommandError(f"missing argument: | needs {listed(PIPES)}")
    raise CommandError(f"unknown word behind |: {brief(piece or name)}: {meant(name, PIPES)}")


def last_piece(line: str) -> str | None:
    """Return what stands behind a line's last `|`, None where there is none."""
    behind = split(line).pipe
    return None if behind is None else _pieces(f" {behind}")[-1].lstrip()


def help_on(name: str) -> str | None:
    """Return the help on a pipe, on all of them for the bar itself; None where there is no such."""
    if name == "|":
        rows = [(f"| {one.name} {one.syntax}", one.about) for one in PIPES.values()]
        return "\n".join([_INTRODUCTION, "", *aligned(rows)])
    try:
        pipe = named(name)
    except CommandError:
        return None
    return f"{f'show ... | {pipe.name} {pipe.syntax}'.rstrip()}\n\n{pipe.about}\n\n{pipe.details}"


_INTRODUCTION = """\
Behind show, list and help; several may follow each other, and their names may be short.
Type help | <name> for one of them."""
