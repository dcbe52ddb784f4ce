"""The programs that are measured beside each other, and what each must find in a capture."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generate import cached, callee, calls
from measuring import SIPSTREAM, environment

FIELDS = ("-T", "fields", "-e", "sip.Call-ID", "-e", "sip.Method", "-e", "sip.Status-Code")
"""What tshark is asked for: as much as sipstream's index has, and none of its costly details."""


@dataclass(frozen=True)
class Program:
    """A command that is timed, one that tells what it found, and how that is read."""

    name: str
    command: Sequence[str]
    found: Callable[[bytes], str]
    """What the output tells it found: a number, or words that say what is wrong."""
    expected: int
    telling: Sequence[str] = ()
    """The command that is watched and whose output is read, where the timed one keeps quiet."""


@functools.cache
def knows_terms() -> bool:
    """Tell whether `show conversations` takes a filter's terms."""
    words = [*SIPSTREAM, "-c", "show conversations dstnum 1"]
    return subprocess.run(words, capture_output=True, env=environment()).returncode == 0


def asking(number: str) -> list[str]:
    """Return the options that have sipstream show the calls to a number, once all is loaded."""
    if knows_terms():
        return ["-c", f"show conversations dstnum {number}"]
    words = ["filter", f"add dstnum {number}", "exit", "show conversations"]
    return [word for line in words for word in ("-c", line)]


def middle(messages: int) -> str:
    """Return the called number of one call in the middle of a generated capture."""
    return callee(messages // 14)


@functools.cache
def call_count(messages: int) -> int:
    """Return how many calls a generated capture has."""
    return sum(step == 0 for _, step in calls(messages))


def sipstream(name: str, path: Path, messages: int, *options: str) -> Program:
    """Return sipstream that loads a file and answers for one number."""
    number = middle(messages)

    def found(output: bytes) -> str:
        told = re.search(rb"conversations \((\d+) SIP messages\) extracted", output)
        if told is None:
            return "nothing loaded"
        if len(re.findall(rf"->{number}\b".encode(), output)) != 1:
            return f"no answer for {number}"
        # With too little memory it would have dropped what it was measured to keep.
        return "gave some up" if b"used up" in output else told[1].decode()

    command = [*SIPSTREAM, str(path), *options, *asking(number)]
    return Program(name, command, found, messages)


def sngrep_limit(dialogs: int) -> int:
    """Return a limit of sngrep that keeps all dialogs.

    It makes a hash table of that size and fares four times worse with some: with 143,944 or 500,009
    for a million messages, say. Round ones did well, so it gets such a one.
    """
    power: int = 10 ** len(str(dialogs))
    return next(size for size in (power // 5, power // 2, power) if size > dialogs)


def sngrep(path: Path, messages: int) -> Program:
    """Return sngrep that keeps all dialogs of a capture."""
    count = call_count(messages)
    options = ["-N", "-l", str(sngrep_limit(count)), "-I", str(path)]

    def found(output: bytes) -> str:
        told = re.findall(rb"Dialog count: (\d+)", output)
        return told[-1].decode() if told else "nothing"

    return Program("sngrep", ["sngrep", "-q", *options], found, count, ["sngrep", *options])


def tshark(path: Path, messages: int) -> Program:
    """Return tshark that prints Call-ID, method and status of each message."""
    command = ["tshark", "-n", "-r", str(path), "-Y", "sip", *FIELDS]

    def found(output: bytes) -> str:
        # Several messages of one frame stand in one line, divided by commas.
        lines = [line for line in output.split(b"\n") if b"\t" in line]
        return str(sum(line.split(b"\t")[0].count(b",") + 1 for line in lines))

    return Program("tshark", command, found, messages)


def grep(path: Path, messages: int) -> Program:
    """Return the floor: no more than a look at each byte."""
    command = ["grep", "-c", "-a", "Call-ID", str(path)]
    return Program("grep -c (floor)", command, lambda output: output.decode().strip(), messages)


def others(path: Path, messages: int) -> list[Program]:
    """Return the programs that sipstream is compared with on a capture, those that are there."""
    made = (sngrep(path, messages), tshark(path, messages), grep(path, messages))
    return [one for one in made if shutil.which(one.command[0])]


def printed(folder: Path, capture: Path, flag: str) -> Path:
    """Return a file with what tcpdump prints of a capture."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            subprocess.run(
                ["tcpdump", "-n", flag, "-r", str(capture)],
                stdout=file,
                stderr=subprocess.DEVNULL,
                check=True,
            )

    return cached(folder, f"{capture.stem.rpartition('-')[0]}{flag}.txt", write)
