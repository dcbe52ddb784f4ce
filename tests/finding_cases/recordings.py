"""What record_findings.py records: which sipp scenarios call each other, from where to where."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from finding_cases.stir import identity

SCENARIOS = Path(__file__).parent / "sipp"
_DEFAULTS = {
    "STATUS": "486",
    "REASON": "Busy Here",
    "CODECS": "8 0",
    "PORT": "40000",
    "ANSWER_CODECS": "8 0",
    "ANSWER_PORT": "50000",
    "LENGTH": "[len]",
}


@dataclass(frozen=True, slots=True)
class Recording:
    """A call between two sipp."""

    uac: str = "uac.xml"
    """The scenario of who calls, a file in SCENARIOS."""
    uas: str = "uas.xml"
    """The scenario of who is called, "" for nobody there."""
    near: tuple[str, int] = ("198.51.100.10", 5060)
    far: tuple[str, int] = ("203.0.113.20", 5060)
    addresses: tuple[str, ...] = ()
    """More addresses that are there."""
    number: str = "5556789"
    transport: str = "u1"
    """As sipp names it: u1 for UDP, t1 for TCP."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """What the scenarios have for [KEY]."""
    values: Mapping[str, str | Callable[[], str]] = field(default_factory=dict)
    """What the scenarios have for @NAME@: STATUS, HEADER, MEDIA … (see there); "" if not said."""
    skew: float = 0
    """Seconds by which the clock of a second capture point is ahead."""

    def value(self, name: str) -> str:
        """Return what stands for @NAME@."""
        sent_by = f"{self.near[0]}:{self.near[1]}"
        own = {"MEDIA": self.near[0], "ANSWER_MEDIA": self.far[0], "SENT_BY": sent_by}
        usual = _DEFAULTS | own
        value = self.values.get(name, usual.get(name, ""))
        return value if isinstance(value, str) else value()


def _rejected(status: str, **values: str | Callable[[], str]) -> Recording:
    """Return a call that is refused, `488 Not Acceptable Here`."""
    code, _, reason = status.partition(" ")
    return Recording(
        "uac-refused.xml", "uas-refused.xml", values={"STATUS": code, "REASON": reason, **values}
    )


def _signed(attestation: str, age: int = 0) -> Callable[[], str]:
    return lambda: (
        "Identity: " + identity(round(time.time()) - age, attestation, "5551234", "5556789")
    )


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
    "wrong-password/yes-sipp-refused-again": Recording(
        "uac-register.xml", "uas-challenges-twice.xml"
    ),
    "alg-mangled/yes-sipp-length": Recording(values={"LENGTH": "120"}),
    "clean/sipp-call": Recording(),
    "clean/sipp-call-tcp": Recording(transport="t1"),
    "clean/sipp-busy": _rejected("486 Busy Here"),
    "clean/sipp-register": Recording("uac-registers.xml", "uas-register.xml"),
    "clock-skew/yes-sipp-minute": Recording(skew=61.5),
    "codec-mismatch/yes-sipp-488": _rejected(
        "488 Not Acceptable Here",
        CODECS="3",
        REPLY_HEADER='Warning: 305 pbx "Incompatible media format"',
    ),
    "codec-mismatch/yes-sipp-answer": Recording(
        "uac-longer.xml", values={"CODECS": "0", "ANSWER_CODECS": "18"}
    ),
    "one-way-media/yes-sipp-inactive": Recording(
        "uac-longer.xml", values={"ANSWER_ATTRIBUTES": "a=inactive"}
    ),
    "t38-failed/yes-sipp-488": Recording("uac-fax.xml", "uas-fax.xml"),
    "forked/yes-sipp-two": Recording("uac-forked.xml", "uas-forked.xml"),
    "private-address/yes-sipp-media": Recording(values={"MEDIA": "192.168.1.20"}),
    "registration-expiry/yes-sipp-an-hour": Recording(
        "uac-registers.xml",
        "uas-register.xml",
        values={"SENT_BY": "192.168.1.20:5060", "SEEN": ";received=198.51.100.10"},
    ),
    "stir-attestation/yes-sipp-b": Recording(values={"HEADER": _signed("B")}),
    "stir-mismatch/yes-sipp-stale": Recording(values={"HEADER": _signed("A", 3600)}),
    "stir-missing/yes-sipp-428": _rejected("428 Use Identity Header"),
    "transport-switch/yes-sipp-513": _rejected(
        "513 Message Too Large", HEADER="X-Policy: " + "x" * 1200
    ),
    "unreachable/yes-sipp-silent": Recording(uas="uas-silent.xml"),
    "wrong-address/yes-sipp-bye-astray": Recording("uac-astray.xml", addresses=("203.0.113.21",)),
}  # fmt: skip
"""By name, `FINDING/yes-sipp-WHAT`."""
