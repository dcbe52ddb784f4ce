"""Findings of signalling: what they say, which messages prove it, and whose numbers are judged how."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from finding_cases import DIRECTORY
from finding_cases.talk import Dialog
from finding_cases.wire import Wire

import sipstream
from sipstream.findings import Around, diagnose
from sipstream.plan import Plan, use_plan

SAID = {
    "unreachable/yes-bye": (
        "BYE was sent 11 times in 31.5 s to 203.0.113.20:5060 without any response",
        range(5, 16),
    ),
    "nat-timeout/yes-contact-inside": (
        "INVITE was sent 7 times in 31.5 s to 198.51.100.77:1042 without any response,"
        " for a contact at 192.168.1.20 behind a NAT, which lets nothing in",
        range(7),
    ),
    "nat-timeout/yes-registered": (
        "INVITE was sent 5 times in 7.5 s to 198.51.100.77:1042 without any response,"
        " though requests come from there: its NAT or firewall lets nothing in",
        range(5),
    ),
    "unanswered-options/yes-each-half-minute": (
        "OPTIONS was sent 4 times in 90.1 s to 203.0.113.20:5060 without any response",
        range(4),
    ),
    "no-ack/yes-until-bye": (
        "200 to INVITE was sent 11 times in 31.5 s by 203.0.113.20:5060, and no ACK came",
        range(2, 13),
    ),
    "no-ack/yes-ack-goes-elsewhere": (
        "200 to INVITE was sent 6 times in 15.2 s by 203.0.113.20:5060"
        " though an ACK was sent to 192.168.7.7:5060",
        (3, 4, 6, 8, 10, 12, 14),
    ),
    "rejected-caller-id/yes-asserts-the-same": (
        "403 Forbidden to a call to 5556789 whose caller 1502 is no full number,"
        " nor is its P-Asserted-Identity 1502",
        (0, 2),
    ),
    "rejected-caller-id/yes-anonymous": (
        "433 Anonymity Disallowed to a call to 5556789 whose caller anonymous is no number,"
        " and no P-Asserted-Identity has one",
        (0, 2),
    ),
    "diversion-wrong/yes-another-s-address": (
        "403 Forbidden to a call of 5551234 that is forwarded:"
        " its Diversion names 192.0.2.99 where 198.51.100.10 sends it",
        (0, 2),
    ),
    "diversion-missing/yes-leg-before": (
        "403 Forbidden to a call of 7712552 to 5556789 that is forwarded,"
        " as 198.51.100.10 has got it for 5550000, and no Diversion says who forwards it",
        (0, 2),
    ),
    "diversion-missing/yes-redirected": (
        "403 Forbidden to a call of 5551234 to 5556789 that is forwarded,"
        " as 302 Moved Temporarily told, and no Diversion says who forwards it",
        (2, 4, 5),
    ),
    "forbidden/yes-call": (
        "403 Forbidden to INVITE of 5551234 for 5556789 by 203.0.113.20:5060",
        (0, 2),
    ),
    "server-failure/yes-registration": (
        "500 Server Internal Error to REGISTER of 5551234 by 203.0.113.20:5060",
        (0, 1),
    ),
    "wrong-password/yes-each-minute": (
        "401 Unauthorized to REGISTER with credentials of 5551234 for a fresh challenge 3 times:"
        " the password or the user name is wrong",
        (1, 2, 3, 7, 11),
    ),
    "auth-loop/yes-always-stale": (
        "REGISTER was challenged 5 times in 0.16 s, each time for a nonce that isn't the one of the"
        " challenge before, or has expired",
        (1, 3, 5, 7, 9),
    ),
    "auth-loop/yes-no-credentials": (
        "REGISTER was challenged 4 times in 90.1 s, and no credentials came",
        (1, 3, 5, 7),
    ),
    "loop/yes-max-forwards-run-down": (
        "INVITE came 5 times from 198.51.100.10:5060 to 203.0.113.20:5060,"
        " its Max-Forwards down from 70 to 62",
        (0, 2, 4, 6, 8),
    ),
    "retransmission-storm/yes-response-gets-lost": (
        "OPTIONS was sent 6 times more though 200 OK had answered it:"
        " that doesn't reach 198.51.100.10:5060",
        (1, 2, 4, 6, 8, 10, 12),
    ),
    "late-bye/yes-unknown": (
        "BYE after 62.0 s was answered 481 Call/Transaction Does Not Exist:"
        " 203.0.113.20:5060 had no such call any more",
        (3, 5, 6),
    ),
    "session-timer/yes-32-s-before-the-end": (
        "BYE came 1768.0 s after the session of 1800 s was agreed on, and nothing refreshed it",
        (3, 5),
    ),
    "session-timer/yes-refresh-refused": (
        "the session's refresh by UPDATE got 481 Call/Transaction Does Not Exist,"
        " and BYE came 0.14 s later",
        (5, 6, 7),
    ),
    "cancelled-early/yes-after-trying": (
        "INVITE was cancelled after 4.2 s, before it rang",
        (0, 2),
    ),
    "short-call/yes-by-the-callee": (
        "the call was ended by 203.0.113.20:5060 0.74 s after it was answered",
        (3, 5),
    ),
    "scanner/yes-one-user-after-the-other": (
        "198.51.100.10 asked by REGISTER for 8 users in 0.28 s, 100 to 107, and none is there",
        range(0, 16, 2),
    ),
}


@pytest.fixture(autouse=True)
def no_plan() -> Iterator[None]:
    yield
    use_plan(Plan())


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_and_what_proves_it(name: str) -> None:
    found = {
        (finding.name, finding.sentence, finding.evidence)
        for one in sipstream.load(DIRECTORY / f"{name}.pcap")
        for finding in diagnose(one)
    }
    sentence, evidence = SAID[name]
    assert (name.partition("/")[0], sentence, tuple(evidence)) in found


def refused_caller(tmp_path: Path, caller: str) -> sipstream.Conversation:
    wire = Wire()
    Dialog(wire, caller=caller).refused(403)
    path = tmp_path / "refused.pcap"
    path.write_bytes(wire.file())
    [one] = sipstream.load(path)
    return one


@pytest.mark.parametrize(
    ("caller", "without", "in_iceland"),
    [
        ("5660066", "forbidden", "forbidden"),
        ("+442079460000", "forbidden", "forbidden"),
        # Enquiries, a number as good as any in Iceland
        ("1819", "rejected-caller-id", "forbidden"),
        # As long as one, but no number there begins so
        ("1234567", "forbidden", "rejected-caller-id"),
        ("1502", "rejected-caller-id", "rejected-caller-id"),
    ],
)
def test_numbers_are_judged_by_the_plan(
    tmp_path: Path, caller: str, without: str, in_iceland: str
) -> None:
    one = refused_caller(tmp_path, caller)
    assert [finding.name for finding in diagnose(one)] == [without]
    iceland = Around(plan=Plan(region="IS"))
    assert [finding.name for finding in diagnose(one, iceland)] == [in_iceland]


def test_a_change_of_plan_holds_at_once(tmp_path: Path) -> None:
    one = refused_caller(tmp_path, "1819")
    assert [finding.name for finding in diagnose(one)] == ["rejected-caller-id"]
    use_plan(Plan(region="IS"))
    assert [finding.name for finding in diagnose(one)] == ["forbidden"]


def test_a_long_quotation_is_cut(tmp_path: Path) -> None:
    [finding] = diagnose(refused_caller(tmp_path, "x" * 500))
    assert finding.sentence == (
        f"403 Forbidden to a call to 5556789 whose caller {'x' * 79}… is no number,"
        " and no P-Asserted-Identity has one"
    )
