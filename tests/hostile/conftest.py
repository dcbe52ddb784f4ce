"""What hostile input leaves behind in the process is undone after each test."""

import pytest

from sipstream.sip import startline


@pytest.fixture(autouse=True)
def own_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invented methods fill a table that all tests of the process share."""
    monkeypatch.setattr(startline, "_kinds", dict(startline._kinds))
    monkeypatch.setattr(startline, "_methods", list(startline._methods))
