"""Connecting to a NATS server: nothing secret in plain text, again whenever the server was away."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
import stat
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sipstream.errors import SourceError, words
from sipstream.escape import escape
from sipstream.extras import how_to_install

if TYPE_CHECKING:
    from nats.aio.client import Client

PATIENCE = 3.0
"""Seconds that a server has to answer at the start, before it is told that none does."""
_WAIT = 1
"""Seconds between two attempts to connect."""
_QUIET = 20.0
"""Seconds after the server was there again in which it isn't told that it goes: one that comes and goes
each second would fill a journal."""
_PING = 10
"""Seconds between pings: when two aren't answered the server counts as gone, though nothing says so."""
_JWT = b"-----BEGIN NATS USER JWT-----"
_MOST_CREDS = 64 << 10
_OTHERS = 0o077
_REFUSED = "nats: '"
"""What nats-py puts before the words of a server."""


@dataclass(frozen=True, slots=True)
class Server:
    """A NATS server, or several of one cluster: `url` has them with commas between.

    `creds` is a file that only its owner reads: as NATS makes them (.creds), or one line `user:password`,
    or a token; `secret` is what is in it, where it was read before (`secret_of`). `ca` is a file of
    certificates to trust instead of the system's.
    """

    url: str
    creds: Path | None = None
    ca: Path | None = None
    secret: bytes | None = field(default=None, repr=False)

    @property
    def urls(self) -> list[str]:
        """Each server's URL."""
        return [one.strip() for one in self.url.split(",")]

    @property
    def name(self) -> str:
        """What the user is told of it: no password is in it."""
        return escape(",".join(_bare(one) for one in self.urls))


def wrong(server: Server) -> str | None:
    """Return what is wrong with a server as it was asked for, None where nothing is."""
    for url in server.urls:
        try:
            parts = urlsplit(url)
            known = parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known:
            return f"{escape(_bare(url))!r} is no server such as nats://127.0.0.1:4222 or tls://bus:4222"
        local = is_local(parts.hostname or "")
        if parts.username is not None and not local:
            return "a password in an argument is seen by all users: use --nats-creds FILE"
        if server.creds is not None and parts.scheme != "tls" and not local:
            return "credentials aren't sent in plain text: use tls:// instead of nats://"
    if server.ca is not None and not any(_is_tls(one) for one in server.urls):
        return "certificates are for servers that encrypt: use tls:// instead of nats://"
    return None


async def connect(server: Server, tell: Callable[[str], None]) -> Client:
    """Return a client that is connected, and connects again for ever whenever the server was away.

    `tell` gets a line when the server goes, and when it is back.

    Raises:
        SourceError: it can't be reached in PATIENCE, or refuses us, or nats-py is missing.
    """
    fault = wrong(server)
    if fault is not None:
        raise SourceError(fault)
    try:
        from sipstream.bus.client import Guarded
    except ModuleNotFoundError:
        raise SourceError(f"nats-py is missing: {how_to_install('nats')}") from None
    from nats.errors import Error

    client = Guarded(secret=server.creds is not None)
    states = _States(server, client, tell)
    connecting = client.connect(
        server.urls,
        name="sipstream",
        max_reconnect_attempts=-1,
        reconnect_time_wait=_WAIT,
        ping_interval=_PING,
        error_cb=states.failed,
        disconnected_cb=states.went,
        reconnected_cb=states.came_back,
        **_security(server),
    )
    try:
        await _within(PATIENCE, connecting)
    except TimeoutError:
        await client.close()
        why = f": {states.why}" if states.why else ""
        raise SourceError(f"{server.name}: no server answers{why}") from None
    except (Error, OSError, ValueError) as error:
        await client.close()
        raise SourceError(f"{server.name}: {_words(error)}") from error
    except asyncio.CancelledError:
        await client.close()
        raise
    states.connected = True
    return client


async def _within(seconds: float | None, work: Coroutine[Any, Any, None]) -> None:
    """Wait for work, but for no longer than that.

    Raises:
        TimeoutError: it took longer; it is ended.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError
        task.result()
    finally:
        # A cancel gets lost that comes as what is waited for is done (`asyncio.wait_for` until 3.12).
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_WAIT)


class _States:
    """Tells when a server goes and comes back."""

    def __init__(self, server: Server, client: Client, tell: Callable[[str], None]) -> None:
        self.connected = False
        self.why = ""
        """What went wrong last."""
        self._server = server
        self._client = client
        self._tell = tell
        self._since: float | None = None
        """When it went, None while it is there."""
        self._told = False
        """That it went was told."""
        self._back = float("-inf")
        """When it was told last that it is there again."""
        self._unsaid = 0
        """Times since that it went for a moment."""
        self._refusal = ""
        """Why it lets us in no more, where that was told."""

    async def failed(self, error: Exception) -> None:
        # A server that refuses us says why, and closes: what it said is the better reason. That it
        # said nothing is told anyway.
        if not (isinstance(error, TimeoutError) or (isinstance(error, OSError) and self.why)):
            self.why = _words(error)
        is_refused = self._since is not None and str(error).startswith(_REFUSED)
        if is_refused and self._refusal != self.why:
            self._refusal = self.why
            self._tell(f"{self._server.name}: the server lets us in no more: {self.why}")

    async def went(self) -> None:
        # Whoever closes it, or has it closed, isn't asked for again.
        if self.connected and self._since is None and not self._client.is_closed:
            now = self._since = time.monotonic()
            asyncio.get_running_loop().call_later(
                max(self._back + _QUIET - now, 0), self._tell_gone, now
            )

    async def came_back(self) -> None:
        if self._since is None:
            return
        seconds = time.monotonic() - self._since
        self._since, self._refusal = None, ""
        if self._told:
            self._told = False
            self._back = time.monotonic()
            self._tell(f"{self._server.name}: the server is there again after {seconds:.0f} s")
        else:
            self._unsaid += 1

    def _tell_gone(self, since: float) -> None:
        """Say that the server is gone, if it still is."""
        if self._since != since or self._client.is_closed:
            return
        often = f", {self._unsaid} times more since it was there again" if self._unsaid else ""
        self._told, self._unsaid = True, 0
        self._tell(f"{self._server.name}: the server is gone{often}; it is asked for again")


def _security(server: Server) -> dict[str, Any]:
    """Return what the client is given of TLS and credentials.

    Raises:
        SourceError: a file can't be read, or others may read it.
    """
    given: dict[str, Any] = {}
    if any(_is_tls(one) for one in server.urls):
        try:
            given["tls"] = ssl.create_default_context(cafile=server.ca)
        except (OSError, ssl.SSLError) as error:
            raise SourceError(f"{escape(str(server.ca))}: no certificates in it") from error
    if server.creds is None:
        return given
    secret = server.secret if server.secret is not None else secret_of(server.creds)
    if secret.lstrip().startswith(_JWT):
        from nats.aio.client import RawCredentials

        # By name the file would be read at each connection, when its rights may be gone.
        given["user_credentials"] = RawCredentials(secret.decode("utf-8", "replace"))
        return given
    line = secret.decode("utf-8", "surrogateescape").strip()
    user, colon, password = line.partition(":")
    given |= {"user": user, "password": password} if colon else {"token": line}
    return given


def secret_of(path: Path) -> bytes:
    """Return what a file of credentials holds.

    Raises:
        SourceError: it can't be read, is too long, is another user's, or others may read it.
    """
    name = escape(str(path))
    try:
        # A FIFO would be waited for until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
            status = os.fstat(descriptor)
            secret = file.read(_MOST_CREDS) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        raise SourceError(f"{name}: {words(error)}") from error
    # systemd lets the service's user in by an access list, whose mask stands where a group's rights do.
    theirs = path.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY") or os.devnull)
    others = _OTHERS & ~stat.S_IRGRP if theirs and status.st_uid == 0 else _OTHERS
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{name}: is no file")
    if status.st_mode & others:
        raise SourceError(f"{name}: others may read it; chmod 600 it")
    if status.st_uid not in (0, os.geteuid()):
        raise SourceError(f"{name}: it is another user's; credentials are root's or one's own")
    if not secret.strip() or len(secret) == _MOST_CREDS:
        raise SourceError(f"{name}: there are no credentials in it")
    return secret


def _is_tls(url: str) -> bool:
    return urlsplit(url).scheme == "tls"


def _bare(url: str) -> str:
    """Return a URL without user and password."""
    scheme, there, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if there else url.rpartition("@")[2]


def is_local(host: str) -> bool:
    """Tell whether what is sent to a host stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _words(error: Exception) -> str:
    """Return what an error of the client says, fit for a terminal."""
    from nats.errors import SecureConnRequiredError

    if isinstance(error, OSError) and error.errno:
        return words(error)
    if isinstance(error, SecureConnRequiredError):
        return "it doesn't encrypt, and nothing is sent to it in plain text for a tls:// URL"
    return escape(str(error).removeprefix("nats: ").strip("'\"") or type(error).__name__)
