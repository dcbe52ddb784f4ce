"""Which words fit what was typed, and in which order: compared with the plainest way to say so."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipstream.plan import normal_number
from sipstream.shell.fuzzy import BEGINS, HOLDS, SCATTERED, Typed
from sipstream.shell.seen import Words
from sipstream.shell.steps import at_once
from sipstream.sip.uri import is_number

_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
WORDS = st.text(st.sampled_from('abAB. "\\^]-é1'), max_size=8)
NUMBERS = st.from_regex(r"\+?[0-9*#]{1,8}", fullmatch=True)


def naive(typed: str, word: str, *, numbers: bool = False) -> int | None:
    """How a word fits, said plainly."""
    small, given_word = typed.translate(_SMALL), word.translate(_SMALL)
    if given_word.startswith(small):
        return BEGINS
    letters = small
    if numbers and typed:
        letters = normal_number(typed).translate(_SMALL)
        if normal_number(word).startswith(normal_number(typed)):
            return BEGINS
    if small in given_word:
        return HOLDS
    rest = iter(given_word)
    return SCATTERED if all(letter in rest for letter in letters) else None


@given(WORDS, WORDS)
def test_a_word_fits_as_is_plainly_said(typed: str, word: str) -> None:
    assert Typed(typed).rank(word) == naive(typed, word)


@given(NUMBERS, NUMBERS)
def test_a_number_fits_whatever_stands_before_it(typed: str, number: str) -> None:
    assert Typed(typed, numbers=True).rank(number) == naive(typed, number, numbers=True)


@given(
    st.one_of(WORDS, NUMBERS),
    st.dictionaries(st.one_of(WORDS, NUMBERS).filter(bool), st.integers(1, 3), max_size=40),
    st.integers(1, 12),
    st.booleans(),
)
def test_the_best_come_first_then_the_most_frequent_then_by_the_alphabet(
    typed: str, counts: dict[str, int], most: int, numbers: bool
) -> None:
    # Words are kept as they are shown: those with a backslash are left out.
    counts = {word: count for word, count in counts.items() if "\\" not in word}
    if numbers:
        counts = {word: count for word, count in counts.items() if is_number(word)}
    ranks = {word: naive(typed, word, numbers=numbers) for word in counts}
    fitting = [word for word in counts if ranks[word] is not None]
    wanted = sorted(fitting, key=lambda word: (ranks[word], -counts[word], word))[:most]

    words = at_once(Words.of(counts.items()))
    best = at_once(words.find(Typed(typed, numbers=numbers), most))
    assert [word for _, _, word in best] == wanted
    assert [(rank, count) for rank, count, _ in best] == [
        (ranks[word], counts[word]) for word in wanted
    ]
    begun = [word for word in fitting if ranks[word] == BEGINS]
    assert best.total == (len(begun) if len(begun) >= most else len(fitting))


def test_very_many_words_are_found_in_pieces() -> None:
    words = at_once(Words.of((f"{number:05}", 1 + number % 3) for number in range(20_000)))
    best = at_once(words.find(Typed("1999"), 5))
    assert [word for _, _, word in best] == ["19991", "19994", "19997", "19990", "19993"]
    assert best.total == 10
    assert [word for _, _, word in at_once(words.find(Typed("09999"), 3))] == ["09999"]


@pytest.mark.parametrize("typed", ["a" * 5000, "(" * 64, "*" * 64, "+", "00", "\\", "[^"])
def test_whatever_is_typed_is_no_pattern(typed: str) -> None:
    word = f"x{typed}y"
    assert Typed(typed).rank(word) == HOLDS
    assert Typed(typed, numbers=True).rank(typed) == BEGINS
    assert Typed(typed).rank("z") is None


def test_what_cannot_be_typed_as_it_is_shown_is_left_out() -> None:
    hostile = ["\x1b]0;owned\x07", "a\nb", "\u202e", "\\x1b", "\udc9b", "", "plain"]
    words = at_once(Words.of((word, 1) for word in hostile))
    assert [word for _, _, word in at_once(words.find(Typed(""), 10))] == ["plain"]
