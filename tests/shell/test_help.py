"""Help: each command says what it does with examples that are true; all of the language on a screen."""

from __future__ import annotations

import re

import pytest

from sipstream.filters import TERMS
from sipstream.shell import help as help_texts


def test_the_language_fits_one_screen() -> None:
    lines = (help_texts.of("filters", "general") or "").splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    for name in TERMS:
        assert re.search(rf"\b{name}\b", "\n".join(lines)), name


@pytest.mark.parametrize("name", TERMS)
def test_help_on_each_term(name: str) -> None:
    text = help_texts.of(name, "general") or ""
    term = TERMS[name]
    assert text.startswith(f"{name} {term.syntax}")
    assert term.help in text
    assert term.example in text
    assert all(f"{name} {one}" in text for one in term.operators)
