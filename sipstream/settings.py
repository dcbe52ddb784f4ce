"""Settings: what a user chooses once for all runs, with the filters and aliases that have names.

One table describes each setting; checks, commands, completion, help and the comments in the file come
from it. A file with faults costs the values that have them, each told by its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sipstream import config, toml
from sipstream.addresses import check_shown, read_address
from sipstream.errors import SourceError
from sipstream.escape import brief, escape
from sipstream.limits import CONFIG_COMPLAINTS
from sipstream.plan import code_of
from sipstream.render.table import COLUMNS
from sipstream.wording import listed

Value: TypeAlias = str | bool | int | tuple[str, ...]

Keep: TypeAlias = Callable[[], str]
"""Writes a change to the file, which may wait for a disk; returns why it couldn't, "" when it did."""

FILTERS, ALIASES, NAMES = "filters", "aliases", "names"
"""Tables of the file: names and what they stand for."""
_FIRST = re.compile(r"\s*(\S+)")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Kind(NamedTuple):
    """What values a setting takes."""

    syntax: str
    """How help names them."""
    wanted: str
    """How an error names them."""
    read: Callable[[object], Value]
    """Returns the value of a word that was typed, or of what the file has; ValueError for others."""
    offers: tuple[str, ...] = ()
    several: bool = False
    """A value may be several words."""


def _one_of(*choices: str) -> Kind:
    def read(given: object) -> Value:
        if given not in choices:
            raise ValueError
        return str(given)

    return Kind(f"<{'|'.join(choices)}>", listed(choices), read, choices)


def _read_switch(given: object) -> Value:
    if isinstance(given, bool):
        return given
    if given not in ("on", "off"):
        raise ValueError
    return given == "on"


def _read_digits(given: object) -> Value:
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str) or (text and not (text.isascii() and text.isdigit())):
        raise ValueError
    if len(text) > _DIGITS:
        raise ValueError
    return text


def _read_region(given: object) -> Value:
    if not isinstance(given, str) or (given and not code_of(given.upper())):
        raise ValueError
    return given.upper()


def _some_of(*choices: str) -> Kind:
    def read(given: object) -> Value:
        names = re.split(r"[\s,]+", given) if isinstance(given, str) else given
        if not isinstance(names, list):
            raise ValueError
        there = [one for one in names if one != ""]
        if not all(isinstance(one, str) and one in choices for one in there):
            raise ValueError
        return tuple(dict.fromkeys(there))

    return Kind(
        "<name> [name(s)]", f"some of {listed(choices, 'and')}", read, choices, several=True
    )


def _read_headers(given: object) -> Value:
    names = re.split(r"[\s,]+", given) if isinstance(given, str) else given
    if not isinstance(names, list) or len(names) > _HEADERS:
        raise ValueError
    there = [one for one in names if one != ""]
    if not all(isinstance(one, str) and _HEADER.fullmatch(one) for one in there):
        raise ValueError
    return tuple({one.lower(): one for one in reversed(there)}.values())[::-1]


def _read_seconds(given: object) -> Value:
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given[:9])
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= _HOUR:
        raise ValueError
    return given


_DIGITS = 8
"""Digits of a prefix at most: country codes have three."""
_HOUR = 3600
_HEADERS = 16
"""Headers named at most: each message of interest is looked through for them."""
_HEADER = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
"""A token of RFC 3261 section 25.1."""
_HEADER_NAMES = Kind(
    "<header> [header(s)]", f"names of headers, at most {_HEADERS}", _read_headers, several=True
)
_SWITCH = Kind("<on|off>", "on or off", _read_switch, ("on", "off"))
_PREFIX = Kind("<digits>", f'at most {_DIGITS} digits, "" for none', _read_digits)
_REGION = Kind("<country>", 'two letters of a country, such as IS, "" for none', _read_region)
_SECONDS = Kind("<seconds>", f"a whole number from 1 to {_HOUR}", _read_seconds)


class Setting(NamedTuple):
    """One setting; `about` is a sentence, `examples` are two values that it may have."""

    name: str
    kind: Kind
    default: Value
    about: str
    examples: tuple[str, str]

    def read(self, given: object) -> Value:
        """Return the value that was typed, or that the file has.

        Raises:
            ValueError: it takes no such value; the text says what it takes.
        """
        try:
            return self.kind.read(given)
        except ValueError:
            said = brief(given if isinstance(given, str) else str(given))
            raise ValueError(f"{self.name} is {self.kind.wanted}, not '{said}'") from None


_ALL = (
    Setting(
        "theme",
        _one_of("dark", "light", "mono", "auto"),
        "auto",
        "Colours for a dark or a light terminal, or none; auto fits both",
        ("light", "mono"),
    ),
    Setting("keys", _one_of("emacs", "vi"), "emacs", "Keys that edit the line", ("vi", "emacs")),
    Setting("paging", _SWITCH, True, "Long answers stop at each page", ("off", "on")),
    Setting(
        "columns",
        _some_of(*COLUMNS),
        (),
        "Columns of list, none for the usual ones",
        ("time,method", "state"),
    ),
    Setting(
        "suggestions", _SWITCH, True, "Earlier lines are suggested while one types", ("off", "on")
    ),
    Setting("history", _SWITCH, True, "Lines typed are kept for the next time", ("off", "on")),
    Setting(
        "country_code",
        _PREFIX,
        "",
        "Country code that numbers have or lack, in filters made from then on",
        ("354", '""'),
    ),
    Setting(
        "trunk_prefix",
        _PREFIX,
        "0",
        "Trunk prefix that numbers have or lack, in filters made from then on",
        ("1", '""'),
    ),
    Setting(
        "region",
        _REGION,
        "",
        "Country whose numbering plan says what a full number is, and gives country_code",
        ("IS", '""'),
    ),
    Setting(
        "leg_headers",
        _HEADER_NAMES,
        (),
        "Headers that tell which conversations are one call, beside those that are known",
        ("X-Leg X-Trace-ID", "X-Leg"),
    ),
    Setting(
        "correct_clocks",
        _SWITCH,
        False,
        "Times from taps are shown corrected by how far their clocks are apart",
        ("on", "off"),
    ),
    Setting("watch_seconds", _SECONDS, 2, "Seconds between two looks of watch", ("5", "1")),
    Setting(
        "reverse_dns",
        _SWITCH,
        False,
        "Addresses in ladders that have no name are looked up, which your DNS server sees",
        ("on", "off"),
    ),
)
SETTINGS: dict[str, Setting] = {one.name: one for one in _ALL}
"""All settings by name."""


def shown(value: Value) -> str:
    """Return a value as `set` takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(escape, value)) if isinstance(value, tuple) else escape(str(value))


class Named(NamedTuple):
    """What a name stands for, and where in the file that is; "" where it isn't from there."""

    text: str
    place: str = ""


class Settings:
    """The settings, named filters, aliases and names of addresses of a run.

    `path` is the file that keeps them.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.filters: dict[str, Named] = {}
        self.aliases: dict[str, Named] = {}
        self.addresses: dict[str, Named] = {}
        """Names of addresses, and of addresses with ports."""
        self.complaints: list[str] = []
        """What is wrong in the file, a sentence each."""
        self._values: dict[str, Value] = {}
        self._lines: dict[tuple[str, ...], int] = {}

    @classmethod
    def read(cls, path: Path | None, reserved: Collection[str] = ()) -> Settings:
        """Return what a file has; `reserved` are names that no alias may have."""
        made = cls(path)
        if path is None:
            return made
        try:
            data = config.read_config(path)
        except SourceError as error:
            made.complaints.append(f"{path.name}: {error}")
            return made
        for entry in toml.entries(data) if data else ():
            place = f"{path.name} line {entry.line}"
            if len(made.complaints) == CONFIG_COMPLAINTS:
                made.complaints.append(f"{place}: too much is wrong, the rest is left out")
                break
            try:
                made._take(entry, place, reserved)
            except ValueError as error:
                made.complaints.append(f"{place}: {error}")
        return made

    def __getitem__(self, name: str) -> Value:
        return self._values.get(name, SETTINGS[name].default)

    def text(self, name: str) -> str:
        """Return a setting whose values are texts."""
        return str(self[name])

    def on(self, name: str) -> bool:
        """Return a setting that is on or off."""
        return self[name] is True

    def number(self, name: str) -> int:
        """Return a setting whose values are numbers."""
        value = self[name]
        return value if isinstance(value, int) else 0

    def names(self, name: str) -> tuple[str, ...]:
        """Return a setting whose values are lists of names."""
        value = self[name]
        return value if isinstance(value, tuple) else ()

    def is_set(self, name: str) -> bool:
        """Tell whether a setting has another value than its default."""
        return self[name] != SETTINGS[name].default

    def change(self, name: str, value: Value | None) -> Keep:
        """Give a setting a value, None for its default; return what keeps that."""
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value
        setting = SETTINGS[name]
        plain = list(value) if isinstance(value, tuple) else value
        return partial(self._keep, (name,), plain, f"{setting.about}: {setting.kind.wanted}")

    def change_named(self, table: str, name: str, text: str | None) -> Keep:
        """Let a name of a table stand for a text, None for nothing; return what keeps that."""
        there = {FILTERS: self.filters, ALIASES: self.aliases, NAMES: self.addresses}[table]
        if text is None:
            there.pop(name, None)
        else:
            there[name] = Named(text)
        return partial(self._keep, (table, name), text)

    def expanded(self, line: str) -> str:
        """Return a line with an alias at its beginning replaced by what it stands for."""
        first = _FIRST.match(line)
        alias = self.aliases.get(first[1]) if first else None
        return alias.text + line[first.end() :] if first and alias else line

    def _keep(self, path: tuple[str, ...], value: object, comment: str = "") -> str:
        if self.path is None:
            return "there is no folder for settings"
        try:
            config.change_config(self.path, lambda data: toml.changed(data, path, value, comment))
        except SourceError as error:
            return f"{escape(str(self.path))}: {error}"
        return ""

    def _take(self, entry: toml.Entry, place: str, reserved: Collection[str]) -> None:
        """Take a value of the file.

        Raises:
            ValueError: it can't be; the text says why.
        """
        if entry.fault:
            raise ValueError(entry.fault)
        name = brief(".".join(entry.path))
        if entry.path in self._lines:
            raise ValueError(f"{name} stands in line {self._lines[entry.path]} already")
        self._lines[entry.path] = entry.line
        if len(entry.path) == 1:
            setting = SETTINGS.get(entry.path[0])
            if setting is None:
                near = get_close_matches(entry.path[0], SETTINGS, 1)
                raise ValueError(
                    f"unknown setting {name}" + (f": did you mean {near[0]}?" if near else "")
                )
            self._values[setting.name] = setting.read(entry.value)
            return
        table, own = entry.path[0], entry.path[-1]
        if len(entry.path) > 2 or table not in (FILTERS, ALIASES, NAMES):
            raise ValueError(f"unknown setting {name}")
        if not isinstance(entry.value, str) or not entry.value.isprintable():
            raise ValueError(f"{name} is a text of one line, in quotes")
        if table == NAMES:
            check_shown(entry.value)
            self.addresses[read_address(own)] = Named(entry.value, place)
            return
        check_name(own)
        if table == FILTERS:
            self.filters[own] = Named(entry.value, place)
        else:
            check_alias(own, reserved)
            self.aliases[own] = Named(entry.value, place)


def check_name(name: str) -> None:
    """Check the name of a filter or an alias.

    Raises:
        ValueError: it can't be one; the text says why.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"'{brief(name)}' is no name: letters, digits, '-', '_' and '.', at most 64 of them"
        )


def check_alias(name: str, reserved: Collection[str]) -> None:
    """Check the name of an alias.

    Raises:
        ValueError: it can't be one; the text says why.
    """
    check_name(name)
    if name in reserved:
        raise ValueError(f"{name} is a command, and no alias may hide it")
