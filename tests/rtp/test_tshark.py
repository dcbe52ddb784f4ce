"""Real captures: the same streams, packets, loss and jitter as tshark tells.

tshark counts events into jitter and goes on with a clock that was set anew, which we don't: streams
with these are compared without jitter. It leaves packets of a marker out of the longest gap.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest
from support import CAPTURES, SHARED, needs

import sipstream
from sipstream.rtp.values import Stream

pytestmark = needs("tshark", shared=True)

REAL = SHARED / "captures-real"
_LINE = re.compile(
    r"\s*[\d.]+\s+[\d.]+\s+(\S+)\s+(\d+)\s+(\S+)\s+(\d+)\s+0x([0-9A-F]{8})\s+.*?\s+(\d+)\s+"
    r"(\d+) \([-\d.]+%\)\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+([\d.]+)\s+([\d.]+)"
)
_ROUNDING = 0.002
"""ms: tshark counts in doubles of milliseconds, and its mean is one of all packets."""


def told_by_tshark(
    path: Path,
) -> dict[tuple[str, int, str, int, int], tuple[int, int, float, float]]:
    """Packets, lost ones, mean and greatest jitter (ms) by source, destination and SSRC."""
    # What comes behind T.38 on the same port isn't taken for RTP any more.
    again = ["--disable-protocol", "t38", "-d", "udp.port==15580,rtp"]
    words = ["tshark", "-n", "-r", str(path), *again, "-q", "-z", "rtp,streams"]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    found = {}
    for hit in filter(None, map(_LINE.match, shown.splitlines())):
        key = (hit[1], int(hit[2]), hit[3], int(hit[4]), int(hit[5], 16))
        found[key] = int(hit[6]), int(hit[7]), float(hit[8]), float(hit[9])
    return found


def told_here(path: Path) -> dict[tuple[str, int, str, int, int], Stream]:
    """The streams of all conversations."""
    conversations = sipstream.load(path, rtp=True)
    assert conversations.streams is not None
    return {
        (*stream.source, *stream.destination, stream.ssrc): stream
        for one in conversations
        for stream in conversations.streams.of(one)
    }


@pytest.mark.parametrize(
    ("name", "streams"),
    [
        ("sipcapture_heplify__example_pcap_rtp_rtcp_sip_ipv4_udp.pcap", 2),
        ("ntop_nDPI__tests_cfgs_default_pcap_sip.pcap", 1),
        ("ntop_nDPI__tests_cfgs_default_pcap_FAX-Call-t38-CA-TDM-SIP-FB-1.pcap", 2),
        ("media.pcap.gz", 3),
    ],
)
def test_streams_as_tshark_sees_them(name: str, streams: int, tmp_path: Path) -> None:
    path = REAL / name
    if name.endswith(".gz"):
        path = tmp_path / "capture.pcap"
        path.write_bytes(gzip.decompress((CAPTURES / name).read_bytes()))
    here, there = told_here(path), told_by_tshark(path)
    assert len(here) == streams
    compared = 0
    for key, stream in here.items():
        packets, lost, mean, most = there[key]
        assert (stream.packets, stream.lost) == (packets, lost), key
        names = {one.name for one in stream.payloads}
        if len(names) == 1 and stream.jitter is not None:
            assert stream.jitter.mean / 1e6 == pytest.approx(mean, abs=_ROUNDING), key
            assert stream.jitter.most / 1e6 == pytest.approx(most, abs=_ROUNDING), key
            compared += 1
    assert compared or name.startswith("ntop_nDPI__tests_cfgs_default_pcap_FAX")


def test_only_streams_of_no_offer_are_left_out() -> None:
    """tshark tells streams that the conversations' session descriptions don't name."""
    path = REAL / "sipcapture_heplify__example_pcap_rtp_rtcp_sip_ipv4_udp.pcap"
    others = told_by_tshark(path).keys() - told_here(path).keys()
    assert {key[:4] for key in others} == {("200.57.7.202", 30000, "200.57.7.196", 40362)}
