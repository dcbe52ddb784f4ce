"""Escaping: nothing acts on a terminal, nothing deceives, and what was there can be read back."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import SHARED
from wcwidth import wcwidth

from sipstream.escape import MARKS, beginning, brief, cells, cut, escape, escape_lines, shield
from sipstream.escape import unescape as as_typed

_TOKEN = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|u\{([0-9a-f]+)\})|[^\\]", re.DOTALL)

HOSTILE = [
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]52;c;cm0gLXJmIC8K\x07",
    "\x1b]8;;http://evil/\x1b\\x\x1b]8;;\x1b\\",
    '\x1bP$q"p\x1b\\',
    "\x1b_apc\x1b\\",
    "\x1b^pm\x1b\\",
    "\x9b2J",
    "\x9d52;c;QUJD\x9c",
    "abc\b\b\bXYZ",
    "real\rFAKE",
    "a\x85b\u2028c\u2029d",
    "\x0e\x0f\x00\x07",
    "\u202egpj.exe\u202c",
    "\u2066a\u2067b\u2068c\u2069\u200e\u200f\u061c",
    "a\u200bb\u200cc\u200dd\u2060e\u00adf",
    "\U000e0001\U000e0041\U000e007f",
    "\ufeffstart",
    "\ud800 \udfff",
    "\udc80\udcff",
    "a\u3164b\u115fc\u1160d\u2800e\u034ff\uffa0",
    "a\ufe0fb\U000e0100",
    "e" + "\u0301" * 500,
    "\u0301 leads",
    "\x07\u0301",
    "\uac00\u1161" + "\u1161" * 50,
    "private \ue000, unassigned \u0378, blank \u00a0\u3000",
    "back\\slash \\x1b \\u{202e} \\\\",
]


def unescape(text: str) -> str:
    """What was escaped."""
    found: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        assert match, f"no escape at {place} in {text!r}"
        place = match.end()
        backslash, byte, code = match.groups()
        if backslash:
            found.append("\\")
        elif byte:
            value = int(byte, 16)
            found.append(chr(value if value < 0x80 else 0xDC00 + value))
        else:
            found.append(chr(int(code, 16)) if code else match[0])
    return "".join(found)


def assert_fit(text: str, lines: bool = False) -> None:
    """Nothing in a text acts on a terminal, is invisible, or piles up."""
    marks = 0
    for char in text:
        if lines and char == "\n":
            marks = 0
            continue
        assert char.isprintable(), ascii(char)
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"), ascii(
            char
        )
        assert char == " " or unicodedata.category(char) != "Zs", ascii(char)
        marks = marks + 1 if wcwidth(char) == 0 else 0
        assert marks <= MARKS, ascii(text)
    text.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ~!@ text", "plain ~!@ text"),
        ("Örn Arnarson, 電話, Привет, שלום", "Örn Arnarson, 電話, Привет, שלום"),
        ("", ""),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("\x00\x7f\t\r\n", r"\x00\x7f\x09\x0d\x0a"),
        (b"\x80\xff", r"\x80\xff"),
        ("\x80\x9b", r"\u{80}\u{9b}"),
        (b"\xc2\x9b", r"\u{9b}"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ("\ud800", r"\u{d800}"),
        ("\ufeffx", r"\u{feff}x"),
        ("\u202e", r"\u{202e}"),
        ("\U000e0041", r"\u{e0041}"),
        ("C:\\x1b", r"C:\\x1b"),
        ("e\u0301", "e\u0301"),
        ("\u0301e", r"\u{301}e"),
        ("\x07\u0301", r"\x07\u{301}"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + r"\u{301}\u{301}"),
        ("\u3164\u2800\u115f\u034f", r"\u{3164}\u{2800}\u{115f}\u{34f}"),
    ],
)
def test_what_is_shown(text: str | bytes, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_every_control_character_is_spelt(code: int) -> None:
    shown = escape(f"a{chr(code)}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert shown == (rf"a\x{code:02x}b" if code < 0x80 else rf"a\u{{{code:x}}}b")


@pytest.mark.parametrize("byte", range(0x80, 0x100))
def test_every_raw_byte_is_spelt(byte: int) -> None:
    assert escape(b"a" + bytes([byte]) + b"b") == rf"a\x{byte:02x}b"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text(text: str) -> None:
    shown = escape(text)
    assert_fit(shown)
    assert unescape(shown) == text
    assert_fit(escape_lines(text), lines=True)
    assert_fit(shield(text), lines=True)


def test_every_character_there_is() -> None:
    for code in range(0x110000):
        char = chr(code)
        shown = escape(f"a{char}b")
        if shown == f"a{char}b":
            assert_fit(shown)
        else:
            assert shown.isascii()
        if wcwidth(char) == 0:
            assert_fit(escape("a" + char * 9))


@given(st.text(st.characters(codec=None)))
@example("\\x1b\x1b")
def test_text_can_be_read_back(text: str) -> None:
    shown = escape(text)
    assert_fit(shown)
    assert unescape(shown) == as_typed(shown) == text


@given(st.binary())
def test_bytes_can_be_read_back(data: bytes) -> None:
    assert unescape(escape(data)).encode("utf-8", "surrogateescape") == data


@given(st.text(st.characters(codec=None) | st.sampled_from("\\\r\n\u0301\x1b")))
def test_lines_are_kept_and_the_rest_escaped(text: str) -> None:
    shown = escape_lines(text)
    assert_fit(shown, lines=True)
    assert shown.split("\n") == [escape(line) for line in text.replace("\r\n", "\n").split("\n")]


def test_line_ends_look_the_same() -> None:
    assert (
        escape_lines(b"INVITE\r\nTo: x\r\n\r\n")
        == escape_lines(b"INVITE\nTo: x\n\n")
        == "INVITE\nTo: x\n\n"
    )
    assert escape_lines("a\rb\tc\r\r\nd\\") == "a\\x0db\\x09c\\x0d\nd\\\\"


@given(st.text(st.characters(codec=None) | st.sampled_from("\\\n\u0301")))
def test_the_last_defence_leaves_escaped_text_alone(text: str) -> None:
    for shown in (escape(text), escape_lines(text)):
        assert shield(shown) == shown
    assert_fit(shield(text), lines=True)


@given(
    st.text(st.characters(codec="utf-8") | st.sampled_from("電話\x1b\\\udc80\u0301")),
    st.integers(-1, 30),
)
def test_a_cut_text_fits(text: str, width: int) -> None:
    shown = escape(text)
    short = cut(shown, width)
    assert cells(short) <= max(width, 0)
    if short != shown:
        assert shown.startswith(short.removesuffix("…"))
        # What is left reads back: no escape was cut in two.
        assert text.startswith(unescape(short.removesuffix("…")))


def test_what_looks_like_an_escape_and_is_none_stays() -> None:
    for text in (r"\x1", r"\xG0", r"\u{}", r"\u{110000}", r"\u{1b", r"\q", "\\", "plain"):
        assert as_typed(text) == text
    assert as_typed(r"\x1b\\x1b\u{10ffff}\xff") == "\x1b\\x1b\U0010ffff\udcff"


def test_errors_quote_in_few_cells() -> None:
    assert brief("a\nb\\") == r"a\x0ab\\"
    assert cells(brief("a" * 1_000_000)) == 100
    assert 90 < cells(brief("\x1b" * 1_000_000)) <= 100


def test_where_texts_are_cut() -> None:
    assert cut("12345", 5) == "12345"
    assert cut("123456", 5) == "1234…"
    assert cut("電話電話", 5) == "電話…"
    assert cut("電話電話", 4) == "電…"
    assert cut(r"ab\x1bcd", 6) == "ab…"
    assert cut(r"ab\\x1bcd", 6) == r"ab\\x…"
    assert cut(r"a\u{e0041}z", 9) == "a…"


@pytest.mark.parametrize("width", [10, 40])
def test_a_cell_is_never_wider_than_its_column(width: int) -> None:
    for text in HOSTILE:
        assert cells(cut(escape(text), width)) <= width


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captures in ../shared")
def test_the_terminal_attacks_of_the_torture_set() -> None:
    paths = sorted((SHARED / "torture" / "known-bugs").glob("term-*"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        assert_fit(escape_lines(data), lines=True)
        shown = escape(data)
        assert_fit(shown)
        assert unescape(shown).encode("utf-8", "surrogateescape") == data


@given(st.text(max_size=60) | st.text("e\u0301電\x1b\\", max_size=60), st.integers(0, 8))
def test_the_beginning_of_a_text_is_its_cut(text: str, width: int) -> None:
    assert beginning(text, width) == cut(escape(text), width)


def test_the_beginning_of_an_endless_text_is_all_that_is_looked_at() -> None:
    assert beginning("\x1b" * 10**7, 12) == cut(r"\x1b" * 12, 12)
