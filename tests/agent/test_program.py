"""`sipstream agent` as a program: without a terminal, whatever the server does, until a signal."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("nats")

from agents import asking, until  # noqa: E402
from nats_servers import NatsServer, free_port, nats_server, needs_nats_server  # noqa: E402
from support import CAPTURES  # noqa: E402

from sipstream.agent.counts import Counts  # noqa: E402
from sipstream.agent.link import Link  # noqa: E402
from sipstream.bus.connecting import Server, secret_of  # noqa: E402
from sipstream.errors import SourceError  # noqa: E402
from sipstream.extras import how_to_install  # noqa: E402
from sipstream.faults import Faults  # noqa: E402
from sipstream.options.agent import parse  # noqa: E402

pytestmark = needs_nats_server
TAP = "sbc1.a-rather-long-name.frankfurt.example.net"
TIMEOUT = str(CAPTURES / "timeout.txt")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path) as started:
        yield started


class Running:
    """An agent, and what it said so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.about = Path(f"/proc/{process.pid}")
        self._said = b""

    @property
    def said(self) -> str:
        return self._said.decode()

    async def says(self, *texts: str) -> None:
        """Wait until it has said all of this."""
        assert self.process.stderr is not None
        descriptor = self.process.stderr.fileno()
        while not all(text.encode() in self._said for text in texts):
            piece = await asyncio.to_thread(os.read, descriptor, 4096)
            assert piece, f"ended before {texts}: {self._said!r}"
            self._said += piece

    def ended(self, number: int) -> str:
        """Send a signal, return what it said at its end."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 128 + number and output == b"", errors
        return errors.decode()


@contextmanager
def running(*arguments: str, root: bool = False) -> Iterator[Running]:
    """An agent with these arguments; `root`: it is to give up root's rights."""
    environment = dict(os.environ)
    if root:
        del environment["SIPSTREAM_USER"]
    program = subprocess.Popen(
        [sys.executable, "-m", "sipstream", "agent", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    try:
        yield Running(program)
    finally:
        program.kill()
        program.communicate()


def refused(*arguments: str) -> str:
    """What an agent says that doesn't begin."""
    words = [sys.executable, "-m", "sipstream", "agent", *arguments]
    done = subprocess.run(words, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode in (1, 2) and not done.stdout
    text = done.stderr.decode()
    assert text.count("\n") == 1 and text.startswith("*** Error! "), text
    return text


async def test_an_agent_answers_until_it_is_told_to_end(server: NatsServer) -> None:
    with running(TIMEOUT, "--nats", server.url, "--tap", TAP) as program:
        await program.says(f"connected to {server.url}", "extracted\n", f"of tap {TAP}\n")
        async with asking(server.url) as ask:
            answer = await ask(TAP, "find", filter="state failed")
            assert answer.end["tap"] == TAP
            assert answer.end["matching"] == answer.end["given"] == 1
            await ask.follow(TAP, id="f")
        # It is asked for nothing by those who are gone.
        assert program.ended(signal.SIGTERM) == ""


async def test_an_agent_goes_on_without_its_server(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    try:
        with running(TIMEOUT, "--nats", server.url, "--tap", "lab", "--publish") as program:
            # There is none yet.
            await program.says("no server answers: connection refused; it is tried again\n")
            server.start()
            await program.says(f"connected to {server.url}\n", "extracted\n")
            server.kill()
            await program.says("the server is gone; it is asked for again\n")
            server.start()
            await program.says("the server is there again after ")
            # It has two connections, and tells of one.
            assert program.said.count("the server is gone") == 1
            async with asking(server.url) as ask:
                assert (await ask("lab", "find", filter="")).end["matching"] == 45
                while (await ask("lab", "stats")).end["reconnects"] == 0:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert "Error" not in program.ended(signal.SIGINT)
    finally:
        server.kill()


async def test_messages_that_are_no_text_end_nothing(server: NatsServer) -> None:
    with running(TIMEOUT, "--nats", server.url, "--tap", "lab") as program:
        await program.says(f"connected to {server.url}\n", "extracted\n")
        # What breaks nats-py's reading: a reply and headers that are no text, headers that are none.
        hostile = b'CONNECT {"verbose":false,"headers":true}\r\n'
        hostile += b"PUB sipstream.lab.find \xff\xfe 2\r\n{}\r\n"
        for headers in (
            b"NATS/1.0 \xff\xff\xff\r\n\r\n\r\n",
            b"NATS/1.0 404\r\n\r\n",
            b"NATS/1.0\r\n",
        ):
            sizes = b"%d %d" % (len(headers), len(headers) + 2)
            hostile += b"HPUB sipstream.lab.find _INBOX.x " + sizes + b"\r\n" + headers + b"{}\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as other:
            other.sendall(hostile + b"PING\r\n")
            came = b""
            while b"PONG" not in came:
                piece = other.recv(65536)
                assert piece, came
                came += piece
        async with asking(server.url) as ask:
            assert (await ask("lab", "find", filter="")).end["matching"] == 45


async def test_figures_tell_of_the_bus(server: NatsServer) -> None:
    port = free_port()
    with running(
        TIMEOUT, "--nats", server.url, "--tap", "lab", "--prometheus", f":{port}"
    ) as program:
        await program.says(f"connected to {server.url}\n", "extracted\n")
        text = await asyncio.to_thread(read, f"http://127.0.0.1:{port}/metrics")
        assert 'sipstream_agent_requests_total{verb="find"} 0.0' in text
        assert "sipstream_agent_connected" in text and "sipstream_packets_total 354.0" in text


async def test_others_go_first(server: NatsServer) -> None:
    with running(TIMEOUT, "--nats", server.url) as program:
        await program.says("is the agent of tap ")
        about = program.about
        nice = about.joinpath("stat").read_text().rpartition(")")[2].split()[16]
        assert int(nice) >= 10
        assert about.joinpath("oom_score_adj").read_text() == "500\n"
        assert re.search(r"^Max core file size +0 ", about.joinpath("limits").read_text(), re.M)


def read(url: str) -> str:
    """A page."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode())


def private(path: Path, text: str, mode: int = 0o600) -> str:
    """A file of credentials."""
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_root_reads_credentials_and_gives_its_rights_up(tmp_path: Path) -> None:
    from nats_servers import Access

    access = Access(config="authorization { user: u, password: pw }", user="u:pw")
    with nats_server(tmp_path, access=access) as server:
        creds = private(tmp_path / "creds", "u:pw\n")
        url = f"nats://127.0.0.1:{server.port}"
        with running(
            TIMEOUT, "--nats", url, "--nats-creds", creds, "--tap", "lab", root=True
        ) as program:
            await program.says("connected to ", "extracted\n")
            status = (program.about / "status").read_text()
            assert re.search(r"^Uid:\t(?!0\t)", status, re.M), status
            assert re.search(r"^CapEff:\t0+$", status, re.M), status
            # They are there for the next connection too.
            server.kill()
            await program.says("the server is gone")
            server.start()
            await program.says("the server is there again")
            async with asking(server.url) as ask:
                assert (await ask("lab", "find", filter="")).end["matching"] == 45


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("FILE", "--nats URL is missing"),
        ("--nats nats://127.0.0.1:4222", "an agent needs a source"),
        ("FILE --nats bus:4222", "'bus:4222' is no server such as"),
        ("FILE --nats nats://u:p@10.0.0.1:4222", "a password in an argument is seen by all users"),
        ("FILE --nats nats://10.0.0.1:4222 --nats-creds x", "use tls:// instead of nats://"),
        (f"FILE --nats nats://127.0.0.1:4222 --tap {'x' * 65}", "--tap NAME has 1 to 64 bytes"),
    ],
)
def test_what_does_not_fit_together(
    arguments: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(arguments.split())
    assert why in capsys.readouterr().err


def test_without_nats_py_it_says_what_is_missing() -> None:
    code = "import sys; sys.modules['nats'] = None; sys.argv[0] = 'sipstream'; "
    code += "from sipstream.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "agent", TIMEOUT, "--nats", "nats://127.0.0.1:4222"],
        capture_output=True, timeout=60,
    )  # fmt: skip
    wanted = f"*** Error! nats-py is missing: {how_to_install('nats')}\n"
    assert (done.returncode, done.stderr.decode()) == (1, wanted)


async def test_a_fault_of_ours_does_not_make_an_agent_deaf(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.agent.link._AGAIN_SECONDS", 0.01)
    said: list[str] = []
    faults, tries = Faults(), []
    faults.tell = said.append

    @asynccontextmanager
    async def fails_at_first(client: object) -> AsyncIterator[None]:
        tries.append(client)
        if len(tries) < 3:
            raise LookupError
        yield

    counts = Counts()
    link = Link(Server(server.url), said.append, counts, faults)
    holding = asyncio.create_task(link.hold(fails_at_first))
    await until(lambda: counts.connected)
    holding.cancel()
    await asyncio.wait([holding])
    assert said[-1] == f"connected to {server.url}" and "LookupError" in said[0]
    assert len(tries) == 3 and faults.counts["bus"] == 2


def test_credentials_are_for_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    creds = private(tmp_path / "creds", "token\n", 0o644)
    words = (TIMEOUT, "--nats", "nats://127.0.0.1:4222", "--nats-creds", creds)
    assert "others may read it; chmod 600 it" in refused(*words)
    for text, why in (("", "no credentials"), ("x" * 70_000, "no credentials")):
        with pytest.raises(SourceError, match=why):
            secret_of(Path(private(tmp_path / "creds", text)))
    with pytest.raises(SourceError, match="no such file"):
        secret_of(tmp_path / "none")
    assert secret_of(Path(private(tmp_path / "creds", "token\n"))) == b"token\n"
    # As systemd puts them there.
    Path(creds).chmod(0o440)
    with pytest.raises(SourceError, match="others may read it"):
        secret_of(Path(creds))
    if os.geteuid() == 0:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        assert secret_of(Path(creds)) == b"token\n"
        Path(creds).chmod(0o400)
        os.chown(creds, 12345, 12345)
        with pytest.raises(SourceError, match="it is another user's"):
            secret_of(Path(creds))


def test_an_interface_that_is_not_there_ends_it(server: NatsServer) -> None:
    with running("--live", "nosuch0", "--nats", server.url) as program:
        _, errors = program.process.communicate(timeout=30)
        assert program.process.returncode in (1, 77) and b"*** Error! " in errors


def test_without_any_of_its_files_it_ends(server: NatsServer, tmp_path: Path) -> None:
    with running(str(tmp_path / "none"), "--nats", server.url) as program:
        _, errors = program.process.communicate(timeout=30)
        assert program.process.returncode == 1 and b"none: no such file or directory\n" in errors


async def test_a_missing_file_leaves_the_others(server: NatsServer, tmp_path: Path) -> None:
    with running(str(tmp_path / "none"), TIMEOUT, "--nats", server.url, "--tap", "lab") as program:
        await program.says("none: no such file or directory\n", "45 conversations", "connected")
        async with asking(server.url) as ask:
            assert (await ask("lab", "find", filter="")).end["matching"] == 45
