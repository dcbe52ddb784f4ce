"""A file that tcpdump prints into, watched as it grows, against the pcap written beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_programs import stop
from namespaces import Pair, pair, usable
from support import needs

import sipstream

pytestmark = [
    *needs("ip", "sipp", "tcpdump", root=True),
    pytest.mark.skipif(not usable(), reason="needs network namespaces"),
]


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair() as names:
        yield names


def messages_of(path: Path) -> Counter[tuple[str, str]]:
    """Return how often each kind of message stands in each conversation of a capture."""
    return Counter(
        (conversation.call_id, str(message.kind))
        for conversation in sipstream.load(path)
        for message in conversation.messages
    )


def watched(output: bytes) -> Counter[tuple[str, str]]:
    objects = [json.loads(line) for line in output.decode().splitlines()]
    return Counter((one["call_id"], str(one["method"] or one["status"])) for one in objects)


def run(
    hosts: Pair, tmp_path: Path, printing: str, between: Callable[[], None] | None = None
) -> None:
    """Make calls while tcpdump prints to a file and writes a pcap; compare what both gave."""
    text, pcap = tmp_path / "grows.txt", tmp_path / "beside.pcap"
    watching = hosts.sipstream(
        "b", "--tail", str(text), "--json", "--follow", "callid *", cwd=tmp_path
    )
    answering = hosts.answer()
    # The shell opens the file anew for each line, as a logger that can be rotated does.
    printer = hosts.start("b", "sh", "-c", printing.format(text=text))
    writer = hosts.start(
        "b", "tcpdump", "-i", "vb", "-U", "-w", str(pcap), "udp", stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(1.5)
        hosts.call("5660066", 20, 20, 5070)
        if between is not None:
            between()
            hosts.call("5660067", 20, 20, 5071)
        time.sleep(1)
        writer.send_signal(signal.SIGINT)
        writer.wait(timeout=10)
        subprocess.run(["pkill", "-INT", "-P", str(printer.pid)], check=False)
        time.sleep(1)
        output, errors = stop(watching)
    finally:
        for program in (watching, answering, printer, writer):
            program.kill()
            program.wait()
    expected = messages_of(pcap)
    assert len({call_id for call_id, _ in expected}) == (20 if between is None else 40)
    assert watched(output) == expected, errors.decode()
    if between is None:
        assert messages_of(text) == expected


@pytest.mark.parametrize("flags", ["-v", "-A", "-X -tttt"])
def test_text_that_grows(hosts: Pair, tmp_path: Path, flags: str) -> None:
    run(hosts, tmp_path, f"exec tcpdump -i vb -l -nn {flags} udp > {{text}} 2>/dev/null")


def test_text_across_a_rotation(hosts: Pair, tmp_path: Path) -> None:
    text = tmp_path / "grows.txt"
    # tcpdump doesn't reopen its output, so a writer that does stands behind it.
    reopening = tmp_path / "reopening.py"
    reopening.write_text(
        "import sys\n"
        "for line in sys.stdin.buffer:\n"
        "    with open(sys.argv[1], 'ab') as file:\n"
        "        file.write(line)\n"
    )

    def rotate() -> None:
        text.rename(tmp_path / "grows.txt.1")

    run(
        hosts,
        tmp_path,
        f"tcpdump -i vb -l -nn -v udp 2>/dev/null | {sys.executable} {reopening} {{text}}",
        rotate,
    )


def test_standard_input_as_pcap_and_as_text(hosts: Pair, tmp_path: Path) -> None:
    for form in ("-U -w -", "-l -nn -v", "-l -nn -A"):
        answering = hosts.answer()
        command = (
            f"timeout -s INT 6 tcpdump -i vb {form} udp 2>/dev/null | "
            f"{sys.executable} -m sipstream - --json --follow 'dstnum 5660066'"
        )
        program = hosts.start(
            "b", "sh", "-c", command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
        )
        try:
            time.sleep(1.5)
            hosts.call("4151500", 10, 20, 5071)
            hosts.call("5660066", 2, 2, 5070)
            output, errors = program.communicate(timeout=30)
        finally:
            for one in (program, answering):
                one.kill()
                one.wait()
        found = watched(output)
        assert program.returncode == 0, errors
        assert sum(found.values()) == 12, (form, found, errors)
        assert len({call_id for call_id, _ in found}) == 2
