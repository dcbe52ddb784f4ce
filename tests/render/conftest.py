"""Times are shown in the local zone: here it is UTC, as where the thesis's captures were made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from sipstream.render import times


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """UTC, and a function that changes it."""

    def change(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()
        times.forget()

    change("UTC")
    yield change
    monkeypatch.undo()
    time.tzset()
    times.forget()
