"""Network address translators between two ends, and calls that only look like that."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, sdp
from finding_cases.wire import Wire

_OUTSIDE, _INSIDE = ("198.51.100.77", 1042), ("192.168.1.20", 5060)
_SERVER = ("203.0.113.20", 5060)
_TOLD = "<sip:5551234@192.168.1.20:5060>"
_ICE = (
    "a=ice-ufrag:F7gI\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8g\r\n"
    "a=candidate:1 1 UDP 2130706431 192.168.1.20 40000 typ host\r\n"
    "a=candidate:2 1 UDP 1694498815 198.51.100.77 40000 typ srflx raddr 192.168.1.20 rport 40000\r\n"
)


def _behind(wire: Wire, **more: str) -> Dialog:
    """Return a call of a phone behind a NAT."""
    return Dialog(wire, _OUTSIDE, _SERVER, inside=_INSIDE, **more)


# private-address


@case("private-address/yes-sdp")
def _(wire: Wire) -> None:
    call = _behind(wire)
    call.answered(sdp(_INSIDE[0]))
    call.hang_up()


@case("private-address/yes-contact-of-callee")
def _(wire: Wire) -> None:
    """Who calls can't reach who answered: no ACK gets there."""
    call = Dialog(wire, far_inside=("10.1.2.3", 5060))
    invite = call.request("INVITE", body=sdp("198.51.100.10"))
    call.reply(invite, 100)
    call.reply(invite, 180)
    for _ in range(3):
        call.reply(invite, 200, body=sdp("203.0.113.20", 50000))
        wire.wait(1)


@case("private-address/yes-register-not-told")
def _(wire: Wire) -> None:
    """The registrar takes no notice of where the request comes from."""
    phone = _behind(wire, callee="5551234")
    via = f"SIP/2.0/UDP {_INSIDE[0]}:{_INSIDE[1]};branch=z9hG4bKxyz"
    phone.asked(
        "REGISTER", edit={"Via": via, "Expires": "60"}, reply_edit={"Via": via, "Contact": _TOLD}
    )


@case("private-address/yes-carrier-grade")
def _(wire: Wire) -> None:
    """RFC 6598."""
    call = Dialog(wire, _OUTSIDE, _SERVER)
    call.answered(sdp("100.64.7.9"))
    call.hang_up()


@case("private-address/no-both-private")
def _(wire: Wire) -> None:
    call = Dialog(wire, ("10.0.0.5", 5060), ("192.168.1.2", 5060))
    call.answered()
    call.hang_up()


@case("private-address/no-ice")
def _(wire: Wire) -> None:
    call = _behind(wire)
    call.answered(sdp(_INSIDE[0], more=_ICE))
    call.hang_up()


@case("private-address/no-seen-through")
def _(wire: Wire) -> None:
    """Contact is private, but the server says where the request came from, and sends there."""
    call = _behind(wire)
    call.answered(sdp(_OUTSIDE[0]))
    call.hang_up()


@case("private-address/no-both-inside")
def _(wire: Wire) -> None:
    """Two phones of one office at a server outside, which lets their media flow inside."""
    call = _behind(wire)
    call.answered(sdp(_INSIDE[0]), sdp("192.168.1.21", 50000))
    call.hang_up()


@case("private-address/no-proxy-before-it")
def _(wire: Wire) -> None:
    """A proxy with a public address stands before the phone that has a private one."""
    call = Dialog(wire, ("198.51.100.10", 5060))
    call.answered(
        edit={
            "Record-Route": "<sip:198.51.100.10;lr>",
            "Via": [
                "SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKproxy",
                "SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bKphone",
            ],
            "Contact": _TOLD,
        }
    )
    call.hang_up()


@case("private-address/no-proxy-that-leaves")
def _(wire: Wire) -> None:
    """A proxy passes a call on and takes no part in it any more: its Via shows that it was there."""
    call = Dialog(wire)
    call.refused(
        486,
        edit={
            "Via": [
                "SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKproxy",
                "SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bKphone",
            ],
            "Contact": _TOLD,
        },
    )


# registration-expiry


def _registered(
    wire: Wire, seconds: int, *, renewed: int = 0, times: int = 1, via: str = "", told: bool = True
) -> None:
    phone = _behind(wire, callee="5551234")
    edit = {"Expires": str(seconds)}
    if via:
        edit["Via"] = via
    bound = {"Contact": f"{_TOLD};expires={seconds}"} if told else {"Expires": str(seconds)}
    for _ in range(times):
        phone.asked("REGISTER", edit=edit, reply_edit=bound)
        wire.wait(renewed)


@case("registration-expiry/yes-an-hour")
def _(wire: Wire) -> None:
    _registered(wire, 3600)


@case("registration-expiry/yes-renewed-too-late")
def _(wire: Wire) -> None:
    _registered(wire, 1800, renewed=900, times=3, told=False)


@case("registration-expiry/yes-too-brief-again-and-again")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    for _ in range(4):
        phone.asked("REGISTER", 423, edit={"Expires": "60"}, reply_edit={"Min-Expires": "300"})
        wire.wait(5)


@case("registration-expiry/no-renewed-in-time")
def _(wire: Wire) -> None:
    _registered(wire, 3600, renewed=60, times=4)


@case("registration-expiry/no-a-minute")
def _(wire: Wire) -> None:
    _registered(wire, 60)


@case("registration-expiry/no-nat")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    phone.asked("REGISTER", edit={"Expires": "3600"}, reply_edit={"Expires": "3600"})


@case("registration-expiry/no-kept-alive")
def _(wire: Wire) -> None:
    """RFC 6223: the registrar says how often it wants to be pinged."""
    phone = _behind(wire, callee="5551234")
    register = phone.request("REGISTER", edit={"Expires": "3600"})
    via = str(register.headers["Via"]).replace(
        ";rport", ";rport=1042;received=198.51.100.77;keep=30"
    )
    phone.reply(register, 200, edit={"Via": via, "Contact": f"{_TOLD};expires=3600"})


@case("registration-expiry/no-too-brief-once-a-day")
def _(wire: Wire) -> None:
    """Told that it asks for too little, the phone asks for more, until it is switched off."""
    phone = Dialog(wire, callee="5551234")
    for _ in range(2):
        phone.asked("REGISTER", 423, edit={"Expires": "60"}, reply_edit={"Min-Expires": "300"})
        phone.asked("REGISTER", edit={"Expires": "300"}, reply_edit={"Expires": "300"})
        wire.wait(86_400)


@case("registration-expiry/no-stream")
def _(wire: Wire) -> None:
    """A NAT remembers a TCP connection for two hours (RFC 5382)."""
    phone = _behind(wire, callee="5551234", transport="TCP")
    phone.asked(
        "REGISTER", edit={"Expires": "3600"}, reply_edit={"Contact": f"{_TOLD};expires=3600"}
    )


# wrong-address


@case("wrong-address/yes-response-from-elsewhere")
def _(wire: Wire) -> None:
    """The server has two addresses and answers with the other one."""
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp("198.51.100.10"))
    call.far.at = ("203.0.113.21", 5060)
    call.reply(invite, 100)
    call.reply(invite, 486)
    call.far.at = ("203.0.113.20", 5060)
    call.ack(invite, failed=True)


@case("wrong-address/yes-response-from-other-port")
def _(wire: Wire) -> None:
    """With rport a response has to come from where the request went (RFC 3581)."""
    ping = Dialog(wire)
    options = ping.request("OPTIONS")
    ping.far.at = ("203.0.113.20", 32801)
    ping.reply(options, 200)


@case("wrong-address/yes-bye-to-wrong-port")
def _(wire: Wire) -> None:
    call = Dialog(wire, far=("203.0.113.20", 5080))
    call.answered()
    wire.wait(20)
    call.far.at = ("203.0.113.20", 5060)
    bye = call.request("BYE", uri="sip:5556789@203.0.113.20:5080")
    wire.wait(0.5)
    call.again(bye)


@case("wrong-address/no-outbound-proxy")
def _(wire: Wire) -> None:
    """All goes through the proxy, which no header of a first request names."""
    call = Dialog(wire, far_inside=("192.0.2.99", 5060))
    call.answered(sdp("198.51.100.10"), sdp("192.0.2.99"))
    call.hang_up()


@case("wrong-address/no-symmetric-through-nat")
def _(wire: Wire) -> None:
    """The server's BYE goes to where the phone sends from, not to its private Contact."""
    call = _behind(wire)
    call.answered(sdp(_OUTSIDE[0]))
    call.hang_up(by_far=True)


@case("wrong-address/no-route-says-so")
def _(wire: Wire) -> None:
    """The callee is reached through another proxy from the answer on."""
    call = Dialog(wire)
    call.answered(reply_edit={"Record-Route": "<sip:203.0.113.50:5060;lr>"})
    call.far.at = ("203.0.113.50", 5060)
    wire.wait(10)
    call.asked("BYE", edit={"Route": "<sip:203.0.113.50:5060;lr>"})


@case("wrong-address/no-own-port-without-rport")
def _(wire: Wire) -> None:
    """Without rport a response may come from any port of the address."""
    ping = Dialog(wire)
    options = ping.request(
        "OPTIONS", edit={"Via": "SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKold"}
    )
    ping.far.at = ("203.0.113.20", 32801)
    ping.reply(options, 200)


# alg-mangled


def _at_two_taps(wire: Wire, *, rewritten: bool) -> None:
    """A call before and behind a router that has translated addresses, in messages too if told so."""
    begun = wire.now
    for tap, end in (("lan", _INSIDE), ("wan", _OUTSIDE)):
        wire.now = begun + 400 * (tap == "wan")
        inside = end if rewritten else _INSIDE
        media = inside[0] if rewritten else "198.51.100.77"
        call = Dialog(wire, end, _SERVER, inside=inside, tap=tap)
        call.domain = "case.example"
        call.answered(sdp(media))
        call.hang_up()


@case("alg-mangled/yes-between-two-taps")
def _(wire: Wire) -> None:
    _at_two_taps(wire, rewritten=True)


@case("alg-mangled/yes-content-length")
def _(wire: Wire) -> None:
    """The address in the body became a longer one, the length was left as it was."""
    body = sdp("198.51.100.77")
    short = len(sdp("192.168.1.20"))
    call = Dialog(wire, _OUTSIDE)
    call.answered(body, edit={"Content-Length": str(short)})
    call.hang_up()


@case("alg-mangled/yes-via-comes-back-changed")
def _(wire: Wire) -> None:
    ping = Dialog(wire, ("192.168.1.20", 5060))
    options = ping.request("OPTIONS")
    changed = str(options.headers["Via"]).replace("192.168.1.20", "198.51.100.77")
    ping.reply(options, 200, edit={"Via": changed})


@case("alg-mangled/yes-via-without-contact")
def _(wire: Wire) -> None:
    """Also a private Contact: the router has made only Via public."""
    phone = Dialog(wire, _OUTSIDE, callee="5551234")
    phone.asked("REGISTER", edit={"Contact": _TOLD}, reply_edit={"Contact": f"{_TOLD};expires=60"})


@case("alg-mangled/no-nat-without-alg")
def _(wire: Wire) -> None:
    _at_two_taps(wire, rewritten=False)


@case("alg-mangled/no-line-end-behind-body")
def _(wire: Wire) -> None:
    """Some end a body with one line end more than they count."""
    body = sdp("198.51.100.10")
    call = Dialog(wire)
    call.answered(body + b"\r\n", edit={"Content-Length": str(len(body))})
    call.hang_up()


@case("alg-mangled/no-received-and-rport")
def _(wire: Wire) -> None:
    """They are added to Via, sent-by is left as it was."""
    ping = _behind(wire)
    for _ in range(3):
        ping.asked("OPTIONS")
        wire.wait(30)


@case("alg-mangled/no-tried-again-elsewhere")
def _(wire: Wire) -> None:
    """The second try has a branch of its own, so it may say something else."""
    call = Dialog(wire)
    call.refused(488, offer=sdp("198.51.100.10", codecs=("opus",)))
    call.answered(sdp("198.51.100.10", 40010))
    call.hang_up()
