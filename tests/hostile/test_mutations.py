"""Seeds of every kind with bytes changed, cut out, put in: no error, no loss, the same in any cut."""

from pathlib import Path

import pytest
from hostile_targets import INPUTS, TARGETS, attack, check


@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_input(name: str, tmp_path: Path) -> None:
    """Row F1: mutated bytes. HOSTILE_INPUTS sets how many; the long form has 2,000,000."""
    for number in range(INPUTS // TARGETS[name].one_in):
        data = attack(name, number)
        try:
            check(name, number, data)
        except Exception as error:
            kept = tmp_path / "input"
            kept.write_bytes(data)
            error.add_note(f"input {number} of {name!r}, kept as {kept}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_sound(name: str) -> None:
    """Row F1: the seeds as they are, each cut in several ways."""
    for seed in TARGETS[name].seeds:
        for number in range(5):
            check(name, number, seed)
