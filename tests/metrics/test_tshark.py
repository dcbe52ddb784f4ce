"""The same numbers by method and status as tshark's own statistics."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support import CAPTURES, SHARED, needs

import sipstream
from sipstream.metrics import measure

REAL = sorted((SHARED / "captures-real").glob("*.pcap*"))
ELSEWHERE = {"sip_ipv4_tcp_fragmented": "tcp.port==6060,sip"}
"""Captures of ports that tshark takes for SIP only when it is told."""
OURS = [one for one in sorted(CAPTURES.glob("*.pcap*")) if one.name != "taps.pcap"]
"""Without HEP, of which tshark knows no more than its UDP."""
AGAIN = {
    "callerid-problem.pcap.gz": (7, 7, 0),
    "diversion-problem.pcap.gz": (36, 36, 0),
    "testdata-pt.pcap.gz": (70, 70, 0),
    # Two taps: each message is there twice, 3 to 5 us apart. tshark takes the second for one that was
    # sent again, but not of ACK (6), of CANCEL and its response (2) and of provisional ones (12):
    # 6 + 177 - 20.
    "timeout.pcap": (163, 6, 177),
}
"""What tshark says was sent again, what we say, and copies of another tap."""

pytestmark = needs("tshark")


@pytest.mark.parametrize(
    "path",
    [*OURS, *(pytest.param(one, marks=needs(shared=True)) for one in REAL)],
    ids=lambda path: path.name,
)  # fmt: skip
def test_counts_are_those_of_tshark(path: Path) -> None:
    more = [word for name, port in ELSEWHERE.items() if name in path.name for word in ("-d", port)]
    told = subprocess.run(
        ["tshark", *more, "-q", "-z", "sip,stat", "-r", path],
        capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip
    metrics = measure(sipstream.load(path))
    methods = {
        name: int(count) for name, count in re.findall(r"^  (\S+) +: +(\d+) Pack", told, re.M)
    }
    statuses = {
        int(code): int(count) for code, count in re.findall(r"SIP (\d+) .*: +(\d+) Pack", told)
    }
    assert {name: one.messages for name, one in metrics.requests.items()} == methods
    assert {status: one.messages for status, one in metrics.responses.items()} == statuses
    assert f"Number of SIP messages: {metrics.messages}\n" in told
    if path.name in AGAIN:
        theirs, ours, copies = AGAIN[path.name]
        kinds = [*metrics.requests.values(), *metrics.responses.values()]
        assert f"Number of resent SIP messages: {theirs}\n" in told
        assert sum(one.sent_again for one in kinds) == ours
        assert sum(one.copies for one in kinds) == copies
