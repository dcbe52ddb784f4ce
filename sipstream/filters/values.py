"""What values of filter terms stand for: status codes, durations, amounts, privacy.

Knows nothing of terms or conversations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt
from types import MappingProxyType

from sipstream.errors import FilterError
from sipstream.escape import escape

_STATUS = re.compile(r"[1-6](?:[0-9][0-9]|[0-9]x|xx)")
_STATUS_RANGE = re.compile(r"([1-9][0-9][0-9])-([1-9][0-9][0-9])")
_CODE = re.compile(r"[1-9][0-9][0-9]")
_AMOUNT = re.compile(r"[0-9]{1,9}")
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", re.IGNORECASE)
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}

COMPARE = MappingProxyType({"=": eq, ">": gt, ">=": ge, "<": lt, "<=": le})
"""What operators of order do."""

# A privacy parameter; what stands in quotes or in <> is skipped, since a URI's parameter isn't one
# of the header's. What is never closed runs to the end, so that each character is read once.
_PRIVACY = re.compile(
    r'"(?:[^"\\]|\\.)*(?:"|\\?$)|<[^>]*(?:>|$)'
    r'|;\s*(?P<name>privacy)(?:\s*=\s*(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^;,\s]*))|(?=[;,\s]|$))',
    re.DOTALL | re.IGNORECASE,
)


def status_text(value: str) -> str:
    """Return a status code, class or range in its one spelling.

    Raises:
        FilterError: it is none of these.
    """
    text = value.lower()
    between = _STATUS_RANGE.fullmatch(text)
    if between and between[1] > between[2]:
        raise FilterError(f"'{text}' is empty: the lower status code comes first")
    if not between and not _STATUS.fullmatch(text):
        raise FilterError(
            f"'{shown(value)}' is no status code (403), class of them (4xx) or range (100-199)"
        )
    return text


def status_codes(text: str) -> range:
    """Return the status codes that a text of `status_text` names."""
    low, _, high = text.partition("-")
    return range(int(low.replace("x", "0")), int((high or low).replace("x", "9")) + 1)


def code_test(operator: str, values: tuple[str, ...]) -> Callable[[int], bool]:
    """Return a function that tells whether a status code is as a term wants it."""
    if operator in COMPARE and operator != "=":
        compare, limit = COMPARE[operator], int(values[0])
        return lambda code: compare(code, limit)
    codes = frozenset(code for value in values for code in status_codes(value))
    return codes.__contains__


def code_text(value: str) -> str:
    """Return a status code that others are compared with.

    Raises:
        FilterError: it isn't one code.
    """
    if not _CODE.fullmatch(value):
        raise FilterError(f"'{shown(value)}' is no status code to compare with, such as 400")
    return value


def amount_text(value: str) -> str:
    """Return a number of things in its one spelling.

    Raises:
        FilterError: it is none.
    """
    if not _AMOUNT.fullmatch(value):
        raise FilterError(f"'{shown(value)}' is no whole number such as 20")
    return str(int(value))


def span_text(value: str) -> str:
    """Return a duration such as 30s, 1.5h or 200ms in small letters.

    Raises:
        FilterError: it is none.
    """
    if not _SPAN.fullmatch(value):
        hint = f": write {value}s" if _AMOUNT.fullmatch(value) else ""
        raise FilterError(f"'{shown(value)}' is no duration such as 200ms, 30s, 5m, 2h or 1d{hint}")
    return value.lower()


def span_of(text: str) -> int:
    """Return the nanoseconds of a text of `span_text`."""
    match = _SPAN.fullmatch(text)
    assert match is not None, "checked before"
    whole, _, fraction = match[1].partition(".")
    unit = _UNITS[match[2].lower()]
    return int(whole) * unit + int(fraction.ljust(9, "0")) * unit // 10**9


def has_privacy_parameter(value: str) -> bool:
    """Tell whether an identity header's value has a privacy parameter other than `off`."""
    return any(
        found["name"] and (found["quoted"] or found["plain"] or "").lower() != "off"
        for found in _PRIVACY.finditer(value)
    )


def shown(text: str) -> str:
    """Return a value as error messages quote it: escaped, a long one cut."""
    return escape(text if len(text) <= 40 else text[:37] + "...")
