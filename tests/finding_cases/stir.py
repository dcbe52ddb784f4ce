"""Signed caller numbers. The signatures are none: nothing verifies them."""

from __future__ import annotations

import base64
import json

from finding_cases.case import case
from finding_cases.talk import Dialog
from finding_cases.wire import Wire

_CALLER, _CALLEE = "12155551212", "12355551313"


def identity(issued: int, attest: str, orig: str, dest: str, kind: str = "shaken") -> str:
    """Return an Identity header's value of a time in seconds since the epoch."""
    url = "https://certificates.case.example/1.pem"
    parts = (
        {"alg": "ES256", "ppt": kind, "typ": "passport", "x5u": url},
        {
            "attest": attest,
            "dest": {"tn": [dest]},
            "iat": issued,
            "orig": {"tn": orig},
            "origid": "123e4567-e89b-12d3-a456-426655440000",
        },
    )
    coded = [
        base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode())
        .decode()
        .rstrip("=")
        for part in parts
    ]
    return f'{coded[0]}.{coded[1]}.c2lnbmF0dXJl;info=<{url}>;alg=ES256;ppt="{kind}"'


def _identity(
    wire: Wire,
    attest: str = "A",
    *,
    orig: str = _CALLER,
    dest: str = _CALLEE,
    age: int = 2,
    kind: str = "shaken",
) -> str:
    """Return an Identity header's value as of some seconds ago."""
    return identity(wire.now // 1_000_000 - age, attest, orig, dest, kind)


def _call(wire: Wire, identity: str, caller: str = f"+{_CALLER}", **edit: str) -> None:
    call = Dialog(wire, caller=caller, callee=f"+{_CALLEE}")
    call.answered(edit={"Identity": identity, **edit})
    call.hang_up()


# stir-missing


@case("stir-missing/yes-refused")
def _(wire: Wire) -> None:
    Dialog(wire).refused(428)


@case("stir-missing/yes-said-beside-403")
def _(wire: Wire) -> None:
    reason = 'STIR;cause=428;text="Use Identity Header"'
    Dialog(wire).refused(403, reply_edit={"Reason": reason})


@case("stir-missing/yes-answered-all-the-same")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(reply_edit={"Reason": 'STIR ;cause=428 ;text="Use Identity Header"'})
    call.hang_up()


@case("stir-missing/no-given-when-asked")
def _(wire: Wire) -> None:
    call = Dialog(wire, caller=f"+{_CALLER}", callee=f"+{_CALLEE}")
    call.refused(428)
    call.answered(edit={"Identity": _identity(wire)})
    call.hang_up()


@case("stir-missing/no-nobody-asks")
def _(wire: Wire) -> None:
    """Most calls have no Identity header, and need none."""
    call = Dialog(wire, caller=f"+{_CALLER}", callee=f"+{_CALLEE}")
    call.answered()
    call.hang_up()


@case("stir-missing/no-refused-otherwise")
def _(wire: Wire) -> None:
    Dialog(wire).refused(486, reply_edit={"Reason": 'Q.850;cause=17;text="User busy"'})


@case("stir-missing/no-there-but-bad")
def _(wire: Wire) -> None:
    """An Identity header is there, and refused for another reason."""
    call = Dialog(wire, caller=f"+{_CALLER}", callee=f"+{_CALLEE}")
    call.refused(438, edit={"Identity": _identity(wire)})


# stir-attestation


@case("stir-attestation/yes-b")
def _(wire: Wire) -> None:
    _call(wire, _identity(wire, "B"))


@case("stir-attestation/yes-c")
def _(wire: Wire) -> None:
    _call(wire, _identity(wire, "C"))


@case("stir-attestation/yes-b-of-several")
def _(wire: Wire) -> None:
    call = Dialog(wire, caller=f"+{_CALLER}", callee=f"+{_CALLEE}")
    both = [_identity(wire, "", kind="div"), _identity(wire, "B")]
    call.answered(edit={"Identity": both})
    call.hang_up()


@case("stir-attestation/no-a")
def _(wire: Wire) -> None:
    _call(wire, _identity(wire))


@case("stir-attestation/no-not-readable")
def _(wire: Wire) -> None:
    """The compact form has neither header nor payload (RFC 8224 section 7)."""
    _call(wire, "..c2lnbmF0dXJl;info=<https://certificates.case.example/1.pem>;alg=ES256")


@case("stir-attestation/no-priority-only")
def _(wire: Wire) -> None:
    """A token about something else (RFC 8443) attests nothing."""
    _call(wire, _identity(wire, "C", kind="rph"))


# stir-mismatch


@case("stir-mismatch/yes-other-caller")
def _(wire: Wire) -> None:
    _call(wire, _identity(wire, orig="12025550100"))


@case("stir-mismatch/yes-other-callee")
def _(wire: Wire) -> None:
    _call(wire, _identity(wire, dest="12025550100"))


@case("stir-mismatch/yes-stale")
def _(wire: Wire) -> None:
    """Somebody uses an Identity header that was another call's."""
    _call(wire, _identity(wire, age=600))


@case("stir-mismatch/no-national")
def _(wire: Wire) -> None:
    """From lacks the country code."""
    _call(wire, _identity(wire), caller=_CALLER[1:])


@case("stir-mismatch/no-asserted")
def _(wire: Wire) -> None:
    """From is anonymous, P-Asserted-Identity says who calls."""
    identity = _identity(wire)
    asserted = {"P-Asserted-Identity": f"<sip:+{_CALLER}@case.example>", "Privacy": "id"}
    _call(wire, identity, caller="anonymous", **asserted)


@case("stir-mismatch/no-asserted-beside-another")
def _(wire: Wire) -> None:
    """From has the number of an office, P-Asserted-Identity the one that is signed."""
    asserted = {"P-Asserted-Identity": f"<sip:+{_CALLER}@case.example>"}
    _call(wire, _identity(wire), caller="+12025550100", **asserted)


@case("stir-mismatch/no-forwarded")
def _(wire: Wire) -> None:
    """The call was for another number before it was forwarded."""
    identity = _identity(wire, dest="12025550100")
    _call(wire, identity, Diversion="<sip:+12025550100@case.example>;reason=unconditional")


@case("stir-mismatch/no-just-in-time")
def _(wire: Wire) -> None:
    _call(wire, _identity(wire, age=58))
