"""What is given as a file and is none, or never ends: one line says so, and Ctrl-C works."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile_inputs import pcap
from support import ethernet, ipv4, sip, udp

CLEAN = pcap([ethernet(ipv4(udp(sip())))])
TIB = 1 << 40
PATIENCE = 4.0
"""Seconds that what takes one may take where other tests run beside."""
WITHOUT_RIGHTS = [
    "setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search", "--",
]  # fmt: skip
"""Root that may read only what its owner or group may."""
ASKED = {
    "FILE": lambda path: [path, "-c", "show states"],
    "load": lambda path: ["-c", f"load {path}"],
    "--tail": lambda path: ["--tail", path, "--follow", ""],
    "tail": lambda path: ["-c", f"tail {path}", "-c", "show states"],
}
every_way = pytest.mark.parametrize("asked", ASKED)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: that of a socket may have 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="no-file-"))
    yield made
    shutil.rmtree(made)


def run(arguments: list[str], *before: str) -> tuple[int, list[str], list[str]]:
    """The exit status, and the lines of both outputs but those that say what is done."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "sipstream", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [
        line for line in done.stdout.splitlines() if not line.startswith(("Processing", "Watching"))
    ]
    return done.returncode, lines, done.stderr.splitlines()


def make(kind: str, folder: Path) -> tuple[Path, str]:
    """Make one, return its path and what is to be said of it."""
    path = folder / "given"
    match kind:
        case "directory":
            path.mkdir()
            return path, "is a directory"
        case "FIFO without a writer":
            os.mkfifo(path)
            return path, "is a pipe, not a file: give it on standard input (sipstream - < PIPE)"
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
            return path, "is a socket, not a file"
        case "loop of links":
            path.symlink_to(path)
            return path, "too many levels of symbolic links"
        case "link to a device":
            path.symlink_to("/dev/zero")
            return path, "is a device, not a file"
        case _:
            return Path(kind), "is a device, not a file"


KINDS = [
    "directory", "FIFO without a writer", "socket", "loop of links", "link to a device",
    "/dev/zero", "/dev/random",
]  # fmt: skip


@every_way
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(kind: str, asked: str, folder: Path) -> None:
    """Row P6: a directory, a FIFO, a socket, devices, a loop of links, as FILE, load and tail."""
    path, words = make(kind, folder)
    status, _, errors = run(ASKED[asked](str(path)))
    assert errors == [f"*** Error! {path}: {words}"]
    assert status == 1


@every_way
def test_a_file_that_may_not_be_read(asked: str, folder: Path) -> None:
    """Row P6: without the right to read it."""
    path = folder / "given"
    path.write_bytes(CLEAN)
    path.chmod(0)
    status, _, errors = run(ASKED[asked](str(path)), *(WITHOUT_RIGHTS if os.geteuid() == 0 else ()))
    assert errors == [f"*** Error! {path}: permission denied"]
    assert status == 1


@pytest.mark.parametrize("asked", ["FILE", "load"])
def test_a_sparse_file(asked: str, folder: Path) -> None:
    """Row P6: a TiB of nothing is given up after the first 64 MiB."""
    path = folder / "given"
    path.touch()
    os.truncate(path, TIB)
    status, _, errors = run(ASKED[asked](str(path)))
    assert errors == [f"*** Error! {path}: neither a capture file nor text that tcpdump printed"]
    assert status == 1


@pytest.mark.parametrize("head", [b"", CLEAN[:24], b"\x1f\x8b\x08", CLEAN + b"\xff" * 16])
def test_what_nobody_reads_is_not_kept(head: bytes, folder: Path) -> None:
    """Row P6: a watched TiB of nothing, of empty packets, of a .gz, behind damage, fills no disk."""
    path = folder / "given"
    path.write_bytes(head)
    os.truncate(path, TIB)
    with started(["--tail", str(path), "--follow", ""], folder) as process:
        time.sleep(1)
        sizes = [
            one.stat().st_size
            for one in Path(f"/proc/{process.pid}/fd").iterdir()
            if "sipstream-" in str(one.readlink())
        ]
        assert interrupted(process) < PATIENCE
    if head != CLEAN[:24]:
        assert sum(sizes) < 100 << 20


ENDLESS = {
    "absent": (["--tail", "{}", "--follow", ""], None),
    "watched nothing": (["--tail", "{}", "--follow", ""], b""),
    "empty packets": (["{}", "--follow", ""], CLEAN[:24]),
    "empty packets and a command": (["{}", "-c", "show states"], CLEAN[:24]),
    "watched empty packets": (["--tail", "{}", "-c", "show states"], CLEAN[:24]),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_ctrl_c(name: str, folder: Path) -> None:
    """Row P6: Ctrl-C ends it within a second."""
    arguments, head = ENDLESS[name]
    path = folder / "given"
    if head is not None:
        path.write_bytes(head)
        os.truncate(path, TIB)
    with started([one.format(path) for one in arguments], folder) as process:
        time.sleep(2)
        assert process.poll() is None
        assert interrupted(process) < PATIENCE
        assert process.returncode == 130


@contextmanager
def started(arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program at work, its temporary files in a folder."""
    with subprocess.Popen(
        [sys.executable, "-m", "sipstream", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder)},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[bytes]) -> float:
    """Seconds from Ctrl-C to the end of the program."""
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(30)
    return time.monotonic() - begun
