"""Colours: one per Call-ID, one per class of message; only here codes for a terminal are made.

What is painted has been escaped before, and its characters stay as they are. Without `enabled`
every method returns its text unchanged, so that callers never ask.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from functools import lru_cache

CALL_IDS = (166, 136, 100, 64, 29, 31, 33, 63, 99, 134, 164, 168)
"""Colours of the 256-colour palette that stand off black and white by 3:1 and more, none of them
taken by a status class."""
_PROVISIONAL, _SUCCESS, _REDIRECTION, _FAILURE = 30, 28, 130, 160

SGR = re.compile(r"(\x1b\[(?:0|1|2|38;5;\d{1,3})m)")
"""Every code that `Paint` makes, and no other: none of them hides, moves or asks anything."""

_RESET, _STRONG, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"


class Paint:
    """Puts colour codes around escaped text of one line, or leaves it as it is."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        """Whether codes are added at all."""

    def call_id(self, text: str, call_id: str) -> str:
        """Return a text in the colour of a Call-ID, the same in every run."""
        return self._around(text, _colour(_of_call_id(call_id))) if self.enabled else text

    def status(self, text: str, kind: int | str) -> str:
        """Return a text in the colour of a status code's class; requests (a method) are strong."""
        if not self.enabled:
            return text
        return self._around(text, _STRONG if isinstance(kind, str) else _colour(_of_status(kind)))

    def dim(self, text: str) -> str:
        """Return a text that matters less."""
        return self._around(text, _DIM)

    def strong(self, text: str) -> str:
        """Return a text that stands out."""
        return self._around(text, _STRONG)

    def _around(self, text: str, code: str) -> str:
        return f"{code}{text}{_RESET}" if self.enabled and text else text


PLAIN = Paint(False)
"""No colours."""


def wanted(is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Tell whether colours fit an output: a terminal that knows them, and no NO_COLOR."""
    kind = environment.get("TERM", "")
    knows = kind not in ("", "dumb", "unknown") and not kind.startswith("vt")
    return is_terminal and knows and not environment.get("NO_COLOR")


@lru_cache(maxsize=4096)
def _of_call_id(call_id: str) -> int:
    return CALL_IDS[zlib.crc32(call_id.encode("utf-8", "backslashreplace")) % len(CALL_IDS)]


def _of_status(status: int) -> int:
    if status < 200:
        return _PROVISIONAL
    if status < 300:
        return _SUCCESS
    return _REDIRECTION if status < 400 else _FAILURE


def _colour(number: int) -> str:
    return f"\x1b[38;5;{number}m"
