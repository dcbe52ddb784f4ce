"""What a conversation comes to: how soon it was answered, how long it lasted, what was agreed."""

from __future__ import annotations

from offer_calls import message, sdp
from support import Chain, batch, ethernet, ipv4, udp

from sipstream.render.facts import Facts


def _facts(*raw: bytes) -> dict[str, str]:
    """The facts of a conversation whose messages come a second apart."""
    chain = Chain()
    times = [10**18 + 10**9 * place for place in range(len(raw))]
    chain.feed(batch([ethernet(ipv4(udp(one))) for one in raw], times=times))
    (found,) = chain.conversations
    facts = Facts(found)
    for one in found.messages:
        facts.add(one)
    return dict(facts.rows())


def test_a_call() -> None:
    facts = _facts(
        message("INVITE", "1 INVITE", sdp("audio 8 0"), extra="User-Agent: phone\r\n"),
        message("100 Trying", "1 INVITE"),
        message("180 Ringing", "1 INVITE"),
        message("200 OK", "1 INVITE", sdp("audio 0"), extra="Server: pbx\r\n"),
        message("ACK", "1 ACK", branch="2"),
        message("BYE", "2 BYE", branch="3"),
        message("200 OK", "2 BYE", branch="3"),
    )
    assert facts.pop("Began").startswith("2001-09-09T")
    assert facts == {
        "From": "4151500",
        "To": "5660066",
        "State": "ended, last response 200",
        "Lasted": "6.0 s",
        "First sign of life": "after 2.0 s",
        "Answered": "after 3.0 s",
        "Talked": "2.0 s",
        "Messages": "7",
        "Audio": "agreed: PCMU; media both ways",
        # All come from one address here: the first one counts.
        "Agent at 10.0.0.1": "phone",
        "Call-ID": "call-1",
    }


def test_what_isn_t_known_isn_t_said() -> None:
    facts = _facts(message("OPTIONS", "1 OPTIONS"), message("200 OK", "1 OPTIONS"))
    assert set(facts) == {"From", "To", "State", "Began", "Lasted", "Messages", "Call-ID"}


def test_the_last_agreement_counts() -> None:
    facts = _facts(
        message("INVITE", "1 INVITE", sdp("audio 8")),
        message("200 OK", "1 INVITE", sdp("audio 8")),
        message("INVITE", "2 INVITE", sdp("audio 8", "a=sendonly"), branch="2"),
        message("200 OK", "2 INVITE", sdp("audio 8", "a=recvonly"), branch="2"),
        message("INVITE", "3 INVITE", sdp("audio 18"), branch="3"),
        message("488 Not Acceptable Here", "3 INVITE", branch="3"),
    )
    assert facts["Audio"] == "agreed: PCMA; media from offer to answer only; on hold by the offer"
