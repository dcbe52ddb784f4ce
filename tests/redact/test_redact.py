"""Masked messages: nothing secret is left, they stay messages, and calls can still be followed."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secret_messages import MESSAGES, SECRETS, found_in
from support import sip

from sipstream.redact import Redactor
from sipstream.redact.masks import Masks
from sipstream.sip import headers, sdp
from sipstream.sip.passport import attestation
from sipstream.sip.startline import kind_of

KEY = b"a key of a test"


def masked(message: bytes, key: bytes = KEY) -> bytes:
    return Redactor(key).message(message)


def header(message: bytes, name: str) -> str:
    value = headers.first(message, 0, len(message), name)
    assert value is not None
    return value.decode()


@pytest.mark.parametrize("number", range(len(MESSAGES)))
@pytest.mark.parametrize("key", [KEY, b"another one", b""])
def test_no_secret_is_left(number: int, key: bytes) -> None:
    assert set(found_in(b"\n".join(MESSAGES))) == set(SECRETS)
    message = MESSAGES[number]
    data = masked(message, key)
    assert found_in(data) == []
    assert len(data) == len(message)
    assert kind_of(data, 0, len(data)) == kind_of(message, 0, len(message))
    assert data.count(b"\r\n\r\n") == message.count(b"\r\n\r\n")


def test_what_is_needed_to_say_what_is_wrong_stays() -> None:
    message = sip(
        "SIP/2.0 403 Forbidden",
        "4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060",
        source="<sip:1502@10.20.0.22>;tag=as0a5e0c70",
        cseq="102 INVITE",
        extra="Via: SIP/2.0/TCP 10.1.1.1:5070;branch=z9hG4bK1;received=1.2.3.4;rport=1024\r\n"
        "Session-Expires: 1800;refresher=uac\r\nMax-Forwards: 70\r\nExpires: 3600\r\nMin-SE: 90\r\n"
        "Allow: INVITE, ACK\r\nSupported: 100rel, timer\r\nServer: FPBX-16.0.33(16.25.0)\r\n"
        "Route: <sip:10.9.9.9;lr>, <sip:proxy.example;transport=tcp;lr>\r\nContact: *\r\n"
        "Subscription-State: active;expires=60\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\n"
        'Reason: Q.850;cause=16;text="Normal call clearing"\r\nContent-Type: application/sdp\r\n'
        "Privacy: id;user\r\nUser-Agent: Asterisk PBX 13.7.0~dfsg-7.7\r\n",
        body="v=0\r\no=- 1 2 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 8 18 101\r\na=rtpmap:8 PCMA/8000\r\na=fmtp:18 annexb=no\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\n"
        "m=image 0 udptl t38\r\na=T38FaxVersion:0\r\n",
    )
    data = masked(message)
    changed = [
        (before, after)
        for before, after in zip(message.split(b"\r\n"), data.split(b"\r\n"), strict=True)
        if before != after and not before.startswith((b"From", b"To:", b"Via: SIP/2.0/UDP a"))
    ]
    assert [before for before, _ in changed] == [
        b"Via: SIP/2.0/TCP 10.1.1.1:5070;branch=z9hG4bK1;received=1.2.3.4;rport=1024",
    ]
    assert re.sub(rb"bK\d", b"bK1", changed[0][1]) == changed[0][0]
    assert sdp.media(data) == sdp.media(message)
    assert re.fullmatch(r"<sip:\d{4}@10\.20\.0\.22>;tag=[0-9a-z]{10}", header(data, "From"))


def test_a_number_has_one_mask_however_it_is_written() -> None:
    redactor = Redactor(KEY)
    mask = redactor.user("5660066")
    assert re.fullmatch(r"5\d{6}", mask)
    assert mask[1:] != "660066"
    assert redactor.user("+3545660066") == f"+354{mask}"
    assert redactor.user("003545660066") == f"00354{mask}"
    assert redactor.user("+354 566-00.66") == f"+354 {mask[:3]}-{mask[3:5]}.{mask[5:]}"
    assert redactor.user("05660066") == f"0{mask}"
    data = redactor.message(sip(source="<tel:+354-566-0066>", extra="X-Number: 5660066\r\n"))
    assert header(data, "From") == f"<tel:+354-{mask[:3]}-{mask[3:]}>"
    assert header(data, "X-Number") == mask
    assert redactor.user("+354") == "+354"
    own = Redactor(KEY, "354")
    assert own.user("3545660066") == f"354{own.user('5660066')}"


def test_each_run_has_masks_of_its_own() -> None:
    masks = {Redactor().user("+3545660066123456") for _ in range(8)}
    assert len(masks) == 8
    ends = {Redactor(bytes((key,))).user("+3545660066")[-5:] for key in range(8)}
    assert len(ends) == 8
    assert "60066" not in ends


def test_short_numbers_and_nobodies_stay_what_they_are() -> None:
    redactor = Redactor(KEY)
    assert re.fullmatch(r"[1-9]\d{3}", redactor.user("1502"))
    assert redactor.user("1502") != "1502"
    assert redactor.user("anonymous") == "anonymous"
    assert redactor.user("") == ""
    assert header(redactor.message(sip(source="sip:1502;tag=a")), "From").startswith("sip:")
    assert b"1502" not in redactor.message(sip(source="sip:1502;tag=a"))


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_different_numbers_have_different_masks(digits: int) -> None:
    """All numbers of a length, each against all others."""
    for prefix, code in (("", ""), ("+354555", ""), ("", "3")):
        masks = Masks(KEY, code)
        numbers = [f"{prefix}{number:0{digits}d}" for number in range(10**digits)]
        found = [masks.number(number) for number in numbers]
        assert len(set(found)) == len(numbers)
        same = [one for one, mask in zip(numbers, found, strict=True) if one == mask]
        # Nothing stands behind its zeros.
        assert same == ([] if prefix else ["0" * digits])


@given(st.lists(st.from_regex(r"(\+|00)?[0-9]{1,17}", fullmatch=True), min_size=2, max_size=9))
def test_masks_of_numbers_are_one_to_one_and_of_their_length(numbers: list[str]) -> None:
    masks = Masks(KEY)
    found = {number: masks.number(number) for number in numbers}
    assert len(set(found.values())) == len(found)
    for number, mask in found.items():
        assert len(mask) == len(number)
        assert re.fullmatch(r"\+?[0-9]+", mask)


def test_identifiers_tell_what_belongs_together_as_before() -> None:
    drawn = "4bd2133a5be9a247447c5d3e44dd58cd"
    one, other = (
        masked(sip(call_id=name, extra=f"X-Call-ID: {drawn}@10.0.0.1\r\nSession-ID: {drawn}\r\n"))
        for name in (f"{drawn}@10.0.0.1", f"b2b-{drawn}_1@10.0.0.1")
    )
    # What was drawn at random names nobody: with it a call is found elsewhere.
    assert header(one, "Call-ID") == header(one, "X-Call-ID") == f"{drawn}@10.0.0.1"
    assert header(one, "Session-ID") == drawn
    assert drawn not in header(other, "Call-ID").partition("-")[0]
    tags = [header(masked(sip(source=f"<sip:1@a>;tag={tag}")), "From") for tag in "aab"]
    assert tags[0] == tags[1]


@pytest.mark.parametrize(
    "extra",
    [
        "Expires: 5557001", "Max-Forwards: 5557001", "Retry-After: 5557001 (gudrunsdottir)",
        "Via: SIP/2.0/UDP 10.0.0.1;rport=5557001", "Contact: <sip:a@b>;expires=5557001;reg-id=5557001",
        "Allow: INVITE, 5557001", "Subject: gudrunsdottir",
        "Reason: SIP;cause=5557001;text=gudrunsdottir",
        "From: 5557001 <sip:5557001>", "From: sip:gudrunsdottir", "From: <gudrunsdottir>",
        "Refer-To: <sip:a@b?subject=gudrunsdottir>", "Contact: <mailto:gudrunsdottir@x.example>",
        "Call-Info: <https://x.example/gudrunsdottir>;purpose=icon", "Event: presence;id=gudrunsdottir",
        "Content-Disposition: render;filename=gudrunsdottir.txt", "Via: gudrunsdottir, 5557001",
        "Privacy: 5557001", "Date: gudrunsdottir", "CSeq: gudrunsdottir", "gudrunsdottir", ": 5557001",
        "X-5557001: a", "To: <sip:%67udrunsdottir@x>", "To: <sip:g%75drunsdottir%35557001@x>",
        "Authorization: gudrunsdottir", "Authorization: Digest gudrunsdottir=5557001",
        'Authorization: Digest realm="gudrunsdottir 5557001", qop="gudrunsdottir"',
        "User-Agent: Phone/1 (of gudrunsdottir) 5557001", "Warning: gudrunsdottir 5557001",
        "Session-Expires: 5557001", "Call-ID: gudrunsdottir@5557001",
        "Replaces: 5557001;to-tag=gudrunsdottir",
    ],
)  # fmt: skip
def test_odd_fields_tell_nothing(extra: str) -> None:
    data = masked(sip(source="<sip:a@b>", destination="<sip:a@b>", extra=f"{extra}\r\n"))
    assert b"5557001" not in data
    assert b"drunsdottir" not in data
    assert len(data) == len(sip(source="<sip:a@b>", destination="<sip:a@b>", extra=f"{extra}\r\n"))


def test_a_passport_claims_the_same_of_masked_numbers() -> None:
    claims = {
        "attest": "B", "orig": {"tn": "3545660066"}, "dest": {"tn": ["12025550143"], "uri": ["sip:a@b"]},
        "iat": 1471375418, "origid": "123e4567-e89b-12d3-a456-426655440000", "pin": 98765432101,
    }  # fmt: skip
    header_of = {
        "alg": "ES256",
        "ppt": "shaken",
        "typ": "passport",
        "x5u": "https://alice.example/c",
    }
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (header_of, claims)
    ]
    token = ".".join([*parts, "c2lnbmF0dXJl"])
    data = masked(
        sip(
            source="<sip:+3545660066@a>",
            extra=f"Identity: {token};info=<https://x.y>;alg=ES256\r\n",
        )
    )
    identity = header(data, "Identity")
    assert attestation(identity) == "B"
    assert identity.endswith(";alg=ES256")
    assert "c2lnbmF0dXJl" not in identity
    shown = [
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in identity.partition(";")[0].split(".")[:2]
    ]
    assert shown[0].items() >= {"alg": "ES256", "ppt": "shaken", "typ": "passport"}.items()
    assert "alice" not in shown[0]["x5u"]
    redactor = Redactor(KEY)
    assert "+" + shown[1]["orig"]["tn"] == redactor.user("+3545660066")
    assert "+" + shown[1]["dest"]["tn"][0] == redactor.user("+12025550143")
    assert shown[1]["dest"]["tn"][0] == redactor.user("12025550143")
    assert (shown[1]["iat"], shown[1]["origid"]) == (claims["iat"], claims["origid"])
    assert "98765432101" not in json.dumps(shown)


_PIECES = st.sampled_from(
    [b'"', b"<", b">", b";", b",", b"\\", b"%", b"%41", b"\r\n", b"\n", b"\r\n ", b":", b"=", b"@",
     b"sip:",     b"tel:", b";tag=", b"z9hG4bK", b"From: ", b"--a\r\n",
     b"Content-Type: multipart/mixed;boundary=a\r\n",
     b"\r\n\r\n", b"a=", b"m=audio ", b"(", b")", b"5660066", b"alice", b"\xff\x00", b"\xc3\xa9", b" "]
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(_PIECES | st.binary(max_size=8), max_size=40), st.sampled_from(MESSAGES))
def test_whatever_a_message_holds_its_framing_stays(pieces: list[bytes], message: bytes) -> None:
    noise = b"".join(pieces)
    place = len(message) // 3
    for data in (noise, message[:place] + noise + message[place:]):
        found = masked(data)
        assert len(found) == len(data)
        assert found.count(b"\n") == data.count(b"\n")
        ends = [headers.body_start(one, 0, len(one)) for one in (found, data)]
        assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "what", [b" ", b"a", b"1", b'"', b"<", b";", b"a ", b"%41", b"(", b"\r", b"aA0"]
)
@pytest.mark.parametrize(
    "field", [b"From: ", b"Via: SIP/2.0/UDP ", b"Authorization: Digest ", b"Call-ID: ", b"Server: "]
)
def test_a_very_long_field_is_masked_in_one_pass(field: bytes, what: bytes) -> None:
    """Quadratic work on these would outlast the time that any test has."""
    data = b"INVITE sip:a@b SIP/2.0\r\n" + field + what * (200_000 // len(what))
    assert len(masked(data)) == len(data)
