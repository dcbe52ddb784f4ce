"""What is said of libraries that are missing installs them where they are looked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sipstream.extras import how_to_install


def test_the_pip_of_the_environment_that_runs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "an environment"
    (own / "bin").mkdir(parents=True)
    (own / "bin" / "pip").touch()
    monkeypatch.setattr(sys, "prefix", str(own))
    assert how_to_install("nats") == f"'{own}/bin/pip' install 'sipstream[nats]'"
    (own / "bin" / "pip").unlink()
    assert how_to_install("nats") == "pip install 'sipstream[nats]'"


def test_without_an_environment_it_is_the_pip_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert how_to_install("archive") == "pip install 'sipstream[archive]'"
