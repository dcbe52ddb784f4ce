"""Completion files for bash, zsh and fish, made from the parser of the command line.

What may follow an option is told by the word that stands for it in `--help`: an interface, a file, a
folder, a user, the beginning of a filter or of a command. None of them runs sipstream: interfaces are
read from /sys/class/net, terms and commands stand in the file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from sipstream.export.formats import FORMATS
from sipstream.filters import TERMS
from sipstream.manual.tables import first_words, programs

_HEAD = "Completion of sipstream's options, made by `python -m sipstream.manual`."
_FILES, _FOLDERS, _USERS, _INTERFACES, _TERMS, _COMMANDS, _FORMATS = range(7)
_KINDS = {
    "FILE": _FILES,
    "FILE.pcap": _FILES,
    "DIR": _FOLDERS,
    "IFACE": _INTERFACES,
    "EXPR": _TERMS,
    "COMMAND": _COMMANDS,
}
"""What a word of `--help` stands for; nothing is known of others, such as sizes."""
_OF_OPTIONS = {"--user": _USERS, "--format": _FORMATS, "--bpf": None}
"""The same of options whose word tells too little: a name, an expression of the kernel's filters."""
_PROGRAMS = {
    "agent": "capture on a SIP server, and answer what shells ask",
    "archive": "keep messages in Parquet files",
}
"""What may stand behind `sipstream` at first, and what it is."""
_NET = "/sys/class/net"
_FISH_PROGRAM = (
    "function __sipstream_begins",
    "    test (count (commandline -opc)) -eq 1",
    "end",
    "",
    "function __sipstream_is",
    "    set -l words (commandline -opc)",
    '    contains -- "$words[2]" $argv',
    "end",
)
"""What tells fish which program is asked for."""


def bash() -> str:
    """Return the file for bash, which needs nothing of the package bash-completion."""
    ways = {
        _FILES: '_sipstream_names -f "$cur"',
        _FOLDERS: '_sipstream_names -d "$cur"',
        _USERS: '_sipstream_words "$(compgen -u)" "$cur"',
        _INTERFACES: '_sipstream_words "any $(_sipstream_interfaces)" "$cur"',
        _TERMS: f'_sipstream_words "{" ".join(TERMS)}" "$cur"',
        _COMMANDS: f'_sipstream_words "{" ".join(first_words())}" "$cur"',
        _FORMATS: f'_sipstream_words "{" ".join(FORMATS)}" "$cur"',
        None: "",
    }
    cases = "\n".join(
        f"        {'|'.join(names)})\n            {ways[kind] or ':'}\n            return\n            ;;"
        for kind, names in _by_kind().items()
    )
    options = "\n".join(
        f'        {program or "*"}) options="{" ".join(_names(program))}" ;;'
        for program in reversed(programs())
    )
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
    local program= options
    if ((COMP_CWORD > 1)) && [[ ${{COMP_WORDS[1]}} == @({"|".join(_PROGRAMS)}) ]]; then
        program=${{COMP_WORDS[1]}}
    fi
    COMPREPLY=()
    case $program$prev in
{cases}
    esac
    case $program in
{options}
    esac
    if [[ $cur == -* ]]; then
        _sipstream_words "$options" "$cur"
    else
        _sipstream_names -f "$cur"
        if ((COMP_CWORD == 1)); then
            mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen -W "{" ".join(_PROGRAMS)}" -- "$cur")
        fi
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
        _FORMATS: f"({' '.join(FORMATS)})",
        None: " ",
    }
    cases = "\n".join(
        f"        {program or '*'})\n            {_zsh_arguments(program, ways)}\n            ;;"
        for program in reversed(programs())
    )
    words = " ".join(f"{name}:{_quoted(about)}" for name, about in _PROGRAMS.items())
    return f"""\
#compdef sipstream
# {_HEAD}

_sipstream_interfaces() {{
    compadd "$@" -- any {_NET}/*(N:t)
}}

_sipstream_first() {{
    local -a programs=({words})
    (( CURRENT == 2 )) && _describe program programs
    _files
}}

_sipstream() {{
    local program=
    if (( CURRENT > 2 )) && [[ $words[2] == ({"|".join(_PROGRAMS)}) ]]; then
        program=$words[2]
        shift words
        (( CURRENT -= 1 ))
    fi
    case $program in
{cases}
    esac
}}

_sipstream "$@"
"""


def _zsh_arguments(program: str, ways: dict[int | None, str]) -> str:
    """Return the call that tells zsh of a program's options."""
    lines = []
    for action in _options(program):
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
    files = ["'*:FILE:_files'"] if program else ["'1:FILE:_sipstream_first'", "'*:FILE:_files'"]
    return " \\\n                ".join(["_arguments -s -S", *lines, *files])


def fish() -> str:
    """Return the file for fish."""
    ways = {
        _FILES: "-r -F",
        _FOLDERS: "-x -a '(__fish_complete_directories)'",
        _USERS: "-x -a '(__fish_complete_users)'",
        _INTERFACES: f"-x -a \"any (string replace -r '.*/' '' {_NET}/*)\"",
        _TERMS: f"-x -a '{' '.join(TERMS)}'",
        _COMMANDS: f"-x -a '{' '.join(first_words())}'",
        _FORMATS: f"-x -a '{' '.join(FORMATS)}'",
        None: "-x",
    }
    lines = [f"# {_HEAD}", "", *_FISH_PROGRAM, ""]
    for name, about in _PROGRAMS.items():
        lines.append(f"complete -c sipstream -n __sipstream_begins -a {name} -d '{about}'")
    for program in programs():
        is_it = (
            f"-n '__sipstream_is {program}'" if program else "-n 'not __sipstream_is agent archive'"
        )
        for action in _options(program):
            names = " ".join(
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in action.option_strings
            )
            value = f" {ways[_kind(action)]}" if _takes(action) else ""
            about = _escaped(_about(action), "\\'")
            lines.append(f"complete -c sipstream {is_it} {names}{value} -d '{about}'")
    return "\n".join(lines) + "\n"


def _options(program: str) -> list[argparse.Action]:
    return [action for action in programs()[program]._actions if action.option_strings]


def _names(program: str) -> list[str]:
    return [name for action in _options(program) for name in action.option_strings]


def _by_kind() -> dict[int | None, list[str]]:
    """Return the options that take a value, each behind its program's word, by what it is."""
    found: dict[int | None, list[str]] = {}
    for program in programs():
        for action in _options(program):
            if _takes(action):
                names = [program + name for name in action.option_strings]
                found.setdefault(_kind(action), []).extend(names)
    return found


def _takes(action: argparse.Action) -> bool:
    return action.nargs != 0


def _metavar(action: argparse.Action) -> str:
    return str(action.metavar or action.dest)


def _kind(action: argparse.Action) -> int | None:
    for name in action.option_strings:
        if name in _OF_OPTIONS:
            return _OF_OPTIONS[name]
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
