"""Values as words of a command line: names from files and traffic are typed as they are shown."""

from __future__ import annotations

import re

from sipstream.escape import escape


def unquoted(text: str) -> str:
    """Return a word without its quotes."""
    if not text.startswith('"'):
        return text
    inner = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
    return re.sub(r"\\(.)", r"\1", inner)


def quoted(text: str) -> str:
    """Return a value in quotes."""
    inner = re.sub(r'([\\"])', r"\\\1", text)
    return f'"{inner}"'


def spaced(text: str) -> str:
    """Return a value as one word: in quotes where it needs them."""
    return quoted(text) if " " in text or '"' in text else text


def as_word(name: str) -> str:
    """Return a name from a file or from traffic as it may be typed: escaped, as one word."""
    return spaced(escape(name))
