"""The terms one by one, on messages made by hand and on decoded ones."""

from datetime import datetime

import pytest
from filter_fakes import FakeConversation, FakeMessage
from support import Chain, batch, ethernet, ipv4, sip, udp

from sipstream.filters import Filter
from sipstream.filters.terms import TERMS


def matches(text: str, *messages: FakeMessage, **what: str) -> bool:
    return Filter.parse(text).matches(FakeConversation(*messages, **what))  # type: ignore[arg-type]


def test_the_registry_is_the_help_table() -> None:
    assert list(TERMS) == sorted(TERMS)
    table = {name: (term.syntax, term.help) for name, term in TERMS.items()}
    number, address = "<telnum> [telnum(s)]", "<ip> [ip(s)]"
    originals = {
        "diversion": (number, "<telnum> is in one of the Diversion headers"),
        "dstip": (address, "<ip> is the destination address"),
        "dstnum": (number, "<telnum> is the destination number"),
        "has": ("<header>", "<header> is present, see `help add has`"),
        "ip": (address, "<ip> is either the source or the destination address"),
        "pai": ("<telnum>", "<telnum> is in one of the P-Asserted-Identity headers"),
        "ppi": ("<telnum>", "<telnum> is in one of the P-Preferred-Identity headers"),
        "srcip": (address, "<ip> is the source address"),
        "srcnum": (number, "<telnum> is the source number"),
        "telnum": (number, "<telnum> is either of the two"),
    }
    assert {name: table[name] for name in originals} == originals
    assert set(table) - set(originals) == set(
        """body callid codec domain duration endpoint final finding header interface last media messages
        method number port reason retransmissions setup since state status stir tap transport ua
        until uri user""".split()
    )


@pytest.mark.parametrize("name", TERMS)
def test_each_term_has_an_example_that_works(name: str) -> None:
    example = Filter.parse(TERMS[name].example)
    assert str(example).startswith(name)
    assert example.matches(FakeConversation()) in (True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("srcnum 4151500", True),
        ("srcnum 5660066", False),
        ("srcnum 1 4151500", True),
        ("dstnum 5660066", True),
        ("dstnum 4151500", False),
        ("dstnum 566*", True),
        ("telnum 4151500", True),
        ("telnum +5660066", True),
        ("telnum 1", False),
        ("srcip 10.20.0.22", True),
        ("srcip 10.11.12.13", False),
        ("dstip 10.11.0.0/16", True),
        ("dstip 10.20.0.22", False),
        ("ip 10.20.0.22", True),
        ("ip 10.11.12.13", True),
        ("ip 10.11.12.14", False),
        ("callid call-1", True),
        ("callid CALL-1", False),
        ("callid call*", True),
        ("callid *2", False),
    ],
)
def test_terms_on_the_first_message(text: str, expected: bool) -> None:
    assert matches(text) is expected


def test_terms_on_names() -> None:
    assert matches("srcnum alice", src_user="alice")
    assert not matches("srcnum Alice", src_user="alice")
    assert matches("srcip PBX 10.0.0.0/8", source="pbx")
    assert not matches("srcnum *", src_user="")


@pytest.mark.parametrize(
    ("term", "header"),
    [
        ("diversion", "Diversion"),
        ("pai", "P-Asserted-Identity"),
        ("ppi", "P-Preferred-Identity"),
    ],
)
def test_numbers_in_headers_of_invites(term: str, header: str) -> None:
    carried = FakeMessage(
        "INVITE",
        (header, '"777, <sip:778@x>" <sip:1502@178.19.49.10>;reason=unconditional, <tel:+354-555>'),
        (header, "<tel:1819@10.0.0.1>"),
    )
    for number in ("1502", "354555", "+354555", "1819", "18*"):
        assert matches(f"{term} {number}", FakeMessage(), carried), number
    for number in ("777", "778", "10", "*66"):
        assert not matches(f"{term} {number}", carried), number
    elsewhere = FakeMessage("UPDATE", (header, "<sip:1502@a>"))
    assert not matches(f"{term} 1502", FakeMessage(), elsewhere)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("diversion", "Diversion"),
        ("pai", "P-Asserted-Identity"),
        ("ppi", "P-Preferred-Identity"),
        ("rpid", "Remote-Party-ID"),
    ],
)
def test_headers_of_invites(name: str, header: str) -> None:
    assert matches(f"has {name}", FakeMessage(), FakeMessage("INVITE", (header, "")))
    assert not matches(f"has {name}", FakeMessage("INVITE", ("X-" + header, "")))
    assert not matches(f"has {name}", FakeMessage("BYE", (header, "<sip:1@a>")), FakeMessage(200))


@pytest.mark.parametrize(
    ("header", "value", "asks"),
    [
        ("Remote-Party-ID", "<sip:1@a>;privacy=full", True),
        ("Remote-Party-ID", "<sip:1@a>;privacy=off", False),
        ("Remote-Party-ID", "<sip:1@a>", False),
        ("P-Asserted-Identity", "<sip:1@a>;privacy=id", True),
        ("P-Preferred-Identity", "<sip:1@a>;Privacy=Name", True),
        ("Privacy", "id", True),
        ("Privacy", "none", False),
        ("Privacy", " NONE ", False),
        ("Privacy", "", False),
        ("Privacy", "header;session", True),
        ("From", "<sip:1@a>;privacy=full", False),
    ],
)
def test_privacy(header: str, value: str, asks: bool) -> None:
    assert matches("has privacy", FakeMessage("INVITE", (header, value))) is asks
    assert not matches("has privacy", FakeMessage(200, (header, value)), FakeMessage("INVITE"))


def test_start_lines() -> None:
    messages = FakeMessage("INVITE"), FakeMessage(100), FakeMessage(403), FakeMessage("Foo")
    for text in (
        "method invite",
        "method BYE INVITE",
        "method foo",
        "status 4xx",
        "status 100-199",
    ):
        assert matches(text, *messages), text
    for text in ("method BYE", "status 404 5xx", "status 200-299", "method 403"):
        assert not matches(text, *messages), text


def test_text_in_headers_of_any_message() -> None:
    messages = (
        FakeMessage("OPTIONS"),
        FakeMessage(200, ("User-Agent", "Asterisk PBX 18"), ("f", "x")),
    )
    for text in (
        "header user-agent ASTERISK",
        'header User-Agent "pbx 18"',
        "header User-Agent kamailio asterisk",
        "header From X",
        "header f x",
    ):
        assert matches(text, *messages), text
    assert not matches("header User-Agent kamailio", *messages)
    assert not matches("header Server asterisk", *messages)


def test_terms_on_decoded_messages() -> None:
    chain = Chain()
    invite = sip(
        "INVITE sip:5660066@b SIP/2.0",
        source='"5551111" <sip:+3547712552@a>;tag=1',
        destination="<sip:5660066;phone-context=x@b>",
        extra="diversion: <tel:1819@10.0.0.1>,\r\n <sip:1502@178.19.49.10>\r\n"
        "s: Folded\r\n  text\r\nPrivacy: id\r\n",
    )
    packets = [invite, sip("SIP/2.0 403 Forbidden"), sip("ACK sip:x SIP/2.0")]
    chain.feed(batch([ethernet(ipv4(udp(packet))) for packet in packets]))
    [conversation] = chain.conversations
    for text in (
        "srcnum 003547712552",
        "dstnum 5660066",
        "srcip 10.0.0.1 and dstip 10.0.0.2",
        "ip 10.0.0.0/30",
        "diversion 1819",
        "diversion 1502",
        "has diversion and has privacy and not has pai",
        "method ACK and status 403",
        'header Subject "folded text"',
        "header v udp",
        "callid call-*",
    ):
        assert Filter.parse(text).matches(conversation), text
    for text in (
        "srcnum 5551111",
        "diversion 178*",
        "status 2xx",
        "has rpid",
        "header Subject new",
    ):
        assert not Filter.parse(text).matches(conversation), text


def test_since_a_time_before_midnight_is_yesterdays_once_it_is_past() -> None:
    chain = Chain()
    midnight = datetime(2026, 3, 4).timestamp()
    for place, minutes in enumerate((-30, -5, 5)):
        packet = ethernet(ipv4(udp(sip("INVITE sip:x SIP/2.0", call_id=f"call-{place}"))))
        chain.feed(batch([packet], times=[int(midnight + 60 * minutes) * 10**9]))
    found = {
        text: [one.call_id for one in chain.conversations if Filter.parse(text).matches(one)]
        for text in ("since 23:50", "since 00:01", "since 00:30", "until 00:01")
    }
    assert found == {
        "since 23:50": ["call-1", "call-2"],
        "since 00:01": ["call-2"],
        "since 00:30": [],
        "until 00:01": ["call-0", "call-1"],
    }
