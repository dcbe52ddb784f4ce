"""Sources of which a part can't be read: one line says where, and the exit status says "partial"."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_inputs import block, enhanced, interface, pcap, pcapng, printed, section
from support import ethernet, ipv4, sip, udp

PARTIAL = 3
PACKETS = [ipv4(udp(sip(call_id=f"call-{number}"))) for number in range(3)]
FRAMES = [ethernet(packet) for packet in PACKETS]
WHOLE = pcap(FRAMES)
TEXT = b"".join(printed(packet, "-v", number) for number, packet in enumerate(PACKETS))
ENDLESS = pcap([bytes(200_000)])[24:] * 400
"""80 MB of zeros, which gzip packs a thousandfold."""

IN_PART: dict[str, tuple[Callable[[], bytes], str]] = {
    "pcap cut": (lambda: WHOLE[:-1], "cut short at byte "),
    "pcap cut in its head": (lambda: WHOLE[:20], "cut short at byte 0"),
    "pcap damaged": (lambda: WHOLE + b"\xff" * 16 + WHOLE[24:], "damaged at byte "),
    "pcapng cut": (lambda: pcapng(FRAMES)[:-1], "cut short at byte "),
    "pcapng damaged": (lambda: pcapng(FRAMES) + b"\1\0\0\0" + bytes(99), "damaged at byte "),
    "pcapng with a damaged block": (
        lambda: section() + interface() + block(6, b"") + enhanced(FRAMES[0]),
        "damaged at byte ",
    ),
    "text cut": (lambda: TEXT[:-30], "cut short at byte "),
    ".gz cut": (lambda: gzip.compress(WHOLE)[:-40], "the .gz is cut short"),
    ".gz damaged": (lambda: gzip.compress(WHOLE)[:-8] + bytes(8), "the .gz is damaged"),
    ".gz with a tail": (lambda: gzip.compress(WHOLE) + b"more", "what follows the .gz"),
    ".gz of a bomb": (lambda: gzip.compress(WHOLE + ENDLESS, 1), "stopped after 64 MiB"),
}
IN_WHOLE = {
    "pcap": WHOLE,
    "pcapng": pcapng(FRAMES),
    "text": TEXT,
    "gz": gzip.compress(WHOLE),
    "nothing": b"",
}


def run(*arguments: str, given: bytes = b"") -> tuple[int, list[str], list[str]]:
    """The exit status, and the lines on standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode().splitlines()


def lines_of(name: str, lines: list[str]) -> list[str]:
    """What is said of a source, without its name."""
    return [line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")]


@pytest.mark.parametrize("name", IN_PART)
def test_a_file_in_part(name: str, tmp_path: Path) -> None:
    """Rows P1 and P5: one line says where, what came is shown, the exit status is 3."""
    make, words = IN_PART[name]
    path = tmp_path / "capture"
    path.write_bytes(make())
    status, output, errors = run(str(path), "-c", "show states")
    assert (status, errors) == (PARTIAL, [])
    [said] = lines_of(str(path), output)
    assert said.startswith(words)


@pytest.mark.parametrize("name", ["pcap cut", "text cut", ".gz cut", "pcapng with a damaged block"])
def test_standard_input_in_part(name: str) -> None:
    """Row P1: standard input that ends too early, to commands and to a follow."""
    make, words = IN_PART[name]
    for asked in (["-c", "show states"], ["--follow", "method INVITE"]):
        status, output, errors = run("-", *asked, given=make())
        assert status == PARTIAL
        assert [one[: len(words)] for one in lines_of("standard input", output + errors)] == [words]


@pytest.mark.parametrize("name", IN_WHOLE)
def test_a_source_in_whole(name: str, tmp_path: Path) -> None:
    """Row P1: nothing is missing of a whole capture, or of an empty file: the exit status is 0."""
    path = tmp_path / "capture"
    path.write_bytes(IN_WHOLE[name])
    assert run(str(path), "-c", "show states")[0] == 0
    assert run("-", "--follow", "method INVITE", given=IN_WHOLE[name] or WHOLE)[0] == 0


def test_follow_and_load(tmp_path: Path) -> None:
    """Row P1: the same for --follow, for --json, for the command load, and in scripts."""
    path = tmp_path / "cut.pcap"
    path.write_bytes(WHOLE[:-1])
    status, output, errors = run(str(path), "--json", "--follow", "method INVITE")
    assert (status, len(output)) == (PARTIAL, 2)
    assert len(lines_of(str(path), errors)) == 1
    assert run("-c", f"load {path}")[0] == PARTIAL
    assert run(given=f"load {path}\nshow states\n".encode())[0] == PARTIAL


def test_a_watched_file_in_part(tmp_path: Path) -> None:
    """Row P1: a watched file that is damaged; what isn't whole yet is no damage."""
    path = tmp_path / "grows.pcap"
    path.write_bytes(WHOLE + b"\xff" * 16)
    status, output, _ = run("--tail", str(path), "-c", "show states")
    assert (status, output[-1]) == (PARTIAL, "calling    3")
    path.write_bytes(WHOLE[:-1])
    assert run("--tail", str(path), "-c", "show states")[0] == 0


def test_a_failure_counts_more(tmp_path: Path) -> None:
    """Row P1: a command or source that failed gives 1, whatever else was in part."""
    path = tmp_path / "cut.pcap"
    path.write_bytes(WHOLE[:-1])
    assert run(str(path), "-c", "nonsense")[0] == 1
    assert run(str(path), str(tmp_path / "absent"), "-c", "show states")[0] == 1
