"""The thesis's printed sessions, driven through the real program: by -c, by stdin, on a pty.

Spacing inside a line is free where a column is padded; words, numbers, order and punctuation
aren't. A transcript's output must be the program's, line by line; where print left out a part (a
body, help on commands the original lacked), its lines must stand in the output in their order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import CAPTURES
from terminal import Terminal

TRANSCRIPTS = Path(__file__).parent / "transcripts"
PROMPT = re.compile(r"^sipstream(?:\[\w+\])?\*?: ?(.*)$")
BOTH = ["filter", "set condition and", "add srcnum 4151509", "add dstnum 8969669", "exit"]
DIVERTED = ["filter", "add dstnum 5660066", "exit"]
ARGUMENTS: dict[str, tuple[list[str], list[str]]] = {
    # figure: (files to load, commands typed before the figure begins)
    "fig07": (["txts/testdata-pt.txt"], []),
    "fig08": (["txts/testdata-pt.txt"], []),
    "fig09": ([], ["filter"]),
    "fig10": ([], ["filter"]),
    **{f"fig{n}": (["txts/testdata-pt.txt"], BOTH) for n in (11, 12, 13, 14, 15)},
    **{f"fig{n}": (["txts/timeout.txt"], DIVERTED) for n in (18, 19)},
    **{f"fig{n}": (["txts/callerid-problem.txt"], DIVERTED) for n in (21, 22, 23)},
    "fig25": (["txts/diversion-problem.txt"], ["filter"]),
    **{f"fig{n}": (["txts/diversion-problem.txt"], DIVERTED) for n in (26, 27)},
}
CUT_IN_PRINT = {"fig03", "fig04", "fig09", "fig10", "fig14", "fig19", "fig23", "fig27"}
ELSEWHERE = {"fig02", "fig06"}
"""A message alone, loaded below; a live capture, in live/test_live.py."""


@dataclass
class Figure:
    name: str
    files: list[str]
    before: list[str]
    commands: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """Every line as the terminal has it, prompts included."""
    printed: list[str] = field(default_factory=list)
    """The program's answers alone."""


def figures() -> Iterator[Figure]:
    for path in sorted(TRANSCRIPTS.glob("fig*.txt")):
        name = path.name[:5]
        if name in ELSEWHERE:
            continue
        files, before = ARGUMENTS.get(name, ([], []))
        figure = Figure(name, list(files), list(before))
        for line in path.read_text(encoding="utf-8").splitlines():
            prompt = PROMPT.match(line)
            if line.startswith("$ sipstream"):
                figure.files = line.split()[2:]
            elif prompt and not (name == "fig10" and line.startswith("sipstream[filter]: add")):
                figure.shown.append(line)
                if prompt[1]:
                    figure.commands.append(prompt[1])
            else:
                figure.shown.append(line)
                figure.printed.append(line)
        yield figure


FIGURES = list(figures())


def words(lines: list[str]) -> list[str]:
    """Lines without blanks that are only padding, and without empty lines."""
    return [" ".join(line.split()) for line in lines if line.strip()]


def assert_in_order(wanted: list[str], found: list[str]) -> None:
    place = 0
    for line in words(wanted):
        rest = words(found)[place:]
        assert line in rest, f"{line!r} is not among what follows:\n" + "\n".join(rest)
        place += rest.index(line) + 1


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "txts").symlink_to(CAPTURES)
    return tmp_path


def run(here: Path, *arguments: str, typed: str | None = None) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        cwd=here,
        env={**os.environ, "TZ": "UTC", "XDG_STATE_HOME": str(here)},
        input=typed,
        stdin=None if typed is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


def assert_printed(figure: Figure, before: list[str], whole: list[str]) -> None:
    """`before` is what the program prints without the figure's own commands."""
    assert whole[: len(before)] == before
    # What the figure prints of the load itself stands in `before` too.
    if figure.name in CUT_IN_PRINT:
        assert_in_order(figure.printed, whole)
    else:
        printed = words(figure.printed)
        assert words(whole)[-len(printed) :] == printed if printed else True


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_by_options(figure: Figure, here: Path) -> None:
    options = [word for command in figure.before for word in ("-c", command)]
    more = [word for command in figure.commands for word in ("-c", command)]
    before = run(here, *figure.files, *(options or ["-c", "help exit"]))
    whole = run(here, *figure.files, *options, *more)
    assert_printed(figure, before if options else [], whole)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_by_standard_input(figure: Figure, here: Path) -> None:
    typed = "\n".join([*figure.before, *figure.commands]) + "\n"
    assert_printed(figure, [], run(here, *figure.files, typed=typed))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_on_a_terminal(figure: Figure, here: Path) -> None:
    terminal = Terminal(figure.files, cwd=here)
    try:
        for command in [*figure.before, *figure.commands]:
            terminal.command(command)
        assert_in_order(figure.shown, terminal.lines())
        terminal.type("\x04\x04")
        assert terminal.end() == 0
    finally:
        terminal.close()


def test_the_example_message_of_fig02(here: Path) -> None:
    text = (TRANSCRIPTS / "fig02-example-sip-invite.txt").read_text(encoding="utf-8")
    line = "12:00:00.000000 IP 10.11.12.13.5060 > 10.20.30.40.5060: SIP, length: 500\n"
    (here / "one.txt").write_text(line + text, encoding="utf-8")
    printed = run(here, "one.txt", "-c", "show conversation 0 message 0")
    assert_in_order(
        ["1 conversations (1 SIP messages) extracted", line, *text.splitlines()], printed
    )
