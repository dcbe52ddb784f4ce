"""Made captures of the labelled set of findings; each module has the cases of a topic."""

from __future__ import annotations

from finding_cases import (
    clean,
    credentials,
    endings,
    media,
    nat,
    refusals,
    rounds,
    silences,
    stir,
    taps,
    unanswered,
)
from finding_cases.case import CASES, DIRECTORY, build

TOPICS = (
    clean, unanswered, silences, refusals, credentials, rounds, endings, media, nat, taps, stir,
)  # fmt: skip

__all__ = ["CASES", "DIRECTORY", "TOPICS", "build"]
