"""Made captures of the labelled set of findings; each module has the cases of a topic."""

from __future__ import annotations

from finding_cases import (
    clean,
    credentials,
    endings,
    media,
    nat,
    partial,
    refusals,
    rounds,
    silences,
    stir,
    taps,
)
from finding_cases.case import CASES, DIRECTORY, build

TOPICS = (
    clean, silences, refusals, credentials, rounds, endings, media, nat, taps, stir,
    partial,
)  # fmt: skip

__all__ = ["CASES", "DIRECTORY", "TOPICS", "build"]
