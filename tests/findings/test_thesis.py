"""The thesis's captures: its three causes with the messages that it points at, and all else in them."""

import pytest
from support import CAPTURES

import sipstream
from sipstream.findings import Around, Finding, Severity, diagnose
from sipstream.plan import Plan

ICELAND = Around(plan=Plan("354", region="IS"))


def found(capture: str, around: Around | None = None) -> dict[str, list[Finding]]:
    """Return the findings of a capture by the Call-IDs that have some."""
    listed = {one.call_id: diagnose(one, around) for one in sipstream.load(CAPTURES / capture)}
    return {call_id: findings for call_id, findings in listed.items() if findings}


@pytest.mark.parametrize("around", [None, ICELAND], ids=["default", "IS"])
@pytest.mark.parametrize("ending", ["pcap", "txt"])
def test_a_nat_that_lets_nothing_in(ending: str, around: Around | None) -> None:
    # Seven INVITEs, each of which a second interface saw too.
    assert found(f"timeout.{ending}", around) == {
        "35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060": [
            Finding(
                "nat-timeout",
                Severity.PROBLEM,
                "INVITE was sent 7 times in 31.5 s to 178.19.48.48:5060 without any response,"
                " though requests come from there: its NAT or firewall lets nothing in",
                tuple(range(14)),
                "RFC 3261 17.1.1.2, RFC 4787 4.3",
            )
        ]
    }


@pytest.mark.parametrize("around", [None, ICELAND], ids=["default", "IS"])
@pytest.mark.parametrize("ending", ["pcap.gz", "txt"])
def test_an_extension_as_caller(ending: str, around: Around | None) -> None:
    # INVITE and 403
    assert found(f"callerid-problem.{ending}", around) == {
        "4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060": [
            Finding(
                "rejected-caller-id",
                Severity.PROBLEM,
                "403 Forbidden to a call to 5660066 whose caller 1502 is no full number,"
                " and no P-Asserted-Identity has one",
                (0, 2),
                "RFC 3325 9.1",
            )
        ]
    }


@pytest.mark.parametrize("around", [None, ICELAND], ids=["default", "IS"])
@pytest.mark.parametrize("ending", ["pcap.gz", "txt"])
def test_a_diversion_by_an_extension(ending: str, around: Around | None) -> None:
    findings = found(f"diversion-problem.{ending}", around)
    # INVITE and 403
    assert findings.pop("256c2b012c04d48e5bbbad970bca3268@10.20.0.22:5060") == [
        Finding(
            "diversion-wrong",
            Severity.PROBLEM,
            "403 Forbidden to a call of 7712552 that is forwarded: its Diversion has 1502,"
            " which is no full number, and names 178.19.49.10 where 10.20.0.22 sends it",
            (0, 2),
            "RFC 5806",
        )
    ]
    assert silent_phones(findings) == 6


def test_what_else_is_in_the_big_capture() -> None:
    """Phones that are switched off, which are asked seven times each whether they are there."""
    assert silent_phones(found("testdata-pt.pcap.gz")) == 8


def silent_phones(findings: dict[str, list[Finding]]) -> int:
    """Check that findings are OPTIONS that no phone answers and nothing else, return how many."""
    for [one] in findings.values():
        assert one.name == "unanswered-options"
        assert one.sentence.startswith("OPTIONS was sent 7 times in 15.5 s to 10.30.")
        assert one.evidence == tuple(range(7))
    return len(findings)
