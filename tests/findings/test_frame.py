"""What rules are asked about, and what is remembered of their answers."""

from __future__ import annotations

import pytest
from support import Chain, batch, ethernet, ipv4, sip, udp

from sipstream.findings import FINDINGS, Finding, Severity, around, diagnose, subject
from sipstream.findings.around import Around
from sipstream.findings.known import bits, known, rules
from sipstream.findings.rule import Proof, Rule
from sipstream.findings.subject import Subject, cseq, tag
from sipstream.render.findings import of_conversation

MS = 1_000_000
BYE = "BYE sip:2@b SIP/2.0"


def fed(*messages: tuple[int, bytes], chain: Chain | None = None) -> Chain:
    """Messages at times in ms."""
    chain = chain or Chain()
    for time, raw in messages:
        chain.feed(batch([ethernet(ipv4(udp(raw)))], times=[10**18 + time * MS]))
    return chain


def seen(*messages: tuple[int, bytes]) -> Subject:
    (one,) = fed(*messages).conversations
    return Subject(one, Around())


def again(count: int, gap: int = 500) -> list[tuple[int, bytes]]:
    """An INVITE sent so often."""
    return [(place * gap, sip()) for place in range(count)]


def test_a_transaction_has_its_request_and_its_responses() -> None:
    about = seen(
        (0, sip()),
        (20, sip("SIP/2.0 100 Trying")),
        (500, sip()),
        (900, sip("SIP/2.0 180 Ringing")),
        (2000, sip("SIP/2.0 486 Busy Here")),
        (2001, sip("ACK sip:2@b SIP/2.0", cseq="1 ACK")),
        (2500, sip("SIP/2.0 486 Busy Here")),
        (3000, sip(BYE, cseq="2 BYE")),
    )
    invite, ack, bye = about.transactions
    assert [one.method for one in about.transactions] == ["INVITE", "ACK", "BYE"]
    assert [one.index for one in invite.messages] == [0, 1, 2, 3, 4, 6]
    assert [one.index for one in invite.sendings] == [0, 2]
    assert invite.span == 500 * MS
    assert invite.final is not None and invite.final.index == 4
    assert invite.provisional is not None and invite.provisional.index == 3
    assert (ack.final, bye.final, bye.span) == (None, None, 0)
    assert list(about.of_method("BYE", "CANCEL")) == [bye]
    assert [one.index for one in about.after(bye.first)] == []


def test_what_is_seen_again_at_once_is_the_same_sending() -> None:
    (one,) = seen((0, sip()), (3, sip()), (500, sip()), (503, sip())).transactions
    assert [message.index for message in one.sendings] == [0, 2]
    assert len(one.requests) == 4


def test_another_hop_is_another_transaction() -> None:
    hop = sip().replace(b"z9hG4bK1", b"z9hG4bK2")
    assert len(seen((0, sip()), (2, hop), (3, sip("SIP/2.0 100 Trying"))).transactions) == 2


def test_a_response_without_its_request_stands_alone() -> None:
    about = seen((0, sip("SIP/2.0 200 OK")))
    (one,) = about.transactions
    assert (one.method, one.requests, one.span) == ("INVITE", [], 0)
    assert one.first.status == 200
    assert list(about.of_method("INVITE")) == []


@pytest.mark.parametrize("value", ["", "INVITE", "x INVITE", "99999999999 INVITE"])
def test_a_cseq_that_makes_no_sense(value: str) -> None:
    request, response = sip(cseq=value), sip("SIP/2.0 200 OK", cseq=value)
    first, second = seen((0, request), (1, response)).messages
    assert cseq(first) == (-1, "INVITE")
    assert cseq(second) == (-1, "")


def test_tags() -> None:
    (one,) = seen(
        (0, sip(source='";tag=no" <sip:1@a;tag=no> ; TAG=a-1;x', destination="sip:2@b"))
    ).messages
    assert (tag(one, "From"), tag(one, "To"), tag(one, "Contact")) == ("a-1", "", "")


def test_of_very_many_messages_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "DIAGNOSED", 5)
    about = seen(*again(8))
    assert [one.index for one in about.messages] == [3, 4, 5, 6, 7]
    (finding,) = diagnose(about.conversation)
    assert finding.evidence == (3, 4, 5, 6, 7)


def test_of_very_long_messages_fewer_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(sip())
    monkeypatch.setattr(subject, "DIAGNOSED_BYTES", 3 * size)
    about = seen(*again(8))
    assert [one.index for one in about.messages] == [5, 6, 7]
    (finding,) = diagnose(about.conversation)
    assert finding.evidence == (5, 6, 7)
    told = list(of_conversation(0, about.conversation, [finding], None))
    assert told[1] == "  (the newest 3 of 8 messages were looked at)"
    assert [line.split()[0] for line in told if "->" in line][1:] == ["[5]", "[6]", "[7]"]
    monkeypatch.setattr(subject, "DIAGNOSED_BYTES", 0)
    assert [one.index for one in seen(*again(8)).messages] == [7]


def test_copies_are_left_aside_as_messages_know_them() -> None:
    some = [(0, sip()), (3, sip()), (50, sip()), (55, sip(BYE)), (56, sip()), (200, sip())]
    about = seen(*some)
    assert [one.index for one in about.originals] == [0, 3, 5]
    assert [one.index for one in about.messages if one.copy_of is None] == [0, 3, 5]


def test_a_finding_says_what_proves_it() -> None:
    (one,) = fed(*again(7)).conversations
    (finding,) = diagnose(one)
    assert isinstance(finding, Finding)
    assert finding.severity is Severity.PROBLEM
    assert finding.evidence == (0, 1, 2, 3, 4, 5, 6)
    assert finding.source.startswith("RFC 3261")


def test_no_rule_finds_without_a_proof() -> None:
    rule = Rule("x", Severity.NOTE, "", "", frozenset(), lambda subject: Proof("so it is", ()))
    with pytest.raises(ValueError, match="proves nothing"):
        rule.apply(seen((0, sip())))


def test_a_rule_is_asked_where_its_kinds_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(subject: Subject) -> Proof:
        return Proof(f"there are {len(subject.messages)}", subject.messages[:1])

    for name, severity, kinds in (("b", 1, {486}), ("a", 3, set()), ("c", 2, {"BYE", "INVITE"})):
        rule = Rule(name, Severity(severity), "", "", frozenset(kinds), found)
        monkeypatch.setitem(FINDINGS, name, rule)
    (one,) = fed((0, sip()), (1, sip("SIP/2.0 180 Ringing"))).conversations
    assert [finding.name for finding in diagnose(one)] == ["a", "c"]
    (one,) = fed((0, sip()), (1, sip("SIP/2.0 486 Busy Here"))).conversations
    assert [finding.name for finding in diagnose(one)] == ["a", "c", "b"]


def test_what_is_known_is_looked_for_once_until_more_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[str] = []

    def counted(*arguments: object) -> list[Finding]:
        looked.append("")
        return diagnose(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("sipstream.findings.known.diagnose", counted)
    chain = fed(*again(2), (0, sip(call_id="other")))
    found = known(chain.conversations.index)
    assert found is known(chain.conversations.index)
    assert [found.of(number) for number in (0, 1, 0, 1)] == [0, 0, 0, 0]
    assert len(looked) == 2
    fed(*((time + 1000, raw) for time, raw in again(5)), chain=chain)
    assert [rule.name for rule in rules(found.of(0))] == ["unreachable"]
    assert found.of(0) == bits(frozenset(["unreachable"]))
    assert found.of(1) == 0
    assert len(looked) == 3
    monkeypatch.setattr(around, "_around", Around())
    found.of(0)
    assert len(looked) == 4


def test_a_number_given_again_is_another_conversation() -> None:
    chain = fed(*again(7))
    conversations = chain.conversations
    assert known(conversations.index).of(0)
    conversations.give_up([0])
    fed((9000, sip(call_id="new")), chain=chain)
    (one,) = conversations
    assert one.id == 0
    assert known(conversations.index).of(0) == 0
