"""Help on filters: all of the language on one screen, each term, and what `add` takes."""

from __future__ import annotations

from textwrap import wrap

from sipstream.filters import GROUPS, TERMS
from sipstream.filters.term import OPERATORS
from sipstream.wording import aligned

_WIDTH = 79
_COLUMN = 14
_ABOUT = """\
A filter chooses conversations. Terms side by side, or joined by `and`, must
all match; `or`, `not` and parentheses as one reads them. Values of a term are
alternatives: dstnum 5660066 5660067 and not (status 2xx or method OPTIONS)
"""
_QUANTIFIED = """\
A term holds when any message has it; srcnum, dstnum, ip and their like look at
the first. any(...): one message has all of it: any(method BYE srcip 10.1.1.1);
each(...): every message passes; first(...): the first one does.
"""
_VALUES = """\
numbers       5660066 566* 566006? 5660000-5669999; +, 00 and - don't count
addresses     10.0.0.1 10.0.0.0/8 10.0.0.1-10.0.0.9 2001:db8::/32 a.example.com
texts         a part of it; = all of it, with * and ?; ~ a regular expression
amounts       status >= 400, duration > 30s, messages > 20, header Expires < 60
"""
_ADD = "Add a filter to select a subset of conversations matching filter. Valid arguments are:"
_ADD_EXAMPLES = """\
Examples:

sipstream[filter]: add srcnum 4151500
5 conversations

sipstream[filter]: add srcnum 4151500 4151502
7 conversations

sipstream[filter]: add has diversion
87 conversations

sipstream[filter]: add dstnum 5660066 and not (status 2xx or method OPTIONS)
3 conversations"""


def overview() -> str:
    """Return the whole language on one screen of 80 columns and 24 lines."""
    lines = [*_ABOUT.splitlines(), ""]
    for about, names in GROUPS.items():
        rows = wrap(" ".join(names), _WIDTH - _COLUMN)
        lines += [f"{about if not place else '':<{_COLUMN}}{row}" for place, row in enumerate(rows)]
    lines += ["", *_VALUES.splitlines(), "", *_QUANTIFIED.splitlines()]
    return "\n".join([*lines, "`help dstnum` tells of one term; so do Tab and `?` while you type."])


def add() -> str:
    """Return what `add` takes, as fig10 has it."""
    rows = aligned((term.name, term.syntax, term.help) for term in TERMS.values())
    return "\n".join([_ADD, "", *rows, "", _ADD_EXAMPLES])


def term(name: str) -> str | None:
    """Return the help on one term, None where there is none of this name."""
    found = TERMS.get(name.lower())
    if found is None:
        return None
    lines = [f"{found.name} {found.syntax}", "", f"Select conversations where {found.help}."]
    if found.operators:
        lines += ["", *(f"{found.name} {one:<4}{OPERATORS[one]}" for one in found.operators)]
    if found.choices:
        lines += ["", *aligned(found.choices.items())]
    return "\n".join([*lines, "", "Example:", "", f"sipstream[filter]: add {found.example}"])
