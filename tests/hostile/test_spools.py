"""Spools of a whole run: full disks, kills, two at once, input without end."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_costs import LONG
from hostile_inputs import pcap
from live_programs import stop, wait_for
from namespaces import Pair, pair, usable
from support import ethernet, ipv4, sip, tcp, udp

from sipstream.limits import SEGMENT_LEAST, SEGMENTS
from sipstream.segments import Folder, Room
from sipstream.session import Session
from sipstream.sources.resume import ResumedSource
from sipstream.spool import PcapSpool


@pytest.fixture
def hosts() -> Iterator[Pair]:
    if not usable():
        pytest.skip("needs network namespaces")
    with pair() as names:
        yield names


def _spool_for_ever(path: Path, done: int) -> None:
    """Keep numbered packets until killed; tell in `done` how many are kept."""
    spool = PcapSpool(1, room=Room(SEGMENTS * SEGMENT_LEAST, Folder(path)), label="eth0")
    number = 0
    while True:
        packets = [(n, b"%09d" % n * 800, 7200) for n in range(number, number + 20)]
        spool.append_packets(packets)
        number += 20
        os.pwrite(done, b"%d" % number, 0)


def _spool_and_die(path: Path, done: int, seconds: float) -> None:
    """Have a process do so, and kill it so long after it has begun."""
    os.ftruncate(done, 0)
    child = multiprocessing.get_context("fork").Process(target=_spool_for_ever, args=(path, done))
    child.start()
    while not os.pread(done, 20, 0):
        time.sleep(0.001)
    time.sleep(seconds)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()


@pytest.mark.timeout(120)
async def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """Row R7: at random moments; no packet is read twice, none is missing in between."""
    chance = random.Random(7)
    done = os.open(tmp_path / "done", os.O_RDWR | os.O_CREAT)
    for number in range(200 if LONG else 15):
        path = tmp_path / f"spool-{number}"
        _spool_and_die(path, done, chance.random() * 0.03)
        folder = Folder(path)
        source = ResumedSource(Room(SEGMENTS * SEGMENT_LEAST, folder))
        found = [
            int(batch.data[start : start + 9])
            async for batch in source.batches()
            for _, start, _, _ in batch.records
        ]
        assert found == list(range(found[0], found[-1] + 1))
        assert found[-1] + 1 >= int(os.pread(done, 20, 0))
        folder.close()
    os.close(done)


def test_a_killed_capture_is_resumed_and_goes_on(hosts: Pair, tmp_path: Path) -> None:
    """Rows R7, R8: the packets of before are there; a second program meanwhile is told off."""
    path = tmp_path / "spool"
    words = ["--live", "vb", "--spool-dir", str(path), "--follow", "callid new-*"]
    first = hosts.sipstream("b", *words)
    try:
        wait_for(first.stderr, b"Starting packet capture")
        hosts.send(sip("OPTIONS sip:a SIP/2.0", "old-%n", cseq="1 OPTIONS"), 50)
        time.sleep(0.5)
        second = hosts.sipstream("b", "--spool-dir", str(path), "-c", "show sources")
        _, errors = second.communicate(timeout=20)
        assert second.returncode == 1
        assert re.fullmatch(
            rb"\*\*\* Error! \S+: is in use by another sipstream, process \d+\n", errors
        )
        assert str(first.pid).encode() in errors
    finally:
        first.kill()
        first.communicate()
    again = hosts.sipstream("b", *words)
    try:
        wait_for(again.stderr, b"resumed: 50 conversations (50 SIP messages) extracted")
        hosts.send(sip("OPTIONS sip:a SIP/2.0", "new-%n", cseq="1 OPTIONS"), 3)
        time.sleep(0.5)
        output, _ = stop(again)
    finally:
        again.kill()
        again.wait()
    assert len(output.splitlines()) == 3
    after = hosts.sipstream("b", "--spool-dir", str(path), "-c", "show conversations | count")
    output, _ = after.communicate(timeout=20)
    assert output.splitlines()[-1] == b"53"


def test_a_kill_leaves_no_process_and_no_lock(tmp_path: Path) -> None:
    """Row R7: also while other processes read a large file for the one that is killed."""
    capture = pcap([ethernet(ipv4(udp(sip(call_id=f"call-{n}")))) for n in range(5000)])
    (tmp_path / "large.pcap").write_bytes(capture[:24] + capture[24:] * 100)
    words = [sys.executable, "-m", "sipstream", "--spool-dir", str(tmp_path / "spool")]
    program = subprocess.Popen(
        [*words, "-c", f"load {tmp_path / 'large.pcap'}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    while not children.read_text():
        assert program.poll() is None
        time.sleep(0.001)
    # They have more to tell then than a pipe holds.
    time.sleep(0.5)
    assert children.read_text()
    program.kill()
    program.wait()
    after = subprocess.run([*words, "-c", "help"], capture_output=True, text=True, check=False)
    assert after.returncode == 0, after.stderr
    end = time.monotonic() + 10
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(program.pid, 0)
            time.sleep(0.02)
    assert not (tmp_path / "spool").stat().st_mode & 0o077


def test_a_capture_goes_on_when_the_disk_is_full(hosts: Pair, tmp_path: Path) -> None:
    """Row R6: one line says so, and no packet is lost to the capture itself."""
    path = tmp_path / "spool"
    path.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o size=256k,mode=700 none {path} && exec "
    words = [sys.executable, "-m", "sipstream", "--live", "vb", "--spool-dir", str(path),
             "--spool-size", "64M", "--follow", "callid last-*"]  # fmt: skip
    program = hosts.start("b", "unshare", "-m", "sh", "-c", mount + '"$@"', "sh", *words,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    try:
        wait_for(program.stderr, b"Starting packet capture")
        hosts.send(sip("OPTIONS sip:a SIP/2.0", "one-%n", cseq="1 OPTIONS", body="x" * 1000), 500)
        time.sleep(2.5)
        hosts.send(sip("OPTIONS sip:a SIP/2.0", "last-%n", cseq="1 OPTIONS"), 2)
        time.sleep(0.5)
        output, errors = stop(program)
    finally:
        program.kill()
        program.wait()
    assert errors.count(b"vb: packets can't be kept; is the disk full?\n") == 1
    assert b"502 messages, 0 dropped" in errors
    assert len(output.splitlines()) == 2


@pytest.mark.xdist_group("lo")  # It sends SIP on the interface that others capture at.
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_disk_that_has_room_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row R6: once that it is full, once that it no longer is, and how much was lost."""
    monkeypatch.setattr("sipstream.spool.DISK_FULL_SECONDS", 0.2)
    monkeypatch.setattr("sipstream.sources.live._LOOK_SECONDS", 0.05)
    pwrite, room = os.pwrite, False

    def write(fd: int, data: bytes, place: int) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "full")
        return pwrite(fd, data, place)

    told: list[str] = []
    session = Session()
    session.sources.notices.tell = told.append
    async with session:
        monkeypatch.setattr("os.pwrite", write)
        session.sources.capture_start("lo", "udp port 50607")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(50):
                sender.sendto(sip(), ("127.0.0.1", 50607))
                await asyncio.sleep(0.1)
                if any(one.messages[-1].raw for one in session.conversations) and len(told) > 1:
                    break
                room = room or "lo: packets can't be kept; is the disk full?" in told
    assert len([text for text in told if "can't be kept" in text]) == 1
    assert (
        len([text for text in told if re.search(r"^lo: packets are kept again; \d+ KiB", text)])
        == 1
    )


@pytest.mark.parametrize("way", ["standard input", "watched"])
def test_input_without_end_fills_no_disk(tmp_path: Path, way: str) -> None:
    """What goes with the oldest part is told once; what is left is whole."""
    count = 30_000
    messages = [
        sip("OPTIONS sip:a SIP/2.0", f"one-{n}", cseq="1 OPTIONS", body="x" * 500)
        for n in range(count)
    ]
    commands = [
        "show sources",
        "show conversations | count",
        f"show conversation one-{count - 1} messages",
    ]
    data = pcap([ethernet(ipv4(udp(message))) for message in messages])
    (tmp_path / "growing").write_bytes(data)
    source = ["-"] if way == "standard input" else ["--tail", str(tmp_path / "growing")]
    words = [sys.executable, "-m", "sipstream", *source, "--spool-size", "8M"]
    done = subprocess.run(
        [*words, *(word for command in commands for word in ("-c", command))],
        input=data,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    told = b"the 8 MiB for spools are used up (--spool-size SIZE gives more)"
    assert (done.stdout + done.stderr).count(told) == 1
    assert f"{count} messages".encode() in done.stdout
    [left] = re.findall(rb"^(\d+)$", done.stdout, re.MULTILINE)
    assert 8_000 < int(left) < 12_000
    assert b"x" * 500 in done.stdout


def test_a_file_is_loaded_whole_whatever_room_spools_have(tmp_path: Path) -> None:
    """What TCP cut is joined in a spool too: a file's has no limit."""
    path, sequence, packets = tmp_path / "tcp.pcap", 1, []
    for number in range(1500):
        message = sip("OPTIONS sip:a SIP/2.0", f"one-{number}", body="x" * 10_000)
        for part in (message[:5000], message[5000:]):
            packets.append(ethernet(ipv4(tcp(part, sequence), 6)))
            sequence += len(part)
    path.write_bytes(pcap(packets))
    words = [sys.executable, "-m", "sipstream", str(path), "--spool-size", "8M"]
    words += ["-c", "show conversations | count", "-c", "show conversation one-0 messages"]
    done = subprocess.run(words, capture_output=True, check=True)
    assert b"1500" in done.stdout.splitlines()
    assert b"x" * 10_000 in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_that_the_new_user_may_not_write_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    words = [sys.executable, "-m", "sipstream", "--user", "nobody", "-c", "help"]
    words += ["--spool-dir", "/root/spool"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("*** Error! /root/spool: permission denied for the user nobody")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--keep=5"],
            "argument --keep: '5' is no time such as 30m or 2h, nor a size such as 500MB",
        ),
        (["--keep=500M"], "'500M' is no time"),
        (["--keep=2h", "--keep=3h"], "--keep takes one time and one size"),
        (["--keep-calls=x"], "argument --keep-calls: 'x' is no number of conversations"),
        (["--spool-size=1M"], "'1M' is no size of 8M or more"),
        (
            ["--live=lo", "--write=a.pcap", "--spool-dir=b"],
            "--write keeps all in one file, --spool-dir",
        ),
        (
            ["--live=lo", "--write=a.pcap", "--spool-size=1G"],
            "and --spool-size the newest: choose one",
        ),
    ],
)
def test_what_makes_no_sense_is_one_line(words: list[str], line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sipstream", *words, "-c", "help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    [error] = done.stderr.splitlines()
    assert line in error


def test_options_say_what_is_kept(tmp_path: Path) -> None:
    """A time, a size and a number, each by itself; what went is told."""
    path = tmp_path / "calls.pcap"
    messages = [sip("OPTIONS sip:a SIP/2.0", f"one-{n}", body="x" * 2000) for n in range(3000)]
    path.write_bytes(pcap([ethernet(ipv4(udp(message))) for message in messages]))
    for keep, most in (("--keep-calls=7", 7), ("--keep=100KB", 50), ("--keep=1h", 3000)):
        words = [sys.executable, "-m", "sipstream", str(path), keep, "-c", "show sources",
                 "-c", "show conversations | count"]  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        left = int(done.stdout.splitlines()[-1])
        assert most * 0.8 < left <= most
        went = f"{3000 - left} conversations were given up as too old or too many (--keep, --spool-size)"
        assert (went in done.stdout) == (left < 3000)
