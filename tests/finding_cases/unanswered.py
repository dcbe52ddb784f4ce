"""Requests that nothing comes back to, and requests that something does come back to."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, Request, sdp
from finding_cases.wire import Wire

_TIMER_A = (0.5, 1, 2, 4, 8, 16)
"""Seconds between the sendings of an INVITE (RFC 3261 17.1.1.2)."""


def _sent_again(call: Dialog, times: int) -> Request:
    invite = call.request("INVITE", body=sdp(call.near.at[0]))
    for pause in _TIMER_A[:times]:
        call.wire.wait(pause - call.pause)
        call.again(invite)
    return invite


@case("unreachable/yes-all-of-timer-a")
def _(wire: Wire) -> None:
    _sent_again(Dialog(wire), 6)


@case("unreachable/yes-given-up-early")
def _(wire: Wire) -> None:
    _sent_again(Dialog(wire), 3)


@case("unreachable/no-answered-late")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = _sent_again(call, 3)
    call.reply(invite, 100)
    call.reply(invite, 486)
    call.ack(invite, failed=True)


@case("unreachable/no-copies-at-taps")
def _(wire: Wire) -> None:
    """One sending that three taps have seen."""
    call = Dialog(wire, pause=0)
    invite = call.request("INVITE", body=sdp(call.near.at[0]))
    for _ in range(2):
        wire.wait(0.000_004)
        call.again(invite)


@case("unreachable/no-capture-ends-early")
def _(wire: Wire) -> None:
    Dialog(wire).request("INVITE", body=sdp("198.51.100.10"))
