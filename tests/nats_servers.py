"""nats-server with JetStream for tests: one or a cluster, killed and started again, with or without TLS.

Each has a folder and ports of its own, keeps them when it is started again, and is ended by its pid.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LOOPBACK = "127.0.0.1"
needs_nats_server = pytest.mark.skipif(
    shutil.which("nats-server") is None, reason="nats-server isn't installed"
)
_READY_SECONDS = 20.0
"""What a server has to become ready: a cluster chooses a leader first."""
_PORTS = range(10_000, 32_000)
"""Below those that Linux gives to connections: a client that tries to reconnect to such a port
on its own machine sooner or later gets that very port for its end, and the server can't have it."""

_FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"


def free_port() -> int:
    """Return a port that nobody on loopback listens at."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


@dataclass(frozen=True)
class Access:
    """Who may connect, and how: the part of the server's config, and how clients name it in a URL."""

    config: str = ""
    scheme: str = "nats"
    user: str = ""
    """`NAME:PASSWORD` for the URL."""
    ca: Path | None = None
    """The certificate that clients trust."""
    creds: Path | None = None
    """The file that clients show."""


class NatsServer:
    """One nats-server; `url` is where clients find it.

    `prefix` goes before its command (`ip netns exec NAME`), `host` is the address that it listens at.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "n1",
        access: Access | None = None,
        cluster: str = "",
        prefix: Sequence[str] = (),
        host: str = LOOPBACK,
        port: int | None = None,
    ) -> None:
        self.folder, self.name, self.host = folder, name, host
        self.access = access or Access()
        self.port = port or free_port()
        self.monitor = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._prefix = prefix
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / f"{name}.conf"
        self._config.write_text(
            f"server_name: {name}\n"
            f"listen: {host}:{self.port}\n"
            f"http: {LOOPBACK}:{self.monitor}\n"
            f"{cluster}\n{self.access.config}\n"
            f'jetstream {{ store_dir: "{folder / name}"\n'
            # Room for what a stream may take; so much needn't be there.
            f"max_file_store: 64GB, max_memory_store: 64MB }}\n"
        )

    @property
    def url(self) -> str:
        user = f"{self.access.user}@" if self.access.user else ""
        return f"{self.access.scheme}://{user}{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """What it wrote so far, all runs."""
        path = self.folder / f"{self.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process is not None
        # `ip netns exec` becomes the program itself.
        return self.process.pid

    def begin(self) -> None:
        """Start it on its ports and store, without waiting until it is ready."""
        assert self.process is None
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, "nats-server", "-c", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> NatsServer:
        """Start it, wait until it takes requests, JetStream's too."""
        self.begin()
        self.until_ready()
        return self

    def until_ready(self) -> None:
        """Wait until it takes requests, in a cluster until the cluster does."""
        end = time.monotonic() + _READY_SECONDS
        while not self._healthy():
            assert self.process is not None
            assert self.process.poll() is None, f"{self.name} has ended:\n{self.log[-2000:]}"
            assert time.monotonic() < end, f"{self.name} isn't ready:\n{self.log[-2000:]}"
            time.sleep(0.05)

    def _healthy(self) -> bool:
        try:
            return bool(self.told("healthz")["status"] == "ok")
        except (OSError, ValueError):
            return False

    def told(self, page: str) -> dict[str, Any]:
        """Return a page of its monitoring: `varz`, `jsz?streams=true`, `connz` ..."""
        address = f"http://{LOOPBACK}:{self.monitor}/{page}"
        if self._prefix:
            # Only programs in its namespace reach its loopback.
            words = [*self._prefix, sys.executable, "-c", _FETCH, address]
            done = subprocess.run(words, capture_output=True, timeout=10)
            if done.returncode:
                raise OSError(done.stderr.decode(errors="replace").strip())
            return dict(json.loads(done.stdout))
        try:
            with urllib.request.urlopen(
                f"http://{LOOPBACK}:{self.monitor}/{page}", timeout=5
            ) as at:
                return dict(json.loads(at.read()))
        except urllib.error.HTTPError as error:
            return dict(json.loads(error.read()))

    def traffic(self) -> tuple[int, int]:
        """Return the payload bytes that it took from clients and gave to them, since it started."""
        told = self.told("varz")
        return int(told["in_bytes"]), int(told["out_bytes"])

    def kill(self) -> None:
        """Take it away as a crash does: kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


@contextmanager
def nats_server(folder: Path, **options: Any) -> Iterator[NatsServer]:
    """Start one server (options: those of NatsServer), end it afterwards."""
    server = NatsServer(folder, **options)
    try:
        yield server.start()
    finally:
        server.kill()


@dataclass
class Cluster:
    """Three servers that know each other."""

    servers: list[NatsServer]

    @property
    def url(self) -> str:
        """All of them, as clients take it."""
        return ",".join(server.url for server in self.servers)

    def leader(self, stream: str) -> NatsServer:
        """Return the server that leads a stream, once there is such a stream."""
        end = time.monotonic() + _READY_SECONDS
        while (found := self._leader(stream)) is None:
            assert time.monotonic() < end, f"nobody leads {stream}"
            time.sleep(0.1)
        return found

    def _leader(self, stream: str) -> NatsServer | None:
        for server in self.servers:
            if server.process is None:
                continue
            told = server.told("jsz?streams=true&accounts=true")
            for account in told.get("account_details") or ():
                for one in account.get("stream_detail") or ():
                    if one["name"] == stream and one["cluster"].get("leader") == server.name:
                        return server
        return None


@contextmanager
def nats_cluster(
    folder: Path,
    access: Access | None = None,
    prefix: Sequence[str] = (),
    host: str = LOOPBACK,
) -> Iterator[Cluster]:
    """Start a cluster of three servers, end what is left of it afterwards."""
    ports = [free_port() for _ in range(3)]
    routes = ", ".join(f"nats://{LOOPBACK}:{port}" for port in ports)
    servers = [
        NatsServer(
            folder / f"n{number}",
            name=f"n{number}",
            access=access,
            prefix=prefix,
            host=host,
            cluster=f"cluster {{ name: c, listen: {LOOPBACK}:{port}, routes: [{routes}] }}",
        )
        for number, port in enumerate(ports, 1)
    ]
    try:
        for server in servers:
            server.begin()
        for server in servers:
            server.until_ready()
        yield Cluster(servers)
    finally:
        for server in servers:
            server.kill()
