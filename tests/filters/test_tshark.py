"""Filters and Wireshark's display filters that mean the same find the same Call-IDs in real captures."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import SHARED, needs

import sipstream
from sipstream.filters import Filter

REAL = SHARED / "captures-real"
PCAP = sorted(REAL.glob("*.pcap"))
FILES = [*PCAP, *sorted(REAL.glob("*.pcapng"))]
"""Those of one interface each before those that may have several."""
AS_SIP = "tcp.port==6060,sip"
"""One capture has SIP over TCP port 6060, which tshark takes for X11 (see test_real_captures.py)."""

pytestmark = needs("tshark", "mergecap", shared=True)

Keys = set[tuple[int, str]]
"""File and Call-ID of conversations."""

ANY = {
    # A conversation matches where one message, a frame of tshark's, does.
    "method REGISTER": 'sip.Method == "REGISTER"',
    "method UPDATE PRACK": 'sip.Method == "UPDATE" || sip.Method == "PRACK"',
    "status 403": "sip.Status-Code == 403",
    "status 4xx": "sip.Status-Code >= 400 && sip.Status-Code <= 499",
    "status 180-199": "sip.Status-Code in {180..199}",
    "status >= 480": "sip.Status-Code >= 480",
    "status < 200": "sip.Status-Code < 200",
    "reason trying": 'lower(sip.Status-Line) contains "trying" || lower(sip.Reason) contains "trying"',
    'reason ~ "^(un|ok$)"': (
        'sip.Status-Line matches "^SIP/2.0 [0-9]+ (un|ok$)" || sip.Reason matches "^(un|ok$)"'
    ),
    "callid *@10.35.40.25": 'sip.Call-ID matches "@10\\\\.35\\\\.40\\\\.25$"',
    "callid ~ ^[0-9a-f]{16}": 'sip.Call-ID matches "^[0-9a-f]{16}"',
    "has User-Agent": "sip.User-Agent",
    "has Allow-Events": "sip.Allow-Events",
    "has Record-Route": "sip.Record-Route",
    "header Session-Expires": "sip.Session-Expires",
    "header Expires > 600": "sip.Expires > 600",
    "header Max-Forwards <= 68": "sip.Max-Forwards <= 68",
    "header Allow prack": 'lower(sip.Allow) contains "prack"',
    "header Supported = replaces*": 'sip.Supported matches "^replaces"',
    "ua avaya": 'lower(sip.User-Agent) contains "avaya" || lower(sip.Server) contains "avaya"',
    'ua ~ "^(x-lite|arcor)"': (
        'sip.User-Agent matches "^(x-lite|arcor)" || sip.Server matches "^(x-lite|arcor)"'
    ),
    "body t38": 'sdp contains "t38" || sdp contains "T38"',
    # In two captures tshark's own SDP ends with the line z=, in front of m=: hence the frame.
    "codec PCMA": '''sdp.media matches "AVPF? (.* )?8( |$)" || sdp.mime.type == "PCMA"
        || frame matches "\\\\nm=[^\\\\r]*AVP ([^\\\\r]* )?8[ \\\\r]"''',
    "codec telephone-event": 'sdp.mime.type == "telephone-event"',
    "media 10.186.205.134": 'sdp.connection_info.address == "10.186.205.134"',
    "media 30000": 'sdp.media.port == 30000 || frame contains "m=audio 30000 "',
    "transport tcp": "tcp && !websocket",
    "transport ws": "websocket",
    "transport sctp": "sctp",
    "port 5061 5090": "udp.port in {5061, 5090} || tcp.port in {5061, 5090} || sctp.port in {5061, 5090}",
    "endpoint 10.243.0.157:5060": (
        "(ip.src == 10.243.0.157 && udp.srcport == 5060)"
        "|| (ip.dst == 10.243.0.157 && udp.dstport == 5060)"
    ),
    "any(srcip 192.168.0.0/16)": "ip.src == 192.168.0.0/16",
    "any(dstip fe80::/10 fec0::/10)": "ipv6.dst == fe80::/10 || ipv6.dst == fec0::/10",
    "any(srcnum 699800 +12675941249)": (
        'sip.from.user in {"699800", "+12675941249", "12675941249", "0012675941249"}'
    ),
    "any(dstnum 3510472?)": 'sip.to.user matches "^[+]?3510472[0-9]$"',
    "any(method INVITE and has Supported)": 'sip.Method == "INVITE" && sip.Supported',
    "any(status 200 and not has Server)": "sip.Status-Code == 200 && !sip.Server",
    "any(method BYE or status 487 408)": 'sip.Method == "BYE" || sip.Status-Code in {487, 408}',
}
EACH = {
    "each(transport udp)": "!udp",
    "each(method REGISTER OPTIONS or status 200-499)": (
        '!(sip.Method in {"REGISTER", "OPTIONS"} || sip.Status-Code in {200..499})'
    ),
    "not status 2xx": "sip.Status-Code >= 200 && sip.Status-Code <= 299",
    "not method INVITE and not ua avaya": (
        'sip.Method == "INVITE" || lower(sip.User-Agent) contains "avaya" '
        '|| lower(sip.Server) contains "avaya"'
    ),
}
"""The display filter finds those that don't match."""


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All captures in a row in one file, each with an interface of its own: tshark is slow to start."""
    path = tmp_path_factory.mktemp("merged") / "all.pcapng"
    subprocess.run(["mergecap", "-a", "-I", "none", "-w", path, *FILES], check=True)
    return path


@pytest.fixture(scope="module")
def loaded() -> list[sipstream.Conversations]:
    """All captures."""
    return [sipstream.load(file) for file in FILES]


def by_tshark(merged: Path, display: str) -> Keys:
    """The conversations of which tshark shows a frame."""
    command = [
        "tshark",
        "-n",
        "-r",
        merged,
        "-d",
        AS_SIP,
        "-Y",
        f"sip && ({display})",
        "-T",
        "fields",
    ]
    command += ["-e", "frame.interface_id", "-e", "sip.Call-ID", "-E", "aggregator=/s"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(_keys(done.stdout.splitlines()))


def _keys(lines: list[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        interface, _, call_ids = line.partition("\t")
        for call_id in call_ids.split():
            yield min(int(interface), len(PCAP)), call_id


def by_sipstream(loaded: list[sipstream.Conversations], text: str) -> Keys:
    """The conversations that a filter finds."""
    matches = Filter.parse(text).matches
    return {
        (min(place, len(PCAP)), one.call_id)
        for place, conversations in enumerate(loaded)
        for one in conversations
        if matches(one)
    }


@pytest.fixture(scope="module")
def everything(merged: Path, loaded: list[sipstream.Conversations]) -> Keys:
    """All conversations; what tshark sees of them is what sipstream sees."""
    found = by_tshark(merged, "sip")
    assert found == by_sipstream(loaded, "callid *")
    return found


@pytest.mark.parametrize("text", ANY)
def test_the_same_call_ids(
    merged: Path, loaded: list[sipstream.Conversations], everything: Keys, text: str
) -> None:
    found = by_sipstream(loaded, text)
    assert found == by_tshark(merged, ANY[text])
    assert set() < found < everything


@pytest.mark.parametrize("text", EACH)
def test_all_other_call_ids(
    merged: Path, loaded: list[sipstream.Conversations], everything: Keys, text: str
) -> None:
    found = by_sipstream(loaded, text)
    assert found == everything - by_tshark(merged, EACH[text])
    assert set() < found < everything
