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


def _refused(
    status: int, *, caller: str = "5551234", called: str = "5556789", more: str = "Subject: case"
) -> Recording:
    keys = {"caller": caller, "called": called, "asked": "203.0.113.20", "more": more}
    return Recording("uac-caller.xml", f"uas-{status}.xml", keys=keys)


RECORDINGS: dict[str, Recording] = {
    "auth-loop/yes-sipp-no-credentials": Recording(
        "uac-register-bare.xml", "uas-challenges-thrice.xml"
    ),
    "cancelled-early/yes-sipp-after-trying": Recording("uac-cancels.xml", "uas-cancelled.xml"),
    "clean/sipp-call": Recording("uac.xml"),
    "diversion-missing/yes-sipp-retargeted": _refused(403, called="5550000"),
    "diversion-wrong/yes-sipp-both": _refused(
        403, caller="7712552", more="Diversion: <sip:1502@192.0.2.99>"
    ),
    "forbidden/yes-sipp-call": _refused(403),
    "late-bye/yes-sipp-unknown": Recording("uac-late-bye.xml", "uas-knows-no-bye.xml"),
    "loop/yes-sipp-too-many-hops": _refused(483),
    "nat-timeout/yes-sipp-contact-inside": Recording(
        "uac-caller.xml",
        "uas-silent.xml",
        keys={
            "caller": "5551234", "called": "5556789", "asked": "192.168.1.20:5060",
            "more": "Subject: case",
        },
    ),
    "no-ack/yes-sipp-never": Recording("uac-no-ack.xml", "uas-answers-only.xml"),
    "rejected-caller-id/yes-sipp-extension": _refused(403, caller="1502"),
    "retransmission-storm/yes-sipp-ten-a-second": Recording(
        "uac-storm.xml", "uas-slow-options.xml"
    ),
    "scanner/yes-sipp-pplsip": Recording("uac-scanner.xml", "uas-options.xml"),
    "server-failure/yes-sipp-unavailable": _refused(503),
    "session-timer/yes-sipp-refresh-refused": Recording(
        "uac-refreshes.xml", "uas-knows-no-refresh.xml"
    ),
    "short-call/yes-sipp-hangs-up": Recording("uac-short.xml"),
    "unanswered-options/yes-sipp-silent": Recording("uac-options.xml", "uas-silent.xml"),
    "unreachable/yes-sipp-silent": Recording("uac.xml", "uas-silent.xml"),
    "wrong-password/yes-sipp-refused-again": Recording(
        "uac-register.xml", "uas-challenges-twice.xml"
    ),
}  # fmt: skip
"""By name, `FINDING/yes-sipp-WHAT`."""
