"""Calls for the captures that make_captures builds: who calls whom, over which legs, how it ends.

A call through the hub is two dialogs, one each side of it. Both play the same `Course`; a message
towards the callee passes the caller's leg first, a message back passes the callee's leg first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from captures_network import outside_party
from captures_sip import Dialog, Party, Request, digest

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from captures_network import Network, Subscriber
    from captures_sip import Agent, Header

MILLISECOND = 1_000
SECOND = 1_000_000

REALM = "voip.example"
DTMF = "application/dtmf-relay"

_ASSERTED = ("P-Asserted-Identity", "<sip:{user}@{host}>")
_REMOTE = "<sip:{user}@{host}>;party=calling;screen=yes;privacy="
_IDENTITIES: tuple[tuple[int, tuple[Header, ...]], ...] = (
    (72, ()),
    (10, (_ASSERTED,)),
    (3, (("P-Asserted-Identity", "<tel:{user}>"), _ASSERTED)),
    (4, (("P-Preferred-Identity", "<sip:{user}@{host}>"),)),
    (8, (("Remote-Party-ID", f"{_REMOTE}off"),)),
    (2, (("Remote-Party-ID", f"{_REMOTE}full"),)),
    (1, (_ASSERTED, ("Privacy", "none"))),
)
"""Which of a hundred INVITEs carry which identity and privacy headers."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a scenario draws from: randomness, the boxes, and the time that the capture lasts."""

    rng: random.Random
    network: Network
    start: int
    end: int


@dataclass(slots=True)
class Unit:
    """One planned piece of traffic; what is empty is drawn when it is played."""

    kind: str
    legs: int = 1
    pairs: int = 0
    """Requests with their responses that are added inside: INFO in calls, refreshes elsewhere."""
    early: bool = False
    """A call has 183 after 180."""
    caller: Party | None = None
    callee: Party | None = None
    origin: Agent | None = None
    direction: str = ""
    headers: tuple[Header, ...] = ()
    """Headers of its INVITEs, or of the 302 where it is a redirection."""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Course:
    """When things happen in a call, in microseconds after its first INVITE."""

    ring: int
    answer: int
    end: int
    infos: tuple[int, ...]
    routing: int
    """How long the hub takes to send the INVITE on."""
    hop: int
    """How long it takes to send anything else on."""
    by_callee: bool
    """The callee hangs up."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a call being played."""

    dialog: Dialog
    unit: Unit
    course: Course
    at: int
    place: int
    rng: random.Random

    def forth(self, after: int) -> int:
        """Return when a message from the caller passes this leg."""
        return self.at + after + self.place * self.course.hop

    def back(self, after: int) -> int:
        """Return when a message from the callee passes this leg."""
        return self.at + after + (self.unit.legs - 1 - self.place) * self.course.hop

    def soon(self, at: int) -> int:
        """Return a moment just after another, as a machine answers."""
        return at + self.rng.randrange(280, 1_400)


def call(scene: Scene, unit: Unit) -> list[Dialog]:
    """Play a call of any outcome over one or two legs."""
    rng = scene.rng
    course = _course(scene, unit)
    latest = max(scene.end - scene.start - course.end - 2 * SECOND, SECOND)
    at = unit.at or scene.start + rng.randrange(latest)
    dialogs = _dialogs(scene, unit)
    for place, dialog in enumerate(dialogs):
        leg = Leg(dialog, unit, course, at, place, rng)
        headers = [*_identity(rng, dialog), *(unit.headers if unit.kind != "moved" else ())]
        invite = _invite(leg, at + place * course.routing, headers)
        _OUTCOMES[unit.kind](leg, invite)
    return dialogs


def _answered(leg: Leg, invite: Request) -> None:
    _ring(leg, invite)
    dialog, course = leg.dialog, leg.course
    answer = leg.back(course.answer)
    dialog.respond(answer, invite, "200 OK", body=dialog.description(by_far=True), contact=True)
    if leg.unit.kind == "resent":
        dialog.repeat(answer + 500 * MILLISECOND, -1)
        answer += 500 * MILLISECOND
    dialog.acknowledge(leg.soon(answer), invite)
    for after in course.infos:
        _dtmf(leg, leg.forth(after))
    hangup = leg.back(course.end) if course.by_callee else leg.forth(course.end)
    bye = dialog.request(hangup, "BYE", by_far=course.by_callee, within=True)
    dialog.respond(leg.soon(hangup), bye, "200 OK")


def _cancelled(leg: Leg, invite: Request) -> None:
    _ring(leg, invite)
    at = leg.forth(leg.course.answer)
    cancel = leg.dialog.follow_up(at, invite, "CANCEL")
    leg.dialog.respond(leg.soon(at), cancel, "200 OK")
    _refuse(leg, invite, leg.soon(at) + 1_500, "487 Request Terminated")


def _busy(leg: Leg, invite: Request) -> None:
    _refuse(leg, invite, leg.back(leg.course.ring), "486 Busy Here")


def _unknown(leg: Leg, invite: Request) -> None:
    _refuse(leg, invite, leg.back(leg.course.ring), "404 Not Found")


def _away(leg: Leg, invite: Request) -> None:
    _ring(leg, invite)
    _refuse(leg, invite, leg.back(leg.course.answer), "480 Temporarily Unavailable")


def _moved(leg: Leg, invite: Request) -> None:
    target = outside_party(leg.rng).user
    contact = ("Contact", f"<sip:{target}@{leg.dialog.far.agent.host}>")
    headers = [contact, *leg.unit.headers]
    _refuse(leg, invite, leg.back(leg.course.ring), "302 Moved Temporarily", headers)


_OUTCOMES = {
    "answered": _answered,
    "challenged": _answered,
    "resent": _answered,
    "cancelled": _cancelled,
    "busy": _busy,
    "unknown": _unknown,
    "away": _away,
    "moved": _moved,
}


def _invite(leg: Leg, at: int, headers: list[Header]) -> Request:
    """Send the INVITE, once more with credentials if it is challenged, and the 100."""
    dialog = leg.dialog
    far, offer = dialog.far, dialog.description()
    registered = far.agent.host.startswith("10.30.")
    uri = far.contact if registered else ""
    invite = dialog.request(at, "INVITE", uri=uri, headers=headers, body=offer)
    if leg.unit.kind == "challenged":
        at = leg.soon(at)
        nonce = f"{leg.rng.getrandbits(64):016x}"
        challenge = ("Proxy-Authenticate", f'Digest realm="{REALM}",nonce="{nonce}",algorithm=MD5')
        dialog.respond(at, invite, "407 Proxy Authentication Required", headers=[challenge])
        dialog.follow_up(leg.soon(at), invite, "ACK")
        dialog.new_far_tag()
        value = digest(dialog.near.party.user, REALM, nonce, "INVITE", invite.uri)
        at += 12 * MILLISECOND
        signed = [*headers, ("Proxy-Authorization", value)]
        invite = dialog.request(at, "INVITE", uri=uri, headers=signed, body=offer)
    dialog.trying(leg.soon(at), invite)
    return invite


def _ring(leg: Leg, invite: Request) -> None:
    at = leg.back(leg.course.ring)
    leg.dialog.respond(at, invite, "180 Ringing", contact=True)
    if leg.unit.early:
        body = leg.dialog.description(by_far=True)
        later = leg.back(leg.course.ring + 1200 * MILLISECOND)
        leg.dialog.respond(later, invite, "183 Session Progress", body=body, contact=True)


def _refuse(
    leg: Leg, invite: Request, at: int, status: str, headers: Iterable[Header] = ()
) -> None:
    leg.dialog.respond(at, invite, status, headers=headers)
    leg.dialog.follow_up(leg.soon(at), invite, "ACK")


def _dtmf(leg: Leg, at: int) -> None:
    key = leg.rng.choice("0123456789*#")
    body = f"Signal={key}\r\nDuration=160\r\n".encode()
    info = leg.dialog.request(at, "INFO", within=True, headers=[("Content-Type", DTMF)], body=body)
    leg.dialog.respond(leg.soon(at), info, "200 OK")


def _course(scene: Scene, unit: Unit) -> Course:
    rng = scene.rng
    ring = rng.randrange(180, 1_600) * MILLISECOND + rng.randrange(MILLISECOND)
    answer = ring + rng.randrange(2_200, 19_000) * MILLISECOND + rng.randrange(MILLISECOND)
    key, infos = answer + 3 * SECOND, []
    for _ in range(unit.pairs):
        key += rng.randrange(420_000, 1_900_000)
        infos.append(key)
    longest = max((scene.end - scene.start) // 4, 12 * SECOND)
    end = key + rng.randrange(3 * SECOND, longest)
    routing, hop = rng.randrange(28_000, 46_000), rng.randrange(900, 1_900)
    return Course(ring, answer, end, tuple(infos), routing, hop, rng.random() < 0.4)


def _dialogs(scene: Scene, unit: Unit) -> list[Dialog]:
    rng, network = scene.rng, scene.network
    direction = unit.direction or rng.choice(("out", "out", "in", "inside"))
    carrier = rng.choice(network.carriers)
    first, second = rng.choice(network.subscribers), rng.choice(network.subscribers)
    while second.agent == first.agent:
        second = rng.choice(network.subscribers)
    if direction == "in":
        caller, origin = outside_party(rng), carrier
    else:
        caller, origin = first.party, first.agent
    if direction == "out":
        callee, target = outside_party(rng), carrier
    else:
        callee, target = replace(second.party, display=""), second.agent
    parties = (unit.caller or _shown_caller(rng, caller), unit.callee or callee)
    origin = unit.origin or origin
    if unit.legs == 2:
        hops = [(origin, network.hub), (network.hub, target)]
    else:
        hops = [_single_hop(scene, unit, origin, target)]
    return [Dialog(rng, near, far, parties) for near, far in hops]


def _single_hop(scene: Scene, unit: Unit, origin: Agent, target: Agent) -> tuple[Agent, Agent]:
    """Return the one leg of a call that the tap sees; only phones are challenged."""
    rng, network = scene.rng, scene.network
    if unit.kind == "challenged" and not unit.origin:
        return _phone(scene).agent, network.edge
    if unit.origin or rng.random() < 0.7:
        phone = origin.host.startswith("10.30.")
        return origin, network.edge if phone else network.hub
    return network.hub, target


def _phone(scene: Scene) -> Subscriber:
    return scene.rng.choice(scene.network.phones)


def _shown_caller(rng: random.Random, party: Party) -> Party:
    if party.user.isdigit() and rng.random() < 0.015:
        return Party("anonymous", "Anonymous", "sip:anonymous@anonymous.invalid")
    return party


def _identity(rng: random.Random, dialog: Dialog) -> list[Header]:
    """Return the identity and privacy headers of an INVITE: mostly none."""
    user, host = dialog.near.party.user, dialog.near.agent.host
    if user == "anonymous":
        number = outside_party(rng).user
        return [("P-Asserted-Identity", f"<sip:{number}@{host}>"), ("Privacy", "id")]
    weights = [weight for weight, _ in _IDENTITIES]
    rows = rng.choices(_IDENTITIES, weights)[0][1]
    return [(name, value.format(user=user, host=host)) for name, value in rows]
