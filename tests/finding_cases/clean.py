"""Calls and the like that are as they should be: nothing is found in them."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, Request, sdp
from finding_cases.wire import Wire

_PHONE, _PBX = ("198.51.100.10", 5060), ("203.0.113.20", 5060)
_NEAR, _FAR = ("2001:db8::10", 5060), ("2001:db8::20", 5060)
_CHALLENGE = 'Digest realm="case.example", nonce="84a4cc6f3082121f32b42a2187831a9e", algorithm=MD5'
_CREDENTIALS = (
    'Digest username="5551234", realm="case.example", nonce="84a4cc6f3082121f32b42a2187831a9e", '
    'uri="sip:203.0.113.20", response="0c2a47b1f8d64a2e9d1f35b7c1d2e3f4", algorithm=MD5'
)


@case("clean/call")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    call.hang_up()


@case("clean/call-ended-by-callee")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    call.hang_up(by_far=True)


@case("clean/call-challenged")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(407, reply_edit={"Proxy-Authenticate": _CHALLENGE})
    call.answered(edit={"Proxy-Authorization": _CREDENTIALS})
    call.hang_up()


@case("clean/call-cancelled")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_PHONE[0]))
    call.reply(invite, 100)
    call.reply(invite, 180)
    wire.wait(18)
    cancel = call.request(
        "CANCEL", uri=invite.uri, number=invite.number, edit={"Via": str(invite.headers["Via"])}
    )
    call.reply(cancel, 200)
    call.reply(invite, 487)
    call.ack(invite, failed=True)


@case("clean/call-busy")
def _(wire: Wire) -> None:
    Dialog(wire).refused(486)


@case("clean/call-not-answered")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_PHONE[0]))
    call.reply(invite, 100)
    call.reply(invite, 180)
    wire.wait(30)
    call.reply(invite, 480)
    call.ack(invite, failed=True)


@case("clean/early-media")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    answer = sdp(_PBX[0], 50000)
    invite = call.request("INVITE", body=sdp(_PHONE[0]))
    call.reply(invite, 100)
    call.reply(invite, 183, body=answer)
    wire.wait(4)
    call.reply(invite, 200, body=answer)
    call.ack(invite)
    call.hang_up()


@case("clean/prack")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_PHONE[0]), edit={"Supported": "100rel"})
    call.reply(invite, 100)
    call.reply(invite, 183, body=sdp(_PBX[0], 50000), edit={"Require": "100rel", "RSeq": "1"})
    call.asked("PRACK", edit={"RAck": f"1 {invite.number} INVITE"})
    wire.wait(2)
    call.reply(invite, 200)
    call.ack(invite)
    call.hang_up()


@case("clean/late-offer")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE")
    call.reply(invite, 100)
    call.reply(invite, 180)
    wire.wait(2)
    call.reply(invite, 200, body=sdp(_PBX[0], 50000))
    call.ack(invite, body=sdp(_PHONE[0], codecs=("PCMA",)))
    call.hang_up()


@case("clean/hold-and-resume")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(10)
    held = sdp(_PHONE[0], direction="sendonly", version=2)
    call.reinvite(held, sdp(_PBX[0], 50000, direction="recvonly", version=2))
    wire.wait(15)
    call.reinvite(sdp(_PHONE[0], version=3), sdp(_PBX[0], 50000, version=3))
    call.hang_up()


@case("clean/hold-of-old")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(10)
    call.reinvite(sdp("0.0.0.0", version=2), sdp(_PBX[0], 50000, version=2))
    wire.wait(15)
    call.reinvite(sdp(_PHONE[0], version=3), sdp(_PBX[0], 50000, version=3))
    call.hang_up()


@case("clean/hung-up-on-hold")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(10)
    held = sdp(_PHONE[0], direction="sendonly", version=2)
    call.reinvite(held, sdp(_PBX[0], 50000, direction="recvonly", version=2))
    call.hang_up(by_far=True, after=40)


@case("clean/transfer")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(5)
    held = sdp(_PHONE[0], direction="sendonly", version=2)
    call.reinvite(held, sdp(_PBX[0], 50000, direction="recvonly", version=2))
    call.asked("REFER", 202, edit={"Refer-To": f"<sip:5550000@{_PBX[0]}>"})
    for state, line in (("active", "SIP/2.0 100 Trying"), ("terminated", "SIP/2.0 200 OK")):
        call.asked(
            "NOTIFY",
            by_far=True,
            edit={
                "Event": "refer",
                "Subscription-State": state,
                "Content-Type": "message/sipfrag",
            },
            body=f"{line}\r\n".encode(),
        )
    call.hang_up(after=0.2)


@case("clean/session-timer")
def _(wire: Wire) -> None:
    timer = {"Supported": "timer", "Session-Expires": "1800;refresher=uac"}
    call = Dialog(wire)
    call.answered(edit=timer, reply_edit=timer | {"Require": "timer"})
    wire.wait(900)
    call.asked("UPDATE", edit=timer, reply_edit=timer | {"Require": "timer"})
    call.hang_up(after=300)


@case("clean/registration")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    phone.asked("REGISTER", 401, reply_edit={"WWW-Authenticate": _CHALLENGE})
    bound = {"Contact": f"<sip:5551234@{_PHONE[0]}:5060>;expires=3600"}
    for _ in range(2):
        phone.asked(
            "REGISTER", edit={"Authorization": _CREDENTIALS, "Expires": "3600"}, reply_edit=bound
        )
        wire.wait(1800)


@case("clean/registration-behind-nat")
def _(wire: Wire) -> None:
    """Renewed each minute, the registrar uses the address that the request comes from."""
    phone = Dialog(wire, ("198.51.100.77", 1042), inside=("192.168.1.20", 5060), callee="5551234")
    bound = {"Contact": "<sip:5551234@192.168.1.20:5060>;expires=60"}
    for _ in range(3):
        phone.asked(
            "REGISTER", edit={"Authorization": _CREDENTIALS, "Expires": "60"}, reply_edit=bound
        )
        wire.wait(50)


@case("clean/registration-taken-away")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    phone.asked("REGISTER", edit={"Expires": "0", "Authorization": _CREDENTIALS})


@case("clean/options")
def _(wire: Wire) -> None:
    for number in range(3):
        Dialog(wire, call_id=f"ping-{number}").asked("OPTIONS")
        wire.wait(30)


@case("clean/subscription")
def _(wire: Wire) -> None:
    lamp = Dialog(wire)
    subscribe = lamp.request("SUBSCRIBE", edit={"Event": "dialog", "Expires": "3600"})
    lamp.reply(subscribe, 202, edit={"Expires": "3600"})
    for version in range(3):
        lamp.asked(
            "NOTIFY",
            by_far=True,
            edit={
                "Event": "dialog",
                "Subscription-State": "active;expires=3000",
                "Content-Type": "application/dialog-info+xml",
            },
            body=f'<?xml version="1.0"?><dialog-info version="{version}"/>'.encode(),
        )
        wire.wait(9)


@case("clean/message")
def _(wire: Wire) -> None:
    Dialog(wire).asked("MESSAGE", edit={"Content-Type": "text/plain"}, body=b"hello")


@case("clean/call-tcp")
def _(wire: Wire) -> None:
    call = Dialog(wire, ("198.51.100.10", 41022), inside=_PHONE, transport="TCP")
    call.answered()
    call.hang_up()


@case("clean/call-websocket")
def _(wire: Wire) -> None:
    call = Dialog(wire, ("198.51.100.10", 52001), ("203.0.113.20", 8080), transport="WS")
    call.answered(
        edit={
            "Via": "SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks",
            "Contact": "<sip:5551234@df7jal23ls0d.invalid;transport=ws>",
        }
    )
    call.hang_up(by_far=True)


@case("clean/call-ipv6")
def _(wire: Wire) -> None:
    call = Dialog(wire, _NEAR, _FAR)
    call.answered()
    call.hang_up()


@case("clean/call-on-one-network")
def _(wire: Wire) -> None:
    call = Dialog(wire, ("192.168.1.20", 5060), ("192.168.1.2", 5060))
    call.answered()
    call.hang_up()


@case("clean/call-at-two-taps")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    for tap in ("outside", "inside"):
        wire.now = 1_780_000_000_000_000 + 300 * (tap == "inside")
        call = Dialog(wire, tap=tap)
        call.answered()
        call.hang_up()


@case("clean/call-with-media")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    codecs = ("G729", "telephone-event")
    call.answered(sdp(_PHONE[0], codecs=codecs), sdp(_PBX[0], 50000, codecs))
    near, far = (_PHONE[0], 40000), (_PBX[0], 50000)
    wire.rtp(near, far, 1.5, ssrc=1)
    wire.rtp(far, near, 1.5, ssrc=2)
    call.hang_up(after=1.5)


@case("clean/call-redirected")
def _(wire: Wire) -> None:
    Dialog(wire).refused(302, reply_edit={"Contact": f"<sip:5550001@{_PBX[0]}>"})


@case("clean/retransmission")
def _(wire: Wire) -> None:
    """The network has lost one packet, which is made good."""
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_PHONE[0]))
    wire.wait(0.5)
    call.again(invite)
    call.reply(invite, 100)
    call.reply(invite, 180)
    wire.wait(2)
    call.reply(invite, 200, body=sdp(_PBX[0], 50000))
    call.ack(invite)
    call.hang_up()


@case("clean/call-that-lasts")
def _(wire: Wire) -> None:
    """The capture ends before the call does."""
    Dialog(wire).answered()


@case("clean/through-a-proxy")
def _(wire: Wire) -> None:
    """Both hops of one call: the proxy adds its Via and Record-Route."""
    proxy = ("203.0.113.20", 5060)
    first = Dialog(wire, _PHONE, proxy)
    second = Dialog(wire, proxy, ("192.0.2.30", 5060))
    routed = {"Record-Route": "<sip:203.0.113.20;lr>"}
    caller = {"Contact": f"<sip:5551234@{_PHONE[0]}:5060>"}
    callee = {"Contact": "<sip:5556789@192.0.2.30:5060>"}

    def onward(request: Request, **more: str) -> Request:
        """Send on what the phone has sent."""
        top = str(request.headers["Via"]).replace(";rport", ";rport=5060")
        hop = f"SIP/2.0/UDP 203.0.113.20:5060;branch=z9hG4bKon{request.number}{request.method}"
        edit = {"Via": [hop, top], "Max-Forwards": "69", "From": str(request.headers["From"])}
        to = {"To": str(request.headers["To"])}
        return second.request(
            request.method,
            number=request.number,
            uri="sip:5556789@192.0.2.30:5060",
            body=request.payload.partition(b"\r\n\r\n")[2],
            edit=edit | to | more,
        )

    invite = first.request("INVITE", body=sdp(_PHONE[0]), edit=caller)
    sent_on = onward(invite, **caller, **routed)
    first.reply(invite, 100)
    for status, body in ((180, b""), (200, sdp("192.0.2.30", 50000))):
        wire.wait(2)
        second.reply(sent_on, status, body=body, edit=callee | routed)
        first.reply(invite, status, body=body, edit=callee | routed)
    for method in ("ACK", "BYE"):
        number = invite.number + (method == "BYE")
        route = {"Route": "<sip:203.0.113.20;lr>"}
        uri = "sip:5556789@192.0.2.30:5060"
        request = first.request(method, uri=uri, number=number, edit=route)
        sent_on = onward(request)
        wire.wait(20)
    second.reply(sent_on, 200)
    first.reply(request, 200)


@case("clean/forked-to-two-phones")
def _(wire: Wire) -> None:
    """Both ring, one answers, which the other's cancelling on its own hop doesn't show here."""
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_PHONE[0]))
    call.reply(invite, 100)
    call.reply(invite, 180)
    call.reply(invite, 180, to_tag="otherphone")
    wire.wait(4)
    call.reply(invite, 200, body=sdp(_PBX[0], 50000))
    call.ack(invite)
    call.hang_up()
