"""What stands for numbers, names and secrets: the same mask for the same value within a run.

Sans-IO. Masks are worked out from a key that is drawn for each run, so that nobody can look up what a
mask stands for by trying values. A mask is as long as what it masks, digits stand for digits and letters
for letters: lengths that messages tell stay true, and an extension can be told from a full number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

_TOKEN = re.compile(rb"[0-9A-Za-z\x80-\xff]+")
_FILLED = re.compile(rb"[^\r\n]+")
_UNIT = re.compile(rb"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_PREFIX = re.compile(r"(\+0*|00+)?(0*)")
_FULL = 7
"""Digits of a number from which on the first one is kept: it tells the kind of number in many plans."""
_DIALLED_SHORT = 6
"""Digits behind 00 that are no country's code with a number."""
_INTERNATIONAL = 11
"""Digits from which on a number is taken for one with a country's code, however it is dialled."""
_LONGEST = 40
"""Digits of what is taken for a number: E.164 has 15, with prefixes and routing numbers some more."""
_DIALLED = re.compile(rb"\+?[0-9]{1,%d}" % _LONGEST)
_SEPARATORS = b"-.() "
_ROUNDS = 8
_REMEMBERED = 65_536
"""Masks kept of each kind, so that numbers seen often cost little, and"""
_SHORT = 64
"""the letters that a word has whose mask is kept."""
_TWO = re.compile("2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
"""Country codes of two digits (ITU-T E.164, list of codes); 1 and 7 have one, all others three."""


class Masks:
    """The masks of one run, whose `key` is up to 64 random bytes."""

    def __init__(self, key: bytes, country_code: str = "") -> None:
        self._key = key
        self._country_code = country_code
        self.number = lru_cache(_REMEMBERED)(self._number)
        self._known = lru_cache(_REMEMBERED)(self._token)

    def _number(self, number: str) -> str:
        """Return the mask of a number: digits, perhaps behind a +.

        What says how it is dialled stays: +, 00 and the country's code behind it, zeros before the
        number, its length, and of a full number the first digit. What stands behind has the same mask
        however it is dialled, and different numbers have different ones.
        """
        match = _PREFIX.match(number)
        assert match is not None
        rest = number[match.end() :]
        is_dialled = match[1] and (len(rest) > _DIALLED_SHORT or match[1][0] == "+")
        if is_dialled or (len(rest) >= _INTERNATIONAL and not match[2]):
            code = _country_code(rest)
        else:
            code = self._own_code(rest)
        national = rest[len(code) :]
        kept = national[:1] if len(national) >= _FULL else ""
        masked = kept + self._shuffled(national[len(kept) :], kept)
        while not (code or match[1]) and self._own_code(masked):
            # It would be the mask of a number with the country's code, too.
            masked = kept + self._shuffled(masked[len(kept) :], kept)
        return number[: match.end()] + code + masked

    def _own_code(self, number: str) -> str:
        """Return the own country's code where a number begins with it."""
        code = self._country_code
        return code if code and number.startswith(code) and len(number) >= len(code) + _FULL else ""

    def _shuffled(self, digits: str, tweak: str) -> str:
        """Return other digits for some: one to one, and the first one is always another."""
        if not digits:
            return ""
        rest = self._feistel(digits[1:], tweak)
        lowest = 0 if tweak or digits[0] == "0" else 1
        # A number that begins with no zero goes on to do so.
        choices = 10 - lowest
        shift = 1 + self._below(choices - 1, "first", tweak, rest)
        first = lowest + (int(digits[0]) - lowest + shift) % choices
        return f"{first}{rest}"

    def _feistel(self, digits: str, tweak: str) -> str:
        """Return a permutation of the texts of so many digits: a Feistel network of unequal halves."""
        if len(digits) < 2:
            shift = self._below(10, "one", tweak)
            return "".join(str((int(digit) + shift) % 10) for digit in digits)
        half = len(digits) // 2
        left, right = digits[:half], digits[half:]
        for turn in range(_ROUNDS):
            size = len(left)
            mixed = int(left) + self._below(10**size, str(turn), tweak, right)
            left, right = right, str(mixed % 10**size).zfill(size)
        return left + right

    def _below(self, limit: int, *what: str) -> int:
        """Return a number from 0 that the key and some texts give, below a limit."""
        digest = blake2b("/".join(what).encode(), key=self._key, person=b"number").digest()
        return int.from_bytes(digest, "big") % limit

    def token(self, token: bytes) -> bytes:
        """Return the mask of a word: of digits alone that of the number."""
        return self._known(token) if len(token) <= _SHORT else self._token(token)

    def _token(self, token: bytes) -> bytes:
        if token.isdigit() and len(token) <= _LONGEST:
            return self.number(token.decode("ascii")).encode("ascii")
        seed = blake2b(token, key=self._key, person=b"token").digest()
        blocks = range(-(-len(token) // len(seed)))
        stream = b"".join(blake2b(b"%d" % block, key=seed).digest() for block in blocks)
        return bytes(map(_like, token, stream))

    def opaque(self, value: bytes) -> bytes:
        """Return a value with each word masked; what stands between words stays.

        What is escaped in the way of URIs (RFC 3986 section 2.1) is masked as what it stands for.
        """
        return self.unescaped(value, self.words) if b"%" in value else self.words(value)

    def words(self, value: bytes) -> bytes:
        """Return the same of a value in which nothing is escaped."""
        return _TOKEN.sub(lambda hit: self.token(hit[0]), value)

    @staticmethod
    def unescaped(value: bytes, mask: Callable[[bytes], bytes]) -> bytes:
        """Return a value masked as what it stands for; what was escaped in it is so again."""
        units: list[bytes] = _UNIT.findall(value)
        bare = bytes(int(unit[1:], 16) if len(unit) == 3 else unit[0] for unit in units)
        return b"".join(
            b"%%%02X" % byte if len(unit) == 3 else bytes((byte,))
            for unit, byte in zip(units, mask(bare), strict=True)
        )

    def dialled(self, value: bytes) -> bytes | None:
        """Return the mask of a number, perhaps with visual separators (RFC 3966 5.1.1), else None."""
        bare = value.translate(None, _SEPARATORS)
        if not _DIALLED.fullmatch(bare):
            return None
        masked = iter(self.number(bare.decode("ascii")).encode("ascii"))
        return bytes(byte if byte in _SEPARATORS else next(masked) for byte in value)


def fill(value: bytes) -> bytes:
    """Return a text of which nothing is left but its length and line ends."""
    return _FILLED.sub(lambda hit: b"x" * len(hit[0]), value)


def _like(byte: int, random: int) -> int:
    """Return a character of the kind that another one is."""
    if 0x30 <= byte <= 0x39:
        return 0x30 + random % 10
    return (0x41 if 0x41 <= byte <= 0x5A else 0x61) + random % 26


def _country_code(number: str) -> str:
    """Return the country's code that an international number begins with."""
    if number[:1] in ("1", "7"):
        return number[:1]
    return number[: 2 if _TWO.match(number) else 3]
