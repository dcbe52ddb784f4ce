"""Rebuilds the four captures of the thesis, whose originals are not public.

Each has the thesis's counts and holds, verbatim, the messages that the thesis prints; the traffic
around them is drawn from a seeded generator, so the same bytes come out everywhere and at any time.

    python tests/make_captures.py           writes captures/
    python tests/make_captures.py --check   says which files differ from what it would write

`build(name)` gives a capture's text and pcap without touching a file.
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import captures_figures as figures
from captures_calls import SECOND, Scene, Unit
from captures_network import (
    CUSTOMER_48,
    OFFICE_PBX,
    Network,
    border,
    local_number,
    mobile_number,
    provider,
)
from captures_noise import noise
from captures_plan import free_times, plan, play
from captures_sip import Message, Party
from captures_wire import Link, Packet, moment, pcap_file, seen_again, text_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from captures_noise import Framing

DIRECTORY = Path(__file__).parent.parent / "captures"
COMPRESSION = 9


@dataclass(frozen=True, slots=True)
class Capture:
    """What one capture is made of."""

    start: str
    seconds: int
    conversations: int
    messages: int
    weights: Mapping[str, int]
    network: Callable[[random.Random], Network]
    printed: Callable[[random.Random], list[Message]]
    pinned: Callable[[random.Random], list[Unit]]
    interfaces: int = 1
    """With two, every packet is there twice, and the header lines have the newer wording."""
    noisy: bool = False
    packed: bool = True
    """The pcap is compressed."""


def _timeout_units(rng: random.Random) -> list[Unit]:
    """The customer behind the NAT can call out; before and after, but not be called."""
    caller, shop = Party("5660066"), Party(mobile_number(rng))
    begin = moment("2018-04-16 16:41:00")
    early = Unit("busy", caller=caller, callee=shop, origin=CUSTOMER_48, direction="out")
    early.at = begin + 4 * SECOND + 118_402
    later = Unit("answered", caller=caller, callee=shop, origin=CUSTOMER_48, direction="out")
    later.at = begin + 95 * SECOND + 730_551
    return [early, later]


def _caller_id_units(rng: random.Random) -> list[Unit]:
    """Other calls of the office go through: their From is a number of the plan."""
    return [_office_call(rng, "answered", 2), _office_call(rng, "busy", 1), *_diverted(rng, 3)]


def _diversion_units(rng: random.Random) -> list[Unit]:
    """Fifteen conversations with a good Diversion header, and what only looks like one."""
    return [*_diverted(rng, 15), *_lookalikes(rng, 2)]


def _testdata_units(rng: random.Random) -> list[Unit]:
    """The conversations that the figures' filters count, and a few oddities."""
    caller, owner = Party("4151509"), Party("8969669")
    enquiries = Party("1819", uri="tel:1819@10.0.0.1")
    return [
        Unit("answered", 2, caller=caller, origin=OFFICE_PBX, direction="out"),
        Unit("busy", 2, caller=caller, origin=OFFICE_PBX, direction="out"),
        Unit("register", caller=caller),
        Unit("subscribe", caller=caller),
        Unit("answered", 2, caller=owner, callee=Party("4151502"), direction="in"),
        *_diverted(rng, 55),
        *_lookalikes(rng, 4),
        Unit("busy", callee=enquiries, origin=OFFICE_PBX, direction="out"),
    ]


def _office_call(rng: random.Random, kind: str, legs: int) -> Unit:
    return Unit(kind, legs, caller=Party(local_number(rng)), origin=OFFICE_PBX, direction="out")


def _diverted(rng: random.Random, conversations: int) -> list[Unit]:
    """Calls that the office forwards to a mobile, as many as make that number of conversations."""
    units = []
    while conversations:
        kind = rng.choice(("answered", "answered", "cancelled", "away", "busy"))
        legs = min(2, conversations)
        unit = Unit(kind, legs, caller=Party(mobile_number(rng)), callee=Party(mobile_number(rng)))
        unit.origin, unit.direction = OFFICE_PBX, "out"
        reason = rng.choice(("unconditional", "no-answer", "user-busy"))
        value = f"<sip:{local_number(rng)}@{OFFICE_PBX.host}>;reason={reason}"
        unit.headers = (("Diversion", value),)
        units.append(unit)
        conversations -= legs
    return units


def _lookalikes(rng: random.Random, number: int) -> list[Unit]:
    """Calls that mention a diversion but carry no Diversion header in an INVITE."""
    subject = (("Subject", "Diversion: allt á Sigurð"),)
    response = (("Diversion", f"<sip:{local_number(rng)}@{OFFICE_PBX.host}>;reason=unconditional"),)
    moved = [Unit("moved", headers=response) for _ in range(number // 2)]
    return [*moved, *(Unit("busy", headers=subject) for _ in range(number - number // 2))]


_MIX: dict[str, int] = {
    "answered": 18,
    "challenged": 6,
    "cancelled": 6,
    "busy": 5,
    "unknown": 4,
    "away": 3,
    "register": 18,
    "options": 26,
    "subscribe": 7,
    "message": 5,
    "joined": 1,
    "ended": 1,
    "lasting": 1,
}
"""How often each kind of traffic is drawn, where a capture doesn't say otherwise."""

CAPTURES: Mapping[str, Capture] = {
    "timeout": Capture(
        start="2018-04-16 16:41:01",
        seconds=200,
        conversations=45,
        messages=354,
        weights={"options": 50, "register": 30, "answered": 9, "cancelled": 4, "message": 4},
        network=border,
        printed=lambda _: figures.timeout(),
        pinned=_timeout_units,
        interfaces=2,
        packed=False,
    ),
    "callerid-problem": Capture(
        start="2018-04-16 15:54:01",
        seconds=600,
        conversations=406,
        messages=2090,
        weights=_MIX | {"resent": 1},
        network=lambda rng: provider(rng, 48),
        printed=lambda _: figures.caller_id(),
        pinned=_caller_id_units,
    ),
    "diversion-problem": Capture(
        start="2018-04-16 16:11:01",
        seconds=720,
        conversations=494,
        messages=2495,
        weights=_MIX | {"silent": 1},
        network=lambda rng: provider(rng, 56),
        printed=lambda _: figures.diversion(),
        pinned=_diversion_units,
    ),
    "testdata-pt": Capture(
        start="2017-06-06 15:49:01",
        seconds=1500,
        conversations=1083,
        messages=6496,
        weights=_MIX | {"answered": 32, "challenged": 9, "silent": 1, "resent": 2, "options": 17},
        network=lambda rng: provider(rng, 96),
        printed=lambda rng: figures.answered_call() + figures.second_leg(rng),
        pinned=_testdata_units,
        noisy=True,
    ),
}


def build(name: str) -> tuple[bytes, bytes]:
    """Return one capture as tcpdump's text and as a pcap."""
    capture = CAPTURES[name]
    packets = _packets(capture, random.Random(f"sipstream {name}"))
    return text_file(packets), pcap_file(packets)


def files(name: str) -> dict[Path, bytes]:
    """Return the files of one capture with their contents; the pcap is not compressed yet."""
    text, pcap = build(name)
    ending = ".pcap.gz" if CAPTURES[name].packed else ".pcap"
    return {DIRECTORY / f"{name}.txt": text, DIRECTORY / f"{name}{ending}": pcap}


def write() -> None:
    """Write all captures."""
    DIRECTORY.mkdir(exist_ok=True)
    for name in CAPTURES:
        for path, content in files(name).items():
            packed = path.suffix == ".gz"
            path.write_bytes(gzip.compress(content, COMPRESSION, mtime=0) if packed else content)


def differing() -> list[Path]:
    """Return the files that are missing or hold something else, once they are unpacked."""
    wanted = [item for name in CAPTURES for item in files(name).items()]
    return [path for path, content in wanted if _read(path) != content]


def main(arguments: list[str] | None = None) -> int:
    """Write the captures, or check them; return the exit status."""
    parser = argparse.ArgumentParser(description="Rebuild the thesis's captures.")
    parser.add_argument("--check", action="store_true", help="compare the files, write nothing")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    paths = differing()
    for path in paths:
        print(f"{path.name} differs")
    return 1 if paths else 0


def _read(path: Path) -> bytes | None:
    """Return what a file holds, None where there is no such file or it can't be unpacked."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error):
        return None


def _packets(capture: Capture, rng: random.Random) -> list[Packet]:
    start = moment(capture.start)
    scene = Scene(rng, capture.network(rng), start, start + capture.seconds * SECOND)
    printed = capture.printed(rng)
    ids = 1 if len({_call_id(message) for message in printed}) == 1 else 2
    counts = (capture.conversations - ids, capture.messages // capture.interfaces - len(printed))
    units = plan(rng, capture.weights, capture.pinned(rng), counts)
    timed = free_times([*printed, *play(scene, units)])
    if capture.interfaces == 2:
        return _on_two_interfaces(rng, timed)
    others = noise(rng, start, scene.end) if capture.noisy else []
    return _framed(timed, others)


def _framed(timed: list[tuple[int, Message]], others: list[tuple[int, Framing]]) -> list[Packet]:
    """Frame messages and other packets in the order of their times."""
    framings = [(at, _framing(message)) for at, message in timed] + others
    link = Link()
    return [framing(link, at) for at, framing in sorted(framings, key=lambda item: item[0])]


def _framing(message: Message) -> Framing:
    words = f"SIP, length: {len(message.payload)}"
    ends = (message.source, message.target)
    return lambda link, at: link.datagram(at, ends, message.payload, words, message.shown)


def _on_two_interfaces(rng: random.Random, timed: list[tuple[int, Message]]) -> list[Packet]:
    """Frame messages as a router sees them: coming in, and some microseconds later going out."""
    link = Link()
    packets: list[Packet] = []
    for at, message in timed:
        start_line = message.payload.partition(b"\r\n")[0].decode()
        ends = (message.source, message.target)
        packet = link.datagram(at, ends, message.payload, f"SIP: {start_line}")
        packets += (packet, seen_again(packet, message.again or rng.randrange(3, 6)))
    return packets


def _call_id(message: Message) -> bytes:
    return next(line for line in message.payload.split(b"\r\n") if line.startswith(b"Call-ID:"))


if __name__ == "__main__":
    sys.exit(main())
