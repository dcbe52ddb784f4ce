"""Calls that are refused for who calls or forwards, for other reasons, and those that aren't refused."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, sdp
from finding_cases.wire import End, Wire

_OFFICE, _PROVIDER, _CARRIER = (
    ("198.51.100.10", 5060),
    ("203.0.113.20", 5060),
    ("192.0.2.50", 5060),
)
_CHALLENGE = 'Digest realm="case.example", nonce="84a4cc6f3082121f32b42a2187831a9e", algorithm=MD5'
_CREDENTIALS = (
    'Digest username="{}", realm="case.example", nonce="84a4cc6f3082121f32b42a2187831a9e", '
    'uri="sip:203.0.113.20", response="0c2a47b1f8d64a2e9d1f35b7c1d2e3f4", algorithm=MD5'
)


@case("rejected-caller-id/yes-extension")
def _(wire: Wire) -> None:
    Dialog(wire, caller="1502").refused(403)


@case("rejected-caller-id/yes-asserts-the-same")
def _(wire: Wire) -> None:
    Dialog(wire, caller="1502").refused(
        403, edit={"P-Asserted-Identity": "<sip:1502@198.51.100.10>"}
    )


@case("rejected-caller-id/yes-no-number")
def _(wire: Wire) -> None:
    Dialog(wire, caller="asterisk").refused(403)


@case("rejected-caller-id/yes-anonymous")
def _(wire: Wire) -> None:
    anonymous = {"From": '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=4711'}
    Dialog(wire).refused(433, edit=anonymous)


@case("rejected-caller-id/yes-with-the-trunk-s-account")
def _(wire: Wire) -> None:
    call = Dialog(wire, caller="1502")
    call.refused(407, reply_edit={"Proxy-Authenticate": _CHALLENGE})
    call.refused(403, edit={"Proxy-Authorization": _CREDENTIALS.format("trunk17")})


@case("rejected-caller-id/no-full-number")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403)


@case("rejected-caller-id/no-asserts-a-full-number")
def _(wire: Wire) -> None:
    Dialog(wire, caller="1502").refused(403, edit={"P-Asserted-Identity": "<tel:+3545551234>"})


@case("rejected-caller-id/no-inside-the-office")
def _(wire: Wire) -> None:
    Dialog(wire, caller="1502", callee="1503").refused(403)


@case("rejected-caller-id/no-own-account")
def _(wire: Wire) -> None:
    call = Dialog(wire, caller="1502")
    call.refused(407, reply_edit={"Proxy-Authenticate": _CHALLENGE})
    call.refused(403, edit={"Proxy-Authorization": _CREDENTIALS.format("1502")})


@case("rejected-caller-id/no-busy")
def _(wire: Wire) -> None:
    Dialog(wire, caller="1502").refused(486)


@case("rejected-caller-id/no-accepted")
def _(wire: Wire) -> None:
    call = Dialog(wire, caller="1502")
    call.answered()
    call.hang_up()


@case("rejected-caller-id/no-accepted-when-it-asserts-one")
def _(wire: Wire) -> None:
    call = Dialog(wire, caller="1502")
    call.refused(403)
    call.answered(edit={"P-Asserted-Identity": "<sip:5551234@198.51.100.10>"})
    call.hang_up()


@case("diversion-wrong/yes-extension")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403, edit={"Diversion": "<sip:1502@198.51.100.10>;reason=unconditional"})


@case("diversion-wrong/yes-another-s-address")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403, edit={"Diversion": "<sip:5550000@192.0.2.99>;reason=no-answer"})


@case("diversion-wrong/yes-tel")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403, edit={"Diversion": '"Reception, 2nd floor" <tel:1502>'})


@case("diversion-wrong/no-right")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403, edit={"Diversion": "<sip:5550000@198.51.100.10>"})


@case("diversion-wrong/no-domain")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403, edit={"Diversion": "<sip:+3545550000@office.example>"})


@case("diversion-wrong/no-older-one-only")
def _(wire: Wire) -> None:
    """The call was forwarded inside the office first, then out of it."""
    both = "<sip:5550000@198.51.100.10>;reason=no-answer, <sip:1502@192.0.2.99>;reason=user-busy"
    Dialog(wire).refused(403, edit={"Diversion": both})


@case("diversion-wrong/no-accepted")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit={"Diversion": "<sip:1502@192.0.2.99>"})
    call.hang_up()


def _forwarded(
    wire: Wire,
    *,
    caller: str = "7712552",
    called: str = "5550000",
    diversion: str = "",
    box: End = _OFFICE,
) -> None:
    """The office gets a call, and sends one of 7712552 to 5556789."""
    first = Dialog(wire, _CARRIER, box, caller=caller, callee=called, call_id="in")
    incoming = first.request("INVITE", body=sdp(_CARRIER[0]))
    first.reply(incoming, 100)
    second = Dialog(wire, _OFFICE, _PROVIDER, caller="7712552", call_id="out")
    second.refused(403, edit={"Diversion": diversion} if diversion else None)
    first.reply(incoming, 480)
    first.ack(incoming, failed=True)


@case("diversion-missing/yes-leg-before")
def _(wire: Wire) -> None:
    _forwarded(wire)


@case("diversion-missing/yes-redirected")
def _(wire: Wire) -> None:
    call = Dialog(wire, callee="5550000")
    call.refused(302, reply_edit={"Contact": "<sip:5556789@203.0.113.20>"})
    invite = call.request("INVITE", uri="sip:5556789@203.0.113.20", body=sdp(_OFFICE[0]))
    call.reply(invite, 403)
    call.ack(invite, failed=True)


@case("diversion-missing/yes-retargeted")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403, edit={"To": "<sip:5550000@203.0.113.20>"})


@case("diversion-missing/no-there")
def _(wire: Wire) -> None:
    _forwarded(wire, diversion="<sip:5550000@198.51.100.10>")


@case("diversion-missing/no-history")
def _(wire: Wire) -> None:
    told = "<sip:5550000@203.0.113.20>;index=1, <sip:5556789@203.0.113.20>;index=1.1;mp=1"
    Dialog(wire).refused(403, edit={"To": "<sip:5550000@203.0.113.20>", "History-Info": told})


@case("diversion-missing/no-another-caller")
def _(wire: Wire) -> None:
    _forwarded(wire, caller="7712553")


@case("diversion-missing/no-another-box")
def _(wire: Wire) -> None:
    """Somebody else is called by the same number."""
    _forwarded(wire, box=("198.51.100.99", 5060))


@case("diversion-missing/no-same-call-passed-on")
def _(wire: Wire) -> None:
    """Both legs are for one number: the office's box stands in between only."""
    _forwarded(wire, called="5556789")


@case("diversion-missing/no-code-for-routing")
def _(wire: Wire) -> None:
    Dialog(wire, callee="9915556789").refused(403, edit={"To": "<sip:5556789@203.0.113.20>"})


@case("forbidden/yes-call")
def _(wire: Wire) -> None:
    Dialog(wire).refused(403)


@case("forbidden/yes-registration")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    phone.asked("REGISTER", 401, reply_edit={"WWW-Authenticate": _CHALLENGE})
    phone.asked("REGISTER", 403, edit={"Authorization": _CREDENTIALS.format("5551234")})


@case("forbidden/yes-international")
def _(wire: Wire) -> None:
    Dialog(wire, callee="0088213000001").refused(403)


@case("forbidden/no-caller-s-number")
def _(wire: Wire) -> None:
    Dialog(wire, caller="1502").refused(403)


@case("forbidden/no-accepted-then")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(403)
    call.answered()
    call.hang_up()


@case("forbidden/no-not-found")
def _(wire: Wire) -> None:
    Dialog(wire).refused(404)


@case("forbidden/no-message")
def _(wire: Wire) -> None:
    """Only calls and registrations are meant."""
    Dialog(wire).asked("MESSAGE", 403)


@case("server-failure/yes-unavailable")
def _(wire: Wire) -> None:
    Dialog(wire).refused(503, reply_edit={"Retry-After": "120"})


@case("server-failure/yes-registration")
def _(wire: Wire) -> None:
    Dialog(wire, callee="5551234").asked("REGISTER", 500)


@case("server-failure/yes-twice")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(503)
    call.refused(504)


@case("server-failure/no-other-server-answers")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(503)
    call.answered()
    call.hang_up()


@case("server-failure/no-other-server-rings")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(500)
    invite = call.request("INVITE", body=sdp(_OFFICE[0]))
    call.reply(invite, 180)
    wire.wait(20)
    call.reply(invite, 486)
    call.ack(invite, failed=True)


@case("server-failure/no-busy-everywhere")
def _(wire: Wire) -> None:
    Dialog(wire).refused(600)
