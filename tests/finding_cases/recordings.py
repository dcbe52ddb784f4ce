"""What record_findings.py records: which sipp scenarios call each other, from where to where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SCENARIOS = Path(__file__).parent / "sipp"


@dataclass(frozen=True, slots=True)
class Recording:
    """A call between two sipp."""

    uac: str
    """The scenario of who calls, a file in SCENARIOS."""
    uas: str = "uas.xml"
    """The scenario of who is called, "" for nobody there."""
    near: tuple[str, int] = ("198.51.100.10", 5060)
    far: tuple[str, int] = ("203.0.113.20", 5060)
    number: str = "5556789"
    transport: str = "u1"
    """As sipp names it: u1 for UDP, t1 for TCP."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """What the scenarios have for [KEY]."""
    options: tuple[str, ...] = ()
    """More options of sipp, for both."""


RECORDINGS: dict[str, Recording] = {
    "clean/sipp-call": Recording("uac.xml"),
    "unreachable/yes-sipp-silent": Recording("uac.xml", "uas-silent.xml"),
}
"""By name, `FINDING/yes-sipp-WHAT`."""
