"""Options of HEP: where it is listened for, who may send it, and where messages are sent on to."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sipstream.decode.hep import PORT
from sipstream.options import values

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from sipstream.options import Options
    from sipstream.options.groups import Sourced

_HOST = re.compile(r"[\w.-]{1,253}", re.ASCII)


class Destination(NamedTuple):
    """Where HEP is sent to."""

    tcp: bool
    host: str
    port: int

    @property
    def text(self) -> str:
        """Return it as one writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tcp:' * self.tcp}{host}:{self.port}"


@dataclass
class HepIn:
    """Where HEP comes from."""

    hep: list[tuple[str, int]] = field(default_factory=list)
    hep_allow: list[IPv4Network | IPv6Network] = field(default_factory=list)
    hep_key: Path | None = None


def add_hep(add: Any) -> None:
    """Add the options of `HepIn`; `add` is a parser's `add_argument`."""
    add(
        "--hep", action="append", default=[], type=_listening, metavar="[ADDRESS]:PORT",
        help="take HEP from Kamailio, OpenSIPS, heplify and others, over UDP and TCP; on 127.0.0.1"
        f" unless an ADDRESS is given, port {PORT} where an ADDRESS stands alone",
    )  # fmt: skip
    add(
        "--hep-allow", type=_networks, default=[], metavar="NET[,NET]",
        help="with --hep: senders that may send; another ADDRESS than loopback needs it",
    )  # fmt: skip
    add(
        "--hep-key", type=Path, metavar="FILE",
        help="the key that HEP packets must have, and get; FILE has mode 0600. It is sent in clear:"
        " a label against mistakes",
    )  # fmt: skip


def add_send_hep(add: Any) -> None:
    """Add the option that says where messages are sent on to."""
    add(
        "--send-hep", type=_destination, metavar="[tcp:]HOST:PORT",
        help="send messages on as HEP, to HOMER for one: all, or what --filter says",
    )  # fmt: skip


def wrong(options: Options) -> str | None:
    """Return what of it doesn't fit together, None where all does."""
    if options.write is not None and not options.live and (options.hep or options.send_hep):
        return (
            f"--write of files stands alone: leave out {'--hep' if options.hep else '--send-hep'}"
        )
    return wrong_in(options, options.send_hep) or _wrong_sending(options)


def wrong_in(options: Sourced, sent_to: Destination | None = None) -> str | None:
    """Return what of `HepIn` doesn't fit together, None where all does."""
    from ipaddress import ip_address

    open_to_others = [host for host, _ in options.hep if not ip_address(host).is_loopback]
    if open_to_others and not options.hep_allow:
        return (
            f"--hep {open_to_others[0]} can be reached by others, and anyone can send HEP:"
            " say with --hep-allow NET who may"
        )
    if options.hep_allow and not options.hep:
        return "--hep-allow says who may send HEP: add --hep [ADDRESS]:PORT"
    if options.hep_key is not None and not (options.hep or sent_to):
        return "--hep-key is for HEP packets: add --hep or --send-hep"
    if len(set(options.hep)) < len(options.hep):
        return "--hep names an address twice"
    return None


def _wrong_sending(options: Options) -> str | None:
    if options.send_hep is None:
        useless = "--tap names where messages that are sent on were seen: add --send-hep"
        return useless if options.tap is not None else None
    if not options.has_source:
        return "--send-hep needs what is to be sent: a FILE, --tail, --live, --hep, --nats or --bus"
    host = {"localhost": values.LOOPBACK}.get(options.send_hep.host, options.send_hep.host)
    if (host, options.send_hep.port) in options.hep:
        return "--send-hep sends to where --hep listens: all would come back"
    return None


def _listening(text: str) -> tuple[str, int]:
    """Return address and port, as `values.address`; the usual port where there is an address alone."""
    alone = text.removeprefix("[").removesuffix("]")
    if alone and (
        ":" not in text or text.endswith("]") or (text.count(":") > 1 and "]" not in text)
    ):
        text = f"[{alone}]:{PORT}" if ":" in alone else f"{alone}:{PORT}"
    return values.address(text)


def _networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Return networks such as `10.0.0.0/8,192.0.2.7,2001:db8::/32`."""
    from ipaddress import ip_network

    try:
        return [ip_network(one.strip(), strict=False) for one in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of networks such as 10.0.0.0/8,192.0.2.7,2001:db8::/32"
        ) from None


def _destination(text: str) -> Destination:
    """Return where HEP is sent to: `HOST:PORT`, `tcp:HOST:PORT`, `[ADDRESS]:PORT`."""
    from ipaddress import AddressValueError, IPv6Address

    scheme, colon, rest = text.partition(":")
    tcp = bool(colon) and scheme == "tcp"
    if scheme in ("tcp", "udp") and ":" in rest:
        text = rest
    host, _, port = text.rpartition(":")
    good = bool(_HOST.fullmatch(host))
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            IPv6Address(host)
            good = True
        except AddressValueError:
            good = False
    number = int(port) if re.fullmatch(r"[1-9]\d{0,4}", port, re.ASCII) else 0
    if not good or not 0 < number <= values.LAST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no host with a port, such as homer.example.org:{PORT} or tcp:[::1]:{PORT}"
        )
    return Destination(tcp, host, number)
