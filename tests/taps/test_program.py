"""The program with --nats: commands, a follow, and what doesn't fit together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_taps import FakeTap, call, silent, site, taps_on
from nats_servers import NatsServer, nats_server, needs_nats_server

from sipstream import options


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as started:
        yield started


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sipstream", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "SIPSTREAM_USER": "root"},
    )


async def run(*arguments: str) -> tuple[int | None, list[str], list[str]]:
    """Return the exit status, and the lines of standard output and of standard error."""
    program = await started(*arguments)
    out, errors = await program.communicate()
    return program.returncode, out.decode().splitlines(), errors.decode().splitlines()


@needs_nats_server
async def test_commands(server: NatsServer, tmp_path: Path) -> None:
    file = tmp_path / "calls.pcap"
    async with taps_on(server.url, site(3, 2)):
        status, out, errors = await run(
            *("--nats", server.url, "--filter", "dstnum 5660066"),
            *("-c", "show conversations | count", "-c", f"export pcap {file}"),
        )
    assert (status, errors) == (0, [])
    assert out[:2] == ["3 taps: sbc1, sbc2 and sbc3", "1"]
    # What was exported is a capture as any other.
    status, out, _ = await run(str(file), "-q", "-c", "show conversation 0 | count")
    assert (status, out) == (0, ["5"])


@needs_nats_server
async def test_objects_stand_alone(server: NatsServer) -> None:
    taps = [*site(1, 2), FakeTap("quiet", ways={"stats": silent})]
    async with taps_on(server.url, taps):
        status, out, errors = await run("--nats", server.url, "--json", "-c", "show taps")
    assert status == 0
    rows = list(map(json.loads, out))
    assert [(row["tap"], row["state"]) for row in rows] == [("quiet", "silent"), ("sbc1", "there")]
    assert (rows[0]["rate"], rows[1]["rate"], rows[1]["messages"]) == (None, 12.5, 8)
    assert errors == [
        "2 taps: quiet and sbc1",
        "quiet doesn't answer: left out, what comes later is taken in",
    ]


@needs_nats_server
async def test_a_follow_goes_on_until_it_is_ended(server: NatsServer) -> None:
    (tap,) = taps = site(1, 1)
    async with taps_on(server.url, taps):
        program = await started("--nats", server.url, "-q", "--follow", "dstnum 5660066")
        assert program.stdout is not None
        async with asyncio.timeout(30):
            while not tap.follows:  # noqa: ASYNC110 - it is done elsewhere
                await asyncio.sleep(0.02)
            await tap.sees(*call(5)[:1])
            assert b"INVITE" in await program.stdout.readline()
            program.send_signal(signal.SIGINT)
            await program.communicate()
            while tap.follows:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    assert program.returncode == 130


@needs_nats_server
async def test_files_and_taps_together(server: NatsServer) -> None:
    async with taps_on(server.url, site(1, 1)):
        status, out, _ = await run(
            *("--nats", server.url, "captures/callerid-problem.txt", "-q"),
            *("-c", "show conversations dstnum 5660066 | count"),
        )
    assert (status, out) == (0, ["2"])


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--nats", "bus"], "--nats: 'bus' is no server such as nats://127.0.0.1:4222"),
        (
            ["--nats", "nats://u:secret@bus"],
            "--nats: a password in an argument is seen by all users",
        ),
        (
            ["--nats", "nats://bus", "--nats-creds", "f"],
            "--nats: credentials aren't sent in plain text",
        ),
        (["--nats", "nats://bus", "--nats-ca", "f"], "--nats: certificates are for servers that"),
        (["--nats-ca", "f"], "--nats-creds and --nats-ca say how a NATS server is reached"),
        (
            ["--follow", "dstnum 1"],
            "--follow needs a source: a FILE, --tail, --live, --hep, --nats or --bus",
        ),
    ],
)
def test_what_doesnt_fit_together(
    arguments: list[str], wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options.parse(arguments)
    said = capsys.readouterr().err
    assert wrong in said
    assert "secret" not in said
