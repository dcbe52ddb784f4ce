"""The program as a filter: `sipstream -q --filter EXPR --write OUT FILE...`."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import CAPTURES, ethernet, ipv4, sip, tcp, times_of, udp

TIMEOUT = CAPTURES / "timeout.pcap"
ENVIRONMENT = {**os.environ, "TZ": "UTC"}


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "sipstream", *map(str, arguments)],
        input=stdin, env=ENVIRONMENT, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_matching_calls_of_many_files_in_time_order(tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    files = [
        "timeout.pcap",
        "diversion-problem.pcap.gz",
        "testdata-pt.pcap.gz",
        "callerid-problem.pcap.gz",
    ]
    given = [CAPTURES / name for name in files]
    result = run("--filter", "dstnum 5660066", "--write", out, *given)
    lines = result.stdout.decode().splitlines()
    # By the time of their first packets, whatever order they were named in.
    assert [Path(line.split()[-1][:-3]).name for line in lines[:-1:2]] == [
        "testdata-pt.pcap.gz", "callerid-problem.pcap.gz", "diversion-problem.pcap.gz", "timeout.pcap",
    ]  # fmt: skip
    assert lines[-1] == f"22 packets written to {out}: 3 conversations (22 SIP messages)"
    assert (result.returncode, result.stderr) == (0, b"")
    found = times_of(out.read_bytes())
    assert len(found) == 22
    assert found == sorted(found)
    assert out.stat().st_mode & 0o777 == 0o600
    again = run(out, "-c", "show conversations | count").stdout.splitlines()
    assert again[-1] == b"3"


def test_packets_of_a_file_that_grows_are_exported_as_they_were_captured(tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    assert run("--tail", TIMEOUT, "-c", f"export pcap {out} dstnum 5660066").returncode == 0
    again = tmp_path / "again.pcap"
    assert run("-q", "--filter", "dstnum 5660066", "--write", again, TIMEOUT).returncode == 0
    assert out.read_bytes() == again.read_bytes()


def test_quiet_says_nothing_and_standard_output_is_the_capture(tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    question = ("-q", "--filter", "dstnum 5660066", "--write")
    result = run(*question, out, TIMEOUT)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert run(*question, "-", TIMEOUT).stdout == out.read_bytes()
    piped = run(*question, "-", "-", stdin=TIMEOUT.read_bytes())
    assert (piped.stdout, piped.stderr) == (out.read_bytes(), b"")


def test_words_stay_out_of_a_capture_on_standard_output() -> None:
    result = run("--write", "-", TIMEOUT)
    assert result.stdout[:4] == b"\xd4\xc3\xb2\xa1"
    assert result.stderr.decode().splitlines()[-1] == (
        "354 packets written to standard output: 45 conversations (354 SIP messages)"
    )


def test_without_a_filter_all_packets_with_messages_are_written(tmp_path: Path) -> None:
    result = run("-q", "--write", "-", TIMEOUT)
    assert result.stdout == TIMEOUT.read_bytes()


def test_quiet_leaves_answers_of_commands_alone() -> None:
    result = run("-q", TIMEOUT, "-c", "show conversations | count", "-c", "show filter")
    assert result.stdout == b"45\n" + run("-c", "show filter").stdout


def test_nothing_matches(tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    result = run("-q", "--filter", "dstnum 99", "--write", out, TIMEOUT)
    assert (result.returncode, len(out.read_bytes())) == (0, 24)


def test_a_file_that_cannot_be_read_fails_and_the_others_are_written(tmp_path: Path) -> None:
    result = run("-q", "--write", "-", tmp_path / "none", TIMEOUT, TIMEOUT)
    assert result.returncode == 1
    assert result.stderr.decode() == f"*** Error! {tmp_path}/none: no such file or directory\n"
    assert result.stdout == TIMEOUT.read_bytes()


def test_a_capture_cut_short_is_told_and_written_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "cut.pcap").write_bytes(TIMEOUT.read_bytes()[:-10])
    result = run("-q", "--write", "-", tmp_path / "cut.pcap")
    assert result.returncode == 3
    assert b"cut short at byte" in result.stderr
    assert len(times_of(result.stdout)) == 353


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda out: out.hardlink_to(out.with_name("in.pcap")),
            "is read, so it can't be written too",
        ),
        (
            lambda out: out.symlink_to("elsewhere"),
            "is a symbolic link, which isn't written through",
        ),
        (lambda out: out.mkdir(), "is a directory"),
        (lambda out: os.mkfifo(out), "is a pipe, not a file"),
    ],
)
def test_what_is_not_written_over(tmp_path: Path, prepare: object, words: str) -> None:
    given, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    given.write_bytes(TIMEOUT.read_bytes())
    prepare(out)  # type: ignore[operator]
    before = out.lstat()
    result = run("-q", "--write", out, given)
    assert result.returncode == 1
    assert result.stderr.decode() == f"*** Error! {out}: {words}" + (
        ": choose another name\n" if "read" in words else "\n"
    )
    assert out.lstat() == before
    assert given.read_bytes() == TIMEOUT.read_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.pcap", "out.pcap"]


def test_a_file_that_was_there_stays_when_it_is_interrupted(tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    out.write_text("before")
    program = [sys.executable, "-m", "sipstream", "-q", "--write", str(out), "-"]
    with subprocess.Popen(
        program, env=ENVIRONMENT, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(TIMEOUT.read_bytes())
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.decode() == f"*** Error! interrupted: {out} was not written\n"
    assert [one.read_text() for one in tmp_path.iterdir()] == ["before"]


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "sipstream", "-q", "--write", "-", str(TIMEOUT)],
            env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == (
        b"*** Error! standard output: no space left on device;"
        b" standard output ends after 0 bytes of the capture\n"
    )


def test_a_reader_that_goes_ends_it_quietly() -> None:
    program = f"{sys.executable} -m sipstream -q --write - {TIMEOUT}"
    command = f"{program} | head -c 4 | od -An -tx1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", command], env=ENVIRONMENT, capture_output=True, timeout=60, check=False
    )
    assert result.stdout.split() == [b"d4", b"c3", b"b2", b"a1", b"0"]
    assert result.stderr == b""


def test_a_terminal_gets_no_capture() -> None:
    master, terminal = os.openpty()
    with os.fdopen(terminal, "wb") as out, os.fdopen(master, "rb"):
        result = subprocess.run(
            [sys.executable, "-m", "sipstream", "-q", "--write", "-", str(TIMEOUT)],
            env=ENVIRONMENT, stdout=out, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith(b"*** Error! standard output is a terminal, which shows no")


def test_link_types_that_differ_are_refused_in_one_line(tmp_path: Path) -> None:
    raw = tmp_path / "raw.pcap"
    packet = ipv4(udp(sip()))
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    raw.write_bytes(head + struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet)
    result = run("-q", "--write", tmp_path / "out.pcap", raw, TIMEOUT)
    assert result.returncode == 1
    assert result.stderr.decode() == (
        "*** Error! the packets have 2 link types (1, 101), and a pcap holds one:"
        " name the file so that it ends in .pcapng\n"
    )
    assert not (tmp_path / "out.pcap").exists()
    assert run("-q", "--write", tmp_path / "out.pcapng", raw, TIMEOUT).returncode == 0
    counted = run(tmp_path / "out.pcapng", "-c", "show conversations | count").stdout.splitlines()
    assert counted[-1] == b"46"


def test_packets_that_are_made_are_told(tmp_path: Path) -> None:
    """A message behind a hole of another stream is found; one of HEP gets a packet as it had."""
    message = sip(call_id="hep")
    chunks = b"".join(
        struct.pack("!HHH", 0, kind, 6 + len(value)) + value
        for kind, value in (
            (1, b"\x02"), (2, b"\x11"), (3, bytes((10, 9, 9, 1))), (4, bytes((10, 9, 9, 2))),
            (7, b"\x13\xc4"), (8, b"\x13\xc4"), (9, struct.pack("!I", 5)), (10, bytes(4)),
            (11, b"\x01"), (12, bytes(4)), (15, message),
        )
    )  # fmt: skip
    sent = udp(b"HEP3" + struct.pack("!H", 6 + len(chunks)) + chunks, 9060, 9060)
    parts = [
        ethernet(ipv4(sent[:160], fragment=0x2000)),
        ethernet(ipv4(sent[160:], fragment=20)),
        ethernet(ipv4(tcp(sip(call_id="tcp"), 1), 6)),
    ]
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for place, packet in enumerate(parts):
        data += struct.pack("<IIII", 9, place, len(packet), len(packet)) + packet
    (tmp_path / "in.pcap").write_bytes(data)
    result = run("-q", "--write", tmp_path / "out.pcap", tmp_path / "in.pcap")
    assert result.stderr.decode() == (
        "1 messages came in HEP: each stands in a packet of its own, made anew\n"
    )
    shown = run(tmp_path / "out.pcap", "--json", "-c", "show conversations").stdout.splitlines()
    assert sorted(json.loads(line)["call_id"] for line in shown) == ["hep", "tcp"]


def test_names_of_addresses_stand_in_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setitem(ENVIRONMENT, "SIPSTREAM_USER", "root")
    assert run("-c", "set name 178.19.48.48 customer").returncode == 0
    out = tmp_path / "call.svg"
    assert run("-q", "--filter", "dstnum 5660066", "--write", out, TIMEOUT).returncode == 0
    picture = out.read_text()
    assert "customer" in picture
    assert "10.10.10.2:5060" in picture
