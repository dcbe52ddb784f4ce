"""The text of the file of settings: what stands in which line, and how one value in it is changed.

Each statement is read by itself, so that one with a fault costs that one only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sipstream.errors import SourceError

_LONGEST = 50
"""Lines of one statement: a list may have a name a line, and there are no such long ones here."""


class Entry(NamedTuple):
    """A value of the file, or what is wrong with a statement."""

    line: int
    """Counted from 1."""
    path: tuple[str, ...]
    """The names of its tables, then its own; () for a fault."""
    value: object
    fault: str = ""


def entries(data: bytes) -> Iterator[Entry]:
    """Yield the values of a file in their order, faults where they stand.

    What stands below the head of a table that has a fault is passed over: nobody knows whose it is.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    table: tuple[str, ...] | None = ()
    place = 0
    while place < len(lines):
        bare = lines[place].strip()
        if not bare or bare.startswith(b"#"):
            place += 1
            continue
        size, made, fault = _statement(lines, place)
        if made is None:
            yield Entry(place + 1, (), None, fault)
            table = None if bare.startswith(b"[") else table
        elif bare.startswith(b"["):
            table = _only_path(made)
        elif table is not None:
            yield from _flat(place + 1, table, made)
        place += size


def _statement(lines: list[bytes], place: int) -> tuple[int, dict[str, object] | None, str]:
    """Read the statement that begins in a line; return its lines, what it says, what is wrong."""
    # Only where there is something to read.
    import tomllib

    first = ""
    for size in range(1, min(_LONGEST, len(lines) - place) + 1):
        try:
            text = b"\n".join(lines[place : place + size]).decode() + "\n"
            return size, tomllib.loads(text), ""
        except UnicodeDecodeError:
            return 1, None, "is not in UTF-8"
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            if isinstance(error, RecursionError):
                return 1, None, "is nested too deep"
            reason = str(error).partition(" (at ")[0]
            hint = " (a text stands in quotes)" if reason == "Invalid value" else ""
            first = first or f"is not understood: {reason[:1].lower()}{reason[1:]}{hint}"
    return 1, None, first


def _only_path(made: object) -> tuple[str, ...]:
    """Return the names in the head of a table."""
    names: list[str] = []
    while isinstance(made, dict) and made:
        [(name, made)] = made.items()
        names.append(name)
    return tuple(names)


def _flat(line: int, table: tuple[str, ...], made: dict[str, object]) -> Iterator[Entry]:
    for name, value in made.items():
        path = (*table, name)
        if isinstance(value, dict):
            yield from _flat(line, path, value)
        else:
            yield Entry(line, path, value)


def changed(data: bytes, path: tuple[str, ...], value: object, comment: str = "") -> bytes:
    """Return a file's text with one value set, or taken out where it is None; all else stays.

    `comment` stands behind a value that is new.

    Raises:
        SourceError: the file has a fault, and a new text might lose something.
    """
    # Only here: reading needs less, and few runs change anything.
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    *tables, name = path
    try:
        document = tomlkit.parse(data.decode())
        inner: tomlkit.TOMLDocument | tomlkit.items.Table = document
        for each in tables:
            inner = inner.setdefault(each, tomlkit.table())
        if value is None:
            inner.pop(name, None)
        elif name in inner:
            inner[name] = value
        else:
            item = tomlkit.item(value)
            if comment:
                item.comment(comment)
            inner[name] = item
        text: str = tomlkit.dumps(document)
    except ParseError as error:
        raise SourceError(f"its line {error.line} has to be put right first") from error
    except (TOMLKitError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError("what is wrong in it has to be put right first") from error
    return text.encode()
