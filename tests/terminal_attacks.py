"""Texts that act on a terminal or deceive its reader, SIP that holds them, and what may be written.

`own_and_rest` takes from a terminal's raw bytes what the shell itself sends: nothing of the attacks
is among that, so whatever of them gets through is in the rest.
"""

from __future__ import annotations

import re

from support import SHARED

TORTURE = SHARED / "torture" / "known-bugs"

HARMLESS = "Örn Arnarson 電話 e\u0301"
"""Stands in each message: it has to come through as it is."""

_ESCAPE_FORMS = {
    "csi": "\x1b[2J\x1b[H\x1b[31mred\x1b[8m\x1b[6n\x1b[?1049h\x1b[20t",
    "title": "\x1b]0;owned\x07\x1b]2;owned\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8K\x07",
    "link": "\x1b]8;;http://evil/\x1b\\x\x1b]8;;\x1b\\",
    "dcs": '\x1bP$q"p\x1b\\\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\',
    "short": "\x1bc\x1b7\x1b8\x1b(0\x1b#8\x1bN",
    "eight-bit": "\x9b2J\x9d52;c;QUJD\x9c\x90q\x9c\x9fa\x9c",
    "backspace": "abc\b\b\bXYZ",
    "return": "real\rFAKE",
    "bidi": "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x61C))),
    "zero-width": "a\u200bb\u200cc\u200dd\u2060e\u00adf",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "lines": "a\x85b\u2028c\u2029d\x0be\x0cf",
    "surrogates": b"\xed\xa0\x80\xed\xbf\xbf".decode("utf-8", "surrogateescape"),
    "bom": "\ufeffx",
    "blanks": "\u3164\u115f\u2800\u034f\u00a0\u3000",
    "marks": "e" + "\u0316" * 20,
}
ATTACKS: dict[str, str] = {
    **_ESCAPE_FORMS,
    # Line ends make a message another one; they have tests of their own.
    "c0": "".join(f"<{chr(code)}>" for code in (*range(0x20), 0x7F) if code not in (10, 13)),
    "c1-text": "".join(f"<{chr(code)}>" for code in range(0x80, 0xA0)),
    "c1-bytes": "".join(f"<{chr(0xDC00 + code)}>" for code in range(0x80, 0xA0)),
    "bytes": "".join(map(chr, (0xDCFF, 0xDCC0, 0xDC80))),
}
"""By name; bytes that are no UTF-8 stand as surrogate escapes."""

_OWN = re.compile(
    rb"\x1b\[(?:"
    rb"[0124]|1;4|0(?:;\d+)+|(?:1;)?38;5;\d+"  # styles, colours
    rb")m|\x1b\[\d*[ABCD]|\x1b\[[JK]"  # to where it draws, and what it clears there
    rb"|\x1b\[\?(?:12l|25[hl]|7[hl]|1l|2004[hl])"  # cursor, wrapping, keys, pasting
)
_ALLOWED = frozenset(HARMLESS + "\u0316…\r\n" + "".join(map(chr, range(0x20, 0x7F))))


def raw(text: str) -> bytes:
    """The bytes that a text stands for."""
    return text.encode("utf-8", "surrogateescape")


def call(attack: str, name: str) -> list[bytes]:
    """A call's messages with an attack in every place: method, URI, reason, headers, SDP, Call-ID."""
    body = f"v=0\r\no={attack} 1 1 IN IP4 a\r\ns={attack}\r\na={attack}:{attack}\r\n"
    rest = (
        f"Via: SIP/2.0/UDP a;branch={attack}\r\n"
        f'From: "{attack}" <sip:{attack}@a;x={attack}>;tag={attack}\r\n'
        f"To: {attack} <sip:2@b>;y={attack}\r\nCall-ID: {name}{attack}@h\r\n"
        f"Subject: {attack}\r\nX-{attack}: {attack}\r\nContact: <sip:{attack}@c>\r\n"
        f"P-Asserted-Identity: {attack} <tel:1>\r\nUser-Agent: {HARMLESS}\r\n"
        f"Diversion: <sip:{attack}@d>;reason={attack}\r\n"
        f"Content-Length: {len(raw(body))}\r\n\r\n{body}"
    )
    starts = [
        (f"INVITE sip:{attack}@b SIP/2.0", "INVITE"),
        (f"SIP/2.0 480 Gone {attack}", "INVITE"),
        (f"PU{attack}SH sip:2@b SIP/2.0", f"PU{attack}SH"),
    ]
    return [raw(f"{start}\r\nCSeq: 1 {method}\r\n{rest}") for start, method in starts]


def calls() -> list[bytes]:
    """The messages of all attacks."""
    return [one for name, attack in ATTACKS.items() for one in call(attack, name)]


def torture() -> list[bytes]:
    """The messages of the torture set's attacks on terminals, [] where it isn't at hand."""
    return [path.read_bytes() for path in sorted(TORTURE.glob("term-*"))]


def own_and_rest(written: bytes) -> tuple[list[bytes], bytes]:
    """What the shell sent to a terminal on its own account, and all else."""
    return _OWN.findall(written), _OWN.sub(b"", written)


def assert_harmless(written: bytes) -> None:
    """Beside the shell's own sequences there is nothing but text and line ends."""
    # To move by a few cells prompt_toolkit may send BS, always in front of something of its own.
    _, rest = own_and_rest(re.sub(rb"\x08+(?=[\x1b\r])", b"", written))
    text = rest.decode()
    wrong = {char for char in text if char not in _ALLOWED}
    places = [match.start() for match in re.finditer("|".join(map(re.escape, wrong)), text)]
    assert not wrong, [text[max(place - 60, 0) : place + 20] for place in places[:3] if wrong]
