"""What the man page and completion take from the registry of commands, and from the parsers."""

from __future__ import annotations

import argparse

import sipstream.shell.commands  # noqa: F401 - registers them
from sipstream.options import agent, archive, parser
from sipstream.shell.registry import COMMANDS, GENERAL, Command


def programs() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the command line by the word that chooses them, "" where there is none."""
    return {"": parser(), "agent": agent.parser(), "archive": archive.parser()}


def contexts() -> dict[str, list[Command]]:
    """Return the commands of each context by their syntax, the general context first."""
    found: dict[str, list[Command]] = {GENERAL: []}
    for one in sorted(COMMANDS, key=lambda one: (one.words, one.syntax)):
        found.setdefault(one.context, []).append(one)
    return found


def first_words() -> list[str]:
    """Return the words that commands of the general context begin with."""
    return list(dict.fromkeys(one.words[0] for one in contexts()[GENERAL]))
