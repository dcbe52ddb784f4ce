"""What addresses are called: names the user has set, and where that is wanted those that DNS has.

Names of DNS are asked for in threads and kept; nothing waits for one longer than PATIENCE.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress

from sipstream.addresses import read_address
from sipstream.settings import Settings

PATIENCE = 0.5
"""Seconds that an answer waits for names of DNS: what comes later is shown the next time."""
_KEPT = 4096
"""Names, and addresses that have none, remembered: more than a customer's network has."""
_ASKED = 8
"""Addresses asked about at a time, a thread each; what has no turn is asked about the next time."""
_LONGEST = 64
"""Characters of a name that DNS gave; who owns an address may have written anything."""


def _look_up(address: str) -> str:
    """Return the name that DNS has for an address, "" for none."""
    import socket

    try:
        return socket.gethostbyaddr(address)[0]
    except (OSError, UnicodeError):
        return ""


class Naming:
    """Names of addresses and endpoints."""

    def __init__(
        self, settings: Callable[[], Settings], look_up: Callable[[str], str] = _look_up
    ) -> None:
        self._settings = settings
        self._look_up = look_up
        self._found: OrderedDict[str, str] = OrderedDict()
        self._asked: dict[str, asyncio.Future[None]] = {}

    def name_of(self, text: str) -> str:
        """Return the name of an endpoint (`10.20.0.22:5060`) or an address, "" where it has none."""
        settings = self._settings()
        named = settings.addresses.get(text)
        if named is not None:
            return named.text
        return self._found.get(text, "") if settings.on("reverse_dns") else ""

    async def ask(self, addresses: Iterable[str]) -> None:
        """Look up addresses that have no name, where the settings say so; wait a moment for answers."""
        waiting = self.begin(addresses)
        if waiting:
            await asyncio.wait(waiting, timeout=PATIENCE)

    def begin(self, addresses: Iterable[str]) -> list[asyncio.Future[None]]:
        """Begin to look up the same, without waiting; return what may be waited for."""
        settings = self._settings()
        if not settings.on("reverse_dns"):
            return []
        for address in dict.fromkeys(addresses):
            known = address in settings.addresses or address in self._found
            if not known and address not in self._asked and len(self._asked) < _ASKED:
                self._look_up_beside(address)
        return [self._asked[address] for address in addresses if address in self._asked]

    def _look_up_beside(self, address: str) -> None:
        try:
            read_address(address)
        except ValueError:
            # A name that tcpdump printed.
            return
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        self._asked[address] = answered

        def done(name: str) -> None:
            self._asked.pop(address, None)
            self._found[address] = name[:_LONGEST]
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)
            if not answered.done():
                answered.set_result(None)

        def work() -> None:
            name = self._look_up(address)
            # The loop may have ended meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(done, name)

        # Not one of asyncio's: these are waited for at the end, and DNS may take half a minute.
        threading.Thread(target=work, daemon=True, name=f"name of {address}").start()
