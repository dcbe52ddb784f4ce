"""Two readers, one capture: the SIP messages that sipstream finds against those that tshark finds.

    python tests/hostile/differential.py DIRECTORY

prints a line for each capture in the directory and below it a line for each difference: with the
reason, where KNOWN has one, else UNEXPLAINED. The exit status is 1 when anything is unexplained.

tshark is asked for PDML, which keeps the layers of a frame apart: which addresses and ports belong
to a message, and where one message ends that shares its frame with the next.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import sipstream

SUFFIXES = (".pcap", ".pcapng", ".gz")
WANTED = "sip and not icmp and not icmpv6"
"""An ICMP error quotes a message that was seen when it was sent."""
LAYERS = "frame ip ipv6 udp tcp sctp sip"
PORT_LAYERS = ("udp", "tcp", "sctp")


class Told(NamedTuple):
    """Options that tshark needs to see what is there."""

    files: str
    options: str
    reason: str


TOLD = (
    Told(
        "*",
        "-o tcp.reassemble_out_of_order:TRUE",
        "left to itself tshark gives up a message whose segments come out of turn",
    ),
    Told(
        "*sip_ipv4_tcp_fragmented.pcap",
        "-d tcp.port==6060,sip",
        "tshark 4.0 takes TCP port 6060 for X11 and shows no SIP there",
    ),
)


class Seen(NamedTuple):
    """What both must say of a message."""

    time: int
    """When it was whole, ns since the epoch."""
    call_id: str
    kind: str
    """Method or status code."""
    cseq: str
    source: str
    destination: str

    def __str__(self) -> str:
        seconds, fraction = divmod(self.time, 10**9)
        ends = f"{self.source} > {self.destination}"
        names = f"{self.kind!a}, CSeq {self.cseq!a}, Call-ID {self.call_id!a}"
        return f"{seconds}.{fraction:09} {ends} {names}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What two descriptions of one message have in common."""
        return self.call_id, self.kind, self.cseq


class Reading(NamedTuple):
    """What one of the two says of a capture."""

    messages: Counter[Seen]
    note: str = ""
    """Why it may be incomplete, "" where nothing was said."""
    left_out: int = 0
    """Messages that were there a second time with the same bytes and time."""


class Comparison(NamedTuple):
    """Both readings of a capture."""

    name: str
    ours: Reading
    theirs: Reading

    @property
    def only_ours(self) -> Counter[Seen]:
        return self.ours.messages - self.theirs.messages

    @property
    def only_theirs(self) -> Counter[Seen]:
        return self.theirs.messages - self.ours.messages


class Difference(NamedTuple):
    """A message that only one of the two has, or that they describe differently."""

    what: str
    reason: str
    """"" where none is known."""

    def __str__(self) -> str:
        return f"{self.what}: {self.reason or 'UNEXPLAINED'}"


class Known(NamedTuple):
    """Why a message that tshark has is missing in sipstream, and isn't missed."""

    files: str
    applies: Callable[[Seen, Comparison], bool]
    reason: str


def has_no_call_id(message: Seen, both: Comparison) -> bool:
    return not message.call_id


def is_duplicate(message: Seen, both: Comparison) -> bool:
    """Tell whether sipstream has the message, and left as many out as are missing."""
    again = sum(count for one, count in both.only_theirs.items() if both.ours.messages[one])
    return both.ours.messages[message] > 0 and again <= both.ours.left_out


KNOWN = (
    Known("*", has_no_call_id, "sipstream counts what has no Call-ID by that reason"),
    Known("*", is_duplicate, "the same bytes at the same time appear once in sipstream"),
)
"""Nothing is known that would explain a message which only sipstream has."""


def by_sipstream(path: Path, keylog: Path | None = None) -> Reading:
    """Return what sipstream finds; a file that it refuses holds nothing."""
    try:
        conversations = sipstream.load(path, keylog)
    except sipstream.SourceError as error:
        return Reading(Counter(), f"sipstream: {error}")
    found = Counter(
        Seen(
            message.time,
            one_line(conversation.call_id),
            str(message.kind),
            one_line(message.cseq),
            endpoint(*message.source.rsplit(".", 1)),
            endpoint(*message.destination.rsplit(".", 1)),
        )
        for conversation in conversations
        for message in conversation.messages
    )
    return Reading(found, left_out=conversations.duplicates)


def by_tshark(path: Path, *more: str) -> Reading:
    """Return what tshark finds; `more` are further options."""
    options = [word for told in told_of(path.name) for word in told.options.split()]
    options += more
    command = ["tshark", "-n", "-r", str(path), "-Y", WANTED, "-T", "pdml", "-J", LAYERS, *options]
    done = subprocess.run(command, capture_output=True, check=False)
    found = Counter(message for packet in packets(done.stdout) for message in messages_of(packet))
    last_words = done.stderr.decode("ascii", "backslashreplace").strip().rpartition("\n")[2]
    return Reading(found, last_words if done.returncode else "")


def told_of(name: str) -> list[Told]:
    """Return what tshark is told of a file."""
    return [told for told in TOLD if fnmatchcase(name, told.files)]


def packets(pdml: bytes) -> Iterator[ElementTree.Element]:
    """Yield the packets of a PDML document; one that ends early has those before its end."""
    parser = ElementTree.XMLPullParser(["end"])
    parser.feed(pdml)
    for _, element in parser.read_events():
        if element.tag == "packet":
            yield element


def layers(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yield a packet's layers from the outermost on; what a SIP body holds is none."""
    for child in element:
        if child.tag == "proto":
            yield child
        if child.get("name") != "sip":
            yield from layers(child)


def messages_of(packet: ElementTree.Element) -> Iterator[Seen]:
    """Yield the messages of a packet, each with the endpoints of the layers right before it."""
    time = 0
    addresses = ports = ("", "")
    for layer in layers(packet):
        name = layer.get("name", "")
        if name == "frame":
            time = int(Decimal(shown(layer, "frame.time_epoch")) * 10**9)
        elif name in ("ip", "ipv6"):
            addresses = shown(layer, f"{name}.src"), shown(layer, f"{name}.dst")
        elif name in PORT_LAYERS and (port := shown(layer, f"{name}.srcport")):
            # Further chunks of an SCTP packet have layers without ports.
            ports = port, shown(layer, f"{name}.dstport")
        elif name == "sip" and (kind := kind_of(layer)):
            source, destination = map(endpoint, addresses, ports)
            call_id, cseq = header(layer, "sip.Call-ID"), header(layer, "sip.CSeq")
            yield Seen(time, call_id, kind, cseq, source, destination)


def kind_of(layer: ElementTree.Element) -> str:
    """Return a SIP layer's method or status code, "" where there is no start line."""
    return shown(layer, "sip.Request-Line", "sip.Method") or shown(
        layer, "sip.Status-Line", "sip.Status-Code"
    )


def header(layer: ElementTree.Element, name: str) -> str:
    """Return a header's value from its bytes: what tshark shows has replaced some of them."""
    line = bytes.fromhex(attribute(layer, "value", "sip.msg_hdr", name))
    return one_line(line.decode("utf-8", "surrogateescape").partition(":")[2])


def shown(layer: ElementTree.Element, *names: str) -> str:
    """Return a field as tshark shows it; `names` lead to it from the layer down."""
    return attribute(layer, "show", *names)


def attribute(layer: ElementTree.Element, attribute: str, *names: str) -> str:
    found = layer.find("/".join(f"field[@name='{name}']" for name in names))
    return "" if found is None else found.get(attribute, "")


def endpoint(address: str, port: str) -> str:
    """Return an endpoint as both are compared: the address's one canonical text, and the port."""
    return f"{ip_address(address)}.{port}"


def one_line(value: str) -> str:
    """Return a value with every run of blanks, those of folds too, as one space."""
    return " ".join(value.split())


def compare(path: Path) -> Comparison:
    return Comparison(path.name, by_sipstream(path), by_tshark(path))


def differences(both: Comparison) -> list[Difference]:
    """Return all differences, those of one message in one line."""
    found: list[Difference] = []
    theirs: list[Seen] = []
    for message in sorted(both.only_theirs.elements()):
        reason = reason_of(message, both)
        if reason:
            found.append(Difference(f"only tshark: {message}", reason))
        else:
            theirs.append(message)
    for message in sorted(both.only_ours.elements()):
        other = next((one for one in theirs if one.identity == message.identity), None)
        if other is None:
            found.append(Difference(f"only sipstream: {message}", ""))
        else:
            theirs.remove(other)
            found.append(Difference(f"sipstream: {message}; tshark: {other}", ""))
    return found + [Difference(f"only tshark: {message}", "") for message in theirs]


def reason_of(message: Seen, both: Comparison) -> str:
    for known in KNOWN:
        if fnmatchcase(both.name, known.files) and known.applies(message, both):
            return known.reason
    return ""


def report(both: Comparison) -> Iterator[str]:
    """Yield the lines on one capture."""
    found = differences(both)
    unexplained = sum(not one.reason for one in found)
    yield (
        f"{both.name}: sipstream {both.ours.messages.total()}, tshark"
        f" {both.theirs.messages.total()} messages, {len(found)} differences,"
        f" {unexplained} unexplained"
    )
    for note in filter(None, (both.ours.note, both.theirs.note)):
        yield f"    {note}"
    for told in told_of(both.name):
        if told.files != "*":
            yield f"    tshark was told {told.options}: {told.reason}"
    for difference in found:
        yield f"    {difference}"


def captures(directory: Path) -> Iterable[Path]:
    return sorted(path for path in directory.iterdir() if path.name.endswith(SUFFIXES))


def main() -> int:
    """Compare all captures of a directory; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    if shutil.which("tshark") is None:
        parser.error("tshark is not installed")
    if not directory.is_dir():
        parser.error(f"{directory} is no directory")
    unexplained = 0
    for path in captures(directory):
        both = compare(path)
        print(*report(both), sep="\n", flush=True)
        unexplained += sum(not one.reason for one in differences(both))
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
