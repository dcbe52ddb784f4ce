"""Traffic other than whole calls, for the captures that make_captures builds.

Registrations, keep-alives, message waiting, instant messages, and calls of which the capture holds
only the end or only the beginning.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from captures_calls import MILLISECOND, REALM, SECOND, Scene, Unit, call
from captures_network import outside_party
from captures_sip import Dialog, Party, digest

if TYPE_CHECKING:
    from captures_network import Subscriber

_ACCEPTED = (("Accept", "application/sdp"),)
SUMMARY = "application/simple-message-summary"
RETRANSMISSIONS = (500, 1_500, 3_500, 7_500, 11_500, 15_500)
"""When timer E of RFC 3261 sends a request again, in milliseconds after the first time."""

_TEXTS = (
    "Ég kem eftir korter",
    "Fundurinn er kl. 14",
    "Sendingin er komin",
    "ok",
    "Geturðu hringt í mig?",
)


def register(scene: Scene, unit: Unit) -> list[Dialog]:
    """Register with Digest authentication; each pair is a refresh under the same Call-ID."""
    rng = scene.rng
    person = _subscriber(scene, unit)
    registrar = rng.choice((scene.network.hub, scene.network.edge))
    dialog = Dialog(rng, person.agent, registrar, (person.party, replace(person.party, display="")))
    dialog.share_address()
    interval = rng.choice((30, 45, 60, 60)) * SECOND
    room = scene.end - scene.start - 2 * SECOND
    interval = min(interval, room // (unit.pairs + 1))
    at = scene.start + rng.randrange(max(room - unit.pairs * interval, SECOND))
    nonce, uri = f"{rng.getrandbits(64):016x}", f"sip:{REALM}"
    expires = ("Expires", str(interval // SECOND * 2))
    request = dialog.request(at, "REGISTER", uri=uri, headers=[expires])
    challenge = ("WWW-Authenticate", f'Digest realm="{REALM}",nonce="{nonce}",algorithm=MD5')
    dialog.respond(at + 700, request, "401 Unauthorized", headers=[challenge])
    value = digest(person.party.user, REALM, nonce, "REGISTER", uri)
    at += rng.randrange(9_000, 40_000)
    for turn in range(unit.pairs + 1):
        sent = at + turn * interval + rng.randrange(30_000)
        request = dialog.request(
            sent, "REGISTER", uri=uri, headers=[("Authorization", value), expires]
        )
        contact = ("Contact", f"<{dialog.near.contact}>;expires={expires[1]}")
        dialog.respond(sent + rng.randrange(500, 1_600), request, "200 OK", headers=[contact])
    return [dialog]


def options(scene: Scene, unit: Unit) -> list[Dialog]:
    """Ask a box whether it is there: a keep-alive."""
    dialog, at = _ping(scene, unit)
    request = dialog.request(at, "OPTIONS", uri=_asked(dialog), headers=_ACCEPTED)
    dialog.respond(at + scene.rng.randrange(900, 35_000), request, "200 OK")
    return [dialog]


def silent(scene: Scene, unit: Unit) -> list[Dialog]:
    """Ask a phone that is switched off, again and again."""
    dialog, at = _ping(scene, unit)
    dialog.request(at, "OPTIONS", uri=_asked(dialog), headers=_ACCEPTED)
    for after in RETRANSMISSIONS:
        dialog.repeat(at + after * MILLISECOND + scene.rng.randrange(900), 0)
    return [dialog]


def subscribe(scene: Scene, unit: Unit) -> list[Dialog]:
    """Subscribe to message waiting; each pair is one more NOTIFY."""
    rng = scene.rng
    person = _subscriber(scene, unit)
    parties = (person.party, replace(person.party, display=""))
    dialog = Dialog(rng, person.agent, scene.network.hub, parties)
    event = ("Event", "message-summary")
    gap = 20 * SECOND
    at = _start(scene, gap * (unit.pairs + 1))
    request = dialog.request(at, "SUBSCRIBE", headers=[event, ("Expires", "3600")])
    dialog.respond(at + 800, request, "200 OK", headers=[("Expires", "3600")], contact=True)
    for turn in range(unit.pairs + 1):
        sent = at + 9 * MILLISECOND + turn * gap + rng.randrange(2_000)
        body = f"Messages-Waiting: {'yes' if turn else 'no'}\r\nVoice-Message: {turn}/0 (0/0)\r\n"
        headers = [event, ("Subscription-State", "active"), ("Content-Type", SUMMARY)]
        notify = dialog.request(
            sent, "NOTIFY", by_far=True, within=True, headers=headers, body=body.encode()
        )
        dialog.respond(sent + rng.randrange(2_000, 30_000), notify, "200 OK")
    return [dialog]


def message(scene: Scene, unit: Unit) -> list[Dialog]:
    """Send one instant message."""
    rng = scene.rng
    person = _subscriber(scene, unit)
    dialog = Dialog(rng, person.agent, scene.network.edge, (person.party, outside_party(rng)))
    at = _start(scene, SECOND)
    kind = ("Content-Type", "text/plain; charset=UTF-8")
    request = dialog.request(at, "MESSAGE", headers=[kind], body=rng.choice(_TEXTS).encode())
    dialog.respond(
        at + rng.randrange(1_000, 60_000), request, rng.choice(("200 OK", "202 Accepted"))
    )
    return [dialog]


def joined(scene: Scene, unit: Unit) -> list[Dialog]:
    """Play a call that rang before the capture began: its answer comes first."""
    return _late_call(scene, unit, first=3)


def ended(scene: Scene, unit: Unit) -> list[Dialog]:
    """Play a call that was up before the capture began: only its end is there."""
    return _late_call(scene, unit, first=5)


def lasting(scene: Scene, unit: Unit) -> list[Dialog]:
    """Play a call that is still up when the capture ends."""
    unit.at = scene.end - 35 * SECOND + scene.rng.randrange(15 * SECOND)
    dialogs = call(scene, replace(unit, kind="answered"))
    for dialog in dialogs:
        del dialog.messages[5:]
    return dialogs


def _late_call(scene: Scene, unit: Unit, first: int) -> list[Dialog]:
    dialogs = call(scene, replace(unit, kind="answered"))
    for dialog in dialogs:
        del dialog.messages[:first]
        wanted = scene.start + scene.rng.randrange(20 * SECOND)
        dialog.move(wanted - dialog.messages[0].at)
    return dialogs


def _ping(scene: Scene, unit: Unit) -> tuple[Dialog, int]:
    rng, network = scene.rng, scene.network
    dead = unit.kind == "silent"
    person = rng.choice(network.phones if dead else network.subscribers)
    asker = rng.choice((network.hub, network.edge))
    boxes = network.pbxs + network.carriers
    if dead or rng.random() < 0.6:
        box, asked = person.agent, replace(person.party, display="")
    else:
        box, asked = rng.choice(boxes), Party("")
        asker = network.hub
    name = "asterisk" if asker.style.dated else "pinger"
    return Dialog(rng, asker, box, (Party(name), asked)), _start(scene, 17 * SECOND)


def _asked(dialog: Dialog) -> str:
    """Return where to ask: a subscriber's contact with its port, or the box that the To names."""
    return dialog.far.contact if dialog.far.party.user else ""


def _subscriber(scene: Scene, unit: Unit) -> Subscriber:
    person = scene.rng.choice(scene.network.phones)
    return replace(person, party=unit.caller) if unit.caller else person


def _start(scene: Scene, duration: int) -> int:
    room = max(scene.end - scene.start - duration, SECOND)
    return scene.start + scene.rng.randrange(room)
