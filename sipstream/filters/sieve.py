"""What must stand in a message's bytes for it to be worth a closer look: found at the speed of a search.

A sieve may let through what doesn't pass a test, never keep out what does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

_ALIKE = {"i": ("\u0130", "\u0131"), "k": ("\u212a",)}
"""Letters beyond ASCII that count as an ASCII one where case doesn't: none else in str.lower."""
_PLAIN = re.compile(r"[!-~]+")
_SEPARATORS = b"-.() "
"""What may stand between a number's digits (RFC 3966 section 5.1.1)."""


class Sieve(Protocol):
    """Tells bytes apart that can't hold what is looked for."""

    def may_pass(self, raw: bytes) -> bool:
        """Tell whether a message among these bytes, or they themselves, may pass."""


def needle(text: str) -> bytes | None:
    """Return what must stand in a message's bytes, in small letters, for a header to hold a text.

    A blank may stand where the header is folded, other letters have several spellings: the longest
    part without them. None where there is no such part.
    """
    parts = _PLAIN.findall(text.lower())
    return max(parts, key=len).encode() if parts else None


class Words:
    """One of several words, in small letters; None among them: nothing is sure."""

    def __init__(self, needles: Iterable[bytes | None]) -> None:
        known = list(needles)
        self._needles = [one for one in known if one is not None] if None not in known else []
        letters = b"".join(self._needles).decode()
        self._alike = [
            one.encode() for letter in _ALIKE if letter in letters for one in _ALIKE[letter]
        ]

    def may_pass(self, raw: bytes) -> bool:
        """Look for each of the words, whatever their case."""
        if not self._needles:
            return True
        small = raw.lower()
        for one in self._needles:
            if one in small:
                return True
        return bool(self._alike) and not raw.isascii() and any(one in raw for one in self._alike)


class Digits:
    """One of several numbers or users' names, also written with separators or percent signs."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._needles = [
            text.encode("utf-8", "surrogateescape").translate(None, _SEPARATORS) for text in texts
        ]

    def may_pass(self, raw: bytes) -> bool:
        """Look for the numbers in what is left without separators."""
        bare = raw.translate(None, _SEPARATORS)
        # A percent sign may stand for any letter (RFC 3261 section 19.1.2).
        return any(one in bare for one in self._needles) or b"%" in raw
