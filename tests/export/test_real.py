"""Packets of real calls: those that tshark selects, and messages that read back the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import CAPTURES, SHARED, needs, times_of

import sipstream

REAL = SHARED / "captures-real"
TIMEOUT = CAPTURES / "timeout.pcap"

pytestmark = needs("tshark", shared=True)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "sipstream", *map(str, arguments)],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


CALLS = [
    (REAL / name, call_id)
    for name, call_id in (
        ("irontec_sngrep__tests_ipip.pcap", "1RLuVzzBClYCf2"),
        ("ntop_nDPI__tests_cfgs_default_pcap_FAX-Call-t38-CA-TDM-SIP-FB-1.pcap", "SD4909701"),
        ("ntop_nDPI__tests_cfgs_default_pcap_sip_hello.pcapng", "c15740"),
        ("OISF_suricata-verify__tests_sip-compact-form_sip_compact_form.pcap", "105090259"),
        ("sipcapture_heplify__example_pcap_sip_ipv4_tcp.pcap", "158936656982201062716"),
        ("sipcapture_heplify__example_pcap_sip_ipv6_udp.pcap", "c3eF6f58"),
        ("sipcapture_heplify__src_decoder_testdata_ipip0.pcap", "e5f4a617104444"),
        ("zeek_zeek__testing_btest_Traces_sip_wireshark.pcap", "578222729"),
    )
] + [(TIMEOUT, "35e857d642ef6280292e2d0e4cac4f13")]


@pytest.mark.parametrize(
    ("path", "call_id"), CALLS, ids=lambda value: getattr(value, "name", value)
)
def test_tshark_selects_the_same_packets(tmp_path: Path, path: Path, call_id: str) -> None:
    ours, theirs = tmp_path / "ours.pcap", tmp_path / "theirs.pcap"
    assert run("-q", "--filter", f"callid {call_id}*", "--write", ours, path).returncode == 0
    subprocess.run(
        ["tshark", "-r", path, "-Y", f'sip.Call-ID matches "^{call_id}"', "-F", "pcap", "-w", theirs],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert sorted(times_of(ours.read_bytes())) == sorted(times_of(theirs.read_bytes()))
    assert ours.read_bytes()[24:] == theirs.read_bytes()[24:]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("sipcapture_heplify__example_pcap_sip_ipv4_tcp_fragmented.pcap", "callid 0*"),
        ("sipcapture_heplify__example_pcap_sip_sctp.pcap", "callid *"),
        ("sipcapture_heplify__example_pcap_sip_tcp_websocket.pcap", "callid kov*"),
    ],
)
def test_what_is_written_reads_back_the_same(tmp_path: Path, name: str, query: str) -> None:
    def messages(path: Path) -> list[tuple[str, str, bytes]]:
        wanted = sipstream.Filter.parse(query)
        return sorted(
            (one.call_id, message.source, message.raw)
            for one in sipstream.load(path)
            if wanted.matches(one)
            for message in one.messages
        )

    result = run("-q", "--filter", query, "--write", tmp_path / "out.pcap", REAL / name)
    assert (result.returncode, result.stderr) == (0, b"")
    assert messages(tmp_path / "out.pcap") == messages(REAL / name)
