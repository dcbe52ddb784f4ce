"""The labelled set: what each capture shows is what it is labelled with, no more and no less."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import make_findings
import pytest
from findings import measure

from sipstream.findings import FINDINGS

FEWEST = 3
"""Captures that have a finding, and near misses that don't."""
WANTED = measure.labels()


@pytest.mark.parametrize("path", WANTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shows_its_labels(path: Path) -> None:
    shown = measure.shown(path)
    assert set(shown) == WANTED[path], shown


@pytest.mark.parametrize("name", FINDINGS)
def test_each_finding_has_captures(name: str) -> None:
    count = measure.kinds(list(WANTED)).get(name, Counter())
    assert count["yes"] >= FEWEST, "positives"
    assert count["recorded"] >= 1, "a positive that sipp has made"
    assert count["no"] >= FEWEST, "near misses"


def test_no_folder_without_a_finding() -> None:
    assert set(measure.kinds(list(WANTED))) <= set(FINDINGS)


def test_made_captures_are_what_the_cases_make() -> None:
    assert make_findings.differing() == []


def test_figures_tell_false_alarms_and_misses() -> None:
    yes, no = Path("a/yes-1.pcap"), Path("a/no-1.pcap")
    wanted = {yes: frozenset({"a", "b"}), no: frozenset[str]()}
    figures = measure.measured(wanted, {yes: frozenset({"a"}), no: frozenset({"a"})})
    assert (figures["a"].precision, figures["a"].recall) == (0.5, 1.0)
    assert (figures["b"].precision, figures["b"].recall) == (1.0, 0.0)
    everything = measure.total(figures)
    assert (everything.precision, everything.recall) == (0.5, 0.5)
    assert (everything.false, everything.missed) == ([no], [yes])
