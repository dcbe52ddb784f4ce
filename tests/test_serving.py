"""--prometheus: what is served, to whom, and that clients of any kind hold nobody up."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from consoles import Shell
from live_programs import wait_for
from namespaces import Pair, pair, usable
from prometheus_client.parser import text_string_to_metric_families
from support import CAPTURES, sip

from sipstream import serving
from sipstream.errors import SipstreamError
from sipstream.metrics import exposition
from sipstream.metrics.exposition import Snapshot
from sipstream.options import parse
from sipstream.serving import Serving, listening

Samples = dict[tuple[str, str], float]
"""Values by name and label, "" for none."""


def read(text: str) -> Samples:
    """What the official parser finds; it raises on what isn't the format."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Served:
    """A shell whose figures are served."""

    def __init__(self, shell: Shell, port: int) -> None:
        self.shell = shell
        self.port = port

    async def get(self, path: str = "/metrics", method: str = "GET") -> tuple[int, str]:
        def asked() -> tuple[int, str]:
            address = f"http://127.0.0.1:{self.port}{path}"
            try:
                request = urllib.request.Request(address, method=method)
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        return await asyncio.to_thread(asked)

    async def samples(self) -> Samples:
        status, text = await self.get()
        assert status == 200
        return read(text)

    async def raw(self, data: bytes) -> bytes:
        """What comes of some bytes, until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    # Each scrape is to see what came before it.
    monkeypatch.setattr(serving, "_FRESH", 0.0)
    shell = Shell(tmp_path)
    bound = listening("127.0.0.1", 0)
    async with shell.session, Serving(shell.session, bound):
        yield Served(shell, bound.getsockname()[1])
    shell.close()


async def test_figures_are_those_of_show_stats(served: Served) -> None:
    await served.shell(f"load {CAPTURES / 'testdata-pt.pcap.gz'}")
    found = await served.samples()
    assert found["sipstream_requests_total", "INVITE"] == 811
    assert found["sipstream_responses_total", "4xx"] == 430
    assert found["sipstream_conversations", "failed"] == 155
    assert found["sipstream_ser_ratio", ""] == pytest.approx(494 / 729)
    assert found["sipstream_srd_seconds", "0.95"] == pytest.approx(1.497261)
    assert found["sipstream_calls_most", ""] == 95
    assert found["sipstream_packets_total", ""] == 6586
    assert found["sipstream_packets_without_message", "not SIP"] == 60
    assert found["sipstream_drops_total", ""] == 0
    assert found["process_resident_memory_bytes", ""] > 10_000_000


async def test_counters_go_on_when_conversations_are_given_up(served: Served) -> None:
    shell = served.shell
    shell.put(sip(), sip("SIP/2.0 486 Busy", cseq="1 INVITE"))
    assert (await served.samples())["sipstream_conversations", "failed"] == 1
    shell.session.conversations.give_up([0])
    found = await served.samples()
    assert found["sipstream_conversations", "failed"] == 0
    assert found["sipstream_conversations_given_up_total", ""] == 1
    assert found["sipstream_requests_total", "INVITE"] == 1
    assert found["sipstream_responses_total", "4xx"] == 1


async def test_traffic_makes_no_labels(served: Served) -> None:
    before = set(await served.samples())
    served.shell.put(*(sip(f"ODD{place} sip:2@b SIP/2.0", f"c{place}") for place in range(50)))
    served.shell.put(sip("SIP/2.0 999 Odd", cseq="1 INVITE"))
    found = await served.samples()
    assert set(found) == before
    assert found["sipstream_requests_total", "other"] == 50
    assert found["sipstream_responses_total", "other"] == 1


def test_reasons_that_name_more_are_told_without_it() -> None:
    reasons = {"TLS with a cipher that can't be decrypted (0xfafa)": 2, 'new"\n\\': 1}
    found = read(exposition.text(Snapshot(reasons=reasons)).decode())
    assert (
        found["sipstream_packets_without_message", "TLS with a cipher that can't be decrypted"] == 2
    )
    assert found["sipstream_packets_without_message", "other"] == 1


async def test_what_is_asked_wrongly(served: Served) -> None:
    assert await served.get("/") == (404, "figures are at /metrics\n")
    assert (await served.get(method="POST"))[0] == 405
    assert (await served.get("/metrics?name=x"))[0] == 200
    assert await served.get(method="HEAD") == (200, "")
    assert (await served.raw(b"\x16\x03\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert (await served.raw(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000)).startswith(
        b"HTTP/1.1 431 "
    )


async def test_slow_and_many_clients_hold_nobody_up(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_PATIENCE", 1.0)
    slow = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(16)]
    for _, writer in slow:
        writer.write(b"GET /met")
    await asyncio.sleep(0.1)
    # There is no room for another one, and the shell goes on.
    assert await served.raw(b"GET /metrics HTTP/1.1\r\n\r\n") == b""
    assert await served.shell("show states") == []
    for reader, _ in slow:
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(20):
                assert await reader.read() == b""
                raise ConnectionError
    assert (await served.get())[0] == 200
    for _, writer in slow:
        writer.close()


async def test_it_ends_with_its_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_PATIENCE", 600.0)
    shell = Shell(tmp_path)
    bound = listening("127.0.0.1", 0)
    port = bound.getsockname()[1]
    async with shell.session:
        async with asyncio.timeout(30), Serving(shell.session, bound):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET")
            await asyncio.sleep(0.1)
        with pytest.raises(ConnectionError):
            assert await reader.read() == b""
            raise ConnectionError
        writer.close()
        assert len(shell.session.watchers) == 1
        listening("127.0.0.1", port).close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "prometheus"]
    shell.close()


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (":9100", ("127.0.0.1", 9100)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("10.0.0.1:9100", ("10.0.0.1", 9100)),
        ("[::1]:9100", ("::1", 9100)),
    ],
)
def test_addresses(typed: str, address: tuple[str, int]) -> None:
    assert parse(["--prometheus", typed]).prometheus == address


@pytest.mark.parametrize("typed", ["9100", ":0", ":65536", "host:9100", "::1", "10.0.0.1", ":x"])
def test_what_is_no_address(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--prometheus", typed])
    assert f"'{typed}' is no address with a port" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SipstreamError, match=f"127.0.0.1 port {port}: address already in use"):
            listening("127.0.0.1", port)


def _low_port() -> int:
    for port in range(700, 1000):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    pytest.skip("no low port is free")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_low_port_is_taken_before_roots_rights_are_given_up(tmp_path: Path) -> None:
    port = _low_port()
    environment = {name: text for name, text in os.environ.items() if name != "SIPSTREAM_USER"}
    program = subprocess.Popen(
        [sys.executable, "-m", "sipstream", "--prometheus", f":{port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        wait_for(program.stdout, f"Serving figures at http://127.0.0.1:{port}/metrics".encode())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert ("sipstream_packets_total", "") in read(answer.read().decode())
        status = Path(f"/proc/{program.pid}/status").read_text()
        assert re.search(r"^Uid:\t(?!0\t)", status, re.M), status
        assert re.search(r"^CapEff:\t0+$", status, re.M), status
    finally:
        program.kill()
        program.wait()


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair() as names:
        yield names


SCRAPE = (
    "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
)


@pytest.mark.skipif(not usable(), reason="needs network namespaces")
@pytest.mark.xdist_group("prometheus")
def test_live_traffic_is_counted_while_it_goes(hosts: Pair) -> None:
    answering = hosts.answer()
    program = hosts.sipstream("b", "--live", "vb", "--prometheus", ":9100", stdin=subprocess.PIPE)
    try:
        wait_for(program.stdout, b"Starting packet capture")
        hosts.call("4151500", 20, 50, 5080)
        scraped: Samples = {}
        for _ in range(50):
            asking = hosts.start("b", sys.executable, "-c", SCRAPE, stdout=subprocess.PIPE)
            scraped = read(asking.communicate(timeout=20)[0].decode())
            if scraped["sipstream_requests_total", "BYE"] == 20:
                break
            time.sleep(0.1)
        assert scraped["sipstream_requests_total", "INVITE"] == 20
        assert scraped["sipstream_ser_ratio", ""] == 1
    finally:
        for one in (answering, program):
            one.kill()
            one.wait()
