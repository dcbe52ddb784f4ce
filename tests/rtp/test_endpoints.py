"""Which endpoints session descriptions give a conversation's media."""

from __future__ import annotations

from rtp_made import conversation, described

from sipstream.rtp.endpoints import media_endpoints, offered


def test_offer_and_answer_with_rtcp() -> None:
    one = conversation(
        described("10.0.0.1", "m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"),
        described("10.0.0.2", "m=audio 5000 RTP/AVP 0", "a=rtcp:5009"),
    )
    assert media_endpoints(one) == {
        ("10.0.0.1", 4000), ("10.0.0.1", 4001), ("10.0.0.2", 5000), ("10.0.0.2", 5009),
    }  # fmt: skip


def test_what_is_refused_or_held_is_none() -> None:
    one = conversation(
        described("10.0.0.1", "m=audio 4000 RTP/AVP 0", "a=rtcp-mux", "m=video 0 RTP/AVP 34"),
        described("0.0.0.0", "m=audio 4000 RTP/AVP 0"),
        described("::", "m=audio 4000 RTP/AVP 0"),
    )
    assert media_endpoints(one) == {("10.0.0.1", 4000)}


def test_fax_and_ipv6_and_names() -> None:
    one = conversation(
        described("2001:DB8:0::1", "m=image 4000 udptl t38"),
        described("pbx.example", "m=audio 5000 RTP/AVP 0", "a=rtcp-mux"),
    )
    assert media_endpoints(one) == {("2001:db8::1", 4000), ("pbx.example", 5000)}


def test_all_that_is_said_of_an_endpoint_counts() -> None:
    one = conversation(
        described("10.0.0.1", "m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 opus/48000/2"),
        described("10.0.0.1", "m=audio 4000 RTP/SAVP 9 x 300", "m=audio 4001 RTP/AVP 8"),
    )
    found = offered(one)
    assert found["10.0.0.1", 4000].formats == {
        0: ("PCMU", 8000), 96: ("opus", 48000), 9: ("G722", 8000),
    }  # fmt: skip
    assert found["10.0.0.1", 4000].secure and not found["10.0.0.1", 4002].secure
    assert not found["10.0.0.1", 4001].rtcp
    assert found["10.0.0.1", 4002].rtcp
