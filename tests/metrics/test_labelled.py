"""Figures against values worked out by hand, on a capture made for it; each call says what it adds."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from support import A, B, Chain, batch, ethernet, ipv4, sip, udp

from sipstream.metrics import Delay, Kind, Metrics, measure

MS = 10**6
SECOND = 10**9
START = 1_500_000_000 * SECOND
C = bytes((10, 0, 0, 3))


@dataclass
class Capture:
    """Messages with their times; A asks and B answers unless said otherwise."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)

    def request(
        self, ms: float, call: str, method: str, cseq: int = 1, ends: tuple[bytes, bytes] = (A, B)
    ) -> None:
        raw = sip(f"{method} sip:2@b SIP/2.0", call, cseq=f"{cseq} {method}")
        self._add(ms, raw, ends)

    def response(
        self, ms: float, call: str, status: int, method: str = "INVITE", cseq: int = 1,
        ends: tuple[bytes, bytes] = (B, A),
    ) -> None:  # fmt: skip
        self._add(ms, sip(f"SIP/2.0 {status} Any", call, cseq=f"{cseq} {method}"), ends)

    def _add(self, ms: float, raw: bytes, ends: tuple[bytes, bytes]) -> None:
        packet = ethernet(ipv4(udp(raw), source=ends[0], destination=ends[1]))
        self.packets.append((START + round(ms * MS), packet))

    def metrics(self) -> Metrics:
        chain = Chain()
        self.packets.sort(key=lambda one: one[0])
        times = [time for time, _ in self.packets]
        chain.feed(batch([packet for _, packet in self.packets], times=times))
        return measure(chain.conversations)


@pytest.fixture(scope="module")
def labelled() -> Metrics:
    """Twelve conversations; the last message comes at 100 s, so that timers B and F have run out."""
    made = Capture()
    # 1: set up after 200 ms, lasts from 1000 to 11000 ms, the BYE answered after 20 ms.
    made.request(0, "ok", "INVITE")
    made.response(10, "ok", 100)
    made.response(200, "ok", 180)
    made.response(1000, "ok", 200)
    made.request(1010, "ok", "ACK")
    made.request(5000, "ok", "INVITE", 2)  # Within the session: no session request.
    made.response(5010, "ok", 200, cseq=2)
    made.request(5020, "ok", "ACK", 2)
    made.request(11000, "ok", "BYE", 3)
    made.response(11020, "ok", 200, "BYE", 3)
    # 2: challenged, then set up 600 ms after the first INVITE (4.3.1); 2000 to 32000 ms.
    made.request(0, "auth", "INVITE")
    made.response(50, "auth", 407)
    made.request(60, "auth", "ACK")
    made.request(70, "auth", "INVITE", 2)
    made.response(600, "auth", 183, cseq=2)
    made.response(2000, "auth", 200, cseq=2)
    made.request(2010, "auth", "ACK", 2)
    made.request(32000, "auth", "BYE", 3)
    made.response(32040, "auth", 200, "BYE", 3)
    # 3: redirected, then answered at once: 200 is the first sign, after 400 ms; no BYE follows.
    made.request(0, "moved", "INVITE")
    made.response(100, "moved", 302)
    made.request(110, "moved", "ACK")
    made.request(120, "moved", "INVITE", 2)
    made.response(400, "moved", 200, cseq=2)
    made.request(410, "moved", "ACK", 2)
    # 4: busy after ringing: a failed setup whose sign came after 300 ms (4.3.2).
    made.request(0, "busy", "INVITE")
    made.response(300, "busy", 180)
    made.response(900, "busy", 486)
    made.request(910, "busy", "ACK")
    # 5: overload, ineffective, after 700 ms, and the INVITE sent again after 500 ms.
    made.request(0, "overload", "INVITE")
    made.request(500, "overload", "INVITE")
    made.response(700, "overload", 503)
    made.request(710, "overload", "ACK")
    # 6: given up by the caller, who heard it ring after 250 ms.
    made.request(0, "cancel", "INVITE")
    made.response(250, "cancel", 180)
    made.request(3000, "cancel", "CANCEL")
    made.response(3010, "cancel", 200, "CANCEL")
    made.response(3020, "cancel", 487)
    made.request(3030, "cancel", "ACK")
    # 7: nobody there: seven INVITEs, each seen by two taps.
    for ms in (0, 500, 1500, 3500, 7500, 15500, 31500):
        made.request(ms, "nobody", "INVITE")
        made.request(ms + 0.003, "nobody", "INVITE")
    # 8: the BYE is never answered: begins at 500, BYE at 2500 ms and twice again.
    made.request(0, "gone", "INVITE")
    made.response(100, "gone", 180)
    made.response(500, "gone", 200)
    made.request(510, "gone", "ACK")
    for ms in (2500, 3000, 4000):
        made.request(ms, "gone", "BYE", 2)
    # 9: registered 80 ms after the first REGISTER, which was challenged (4.1); a minute later again,
    # within 30 ms.
    made.request(0, "phone", "REGISTER")
    made.response(20, "phone", 401, "REGISTER")
    made.request(40, "phone", "REGISTER", 2)
    made.response(80, "phone", 200, "REGISTER", 2)
    made.request(60000, "phone", "REGISTER", 3)
    made.response(60030, "phone", 200, "REGISTER", 3)
    # 10: refused.
    made.request(0, "bad", "REGISTER")
    made.response(10, "bad", 403, "REGISTER")
    # 11: never answered, sent three times.
    for ms in (0, 500, 1500):
        made.request(ms, "lost", "REGISTER")
    # 12: through a proxy: B sends the INVITE on to C. One session request, timed at A: 150 ms.
    made.request(0, "proxy", "INVITE")
    made.request(5, "proxy", "INVITE", ends=(B, C))
    made.response(140, "proxy", 180, ends=(C, B))
    made.response(150, "proxy", 180)
    made.response(190, "proxy", 404, ends=(C, B))
    made.response(200, "proxy", 404)
    made.request(210, "proxy", "ACK")
    made.request(211, "proxy", "ACK", ends=(B, C))
    # The clock goes on.
    made.request(100_000, "end", "OPTIONS")
    return made.metrics()


def test_session_requests(labelled: Metrics) -> None:
    counts = labelled.counts
    # ok, auth, moved, busy, overload, cancel, nobody, gone, proxy.
    assert labelled.sessions == 9
    # Those, and what followed the challenge and the redirection.
    assert counts["invites"] == 11
    assert (counts["challenged"], counts["redirected"]) == (1, 1)
    # ok, auth, moved, gone.
    assert labelled.answered == 4
    # busy, overload, cancel, proxy.
    assert (counts["failed"], counts["cancelled"]) == (4, 1)
    assert labelled.unanswered_invites == 1
    # ok and auth; the BYE of gone has no response, moved goes on.
    assert counts["completed"] == 2


def test_ratios(labelled: Metrics) -> None:
    # 4.6: 4 of 11 INVITEs less the 2 that were challenged or redirected.
    assert labelled.ser == 4 / 9
    # 4.7: the 486 as well.
    assert labelled.seer == 5 / 9
    # 4.8: the 503.
    assert labelled.isa == 1 / 9
    # 4.9
    assert labelled.scr == 2 / 9
    assert labelled.asr == 4 / 9
    # E.425: 4 answered, busy, cancelled.
    assert labelled.ner == 6 / 9
    # 4.2: 403 and timer F, of phone 3, bad 1, lost 1.
    assert labelled.ira == 2 / 5


def test_delays(labelled: Metrics) -> None:
    delays = labelled.delays
    # 4.3.1: ok 200, auth 600, moved 400, gone 100.
    assert delays["srd"] == Delay(4, 325 * MS, 200 * MS, 600 * MS, 600 * MS, 600 * MS)
    # 4.3.2: busy 300, overload 700, cancel 250, proxy 150.
    assert delays["srd_failed"] == Delay(4, 350 * MS, 250 * MS, 700 * MS, 700 * MS, 700 * MS)
    # 4.1
    assert delays["rrd"] == Delay(2, 55 * MS, 30 * MS, 80 * MS, 80 * MS, 80 * MS)
    # 4.4
    assert delays["sdd"] == Delay(2, 30 * MS, 20 * MS, 40 * MS, 40 * MS, 40 * MS)
    assert delays["sdd_failed"] == Delay()
    assert labelled.unanswered_byes == 1
    # 4.5: 10 and 30 s.
    assert delays["sdt"] == Delay(
        2, 20 * SECOND, 10 * SECOND, 30 * SECOND, 30 * SECOND, 30 * SECOND
    )
    assert labelled.acd == 20 * SECOND


def test_calls_at_once(labelled: Metrics) -> None:
    # ok 1000-11000, auth 2000-32000, moved 400 on, gone 500-2500.
    assert labelled.most_at_once == 4
    assert labelled.most_at == START + 2000 * MS
    assert labelled.in_progress == 1


def test_messages_and_those_sent_again(labelled: Metrics) -> None:
    # 11 session requests' INVITEs, 1 within ok, 1 again of overload, 13 of nobody, 1 of the other hop.
    assert labelled.requests["INVITE"] == Kind(11 + 1 + 1 + 13 + 1, sent_again=1 + 6, copies=7)
    assert labelled.requests["REGISTER"] == Kind(3 + 1 + 3, sent_again=2, copies=0)
    assert labelled.requests["BYE"] == Kind(1 + 1 + 3, sent_again=2, copies=0)
    assert labelled.responses[404] == Kind(2, sent_again=0, copies=0)
    assert labelled.conversations == 13
    assert labelled.messages == sum(
        one.messages for one in (*labelled.requests.values(), *labelled.responses.values())
    )


def test_talkers(labelled: Metrics) -> None:
    assert labelled.addresses == 3
    assert [name for name, _ in labelled.talkers] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_a_request_without_a_response_has_failed_once_its_timer_has_run_out() -> None:
    made = Capture()
    made.request(0, "call", "INVITE")
    made.request(0, "other", "REGISTER")
    made.request(31_999, "end", "OPTIONS")
    early = made.metrics()
    assert (early.unanswered_invites, early.unanswered_registers, early.ira) == (0, 0, 0)
    made.request(32_000, "end", "OPTIONS")
    late = made.metrics()
    assert (late.unanswered_invites, late.unanswered_registers, late.ira) == (1, 1, 1)


def test_two_sessions_of_one_call_id_are_two() -> None:
    made = Capture()
    for begin, cseq in ((0, 1), (60_000, 10)):
        made.request(begin, "twice", "INVITE", cseq)
        made.response(begin + 100, "twice", 200, cseq=cseq)
        made.request(begin + 110, "twice", "ACK", cseq)
        made.request(begin + 1100, "twice", "BYE", cseq + 1)
        made.response(begin + 1101, "twice", 200, "BYE", cseq + 1)
    found = made.metrics()
    assert (found.sessions, found.answered, found.counts["completed"]) == (2, 2, 2)
    assert found.delays["sdt"].mean == SECOND
    assert found.requests["INVITE"].sent_again == 0


def test_a_bye_without_its_call_is_timed_and_completes_none() -> None:
    made = Capture()
    made.request(0, "late", "BYE")
    made.response(7, "late", 200, "BYE")
    made.request(100, "refused", "BYE")
    made.response(109, "refused", 481, "BYE")
    found = made.metrics()
    assert found.delays["sdd"].p50 == 7 * MS
    assert found.delays["sdd_failed"].p50 == 9 * MS
    assert (found.counts["completed"], found.in_progress, found.delays["sdt"].count) == (0, 0, 0)
    assert (found.scr, found.asr, found.ira) == (None, None, None)
