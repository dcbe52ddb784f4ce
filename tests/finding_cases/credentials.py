"""Challenges that are answered rightly, wrongly, late or not at all."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, Edit, sdp
from finding_cases.wire import Wire

_REALM = "case.example"


def _asks(nonce: str, realm: str = _REALM, *, stale: str = "") -> Edit:
    more = f", stale={stale}" if stale else ""
    return {"WWW-Authenticate": f'Digest realm="{realm}", nonce="{nonce}", algorithm=MD5{more}'}


def _gives(nonce: str, realm: str = _REALM) -> Edit:
    return {
        "Authorization": f'Digest username="5551234", realm="{realm}", nonce="{nonce}",'
        ' uri="sip:203.0.113.20", response="0c2a47b1f8d64a2e9d1f35b7c1d2e3f4", algorithm=MD5'
    }


def _phone(wire: Wire) -> Dialog:
    return Dialog(wire, callee="5551234")


@case("wrong-password/yes-refused-again")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    phone.asked("REGISTER", 401, reply_edit=_asks("n1"))
    phone.asked("REGISTER", 401, edit=_gives("n1"), reply_edit=_asks("n2", stale="false"))


@case("wrong-password/yes-bad-auth")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    phone.asked("REGISTER", 401, reply_edit=_asks("n1"))
    register = phone.request("REGISTER", edit=_gives("n1"))
    phone.reply(register, 403, reason="Forbidden (Bad auth)")


@case("wrong-password/yes-each-minute")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    for turn in range(0, 6, 2):
        phone.asked("REGISTER", 401, reply_edit=_asks(f"n{turn}"))
        phone.asked(
            "REGISTER",
            401,
            edit=_gives(f"n{turn}"),
            reply_edit=_asks(f"n{turn + 1}", stale="FALSE"),
        )
        wire.wait(60)


@case("wrong-password/yes-call")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(401, reply_edit=_asks("n1"))
    call.refused(401, edit=_gives("n1"), reply_edit=_asks("n1"))


@case("wrong-password/no-stale")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    phone.asked("REGISTER", 401, reply_edit=_asks("n1"))
    phone.asked("REGISTER", 401, edit=_gives("n1"), reply_edit=_asks("n2", stale="true"))
    phone.asked("REGISTER", edit=_gives("n2"))


@case("wrong-password/no-challenged-once")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    phone.asked("REGISTER", 401, reply_edit=_asks("n1"))
    phone.asked("REGISTER", edit=_gives("n1"))


@case("wrong-password/no-nonce-of-yesterday")
def _(wire: Wire) -> None:
    """The server doesn't say that it is stale."""
    phone = _phone(wire)
    phone.asked("REGISTER", 401, edit=_gives("n0"), reply_edit=_asks("n1"))
    phone.asked("REGISTER", edit=_gives("n1"))


@case("wrong-password/no-second-realm")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(401, reply_edit=_asks("n1", "proxy.example"))
    call.refused(401, edit=_gives("n1", "proxy.example"), reply_edit=_asks("n2", "far.example"))
    both = [
        str(_gives(nonce, realm)["Authorization"])
        for nonce, realm in (("n1", "proxy.example"), ("n2", "far.example"))
    ]
    call.answered(edit={"Authorization": both})
    call.hang_up()


@case("wrong-password/no-credentials-for-second-realm")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(401, reply_edit=_asks("n1", "proxy.example"))
    call.refused(401, edit=_gives("n1", "proxy.example"), reply_edit=_asks("n1", "far.example"))


@case("wrong-password/no-answered-after-a-minute")
def _(wire: Wire) -> None:
    """The user was asked, and the nonce has expired meanwhile."""
    call = Dialog(wire)
    call.refused(401, reply_edit=_asks("n1"))
    wire.wait(60)
    call.refused(401, edit=_gives("n1"), reply_edit=_asks("n2"))


@case("wrong-password/no-right-at-last")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    phone.asked("REGISTER", 401, reply_edit=_asks("n1"))
    phone.asked("REGISTER", 401, edit=_gives("n1"), reply_edit=_asks("n2"))
    phone.asked("REGISTER", edit=_gives("n2"))


@case("auth-loop/yes-always-stale")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    phone.asked("REGISTER", 401, reply_edit=_asks("n0"))
    for turn in range(4):
        phone.asked(
            "REGISTER", 401, edit=_gives(f"n{turn}"), reply_edit=_asks(f"n{turn + 1}", stale="true")
        )


@case("auth-loop/yes-no-credentials")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    for turn in range(4):
        phone.asked("REGISTER", 401, reply_edit=_asks(f"n{turn}"))
        wire.wait(30)


@case("auth-loop/yes-one-behind")
def _(wire: Wire) -> None:
    """Two servers take turns, each with nonces of its own."""
    phone = _phone(wire)
    for turn in range(1, 6):
        phone.asked("REGISTER", 401, edit=_gives(f"n{turn - 1}"), reply_edit=_asks(f"n{turn + 1}"))


@case("auth-loop/yes-call")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    for turn in range(3):
        call.refused(401, offer=sdp("198.51.100.10"), reply_edit=_asks(f"n{turn}"))


@case("auth-loop/no-each-renewal-challenged")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    for turn in range(4):
        phone.asked("REGISTER", 401, reply_edit=_asks(f"n{turn}"))
        phone.asked("REGISTER", edit=_gives(f"n{turn}"))
        wire.wait(60)


@case("auth-loop/no-stale-once")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    for turn in range(2):
        phone.asked("REGISTER", 401, edit=_gives(f"n{turn}"), reply_edit=_asks("n9", stale="true"))
        phone.asked("REGISTER", edit=_gives("n9"))
        wire.wait(60)


@case("auth-loop/no-second-try")
def _(wire: Wire) -> None:
    phone = _phone(wire)
    for turn in range(2):
        phone.asked("REGISTER", 401, reply_edit=_asks(f"n{turn}"))


@case("auth-loop/no-three-lines")
def _(wire: Wire) -> None:
    """A phone registers three users, all of one Call-ID; the capture ends before the credentials."""
    for user in ("5551001", "5551002", "5551003"):
        line = Dialog(wire, caller=user, callee=user)
        line.near.number = int(user)
        line.asked("REGISTER", 401, reply_edit=_asks("n1"))
