"""Who may send HEP: an allow list of networks, a key, and so many packets a second. Sans-IO.

Neither proves anything: the source of a datagram can be forged, and the key travels in clear with each
packet. The list keeps strangers out where the network does so too; the key is a label against mistakes.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from sipstream import limits, reasons
from sipstream.decode import hep
from sipstream.errors import SipstreamError, words
from sipstream.escape import escape

_OTHERS = 0o077
_AT_ONCE = 2
"""Seconds of what a sender may send that may come at once."""
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Gate:
    """Says of each packet whether it may come in; every sender's packets of a second are counted.

    Without `networks` any sender may send, without a `key` packets need none.
    """

    def __init__(
        self,
        networks: Sequence[Network] = (),
        key: bytes = b"",
        rate: int = limits.HEP_RATE,
    ) -> None:
        self._networks = networks
        self._key = key
        self._rate = rate
        self._begun = 0.0
        self._may: dict[str, bool] = {}
        self._counts: dict[str, int] = {}

    def may(self, address: str) -> bool:
        """Tell whether an address is one of those that may send."""
        if not self._networks:
            return True
        known = self._may.get(address)
        if known is None:
            if len(self._may) >= limits.HEP_SENDERS:
                self._may.clear()
            one = ipaddress.ip_address(address.partition("%")[0])
            known = self._may[address] = any(one in network for network in self._networks)
        return known

    def look_at_clock(self, now: float) -> None:
        """Let as many go by as may come in the seconds since; to be called again and again."""
        seconds = now - self._begun
        if seconds >= 1:
            self._begun = now
            gone = int(self._rate * seconds)
            self._counts = {one: n - gone for one, n in self._counts.items() if n > gone}

    def is_full(self, address: str) -> bool:
        """Tell whether a sender has sent all that it may by now; else count one packet more.

        That is two seconds' worth at once, for what waited in the kernel comes so, and one a second.
        Beyond HEP_SENDERS those that come new are counted as one.
        """
        counts = self._counts
        count = counts.get(address)
        if count is None:
            if len(counts) >= limits.HEP_SENDERS:
                address = ""
            count = counts.get(address, 0)
        if count >= _AT_ONCE * self._rate:
            return True
        counts[address] = count + 1
        return False

    def refusal(self, packet: bytes) -> str:
        """Return why a packet of a sender that may send doesn't come in, "" where it does."""
        if not hep.is_hep(packet, 0, len(packet)):
            return reasons.NOT_HEP
        if self._key and not hmac.compare_digest(hep.key_of(packet), self._key):
            return reasons.WRONG_KEY
        return ""


def read_key(path: Path) -> bytes:
    """Return the key that a file holds, its first line; nobody else may read the file.

    Raises:
        SipstreamError: it can't be read, others may read it, or it holds no key.
    """
    name = f"--hep-key {escape(str(path))}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise SipstreamError(f"{name}: is no file")
            if mode & _OTHERS:
                raise SipstreamError(
                    f"{name}: others may read it (mode {stat.S_IMODE(mode):04o}): chmod 600 it"
                )
            line = os.read(descriptor, limits.HEP_KEY + 2).partition(b"\n")[0].rstrip(b"\r")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SipstreamError(f"{name}: {words(error)}") from error
    if not 0 < len(line) <= limits.HEP_KEY:
        raise SipstreamError(f"{name}: a key is its first line, of 1 to {limits.HEP_KEY} bytes")
    return line
