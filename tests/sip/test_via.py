"""Via: who sent a request, and where it really came from (RFC 3261 20.42, RFC 3581)."""

from __future__ import annotations

import pytest

from sipstream.sip.via import NO_VIA, Via, every, top


@pytest.mark.parametrize(
    ("value", "via"),
    [
        (
            "SIP/2.0/UDP 10.20.0.22:5060;branch=z9hG4bK1;rport",
            Via("UDP", "10.20.0.22", 5060, "z9hG4bK1", "", None),
        ),
        (
            "SIP / 2.0 / tcp [2001:db8::1] : 5062 ; received = 192.0.2.9 ;rport=40000;Branch=a.b",
            Via("TCP", "2001:db8::1", 5062, "a.b", "192.0.2.9", 40000),
        ),
        (
            "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKb, SIP/2.0/UDP b;branch=z9hG4bKa",
            Via("WSS", "df7jal23ls0d.invalid", None, "z9hG4bKb", "", None),
        ),
        ("SIP/2.0/UDP h;rport=99999999", Via("UDP", "h", None, "", "", None)),
        ("SIP/2.0/UDP", NO_VIA),
        ("", NO_VIA),
        ("\udcff;;;branch", NO_VIA),
    ],
)
def test_first_hop(value: str, via: Via) -> None:
    assert top(value) == via


def test_hops_of_several_fields() -> None:
    fields = ["SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2", "SIP/2.0/TCP c;branch=3"]
    assert [one.host for one in every(fields)] == ["a", "b", "c"]
    assert [one.branch for one in every(fields)] == ["1", "2", "3"]
