"""The small Icelandic provider whose traffic make_captures draws: makes, boxes, subscribers.

Everything here is data and the drawing of one item from it. The numbers that the figures count are
kept out of what is drawn at random, so that the counts can't slip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from captures_sip import Agent, Party, Style

if TYPE_CHECKING:
    import random

RESERVED = frozenset({"5660066", "4151509", "8969669", "7712552", "4151502", "1502"})
"""Numbers of the figures: only what is placed on purpose may use them."""

_ASTERISK_ORDER = "Via Max-Forwards From To Contact Call-ID CSeq User-Agent Date Allow Supported"
_FREESWITCH_ORDER = "Via Max-Forwards From To Call-ID CSeq Contact User-Agent Allow Supported"
_YEALINK_ORDER = "Via From To Call-ID CSeq Contact Authorization Allow Max-Forwards User-Agent"
_GRANDSTREAM_ORDER = (
    "Via From To Call-ID CSeq Contact Authorization Max-Forwards User-Agent Supported Allow"
)
_CISCO_ORDER = "Via From To Call-ID Max-Forwards Date CSeq User-Agent Contact Authorization"
_ASTERISK_ALLOW = (
    "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE"
)
_SHORT_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, INFO"

ASTERISK = Style(
    product="Asterisk PBX 13.1.0~dfsg-1.1ubuntu4.1",
    call_id="{hex32}@{host}:5060",
    tag="as{hex8}",
    branch="{hex8}",
    order=_ASTERISK_ORDER,
    first_number=(102, 102),
    rport=False,
    allow=_ASTERISK_ALLOW,
    supported="replaces, timer",
    dated=True,
    session="root",
    codecs=("8 PCMA", "0 PCMU", "9 G722"),
)
FREESWITCH = Style(
    product="FreeSWITCH-mod_sofia/1.2.12",
    call_id="{hex8}-{hex4}-1235-c0ba-{mac}",
    tag="{word13}",
    branch="{word13}",
    order=_FREESWITCH_ORDER,
    first_number=(108_010_000, 108_090_000),
    allow="INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REGISTER, REFER, NOTIFY",
    supported="timer, precondition, path, replaces",
    session="FreeSWITCH",
)
YEALINK = Style(
    product="Yealink SIP-T42G 29.80.0.95",
    call_id="0_{dec10}@{host}",
    tag="{dec10}",
    branch="{dec10}",
    order=_YEALINK_ORDER,
    allow=_SHORT_ALLOW,
    codecs=("9 G722", "8 PCMA"),
)
GRANDSTREAM = Style(
    product="Grandstream GXP2160 1.0.7.97",
    call_id="{dec9}-5060-{dec1}@{host}",
    tag="{dec9}",
    branch="{dec9}",
    order=_GRANDSTREAM_ORDER,
    first_number=(10, 400),
    supported="replaces, timer",
)
CISCO_PHONE = Style(
    product="Cisco-CP7960G/8.0",
    call_id="{hex8}-{hex8}-{hex8}-{hex8}@{host}",
    tag="{hex16}-{hex8}",
    branch="{hex8}",
    order=_CISCO_ORDER,
    first_number=(101, 101),
    rport=False,
    codecs=("8 PCMA", "18 G729"),
)
CISCO_GATEWAY = Style(
    product="Cisco-SIPGateway/IOS-15.2.4.M5",
    call_id="{HEX8}-{HEX8}-{HEX8}-{HEX8}@{host}",
    tag="{HEX8}-{HEX4}",
    branch="{HEX8}",
    order=_CISCO_ORDER,
    first_number=(101, 101),
    rport=False,
    allow=_SHORT_ALLOW,
    session="CiscoSystemsSIP-GW-UserAgent",
)
SOFTPHONE = Style(
    product="PJSUA v2.5.5 Linux-4.4/x86_64",
    call_id="{hex8}{hex8}{hex16}",
    tag="{hex16}",
    branch="Pj{hex16}",
    order="Via Max-Forwards From To Contact Call-ID CSeq User-Agent Supported",
    first_number=(4_000, 32_000),
    compact=True,
    supported="replaces, 100rel",
)
PROXY = Style(
    product="kamailio (4.4.4 (x86_64/linux))",
    call_id="{hex8}-{dec7}-{hex6}@{host}",
    tag="{hex8}",
    branch="{hex4}.{hex8}.0",
    order="Via From To Call-ID CSeq Max-Forwards User-Agent",
    first_number=(10, 10),
    rport=False,
    trying="Trying -- your call is important to us",
    dated=False,
)

SBC = Agent("10.11.12.13", FREESWITCH)
EDGE = Agent("10.11.12.14", PROXY)
OFFICE_PBX = Agent("10.20.0.22", ASTERISK)
BORDER_PBX = Agent("10.10.10.2", ASTERISK)
CUSTOMER_48 = Agent("178.19.48.48", ASTERISK)
PBXS = (
    OFFICE_PBX,
    Agent("10.20.0.31", ASTERISK),
    Agent("10.20.1.5", FREESWITCH),
    Agent("10.20.3.8", CISCO_GATEWAY),
    Agent("178.19.48.66", ASTERISK),
    Agent("178.19.49.10", ASTERISK),
)
CARRIERS = (Agent("178.19.48.50", CISCO_GATEWAY), Agent("178.19.48.51", CISCO_GATEWAY))
_PHONE_STYLES = (YEALINK, YEALINK, GRANDSTREAM, CISCO_PHONE, YEALINK, GRANDSTREAM, SOFTPHONE)

_FIRST_NAMES = ("Anna", "Björn", "Guðrún", "Helga", "Jón", "Ólafur", "Sigurður", "Þóra", "Örn")
_LAST_NAMES = ("Arnarson", "Björnsdóttir", "Einarsson", "Jónsdóttir", "Ólafsson", "Þorsteinsdóttir")
_PLACES = ("Verslun", "Skrifstofa", "Bakarí", "Móttaka", "Lager", "Apótek")
_LOGINS = ("anna", "gudrun.jons", "vaktsimi", "mottaka", "bjorn", "helga.e", "dyrasimi", "fax")
_ABROAD = ("004420794601", "+4533920", "+147021", "0049305550")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody with a number and the box that they call from."""

    party: Party
    agent: Agent


@dataclass(frozen=True, slots=True)
class Network:
    """The boxes that one capture sees: everything passes the hub, which is where the tap is."""

    hub: Agent
    edge: Agent
    pbxs: tuple[Agent, ...]
    carriers: tuple[Agent, ...]
    subscribers: tuple[Subscriber, ...]
    phones: tuple[Subscriber, ...]


def provider(rng: random.Random, phones: int) -> Network:
    """Return the provider as its session border controller sees it."""
    desk = tuple(_phone(rng, number) for number in range(phones))
    trunk = tuple(
        Subscriber(_party(rng, local_number(rng)), pbx) for pbx in PBXS for _ in range(phones // 4)
    )
    return Network(SBC, EDGE, PBXS, CARRIERS, desk + trunk, desk)


def border(rng: random.Random) -> Network:
    """Return the provider as the router in front of its hosted exchange sees it."""
    styles = (YEALINK, GRANDSTREAM, ASTERISK, CISCO_GATEWAY)
    boxes = tuple(Agent(f"178.19.48.{70 + place * 3}", styles[place % 4]) for place in range(12))
    people = tuple(Subscriber(_party(rng, local_number(rng)), box) for box in boxes)
    pbxs = tuple(box for box in boxes if box.style in (ASTERISK, CISCO_GATEWAY))
    phones = tuple(person for person in people if person.agent not in pbxs)
    return Network(BORDER_PBX, BORDER_PBX, pbxs, CARRIERS, people, phones)


def local_number(rng: random.Random) -> str:
    """Draw a seven-digit land line number."""
    return _free(rng, ("415", "415", "566", "511", "552", "461"), 4)


def mobile_number(rng: random.Random) -> str:
    """Draw a seven-digit mobile number."""
    return _free(rng, ("69", "77", "82", "86", "89", "66"), 5)


def outside_party(rng: random.Random) -> Party:
    """Draw somebody on another network: mostly seven digits, some +354, a few from abroad."""
    number = mobile_number(rng) if rng.random() < 0.6 else local_number(rng)
    form = rng.random()
    if form < 0.16:
        number = f"+354{number}"
    elif form < 0.20:
        number = f"{rng.choice(_ABROAD)}{rng.randrange(1000, 9999)}"
    uri = f"tel:{number}" if form > 0.985 else ""
    return Party(number, number if rng.random() < 0.25 else "", uri)


def _phone(rng: random.Random, place: int) -> Subscriber:
    style = _PHONE_STYLES[place % len(_PHONE_STYLES)]
    host = f"10.30.{1 + place // 40}.{20 + place % 40 * 5}"
    port = 5060 if rng.random() < 0.8 else rng.randrange(10_240, 64_000)
    named = place % 9 == 5
    suffix = "" if place < 9 * len(_LOGINS) else str(place)
    user = f"{_LOGINS[place // 9 % len(_LOGINS)]}{suffix}" if named else local_number(rng)
    return Subscriber(_party(rng, user), Agent(host, style, port))


def _party(rng: random.Random, user: str) -> Party:
    kind = rng.random()
    if kind < 0.3:
        return Party(user, f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}")
    if kind < 0.45:
        return Party(user, f"{rng.choice(_PLACES)} {rng.randrange(1, 9)}")
    return Party(user, user if kind < 0.6 else "")


def _free(rng: random.Random, prefixes: tuple[str, ...], digits: int) -> str:
    while True:
        number = f"{rng.choice(prefixes)}{rng.randrange(10**digits):0{digits}d}"
        if number not in RESERVED:
            return number
