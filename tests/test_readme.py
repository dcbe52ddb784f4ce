"""README's sessions, terms and links are what the program really does and prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from sipstream.filters import TERMS
from sipstream.options import parser

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
SESSIONS = [block.splitlines() for block in BLOCKS if block.startswith("$ sipstream ")]
PROMPT = re.compile(r"^sipstream(?:\[[^\]]*\])?\*?: (.*)$")


def printed(arguments: list[str], typed: list[str], tmp_path: Path) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
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
    found = printed(session[0].split()[2:], typed, tmp_path)
    if shown[-1] == "...":
        shown.pop()
        found = found[: len(shown)]
    assert found == shown


def test_every_term_is_named_with_its_help() -> None:
    for term in TERMS.values():
        assert term.syntax in README
        assert term.help in README


def test_every_option_is_named() -> None:
    options = [option for action in parser()._actions for option in action.option_strings]
    themselves = ("-h", "--help", "--version")
    assert [one for one in options if one not in README and one not in themselves] == []


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README
