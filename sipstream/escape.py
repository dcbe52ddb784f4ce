r"""The one way by which text from traffic may reach a terminal: what could act or deceive is spelt.

Pure functions on text. Printable characters stay, a backslash is doubled, all else becomes `\xNN`
(a control character, or a byte that is no UTF-8) or `\u{...}` (any other character): reversible, so
two different texts never come out the same. Plain ASCII takes one quick test; only what it stops
is looked at character by character.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MARKS = 4
"""Combining marks that may follow one character; living scripts stack no more."""

QUOTED = 100
"""Cells of what an error quotes: most Call-IDs fit, a megabyte pasted by mistake is cut."""

ELLIPSIS = "…"
"""Stands where a text was cut."""

_INVISIBLE = (
    # Printable for Python, yet blank or without width: Default_Ignorable_Code_Point of Unicode's
    # DerivedCoreProperties.txt (its format characters aren't printable anyway), and blank letters.
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0x2800, 0x2800),  # Braille pattern without dots
    (0x2D7F, 0x2D7F),  # Tifinagh consonant joiner
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0x1107F, 0x1107F),  # Brahmi number joiner
    (0x16FE4, 0x16FE4),  # Khitan filler
    (0x1D159, 0x1D159),  # null notehead
    (0xE0100, 0xE01EF),  # more variation selectors
)
_JOINING = ((0x1160, 0x11FF), (0xD7B0, 0xD7FF))
"""Hangul vowels and finals: letters, but drawn into the letter before them as marks are."""

_PLAIN, _MARK, _UNSAFE = range(3)
_ODD = re.compile(r"[^ -\[\]-~]+")
_ODD_IN_LINES = re.compile(r"[^\n -\[\]-~]+")
_ODD_BUT_BACKSLASH = re.compile(r"[^\n -~]+")
_HALF_AN_ESCAPE = re.compile(r"\\(?:x[0-9a-f]?|u(?:\{[0-9a-f]*)?)?$")
_SPELT = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|u\{((?:10|[0-9a-f])?[0-9a-f]{1,4})\})")
_LONGEST_ESCAPE = len(r"\u{10ffff}")


def escape(text: str | bytes) -> str:
    """Return text from traffic as one printable line, whatever it holds.

    A str may hold bytes that are no UTF-8 as surrogate escapes.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return _ODD.sub(_spell_run, text)


def unescape(text: str) -> str:
    """Return the text from traffic that `escape` shows so; what is no escape in it stays.

    For what people type or paste as they saw it.
    """
    return _SPELT.sub(_spelt_char, text)


def escape_lines(text: str | bytes) -> str:
    r"""Return text from traffic with its line ends kept: LF and CRLF give LF, the rest is escaped.

    A tab is `\x09` here too: shown as blanks it could not be told from blanks, as itself it would
    move what stands behind it by what stands before it.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.replace("\n", "").isprintable() and "\\" not in text:
        return text
    return _ODD_IN_LINES.sub(_spell_run, text)


def shield(text: str) -> str:
    """Spell out what must not reach a terminal in text that should be fit for it already.

    The last defence of the output: what `escape` and `escape_lines` return comes back unchanged.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return _ODD_BUT_BACKSLASH.sub(_spell_run, text)


def cells(text: str) -> int:
    """Return how many cells of a terminal escaped text of one line takes."""
    if text.isascii():
        return len(text)
    from wcwidth import wcwidth

    return sum(max(wcwidth(char), 0) for char in text)


def cut(text: str, width: int) -> str:
    """Return escaped text of one line in at most `width` cells, with a mark where it was cut.

    No half of an escape is left at the cut.
    """
    if cells(text) <= width:
        return text
    if width < 1:
        return ""
    head = _head(text, width - 1)
    tail = max(len(head) - _LONGEST_ESCAPE, 0)
    half = _HALF_AN_ESCAPE.search(head, tail)
    if half is not None:
        before = head[: half.start()]
        # An odd number of backslashes before it: this one is the second of a doubled one.
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            head = before
    return head + ELLIPSIS


def beginning(text: str, width: int) -> str:
    """Return what `cut(escape(text), width)` does, at no more cost for an endless text."""
    # A cell has a character and its marks; what has more is spelt, in cells of its own.
    return cut(escape(text[: (width + 1) * (MARKS + 1)]), width)


def brief(text: str) -> str:
    """Return text from anywhere as errors quote it: one line, a long one cut."""
    return cut(escape(text[: QUOTED + 1]), QUOTED)


def _head(text: str, width: int) -> str:
    """Return as much of a text as fits `width` cells."""
    if text.isascii():
        return text[:width]
    used = 0
    for place, char in enumerate(text):
        used += cells(char)
        if used > width:
            return text[:place]
    return text


def _spell_run(match: re.Match[str]) -> str:
    """Return a run of characters outside printable ASCII with what isn't allowed spelt out.

    A mark may stand only on a character that is shown as itself, and only MARKS of them.
    """
    start = match.start()
    marks = 0 if start and match.string[start - 1] != "\n" else MARKS
    spelt: list[str] = []
    for char in match[0]:
        kind = _kind(char)
        if kind == _PLAIN:
            marks = 0
            spelt.append(char)
        elif kind == _MARK and marks < MARKS:
            marks += 1
            spelt.append(char)
        else:
            marks = MARKS
            spelt.append(_spell(char))
    return "".join(spelt)


@lru_cache(maxsize=4096)
def _kind(char: str) -> int:
    code = ord(char)
    if char == "\\" or not char.isprintable() or _within(code, _INVISIBLE):
        return _UNSAFE
    if unicodedata.category(char)[0] == "M" or _within(code, _JOINING):
        return _MARK
    return _PLAIN


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)


def _spelt_char(match: re.Match[str]) -> str:
    backslash, byte, code = match.groups()
    if byte:
        value = int(byte, 16)
        return chr(value if value < 0x80 else 0xDC00 + value)
    return chr(int(code, 16)) if code else str(backslash)


def _spell(char: str) -> str:
    code = ord(char)
    if char == "\\":
        return "\\\\"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that is no UTF-8, as surrogateescape decodes it.
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{{{code:x}}}"
