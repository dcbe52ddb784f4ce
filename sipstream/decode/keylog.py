"""Secrets of TLS connections, as programs log them for who debugs them (SSLKEYLOGFILE).

Sans-IO: text in, secrets by the client's random out. Where text comes from, and that a file has
grown, is the business of who fills the table.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable

from sipstream.limits import TLS_SECRETS

MASTER = "CLIENT_RANDOM"
"""What the format calls the master secret of TLS 1.2."""
_LINE = (
    rb"(?m)^[ \t]*(CLIENT_RANDOM|(?:CLIENT|SERVER)_(?:HANDSHAKE_TRAFFIC_SECRET|TRAFFIC_SECRET_0))"
    rb"[ \t]+([0-9A-Fa-f]{64})[ \t]+([0-9A-Fa-f]{96}|[0-9A-Fa-f]{64})[ \t]*\r?$"
)
"""Compiled when it is needed: most runs read no key log."""


class Secrets:
    """Secrets by name and client random; those of `around` come first, where it is given.

    So what a capture brings along can't replace what the user gave.
    """

    def __init__(self, around: Secrets | None = None) -> None:
        self.forgotten = 0
        """Secrets that had to make room for later ones, here and in tables around which this one is."""
        self.more: list[Callable[[], bytes]] = []
        """Asked for text that came since, when a secret is missing."""
        self._around = around
        # An OrderedDict: taking the first one out of a dict again and again gets ever slower.
        self._secrets: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()

    def __bool__(self) -> bool:
        """Tell whether a secret may be found at all."""
        return bool(self._secrets or self.more or self._around)

    def add(self, text: bytes) -> int:
        """Take lines of a key log, return how many of them hold a secret; others are passed over."""
        count = 0
        for line in re.finditer(_LINE, text):
            key = (line[1].decode(), bytes.fromhex(line[2].decode()))
            self._secrets[key] = bytes.fromhex(line[3].decode())
            self._secrets.move_to_end(key)
            count += 1
            if len(self._secrets) > TLS_SECRETS:
                self._secrets.popitem(last=False)
                (self if self._around is None else self._around).forgotten += 1
        return count

    def find(self, name: str, random: bytes) -> bytes | None:
        """Return a connection's secret, None where there is none (yet)."""
        found = self._around.find(name, random) if self._around is not None else None
        if found is None:
            found = self._secrets.get((name, random))
        if found is None and self.more:
            for more in self.more:
                self.add(more())
            found = self._secrets.get((name, random))
        return found
