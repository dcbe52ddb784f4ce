"""RTP of real calls, live: sipp signals and sends a capture's RTP, sipstream looks with --rtp."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rtp_made as made
from captures_wire import Endpoint, Link, pcap_file
from live_programs import wait_for
from namespaces import HERE, THERE, Pair, pair, usable
from support import needs

pytestmark = [
    *needs("ip", "sipp", root=True),
    pytest.mark.skipif(not usable(), reason="needs network namespaces"),
]

PACKETS, LOST = 60, (20, 21)
_UAC = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="a call with media">
<send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:4151502@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:4151502@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:101 telephone-event/8000
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="200"/>
<send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:4151502@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<nop><action><exec play_pcap_audio="MEDIA"/></action></nop>
<pause milliseconds="1600"/>
<send retrans="500"><![CDATA[
BYE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:4151502@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
"""


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair() as names:
        yield names


def media(path: Path) -> None:
    """A capture of 60 packets of 20 ms, two of them left out, the digit 5 in three of the last."""
    link, source, target = Link(), Endpoint("10.0.0.1", 4000), Endpoint("10.0.0.2", 5000)
    packets = []
    for number in range(PACKETS):
        at = 1_500_000_000_000_000 + number * 20_000
        if number >= PACKETS - 3:
            payload = made.event(5, 160 * (number - PACKETS + 4), number == PACKETS - 1)
            packet = made.rtp(number, 160 * (PACKETS - 3), payload_type=101, payload=payload)
        else:
            packet = made.rtp(number, 160 * number)
        if number not in LOST:
            packets.append(link.datagram(at, (source, target), packet, "UDP"))
    path.write_bytes(pcap_file(packets))


def test_a_call_with_media(hosts: Pair, tmp_path: Path) -> None:
    media(tmp_path / "media.pcap")
    scenario = tmp_path / "uac.xml"
    scenario.write_text(_UAC.replace("MEDIA", str(tmp_path / "media.pcap")))
    answering = hosts.answer()
    capture = hosts.sipstream(
        "b", "--live", "vb", "--json", "--rtp", stdin=subprocess.PIPE, cwd=tmp_path
    )
    assert capture.stdin is not None
    try:
        wait_for(capture.stderr, b"Starting packet capture")
        calling = hosts.start(
            "a", "sipp", "-sf", str(scenario), "-s", "5660066", THERE, "-i", HERE, "-p", "5070",
            "-mi", HERE, "-mp", "7000", "-m", "1", "-nostdin",
            "-timeout", "30s", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
        )  # fmt: skip
        assert calling.wait(timeout=40) == 0
        time.sleep(0.5)
        commands = b"show rtp\nshow sources\ncapture status\nexport pcap heard.pcap rtp\nexit\n"
        output, _ = capture.communicate(commands, timeout=20)
    finally:
        for program in (answering, capture):
            program.kill()
            program.wait()
    objects = [json.loads(line) for line in output.decode().splitlines()]
    (sources,) = [one for one in objects if "reasons" in one]
    (stream,) = [one for one in objects if "ssrc" in one]
    assert stream["source"].startswith(f"{HERE}:7") and stream["destination"].startswith(THERE)
    assert (stream["packets"], stream["expected"], stream["lost"]) == (58, 60, 2)
    assert [(one["event"], one["duration"]) for one in stream["events"]] == [("5", 0.06)]
    assert stream["jitter"]["last"] < 0.02
    assert stream["one_way"]
    assert sources["reasons"] == {"RTP": 58}
    assert sources["packets"] == sources["with_messages"] + 58
    heard = (tmp_path / "heard.pcap").read_bytes()
    macs = [hosts.mac(side) for side in "ab"]
    assert heard.count(macs[1] + macs[0] + b"\x08\x00") >= PACKETS - len(LOST), "not as captured"
