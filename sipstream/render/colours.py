"""Colours: one per Call-ID, one per class of message; only here codes for a terminal are made.

What is painted has been escaped before, and its characters stay as they are. Without `enabled`
every method returns its text unchanged, so that callers never ask. Which colours it is, a theme says.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sipstream.escape import cut

SGR = re.compile(r"(\x1b\[(?:0|1|2|4|1;4|(?:1;)?38;5;\d{1,3})m)")
"""Every code that `Paint` makes, and no other: none of them hides, moves or asks anything."""

_RESET, _STRONG, _DIM, _UNDERLINED = "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[4m"
_STRONG_UNDERLINED = "\x1b[1;4m"
_CALLS = 12
"""Colours that Call-IDs are told apart by."""


def _colour(number: int, weight: str = "") -> str:
    return f"\x1b[{weight}38;5;{number}m"


@dataclass(frozen=True, slots=True)
class Theme:
    """The codes of one look; "" leaves a text as it is.

    Classes of statuses never differ by red and green alone: who can't tell these still has another
    hue, and between success and failure another lightness or weight.
    """

    call_ids: tuple[str, ...]
    provisional: str
    success: str
    redirection: str
    failure: str
    name: str
    """A header's name, a letter of SDP."""
    party: str
    """A number or user in From, To and the like."""
    media: str
    """Where media goes and what it is."""
    removed: str
    """Words of the first of two messages that the second one lacks."""
    added: str


def _theme(
    call_ids: tuple[int, ...],
    statuses: tuple[int, int, int, int],
    syntax: tuple[int, int, int],
    weight: str = "",
) -> Theme:
    """Return the theme of colours of the 256-colour palette; `weight` is that of failures."""
    provisional, success, redirection, failure = map(_colour, statuses)
    name, party, media = map(_colour, syntax)
    calls = tuple(map(_colour, call_ids))
    failed = failure.replace("[", f"[{weight}")
    changed = failure.replace("[", "[1;"), success.replace("[", "[1;")
    return Theme(calls, provisional, success, redirection, failed, name, party, media, *changed)


THEMES: dict[str, Theme] = {
    # 4.5:1 and more against a dark background, no call in a colour of a status.
    "dark": _theme(
        (209, 179, 149, 115, 80, 75, 111, 141, 177, 212, 187, 152),
        (123, 118, 135, 203),
        (110, 222, 151),
    ),
    # The same against a light one.
    "light": _theme(
        (130, 94, 58, 22, 23, 24, 25, 56, 90, 126, 125, 89), (62, 29, 54, 88), (60, 94, 23)
    ),
    "mono": Theme(
        *(("",) * _CALLS, _DIM, "", _UNDERLINED, _STRONG_UNDERLINED),
        *("", _STRONG, "", _STRONG_UNDERLINED, _STRONG_UNDERLINED),
    ),
    # What stands off black and white by 3:1 and more lies so close together in lightness that
    # failures are told by their weight too.
    "both": _theme(
        (166, 136, 100, 64, 29, 31, 33, 63, 99, 134, 164, 168),
        (32, 28, 93, 198),
        (67, 136, 66),
        "1;",
    ),
}
"""The looks there are: for a dark terminal, a light one, without colours, for any of the two."""

_METHODS = {
    "BYE": _UNDERLINED,
    "CANCEL": _UNDERLINED,
    "REGISTER": "",
    "SUBSCRIBE": "",
    "NOTIFY": "",
    "PUBLISH": "",
    "OPTIONS": _DIM,
}
"""Weights of requests, in every theme: what ends a call is underlined, what makes none is plain, what
only asks whether someone is there is dim. All others are strong."""

_LIGHT_BACKGROUNDS = frozenset({"7", *map(str, range(9, 16))})
"""Backgrounds in COLORFGBG that dark text is read on."""


def theme_of(name: str, environment: Mapping[str, str]) -> Theme:
    """Return a theme by its name; `auto` is the one that fits what the terminal tells of itself."""
    if name != "auto":
        return THEMES[name]
    background = environment.get("COLORFGBG", "").rpartition(";")[2]
    if not background.isdigit():
        return THEMES["both"]
    return THEMES["light" if background in _LIGHT_BACKGROUNDS else "dark"]


class Paint:
    """Puts colour codes around escaped text of one line, or leaves it as it is."""

    def __init__(self, enabled: bool, theme: Theme = THEMES["both"]) -> None:
        self.enabled = enabled
        """Whether codes are added at all."""
        self.theme = theme
        """Which ones; it may be changed at any time."""

    def call_id(self, text: str, call_id: str) -> str:
        """Return a text in the colour of a Call-ID, the same in every run."""
        return self._around(text, self.theme.call_ids[_place(call_id)]) if self.enabled else text

    def status(self, text: str, kind: int | str) -> str:
        """Return a text in the colour of a status code's class, or the weight of a method's."""
        if not self.enabled:
            return text
        if isinstance(kind, str):
            return self._around(text, _METHODS.get(kind, _STRONG))
        theme = self.theme
        if kind < 200:
            code = theme.provisional
        elif kind < 300:
            code = theme.success
        else:
            code = theme.redirection if kind < 400 else theme.failure
        return self._around(text, code)

    def severity(self, text: str, word: str) -> str:
        """Return a text in the colour of a finding's severity: failures' for what doesn't work."""
        if not self.enabled:
            return text
        codes = {"problem": self.theme.failure, "warning": self.theme.redirection, "note": _DIM}
        return self._around(text, codes[word])

    def name(self, text: str) -> str:
        """Return the name of a header, or a letter of SDP."""
        return self._around(text, self.theme.name)

    def party(self, text: str) -> str:
        """Return a number or user of who takes part."""
        return self._around(text, self.theme.party)

    def media(self, text: str) -> str:
        """Return an address or a codec of media."""
        return self._around(text, self.theme.media)

    def removed(self, text: str) -> str:
        """Return words that only the first of two messages has."""
        return self._around(text, self.theme.removed)

    def added(self, text: str) -> str:
        """Return words that only the second one has."""
        return self._around(text, self.theme.added)

    def dim(self, text: str) -> str:
        """Return a text that matters less."""
        return self._around(text, _DIM)

    def strong(self, text: str) -> str:
        """Return a text that stands out."""
        return self._around(text, _STRONG)

    def _around(self, text: str, code: str) -> str:
        return f"{code}{text}{_RESET}" if self.enabled and code and text else text


PLAIN = Paint(False)
"""No colours."""


def wanted(is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Tell whether colours fit an output: a terminal that knows them, and no NO_COLOR."""
    kind = environment.get("TERM", "")
    knows = kind not in ("", "dumb", "unknown") and not kind.startswith("vt")
    return is_terminal and knows and not environment.get("NO_COLOR")


def cut_painted(text: str, width: int) -> str:
    """Return painted text of one line in at most `width` cells, its codes left whole."""
    pieces = SGR.split(text)
    # The codes stand at the odd places.
    rest = cut("".join(pieces[::2]), width)
    for place in range(0, len(pieces), 2):
        size = len(pieces[place])
        pieces[place], rest = rest[:size], rest[size:]
    return "".join(pieces)


@lru_cache(maxsize=4096)
def _place(call_id: str) -> int:
    return zlib.crc32(call_id.encode("utf-8", "backslashreplace")) % _CALLS
