"""What the man page and completion take from the registry of commands."""

from __future__ import annotations

import sipstream.shell.commands  # noqa: F401 - registers them
from sipstream.shell.registry import COMMANDS, GENERAL, Command


def contexts() -> dict[str, list[Command]]:
    """Return the commands of each context by their syntax, the general context first."""
    found: dict[str, list[Command]] = {GENERAL: []}
    for one in sorted(COMMANDS, key=lambda one: (one.words, one.syntax)):
        found.setdefault(one.context, []).append(one)
    return found


def first_words() -> list[str]:
    """Return the words that commands of the general context begin with."""
    return list(dict.fromkeys(one.words[0] for one in contexts()[GENERAL]))
