"""The terms of filters: one small class each, with name, syntax, help and test.

TERMS is what the grammar, the help screens and completion are made of: a new term is a class in one of
these modules and nothing elsewhere. They know nothing of how a filter's text is cut into values.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sipstream.filters.term import Term
from sipstream.filters.terms import addresses, bodies, findings, headers, numbers, startlines, whole

_modules = (numbers, addresses, startlines, headers, bodies, whole, findings)
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {module.registry.about: tuple(module.registry) for module in _modules}
)
"""The terms' names by what they are about."""
TERMS: Mapping[str, type[Term]] = MappingProxyType(
    dict(sorted((term.name, term) for module in _modules for term in module.registry.values()))
)
"""All terms by name, in alphabetical order."""

__all__ = ["GROUPS", "TERMS"]
