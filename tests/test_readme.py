"""README's sessions, terms and links are what the program really does and prints."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from help_examples import agrees
from support import CAPTURES, ROOT

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.filters import TERMS, Filter
from sipstream.options import agent, archive, parse, parser
from sipstream.session import Session
from sipstream.shell.arguments import Expression
from sipstream.shell.registry import COMMANDS, read

README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
BLOCKS = [block for language, block in FENCED if not language]
STARTS = ("$ sipstream ", "$ sipstream\n")
SESSIONS = [block.splitlines() for block in BLOCKS if block.startswith(STARTS)]
CONTEXTS = {one.context for one in COMMANDS}
PROMPT = re.compile(r"^sipstream(?:\[[^\]]*\])?\*?: (.*)$")


def printed(arguments: list[str], typed: list[str], tmp_path: Path) -> list[str]:
    (tmp_path / "captures").symlink_to(ROOT / "captures")
    result = subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        cwd=tmp_path,
        env={
            **os.environ,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "SIPSTREAM_USER": "root",
        },
        input="".join(f"{line}\n" for line in typed),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout.splitlines()


def test_there_are_the_three_problems() -> None:
    assert len(SESSIONS) >= 3


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session[0].split("/")[-1])
def test_a_session_is_real(session: list[str], tmp_path: Path) -> None:
    typed = [match[1] for line in session if (match := PROMPT.match(line))]
    shown = [line for line in session[1:] if not PROMPT.match(line)]
    found = printed(shlex.split(session[0])[2:], typed, tmp_path)
    assert agrees([line for line in found if line], [line.strip() for line in shown if line])


OTHERS = [
    (block, line) for block in BLOCKS if not block.startswith(STARTS) for line in block.splitlines()
]


@pytest.mark.parametrize(
    "line",
    [line for _, line in OTHERS if re.match(r"(sudo )?sipstream (?!FILE)[^:]", line)],
)
def test_a_command_line_is_understood(line: str) -> None:
    words = shlex.split(re.sub(r" (#|\||2>|>).*", "", line.removeprefix("sudo ")))
    of_program = {"agent": agent.parse, "archive": archive.parse}.get(words[1])
    if of_program is not None:
        assert of_program(words[2:])
    else:
        assert parse([word.replace("ring*", "ring1") for word in words[1:]])


@pytest.mark.parametrize(
    ("context", "typed"),
    [
        (match[1] or "general", match[2])
        for _, line in OTHERS
        if (match := re.match(r"sipstream(?:\[(\w+).*\])?\*?: (.+)", line)) and "9xx" not in line
    ],
)
def test_a_command_is_understood(context: str, typed: str) -> None:
    call = read(typed.partition(" | ")[0], context if context in CONTEXTS else "general")
    for parameter, text in call.values.values():
        if issubclass(parameter.kind, Expression):
            parameter.kind.parse(Session(), text)


def test_the_filters_are_understood() -> None:
    [block] = [one for one in BLOCKS if one.startswith("dstnum 5660066 and not")]
    for line in block.splitlines():
        Filter.parse(line)


def test_the_error_is_real(tmp_path: Path) -> None:
    [block] = [one for one in BLOCKS if "*** Error! '9xx'" in one]
    typed, *shown = block.splitlines()
    done = subprocess.run(
        [sys.executable, "-m", "sipstream", "-c", typed.removeprefix("sipstream: ")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr.splitlines() == shown


def test_every_term_is_named_with_its_help() -> None:
    for term in TERMS.values():
        assert term.syntax in README
        assert term.help in README


def test_every_option_is_named() -> None:
    parsers = parser(), agent.parser(), archive.parser()
    options = [
        option for one in parsers for action in one._actions for option in action.option_strings
    ]
    themselves = ("-h", "--help", "--version")
    assert [one for one in options if one not in README and one not in themselves] == []


def test_the_script_runs() -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.stderr == ""
    assert "35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060 calling" in result.stdout
    assert "name='nat-timeout'" in result.stdout


async def test_the_archive_answers_in_sql(tmp_path: Path) -> None:
    archives = pytest.importorskip("archives")
    await archives.archive(
        tmp_path, CAPTURES / "callerid-problem.pcap.gz", CAPTURES / "timeout.pcap"
    )
    (view,) = re.findall(r"^\| DuckDB \| `(.*)` \|$", README, re.MULTILINE)
    with archives.duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(view.replace("/srv/sip", str(tmp_path)))
        asked = 0
        for (language, query), (_, shown) in itertools.pairwise(FENCED):
            if language == "sql":
                printed = str(connection.sql(query)).splitlines()
                # README leaves the line of the types out.
                assert [*printed[:2], *printed[3:]] == shown.splitlines()
                asked += 1
    assert asked == 3


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README
