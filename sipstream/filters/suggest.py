"""What may stand at the cursor of a filter that is being written, as the grammar has it."""

from __future__ import annotations

from typing import NamedTuple

from sipstream.filters.grammar import accepted
from sipstream.filters.mistakes import in_quantifier
from sipstream.filters.term import OPERATORS, REGEX, MessageTerm, Term
from sipstream.filters.terms import TERMS
from sipstream.filters.tokens import QUANTIFIERS, FilterTextError, Token, scan, unfinished

_OFFERED = (
    ("AND", "and", "both must match"),
    ("OR", "or", "either may match"),
    ("NOT", "not", "the opposite of what follows"),
    ("OPEN", "(", "terms that belong together"),
    ("CLOSE", ")", "end of the terms that belong together"),
)


class Suggestion(NamedTuple):
    """A word that may stand at the cursor, or a kind of words that the capture is to supply."""

    kind: str
    """term, keyword, operator, quantifier, text, or the `value_kind` or `subject_kind` of a term."""
    text: str
    """The word; "" where it comes from the capture."""
    help: str


def suggest(text_before_cursor: str) -> list[Suggestion]:
    """Return what may stand in place of the word at the cursor, as the grammar has it.

    Nothing where the text before that word can't be the beginning of a filter.
    """
    done = text_before_cursor[: len(text_before_cursor) - len(unfinished(text_before_cursor))]
    try:
        tokens = scan(done)
    except FilterTextError:
        return []
    kinds = accepted(tokens)
    if kinds is None:
        return []
    term = tokens[-1].term if tokens else None
    found: list[Suggestion] = []
    if term and "NAME" in kinds:
        found += suggest_values(term, term.subject_kind)
    if term and "OPERATOR" in kinds:
        found += [Suggestion("operator", one, OPERATORS[one]) for one in term.operators]
    if term and "WORD" in kinds and not (term.needs_operator and tokens[-1].kind == "LIST"):
        if _of_regex(tokens):
            found.append(Suggestion("text", "", OPERATORS[REGEX]))
        else:
            found += suggest_values(term, term.value_kind)
    found += [Suggestion("keyword", text, hint) for kind, text, hint in _OFFERED if kind in kinds]
    single = in_quantifier(tokens)
    if "QUANTIFIER" in kinds and not single:
        found += [Suggestion("quantifier", f"{word}(", QUANTIFIERS[word]) for word in QUANTIFIERS]
    if "LIST" in kinds:
        terms = (one for one in TERMS.values() if not single or issubclass(one, MessageTerm))
        found += [Suggestion("term", one.name, one.help) for one in terms]
    return found


def _of_regex(tokens: list[Token]) -> bool:
    """Tell whether the operator before the value at the end wants regular expressions."""
    before = next((token for token in reversed(tokens) if token.kind != "WORD"), None)
    return before is not None and before.kind == "OPERATOR" and before.text == REGEX


def last_term(text_before_cursor: str) -> str:
    """Return the name of the term that the word at the cursor is a value of, "" where it is none's."""
    done = text_before_cursor[: len(text_before_cursor) - len(unfinished(text_before_cursor))]
    try:
        tokens = scan(done)
    except FilterTextError:
        return ""
    term = tokens[-1].term if tokens else None
    return term.name if term else ""


def suggest_values(term: type[Term], kind: str) -> list[Suggestion]:
    """Return the words a term knows by itself, and an empty one for those of the capture."""
    found: list[Suggestion] = []
    if kind == (term.subject_kind or term.value_kind):
        found += [Suggestion(kind, choice, hint) for choice, hint in term.choices.items()]
    if kind != "header":
        found.append(Suggestion(kind, "", term.help))
    return found
