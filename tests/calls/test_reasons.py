"""What makes conversations legs of one call, each with its reason and strength, and what nearly does."""

from __future__ import annotations

import pytest
from leg_calls import PBX, PHONE, TRUNK, Leg, calls_as_they_come, calls_of, chain_of, names_of, sdp
from support import Chain, batch, ethernet, ipv4, sip, udp

import sipstream
from sipstream.calls import Calls

UUID, OTHER = "a" * 8 + "0123456789abcdef01234567", "b" * 8 + "0123456789abcdef01234567"
NIL = "0" * 32
HASH = "4bd2133a5be9a247447c5d3e44dd58cd"


def first(name: str = "first-leg@10.0.0.1", **more: object) -> Leg:
    return Leg(name, **more)  # type: ignore[arg-type]


def second(name: str = "second-leg@10.0.0.2", **more: object) -> Leg:
    """What a B2BUA sends on 40 ms later, to another number, so that numbers join nothing."""
    made: dict[str, object] = {"at": 40, "ends": (PBX, TRUNK), "numbers": ("1500", "0066")}
    return Leg(name, **(made | more))  # type: ignore[arg-type]


JOINED = {
    "X-Call-ID": (
        first(), second(extra="X-Call-ID: first-leg@10.0.0.1\r\n"),
        "proof", "X-Call-ID of the second is the Call-ID of the first",
    ),
    "X-CID in a response": (
        first(), second(answered="x-cid : first-leg@10.0.0.1\r\n"),
        "proof", "X-CID of the second is the Call-ID of the first",
    ),
    "the first names the second": (
        first(answered="P-Call-ID: second-leg@10.0.0.2\r\n"), second(),
        "proof", "P-Call-ID of the first is the Call-ID of the second",
    ),
    "a value of both": (
        first(extra="X-BroadWorks-Correlation-Info: 1ce4a3ab-77\r\n"),
        second(extra="X-BroadWorks-Correlation-Info: 1ce4a3ab-77\r\n"),
        "proof", "both have the X-BroadWorks-Correlation-Info 1ce4a3ab-77",
    ),
    "Session-ID": (
        first(extra=f"Session-ID: {UUID};remote={NIL}\r\n"),
        second(extra=f"Session-ID: {UUID.upper()};remote={NIL}\r\n"),
        "proof", f"both have the Session-ID {UUID}",
    ),
    "Session-ID the other way round": (
        first(answered=f"Session-ID: {OTHER};remote={UUID}\r\n"),
        second(extra=f"Session-ID: {UUID}\r\n"),
        "proof", f"both have the Session-ID {UUID}",
    ),
    "icid": (
        first(extra="P-Charging-Vector: orig-ioi=a.net;icid-value=\"AyretyU0dm+6O2\"\r\n"),
        second(extra="P-Charging-Vector: icid-value=AyretyU0dm+6O2;icid-generated-at=10.0.0.2\r\n"),
        "proof", "both have the icid-value AyretyU0dm+6O2",
    ),
    "In-Reply-To, a day later": (
        first(), second(at=86_400_000, extra="In-Reply-To: other@b, first-leg@10.0.0.1\r\n"),
        "proof", "In-Reply-To of the second is the Call-ID of the first",
    ),
    "Replaces": (
        first(), second(extra="Replaces: first-leg@10.0.0.1;to-tag=b;from-tag=a\r\n"),
        "proof", "Replaces of the second is the Call-ID of the first",
    ),
    "Replaces in Refer-To": (
        first(after=((900, "REFER", "Refer-To: <sip:3@x?Replaces=second-leg%4010.0.0.2%3B"
                                    "to-tag%3Db%3Bfrom-tag%3Da>\r\n"),)),
        second(),
        "proof", "Replaces in Refer-To of the first is the Call-ID of the second",
    ),
    "Refer-To": (
        first(after=((900, "REFER", "r: Carol <sip:7770000@x>\r\nReferred-By: <sip:5660066@x>\r\n"),)),
        second(at=1000, numbers=("4151500", "7770000"), ends=(PHONE, TRUNK),
               extra="Referred-By: <sip:5660066@x>;cid=1\r\n"),
        "strong",
        "the first was sent on to 7770000 by REFER, the second says so of sip:5660066@x",
    ),
    "Via branch": (
        first(numbers=("4151500", "0066"), via="SIP/2.0/UDP 10.9.9.9:5070;branch=z9hG4bK776asdhds"),
        second(via="SIP/2.0/UDP 10.9.9.9:5070;rport;branch=z9hG4bK776asdhds"),
        "proof", "both have the Via branch 10.9.9.9:5070 776asdhds",
    ),
    "one tag": (
        first(tags=("as98708786", ""), numbers=("4151500", "0066")), second(tags=("as98708786", "")),
        "strong", "both have the From tag as98708786",
    ),
    "both tags": (
        first(tags=("as98708786", "76341a"+"ff"), numbers=("4151500", "0066")),
        second(tags=("as98708786", "76341a"+"ff")),
        "proof", "both have the same tags of From and To",
    ),
    "Call-ID with a word behind": (
        first(f"{HASH}@10.0.0.1"), second(f"{HASH}@10.0.0.1-b2bua"),
        "strong", f"both Call-IDs are made of {HASH}",
    ),
    "Call-ID with a word before the host": (
        first(f"{HASH}"), second(f"{HASH}_b2b-1"),
        "strong", f"both Call-IDs are made of {HASH}",
    ),
    "Call-ID with another host": (
        first(f"{HASH}@10.0.0.1"), second(f"{HASH}@10.0.0.2"),
        "strong", f"both Call-IDs are made of {HASH}",
    ),
    "numbers and the same session": (
        first(offer=sdp("10.0.0.1", 4000, "1718872612")),
        second(numbers=("+3544151500", "5660066"), offer=sdp("10.0.0.1", 4000, "1718872612")),
        "likely", "the same numbers 40 ms apart, and the same session 1718872612 of - at 10.0.0.1",
    ),
    "numbers and the same media address": (
        first(offer=sdp("10.0.0.1", 4000, "1")), second(
            numbers=("4151500", "5660066"), offer=sdp("10.0.0.1", 4000, "2")),
        "likely", "the same numbers 40 ms apart, and the same media address 10.0.0.1:4000",
    ),
    "numbers and the machine in the middle": (
        first(offer=sdp("10.0.0.1", 4000, "1"), answer=sdp("10.0.0.2", 6000, "2")),
        second(numbers=("4151500", "5660066"), offer=sdp("10.0.0.2", 8000, "3")),
        "likely",
        "the same numbers 40 ms apart, and 10.0.0.2 got one, sent the other and takes its media",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", JOINED)
@pytest.mark.parametrize("comes", ["together", "in order", "the second first"])
def test_two_legs_are_one_call(case: str, comes: str) -> None:
    one, other, strength, reason = JOINED[case]
    legs = (other, one) if comes == "the second first" else (one, other)
    [call] = calls_of(*legs) if comes == "together" else calls_as_they_come(*legs)
    assert names_of(call) == [one.name, other.name]
    [link] = call.links
    assert (link.strength, link.reason) == (strength, reason)
    assert (link.first, link.second) == call.legs


TWO_CALLS = {
    "nothing in common but the numbers": (first(), second(numbers=("4151500", "5660066"))),
    "a Call-ID that is nobody's": (first(), second(extra="X-Call-ID: third-leg@10.0.0.1\r\n")),
    "its own Call-ID": (first(extra="X-CID: first-leg@10.0.0.1\r\n"), second()),
    "a header that nobody named": (first(), second(extra="X-Leg: first-leg@10.0.0.1\r\n")),
    "the nil UUID": (
        first(extra=f"Session-ID: {UUID};remote={NIL}\r\n"),
        second(extra=f"Session-ID: {OTHER};remote={NIL}\r\n"),
    ),
    "an icid that says nothing": (
        first(extra="P-Charging-Vector: icid-value=0\r\n"),
        second(extra="P-Charging-Vector: icid-value=0\r\n"),
    ),
    "a value of one letter": (
        first(extra="X-CID: ----------\r\n"), second(extra="X-CID: ----------\r\n"),
    ),
    "an identifier that another day's call has": (
        first(extra="X-CID: 1ce4a3ab-77\r\n"),
        second(at=86_400_000, extra="X-CID: 1ce4a3ab-77\r\n"),
    ),
    "a header in the body": (
        first(), second(offer="\r\nX-Call-ID: first-leg@10.0.0.1\r\n"),
    ),
    "Replaces of another dialog": (
        first(), second(extra="Replaces: third-leg@10.0.0.1;to-tag=b;from-tag=a\r\n"),
    ),
    "a transfer to somebody else": (
        first(after=((900, "REFER", "Refer-To: <sip:7770000@x>\r\nReferred-By: <sip:5660066@x>\r\n"),)),
        second(at=1000, numbers=("4151500", "7770001"), extra="Referred-By: <sip:5660066@x>\r\n"),
    ),
    "a transfer by somebody else": (
        first(after=((900, "REFER", "Refer-To: <sip:7770000@x>\r\nReferred-By: <sip:5660066@x>\r\n"),)),
        second(at=1000, numbers=("4151500", "7770000"), extra="Referred-By: <sip:5660067@x>\r\n"),
    ),
    "a transfer of last week": (
        first(lasts=10**9,
              after=((900, "REFER", "Refer-To: <sip:7770000@x>\r\nReferred-By: <sip:5660066@x>\r\n"),)),
        second(at=600_000_000, numbers=("4151500", "7770000"), extra="Referred-By: <sip:5660066@x>\r\n"),
    ),
    "a call to whom a REFER names, of nobody sent on": (
        first(after=((900, "REFER", "Refer-To: <sip:7770000@x>\r\n"),)),
        second(at=1000, numbers=("4151500", "7770000")),
    ),
    "the same branch of another machine": (
        first(via="SIP/2.0/UDP 10.9.9.9:5070;branch=z9hG4bK776asdhds"),
        second(numbers=("4151500", "5660066"), via="SIP/2.0/UDP 10.9.9.8:5070;branch=z9hG4bK776asdhds"),
    ),
    "a branch of RFC 2543": (
        first(via="SIP/2.0/UDP 10.9.9.9:5070;branch=776asdhdsaa"),
        second(numbers=("4151500", "5660066"), via="SIP/2.0/UDP 10.9.9.9:5070;branch=776asdhdsaa"),
    ),
    "a tag of other numbers": (
        first(tags=("as98708786", "")), second(tags=("as98708786", ""), numbers=("8881111", "8882222")),
    ),
    "a tag of two calls between the same machines": (
        first(tags=("as98708786", "")),
        second(tags=("as98708786", ""), ends=(PHONE, PBX), numbers=("4151500", "8882222")),
    ),
    "a tag that is short": (
        first(tags=("1", "")), second(tags=("1", ""), numbers=("4151500", "8882222")),
    ),
    "a tag of the call before": (
        first(tags=("as98708786", "")),
        second(at=60_000, tags=("as98708786", ""), numbers=("4151500", "5660066")),
    ),
    "Call-IDs with little in common": (first("2-47110@10.0.0.1"), second("2-47110@10.0.0.1-b2bua")),
    "Call-IDs with a counter": (first(f"{HASH}-1@10.0.0.1"), second(f"{HASH}-2@10.0.0.1")),
    "Call-IDs of padding": (first("0" * 30 + "1"), second("0" * 30 + "1-b2bua")),
    "numbers and media an hour apart": (
        first(lasts=10**7, offer=sdp("10.0.0.1", 4000, "1")),
        second(at=3_600_000, numbers=("4151500", "5660066"), offer=sdp("10.0.0.1", 4000, "1")),
    ),
    "numbers and media some seconds apart": (
        first(lasts=20_000, offer=sdp("10.0.0.1", 4000, "1")),
        second(at=6000, numbers=("4151500", "5660066"), offer=sdp("10.0.0.1", 4000, "1")),
    ),
    "another port at the same address": (
        first(offer=sdp("10.0.0.1", 4000, "1")),
        second(numbers=("4151500", "5660066"), offer=sdp("10.0.0.1", 4002, "2")),
    ),
    "media nowhere": (
        first(offer=sdp("0.0.0.0", 4000, "1")),
        second(numbers=("4151500", "5660066"), offer=sdp("0.0.0.0", 4000, "2")),
    ),
    "the same media, other numbers": (
        first(offer=sdp("10.0.0.1")), second(offer=sdp("10.0.0.1")),
    ),
    "the same media, called at once again": (
        first(offer=sdp("10.0.0.1"), final="486 Busy Here"),
        first("again@10.0.0.1", at=1500, offer=sdp("10.0.0.1")),
    ),
    "the machine in the middle, but of a call that is over": (
        first(offer=sdp("10.0.0.1", 4000, "1"), final="486 Busy Here"),
        second(at=4000, numbers=("4151500", "5660066"), offer=sdp("10.0.0.2", 8000, "3")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TWO_CALLS)
def test_two_calls_stay_two(case: str) -> None:
    one, other = TWO_CALLS[case]
    for made in (
        calls_of(one, other),
        calls_as_they_come(one, other),
        calls_as_they_come(other, one),
    ):
        assert [names_of(call) for call in made] == [[one.name], [other.name]]


def test_headers_are_joined_by_that_the_user_names() -> None:
    legs = first(), second(extra="x-leg: first-leg@10.0.0.1\r\n")
    assert len(calls_of(*legs)) == 2
    [call] = calls_of(*legs, headers=("X-Leg",))
    assert call.reasons == ["X-Leg"]


def test_of_two_calls_at_once_it_is_not_known_whose_leg_a_third_is() -> None:
    media = {"offer": sdp("10.0.0.1", 4000, "1"), "answer": sdp("10.0.0.2", 6000, "2")}
    legs = [
        first(**media),
        first("other@10.0.0.9", at=10, ends=("10.0.0.9", PBX), offer=sdp("10.0.0.9", 4000, "5")),
        second(numbers=("4151500", "5660066"), offer=sdp("10.0.0.2", 8000, "3")),
    ]
    assert len(calls_of(*legs)) == 3
    assert len(calls_of(legs[0], legs[2])) == 1


def test_media_that_are_told_only_by_the_answer_are_waited_for() -> None:
    numbers = ("4151500", "5660066")
    legs = (
        first(answer=sdp("10.0.0.9", 4000, "1")),
        second(numbers=numbers, answer=sdp("10.0.0.9", 4000, "1"), ends=("10.0.0.5", TRUNK)),
    )
    packets = sorted(packet for leg in legs for packet in leg.packets())
    chain = Chain()
    calls = Calls(chain.conversations)
    found = []
    for time, packet in packets:
        chain.feed(batch([packet], times=[time]))
        found.append(len(list(calls)))
    assert found[:5] == [1, 1, 2, 2, 2]
    assert found[-1] == 1
    assert calls.call_of(0).reasons == ["media"]


def test_three_legs_in_a_row_are_one_call() -> None:
    legs = [
        Leg("phone@10.0.0.1", offer=sdp("10.0.0.1")),
        Leg("pbx@10.0.0.2", 30, (PBX, TRUNK), ("1500", "0066"), extra="X-CID: phone@10.0.0.1\r\n"),
        Leg("trunk@10.0.0.3", 60, (TRUNK, "10.0.0.4"), extra="X-Call-ID: pbx@10.0.0.2\r\n"),
    ]
    [call] = calls_of(*reversed(legs))
    assert names_of(call) == [leg.name for leg in legs]
    assert [link.name for link in call.links] == ["X-CID", "X-Call-ID"]


def test_phones_that_ring_together_are_legs_of_one_call() -> None:
    rung = [
        Leg(f"bell-{n}@10.0.0.2", 20 + n, (PBX, f"10.0.1.{n}"), ("4151500", f"20{n:02d}"),
            extra="X-Call-ID: caller@10.0.0.1\r\n",
            final="200 OK" if n == 7 else "487 Request Terminated")
        for n in range(1, 21)
    ]  # fmt: skip
    [call] = calls_of(Leg("caller@10.0.0.1"), *rung)
    assert len(call.legs) == 21
    assert call.worst_status == 487
    assert call.state == "ended"
    # Each with the caller's leg, and with one another too: they have the same value.
    assert sum(link.first == call.legs[0] for link in call.links) == 20


def test_registrations_are_no_calls() -> None:
    chain = Chain()
    chain.feed(
        batch([
            ethernet(ipv4(udp(sip("REGISTER sip:a SIP/2.0", "keeps-itself", cseq="1 REGISTER")))),
            ethernet(ipv4(udp(sip(call_id="a-call-1")))),
            ethernet(ipv4(udp(sip("SIP/2.0 200 OK", "only-answered")))),
            ethernet(ipv4(udp(sip("SIP/2.0 200 OK", "options-alone", cseq="1 OPTIONS")))),
        ])
    )  # fmt: skip
    assert [names_of(call) for call in Calls(chain.conversations)] == [
        ["a-call-1"],
        ["only-answered"],
    ]


def test_what_scripts_use() -> None:
    chain = chain_of(*JOINED["X-Call-ID"][:2], Leg("alone@a", 9000))
    calls = sipstream.Calls(chain.conversations)
    number = [one.id for one in chain.conversations]
    call = calls.call_of(number[1])
    assert isinstance(call, sipstream.Call)
    assert call.legs == calls.call_of(number[0]).legs == (number[0], number[1])
    assert call.count == 12
    assert call.duration == 5_050 * 10**6
    assert [one.conversation for one in call.messages[:2]] == [number[0], number[0]]
    assert calls.call_of(number[2]).links == ()
    with pytest.raises(IndexError):
        calls.call_of(99)
