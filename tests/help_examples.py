"""The examples in help texts: read from the text, and run as somebody would who types them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream import options, starting
from sipstream.session import Session
from sipstream.settings import Settings
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer

PROMPT = re.compile(r"(sipstream(?:\[[^\]]*\])?\*?:) ?(.*)")
LEFT_OUT = "..."


@dataclass
class Step:
    """A line that is typed at a prompt, and what is answered."""

    prompt: str
    typed: str
    shown: list[str] = field(default_factory=list)


@dataclass
class Example:
    """A start of the program and what is typed then."""

    arguments: list[str]
    steps: list[Step] = field(default_factory=list)


def examples(text: str) -> Iterator[Example]:
    """Yield the examples of a help text: each begins with `$ sipstream` and its arguments."""
    made: Example | None = None
    for line in text.partition("Examples:")[2].splitlines():
        line = line.strip()
        if line.startswith("$ sipstream"):
            if made:
                yield made
            made = Example(shlex.split(line)[2:])
        elif made and (prompt := PROMPT.fullmatch(line)):
            made.steps.append(Step(prompt[1], prompt[2]))
        elif made and made.steps and line:
            made.steps[-1].shown.append(line)
    if made:
        yield made


class Run:
    """A console that does what examples type."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")
        self._writer = Writer(self._file.fileno())
        self._read = 0

    async def answers(self, example: Example) -> list[tuple[str, list[str]]]:
        """Return for each step the prompt that it was typed at, and the lines of its answer."""
        found = []
        given = options.parse(example.arguments)
        async with Session(rtp=given.rtp) as session:
            console = Console(session, Output(self._writer, self._writer))
            session.settings = Settings.read(self._path.with_name("config.toml"))
            console.settle()
            if given.filter is not None:
                text = given.filter
                await session.change_filter(lambda filters: filters.add(text))
            await starting.reach_taps(given, session)
            if session.remotes.taps is not None:
                await session.remotes.taps.ready()
            await starting.start_sources(given, console)
            await self._lines()
            for step in example.steps:
                prompt = console.prompt.strip()
                await console.execute(step.typed)
                found.append((prompt, await self._lines()))
        self._writer.close()
        return found

    async def _lines(self) -> list[str]:
        await self._writer.drain(0)
        text = self._path.read_text()[self._read :]
        self._read += len(text)
        return [line.rstrip() for line in text.splitlines() if line.strip()]


def agrees(shown: list[str], expected: list[str]) -> bool:
    """Tell whether lines are as an example has them; `...` stands for any lines."""
    shown = [line.strip() for line in shown]
    if LEFT_OUT not in expected:
        return shown == expected
    begin = expected.index(LEFT_OUT)
    if shown[:begin] != expected[:begin]:
        return False
    rest = expected[begin + 1 :]
    return any(agrees(shown[place:], rest) for place in range(begin, len(shown) + 1))
