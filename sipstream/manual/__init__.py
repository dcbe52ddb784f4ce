"""What tells of the program outside of it: its man page, and completion for bash, zsh and fish.

All of it is made from the tables that `--help` and `help` are made of. The files in `sipstream/shared`,
which the wheel brings along, are kept in the repository: a wheel is built without our dependencies.
`python -m sipstream.manual` writes them anew after a change of options, commands, terms or pipes.
"""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).parent.parent / "shared"
"""Where the files lie."""


def files() -> dict[str, str]:
    """Return the text of each file by its name in `SHARED`."""
    from sipstream.manual import completion, page

    return {
        "sipstream.1": page.man_page(),
        "sipstream.bash": completion.bash(),
        "_sipstream": completion.zsh(),
        "sipstream.fish": completion.fish(),
    }


def write() -> None:
    """Write the files anew."""
    SHARED.mkdir(exist_ok=True)
    for name, text in files().items():
        (SHARED / name).write_text(text, encoding="utf-8")
