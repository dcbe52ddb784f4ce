"""Completion files for bash, zsh and fish, made from the parser of the command line.

What may follow an option is told by the word that stands for it in `--help`: an interface, a file, a
folder, a user, the beginning of a filter or of a command. None of them runs sipstream: interfaces are
read from /sys/class/net, terms and commands stand in the file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from sipstream.filters import TERMS
from sipstream.manual.tables import first_words
from sipstream.options import parser

_HEAD = "Completion of sipstream's options, made by `python -m sipstream.manual`."
_FILES, _FOLDERS, _USERS, _INTERFACES, _TERMS, _COMMANDS = range(6)
_KINDS = {
    "FILE": _FILES,
    "FILE.pcap": _FILES,
    "DIR": _FOLDERS,
    "NAME": _USERS,
    "IFACE": _INTERFACES,
    "EXPR": _TERMS,
    "COMMAND": _COMMANDS,
}
"""What a word of `--help` stands for; nothing is known of others, such as sizes."""
_OTHER_LANGUAGE = "--bpf"
"""Takes an expression of the kernel's filters."""
_NET = "/sys/class/net"


def bash() -> str:
    """Return the file for bash, which needs nothing of the package bash-completion."""
    ways = {
        _FILES: '_sipstream_names -f "$cur"',
        _FOLDERS: '_sipstream_names -d "$cur"',
        _USERS: '_sipstream_words "$(compgen -u)" "$cur"',
        _INTERFACES: '_sipstream_words "any $(_sipstream_interfaces)" "$cur"',
        _TERMS: f'_sipstream_words "{" ".join(TERMS)}" "$cur"',
        _COMMANDS: f'_sipstream_words "{" ".join(first_words())}" "$cur"',
        None: "",
    }
    cases = "\n".join(
        f"        {'|'.join(names)})\n            {ways[kind] or ':'}\n            return\n            ;;"
        for kind, names in _by_kind().items()
    )
    options = " ".join(option for action in _options() for option in action.option_strings)
    return f"""\
# {_HEAD}

_sipstream_words()
{{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}}

_sipstream_names()
{{
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
    compopt -o filenames 2>/dev/null
}}

_sipstream_interfaces()
{{
    local path
    for path in {_NET}/*; do
        printf '%s\\n' "${{path##*/}}"
    done
}}

_sipstream()
{{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}}
    # --live=eth0 comes as three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    COMPREPLY=()
    case $prev in
{cases}
    esac
    if [[ $cur == -* ]]; then
        _sipstream_words "{options}" "$cur"
    else
        _sipstream_names -f "$cur"
    fi
}}

complete -F _sipstream sipstream
"""


def zsh() -> str:
    """Return the file for zsh."""
    ways = {
        _FILES: "_files",
        _FOLDERS: "_files -/",
        _USERS: "_users",
        _INTERFACES: "_sipstream_interfaces",
        _TERMS: f"({' '.join(TERMS)})",
        _COMMANDS: f"({' '.join(first_words())})",
        None: " ",
    }
    lines = []
    for action in _options():
        names = action.option_strings
        about = _escaped(_about(action), "\\[]:")
        value = (
            f":{_escaped(_metavar(action), ':')}:{ways[_kind(action)]}" if _takes(action) else ""
        )
        repeated = isinstance(action, argparse._AppendAction)
        if len(names) == 1:
            # The value may follow `=`, or a letter at once.
            glued = ("=" if names[0].startswith("--") else "+") if value else ""
            lines.append(_quoted(f"{'*' * repeated}{names[0]}{glued}[{about}]{value}"))
        else:
            before = "*" if repeated else f"({' '.join(names)})"
            lines.append(f"'{before}'{{{','.join(names)}}}{_quoted(f'[{about}]{value}')}")
    options = " \\\n        ".join([*lines, "'*:FILE:_files'"])
    return f"""\
#compdef sipstream
# {_HEAD}

_sipstream_interfaces() {{
    compadd "$@" -- any {_NET}/*(N:t)
}}

_sipstream() {{
    _arguments -s -S \\
        {options}
}}

_sipstream "$@"
"""


def fish() -> str:
    """Return the file for fish."""
    ways = {
        _FILES: "-r -F",
        _FOLDERS: "-x -a '(__fish_complete_directories)'",
        _USERS: "-x -a '(__fish_complete_users)'",
        _INTERFACES: f"-x -a \"any (string replace -r '.*/' '' {_NET}/*)\"",
        _TERMS: f"-x -a '{' '.join(TERMS)}'",
        _COMMANDS: f"-x -a '{' '.join(first_words())}'",
        None: "-x",
    }
    lines = [f"# {_HEAD}", ""]
    for action in _options():
        names = " ".join(
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            for name in action.option_strings
        )
        value = f" {ways[_kind(action)]}" if _takes(action) else ""
        about = _escaped(_about(action), "\\'")
        lines.append(f"complete -c sipstream {names}{value} -d '{about}'")
    return "\n".join(lines) + "\n"


def _options() -> list[argparse.Action]:
    return [action for action in parser()._actions if action.option_strings]


def _by_kind() -> dict[int | None, list[str]]:
    """Return the options that take a value, by what it is."""
    found: dict[int | None, list[str]] = {}
    for action in _options():
        if _takes(action):
            found.setdefault(_kind(action), []).extend(action.option_strings)
    return found


def _takes(action: argparse.Action) -> bool:
    return action.nargs != 0


def _metavar(action: argparse.Action) -> str:
    return str(action.metavar or action.dest)


def _kind(action: argparse.Action) -> int | None:
    if _OTHER_LANGUAGE in action.option_strings:
        return None
    return _KINDS.get(_metavar(action))


def _about(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _escaped(text: str, special: Iterable[str]) -> str:
    """Return a text with a backslash before each special character, which a backslash comes first of."""
    for one in special:
        text = text.replace(one, f"\\{one}")
    return text


def _quoted(text: str) -> str:
    """Return a text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
