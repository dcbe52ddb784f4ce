"""Findings of media, networks, capture points and signed numbers: what they say and what proves it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from finding_cases import DIRECTORY
from finding_cases.stir import identity
from finding_cases.talk import Dialog, sdp
from finding_cases.wire import Wire
from support import ROOT

import sipstream
from sipstream.findings import diagnose
from sipstream.findings.addresses import is_inside, is_public, private_block, target
from sipstream.limits import DESCRIBED
from sipstream.sip import passport

SAID = {
    "alg-mangled/yes-between-two-taps.pcapng": (
        "INVITE from 192.168.1.20:5060 says 192.168.1.20:5060 in Via, from 198.51.100.77:1042 on"
        " 198.51.100.77:1042",
        (0, 1),
    ),
    "alg-mangled/yes-content-length.pcap": (
        "Content-Length says 182 bytes, but the body of the INVITE has 184: something on the way seems"
        " to have changed it",
        (0,),
    ),
    "alg-mangled/yes-via-comes-back-changed.pcap": (
        "OPTIONS is sent with 192.168.1.20:5060 in Via, 200 comes back with 198.51.100.77:5060",
        (0, 1),
    ),
    "clock-skew/yes-behind.pcapng": (
        "the clock of a is some 0.250 s ahead of that of b: requests and responses both seem to pass"
        " there later",
        (0, 1, 3, 4),
    ),
    "clock-skew/yes-response-before-request.pcapng": (
        "capture point in saw 100 0.480 s before out saw the INVITE that it answers",
        (0, 2),
    ),
    "codec-mismatch/yes-refused.pcap": (
        "INVITE offers opus, G722, which 488 Not Acceptable Here refuses",
        (0, 2),
    ),
    "codec-mismatch/yes-late-offer.pcap": (
        "200 offers G722, PCMA, ACK answers with G729: no codec is in both",
        (2, 3),
    ),
    "forked/yes-two-answer.pcap": (
        "2 phones answered the INVITE: each is a call of its own",
        (0, 4, 6),
    ),
    "one-way-media/yes-hold-does-not-end.pcap": (
        "INVITE offers sendrecv, 200 answers recvonly, though the call is taken off hold, and it stays"
        " so",
        (8, 9),
    ),
    "private-address/yes-sdp.pcap": (
        "media is wanted at 192.168.1.20, a private address, though the INVITE comes from 198.51.100.77",
        (0,),
    ),
    "private-address/yes-contact-of-callee.pcap": (
        "requests are wanted at 10.1.2.3, a private address, though the 200 comes from 203.0.113.20",
        (3, 4, 5),
    ),
    "registration-expiry/yes-an-hour.pcap": (
        "registered for 3600 s through a NAT, which may forget after 120 s that 192.168.1.20:5060 is"
        " 198.51.100.77:1042 outside",
        (0, 1),
    ),
    "registration-expiry/yes-too-brief-again-and-again.pcap": (
        "registering for 60 s was refused as too short 4 times, while the registrar takes 300 s at"
        " least",
        tuple(range(8)),
    ),
    "stir-attestation/yes-b.pcap": (
        "the Identity header claims attestation B (unverified): the provider knows the customer, not"
        " whether the number is theirs",
        (0,),
    ),
    "stir-mismatch/yes-other-caller.pcap": (
        "the Identity header signs that 12025550100 calls, the INVITE says 12155551212 (unverified)",
        (0,),
    ),
    "stir-mismatch/yes-stale.pcap": (
        "the Identity header was signed 600 s before the INVITE was seen, while 60 s are allowed"
        " (unverified)",
        (0,),
    ),
    "stir-missing/yes-refused.pcap": (
        "the INVITE has no Identity header, which 428 Use Identity Header asks for",
        (0, 2),
    ),
    "t38-failed/yes-port-zero.pcap": (
        "INVITE offers T.38 for a fax, which 200 OK doesn't take",
        (5, 6),
    ),
    "transport-switch/yes-large-lost-small-answered.pcap": (
        "INVITE has 1447 bytes, more than the 1300 that UDP is good for, and got no response; INVITE"
        " with 535 bytes got 100",
        (1, 4, 5, 6, 7),
    ),
    "wrong-address/yes-response-from-elsewhere.pcap": (
        "INVITE went to 203.0.113.20:5060, but 100 comes from 203.0.113.21:5060",
        (0, 1),
    ),
    "wrong-address/yes-bye-to-wrong-port.pcap": (
        "BYE goes to 203.0.113.20:5060, though it is meant for 203.0.113.20:5080 and nothing ever came"
        " from 203.0.113.20:5060",
        (5,),
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_and_what_proves_it(name: str) -> None:
    found = {
        (finding.name, finding.sentence, finding.evidence)
        for one in sipstream.load(DIRECTORY / name)
        for finding in diagnose(one)
    }
    assert (name.partition("/")[0], *SAID[name]) in found


def names(wire: Wire, tmp_path: Path) -> set[str]:
    path = tmp_path / f"made{wire.ending}"
    path.write_bytes(wire.file())
    return {finding.name for one in sipstream.load(path) for finding in diagnose(one)}


def test_media_one_way_is_found_with_rtp_only() -> None:
    """What is agreed on is right; only --rtp shows that nothing comes."""
    capture = DIRECTORY / "one-way-media" / "yes-rtp-one-way.pcap"
    sentence = "75 packets of RTP go to 203.0.113.20:50000, none to 198.51.100.10:40000"
    said = {}
    for options in ((), ("--rtp",)):
        words = [sys.executable, "-m", "sipstream", *options, str(capture), "-c", "diagnose 0"]
        run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
        said[options] = run.stdout
    assert sentence in said["--rtp",]
    assert sentence not in said[()]


def test_a_call_just_begun_is_not_one_way(tmp_path: Path) -> None:
    """What is put right within seconds is how some calls begin."""
    found = {}
    for seconds in (1, 20):
        wire = Wire()
        call = Dialog(wire)
        call.answered(answer=sdp("203.0.113.20", 50000, direction="sendonly"))
        call.hang_up(after=seconds)
        found[seconds] = "one-way-media" in names(wire, tmp_path)
    assert found == {1: False, 20: True}


def test_the_newest_of_very_many_descriptions_count(tmp_path: Path) -> None:
    """A conversation may hold more than is looked at: what came last is found all the same."""
    wire = Wire()
    call = Dialog(wire, ("198.51.100.77", 1042))
    call.answered()
    wordy = sdp("198.51.100.77", more="a=x:" + " y" * (DESCRIBED // 4) + "\r\n")
    for _ in range(6):
        call.reinvite(wordy, sdp("203.0.113.20", 50000))
    last = call.request("INVITE", body=sdp("198.51.100.77", codecs=("opus",), version=9))
    call.reply(last, 200, body=sdp("203.0.113.20", 50000, ("GSM",)))
    call.ack(last)
    call.hang_up()
    assert names(wire, tmp_path) == {"codec-mismatch"}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("10.255.255.255", False),
        ("172.15.255.255", True),
        ("172.16.0.0", False),
        ("172.32.0.0", True),
        ("192.168.0.1", False),
        ("100.63.255.255", True),
        ("100.64.0.1", False),
        ("100.128.0.0", True),
        ("fd00::1", False),
        ("2001:db8::1", True),
    ],
)
def test_which_addresses_are_private(address: str, public: bool) -> None:
    assert is_public(address) is public
    assert (private_block(address) is None) is public
    assert is_inside(address) is not public


@pytest.mark.parametrize(
    ("text", "inside"),
    [("127.0.0.1", True), ("169.254.1.1", True), ("::1", True), ("fe80::1", True),
     ("224.0.0.1", False), ("0.0.0.0", False), ("pbx.example", False)],
)  # fmt: skip
def test_which_addresses_the_internet_does_not_route(text: str, inside: bool) -> None:
    assert is_inside(text) is inside


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "pbx.example", "", "1" * 100]
)
def test_which_texts_are_neither_private_nor_public(text: str) -> None:
    assert not is_public(text)
    assert private_block(text) is None


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("BYE sip:a@192.0.2.1:5080;lr SIP/2.0", ("192.0.2.1", 5080)),
        ("<sip:a@192.0.2.1>", ("192.0.2.1", 5060)),
        ("<sips:a@PBX.example>", ("pbx.example", 5061)),
        ("<sip:a@[2001:DB8:0::1]:5070>", ("2001:db8::1", 5070)),
        ("<sip:a@192.0.2.1;transport=tls>", ("192.0.2.1", 5061)),
        ("nothing", ("", 0)),
    ],
)
def test_where_a_uri_sends(value: str, end: tuple[str, int]) -> None:
    assert target(value) == end


def test_what_a_token_claims() -> None:
    claims = passport.claims(identity(1_700_000_000, "B", "12155551212", "12355551313"))
    assert claims == ("shaken", "B", "12155551212", ("12355551313",), 1_700_000_000)


@pytest.mark.parametrize(
    "payload",
    [b"[]", b"{}", b"\xff", b'{"orig":[],"dest":3,"iat":true,"attest":{}}', b"[" * 5000],
)
def test_a_token_that_makes_no_sense_claims_nothing(payload: bytes) -> None:
    token = b".".join((b"e30", base64.urlsafe_b64encode(payload).rstrip(b"="), b"c2ln")).decode()
    assert passport.claims(token) in (None, ("", "", "", (), None))


def test_numbers_in_tokens_that_are_no_texts_are_left_out() -> None:
    payload = {"orig": {"tn": 12155551212}, "dest": {"tn": ["1235", 4, None]}}
    token = f"e30.{base64.urlsafe_b64encode(json.dumps(payload).encode()).decode()}.c2ln"
    claims = passport.claims(token)
    assert claims is not None
    assert (claims.orig, claims.dest) == ("", ("1235",))
