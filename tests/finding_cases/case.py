"""Cases of the labelled set that are made, not recorded.

    @case("codec-mismatch/yes-488")
    def _(wire: Wire) -> None:
        Dialog(wire).refused(488)

writes captures/findings/codec-mismatch/yes-488.pcap (`.pcapng` where taps have names).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from finding_cases.wire import Wire

DIRECTORY = Path(__file__).parent.parent.parent / "captures" / "findings"

Made = Callable[[Wire], None]
CASES: dict[str, Made] = {}


def case(name: str) -> Callable[[Made], Made]:
    """Take a case in: what it sends on the wire is the capture of this name."""

    def entered(made: Made) -> Made:
        if name in CASES:
            raise ValueError(f"{name} is there twice")
        CASES[name] = made
        return made

    return entered


def build(name: str) -> tuple[Path, bytes]:
    """Return a case's path and content."""
    wire = Wire()
    CASES[name](wire)
    return DIRECTORY / f"{name}{wire.ending}", wire.file()
