"""What may be typed behind a `|`: for Tab, and for `?`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.errors import CommandError, SipstreamError
from sipstream.shell.arguments import FilePath
from sipstream.shell.offered import Offer, Offers
from sipstream.shell.pipes import PIPES, Chain, last_piece, may_follow, named, read
from sipstream.shell.pipes.save import Save
from sipstream.shell.pipes.stage import Stage

if TYPE_CHECKING:
    from sipstream.session import Session


def offers(session: Session, line: str) -> tuple[str, Offers]:
    """Return the word being typed at the end of a line with pipes, and what may stand in its place."""
    pipe, typed = _typed(line)
    if pipe is None:
        before = _chain(line[: len(line) - len(typed)].rstrip().removesuffix("|"))
        return typed, [
            Offer(name, one.about)
            for name, one in PIPES.items()
            if name.startswith(typed) and may_follow(before, one)
        ]
    if pipe is Save and not typed[-1:].isspace():
        return typed, FilePath.offers(session, typed, None)
    found = [Offer(word, about) for word, about in pipe.words.items() if word.startswith(typed)]
    return (typed, found) if found else ("", bars(line))


def bars(line: str) -> list[Offer]:
    """Return the pipes that may follow a line: one that makes sense as it stands, a blank behind it."""
    try:
        chain = read(line)[1]
    except SipstreamError:
        return []
    if not line[-1:].isspace():
        return []
    return [Offer(f"| {name}", one.about) for name, one in PIPES.items() if may_follow(chain, one)]


def places(line: str) -> list[Offer]:
    """Return what stands for a value that may be typed at the end of a line with pipes."""
    pipe, typed = _typed(line)
    if pipe is None or pipe.words or not pipe.syntax or typed:
        return []
    return [Offer(pipe.syntax, pipe.about)]


def is_complete(line: str) -> bool:
    """Tell whether a line with pipes may be ended as it stands."""
    try:
        read(line)
    except SipstreamError:
        return False
    return line[-1:].isspace()


def takes_word(line: str) -> bool:
    """Tell whether a question mark is hardly part of what is typed: it is in a pattern."""
    pipe, _ = _typed(line)
    return pipe is None or pipe is Save or bool(pipe.words)


def _typed(line: str) -> tuple[type[Stage] | None, str]:
    """Return the pipe whose argument is being typed, None where it is its name, and what is typed."""
    piece = last_piece(line) or ""
    name, blank, argument = piece.partition(" ")
    try:
        return (named(name), argument.lstrip()) if blank else (None, name)
    except CommandError:
        return None, piece


def _chain(line: str) -> Chain:
    try:
        return read(line)[1]
    except SipstreamError:
        return Chain([])
