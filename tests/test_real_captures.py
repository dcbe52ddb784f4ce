"""Real captures of public repositories: the same conversations that tshark sees in them."""

import json
from pathlib import Path

import pytest
from support import SHARED, needs

import sipstream
from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.sources.file import FileSource

REAL = SHARED / "captures-real"
TRUTH = json.loads((REAL / "truth.json").read_text()) if REAL.is_dir() else []

DISPUTED = {
    "sipcapture_heplify__example_pcap_sip_ipv4_tcp_fragmented.pcap": (
        70,
        406,
        "SIP over TCP port 6060, which tshark 4.0 takes for X11; told to take it for SIP "
        "(-d tcp.port==6060,sip) it counts the same 406 messages of 70 Call-IDs",
    ),
}
"""Where the list's own note disputes tshark: conversations, messages, and why."""

pytestmark = needs(shared=True)


@pytest.mark.parametrize("entry", TRUTH, ids=lambda entry: entry["file"])
def test_messages_per_call_id(entry: dict[str, object]) -> None:
    name = str(entry["file"])
    conversations = sipstream.load(REAL / name)
    found = {one.call_id: one.count for one in conversations}
    if name in DISPUTED:
        assert (len(found), sum(found.values())) == DISPUTED[name][:2]
        assert entry["note"], "only what a note disputes may differ"
    else:
        assert found == entry["per_call"]


@pytest.mark.parametrize("entry", TRUTH, ids=lambda entry: entry["file"])
async def test_every_packet_is_a_message_or_counted(entry: dict[str, object]) -> None:
    source = FileSource(Path(REAL / str(entry["file"])))
    await pipeline.run(pipeline.Intake(source, Conversations()), lambda added: None)
    tally = source.tally
    assert tally.packets == entry["frames"]
    assert tally.packets == tally.with_messages + sum(tally.reasons.values())


def test_tls_is_named() -> None:
    assert sipstream.load(REAL / "irontec_sngrep__tlssaved.pcap").message_count == 0
