"""Ways that HEP goes out: UDP at a pace that receivers keep up with, or TCP that comes back by itself.

Each says in one line when nobody takes what is sent, and when somebody does again.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

from sipstream import limits
from sipstream.decode.endpoints import Key, key_of
from sipstream.errors import SipstreamError, words
from sipstream.escape import escape

_REFUSED_AGAIN = 2
"""How often a datagram is tried that finds the refusal of one before it."""
_NO_ROOM_SECONDS = 0.005
_LATE_SECONDS = 0.003
"""By which a pause may turn out longer than it was to be: with what is made up for then, no more comes at
once than a receiver with the usual buffer has room for."""
_SETTLE_SECONDS = 0.05
"""Within which a host says that nobody listens there: it has done so in far less."""
_QUIET_SECONDS = 5.0
"""Without a refusal: a host that has no listener says so at once, though not for each datagram."""
_FIRST_RETRY, _LAST_RETRY = 0.5, 15.0
_CONNECT_SECONDS = 10.0
_BUFFER = 4 << 20
Tell = Callable[[str], None]


class Wire(Protocol):
    """A way out. `open` it before all else; `own` is called with each endpoint that it sends from."""

    name: str
    """Where it leads, as the user wrote it."""
    refused: int
    """Packets that were sent, of which it came back that nobody took them."""

    async def open(self, own: Callable[[Key], None]) -> None:
        """Find where it leads.

        Raises:
            SipstreamError: there is no such host, or no way to it.
        """

    async def send(self, packets: Sequence[bytes]) -> int:
        """Send packets, return how many went; takes as long as it takes."""

    async def settle(self) -> None:
        """Find out what became of the last ones."""

    async def close(self) -> None:
        """End it."""


class Udp:
    """Datagrams, at most `rate` a second: more of them a receiver may lose."""

    def __init__(
        self, name: str, host: str, port: int, tell: Tell, rate: int = limits.SEND_RATE
    ) -> None:
        self.name = name
        self.refused = 0
        self._where = host, port
        self._said = _Said(name, tell)
        self._rate = rate
        self._socket: socket.socket | None = None
        self._due = 0.0
        """When the next one may go."""

    async def open(self, own: Callable[[Key], None]) -> None:
        """Find where it leads, and let the kernel tell when nobody listens there."""
        family, address = await _found(*self._where, socket.SOCK_DGRAM)
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setblocking(False)
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            raise SipstreamError(f"--send-hep {escape(self.name)}: {words(error)}") from error
        own(_end_of(made))
        self._socket = made

    async def send(self, packets: Sequence[bytes]) -> int:
        """Send packets; those that the network doesn't take aren't sent again."""
        now = monotonic()
        if self._due > now:
            await asyncio.sleep(self._due - now)
        sent = 0
        for packet in packets:
            sent += await self._sent(packet)
        self._said.not_refused()
        # What is later than that isn't made up for: it would come as a burst.
        self._due = max(self._due, monotonic() - _LATE_SECONDS) + len(packets) / self._rate
        return sent

    async def _sent(self, packet: bytes) -> bool:
        assert self._socket is not None
        tries = 0
        while True:
            try:
                self._socket.send(packet)
            except (BlockingIOError, InterruptedError):
                await asyncio.sleep(_NO_ROOM_SECONDS)
            except ConnectionRefusedError as error:
                # Told of one that was sent before; this one didn't go yet.
                self.refused += 1
                self._said.away(error)
                tries += 1
                if tries >= _REFUSED_AGAIN:
                    self.refused -= 1
                    return False
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    await asyncio.sleep(_NO_ROOM_SECONDS)
                    continue
                if error.errno != errno.EMSGSIZE:
                    self._said.away(error)
                return False
            else:
                return True

    async def settle(self) -> None:
        """Wait for a refusal of the last datagrams."""
        await asyncio.sleep(_SETTLE_SECONDS)
        if self._socket is not None:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.refused += 1
                self._said.away(OSError(code, ""))

    async def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


class Tcp:
    """A connection; one that is lost is made again, and what was under way is sent again."""

    def __init__(self, name: str, host: str, port: int, tell: Tell) -> None:
        self.name = name
        self.refused = 0
        self._where = host, port
        self._said = _Said(name, tell)
        self._own: Callable[[Key], None] = lambda key: None
        self._socket: socket.socket | None = None

    async def open(self, own: Callable[[Key], None]) -> None:
        """Find where it leads: it is connected to when something is to be sent."""
        self._own = own
        await _found(*self._where, socket.SOCK_STREAM)

    async def send(self, packets: Sequence[bytes]) -> int:
        """Send packets; who isn't there is waited for."""
        loop, data = asyncio.get_running_loop(), b"".join(packets)
        while True:
            try:
                connected = self._socket
                if connected is None or _is_closed(connected):
                    connected = await self._connected()
                await loop.sock_sendall(connected, data)
            except OSError as error:
                self._said.away(error)
                await self.close()
                await asyncio.sleep(self._said.pause)
            else:
                self._said.there()
                return len(packets)

    async def settle(self) -> None:
        """Do nothing: TCP sees to the last ones itself."""

    async def close(self) -> None:
        """Close the connection; what it holds still goes out."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _connected(self) -> socket.socket:
        """Return a new connection.

        Raises:
            OSError: nobody is there, or it takes too long.
        """
        await self.close()
        try:
            family, address = await _found(*self._where, socket.SOCK_STREAM)
        except SipstreamError as error:
            raise OSError(str(error)) from error
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(made, address)
        except BaseException:
            made.close()
            raise
        self._own(_end_of(made))
        self._socket = made
        return made


class _Said:
    """What was said of a way out: once when nobody takes what is sent, once when somebody does again."""

    def __init__(self, name: str, tell: Tell) -> None:
        self.pause = _FIRST_RETRY
        """Seconds until the next try."""
        self._name = escape(name)
        self._tell = tell
        self._is_away = False
        self._heard = 0.0
        """When it was said last that nobody takes it."""

    def away(self, error: OSError) -> None:
        """Nobody takes it."""
        self._heard = monotonic()
        if self._is_away:
            self.pause = min(self.pause * 2, _LAST_RETRY)
            return
        self._is_away = True
        self._tell(f"nobody takes what is sent to {self._name}: {words(error) or 'no answer'}")

    def there(self) -> None:
        """Somebody does."""
        if self._is_away:
            self._tell(f"what is sent to {self._name} is taken again")
        self._is_away, self.pause = False, _FIRST_RETRY

    def not_refused(self) -> None:
        """Something was sent of which nobody can say whether it was taken."""
        if self._is_away and monotonic() - self._heard > _QUIET_SECONDS:
            self._tell(f"what is sent to {self._name} isn't refused any more")
            self._is_away = False


async def _found(host: str, port: int, kind: socket.SocketKind) -> tuple[int, Any]:
    """Return the address family and address of a host.

    Raises:
        SipstreamError: there is none of that name.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=kind)
    except OSError as error:
        raise SipstreamError(f"--send-hep: no host {escape(host)} ({error.strerror})") from error
    family, _, _, _, address = found[0]
    return family, address


def _end_of(sock: socket.socket) -> Key:
    """Return the endpoint that a connected socket sends from."""
    host, port = sock.getsockname()[:2]
    return key_of(socket.inet_pton(sock.family, host.partition("%")[0]), port)


def _is_closed(sock: socket.socket) -> bool:
    """Tell whether the other end has closed a connection: what is sent then is lost."""
    try:
        return sock.recv(1, socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
