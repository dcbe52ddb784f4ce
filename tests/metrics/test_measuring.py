"""Figures of anything: equal to those worked out message by message, at once or bit by bit."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from figures_naive import Naive
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CAPTURES, SHARED, A, B, Chain, batch, ethernet, ipv4, needs, sip, udp

import sipstream
from sipstream.conversations import Conversations
from sipstream.filters import whole
from sipstream.filters.term import never
from sipstream.metrics import Measuring, Metrics, measure, measuring, values
from sipstream.metrics.intervals import Interval, fitting, intervals, needed

SECOND = 10**9
REAL = sorted((SHARED / "captures-real").glob("*.pcap*"))
C = bytes((10, 0, 0, 3))
HOPS = ((A, B), (B, A), (B, C), (C, B))
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS")
STATUSES = (100, 180, 183, 200, 302, 401, 404, 407, 408, 480, 486, 487, 503, 603)

message = st.one_of(
    st.sampled_from([(method, 0) for method in METHODS]),
    st.tuples(st.sampled_from(["INVITE", "BYE", "REGISTER", "OPTIONS"]), st.sampled_from(STATUSES)),
)
usual = st.sampled_from(
    [
        [("INVITE", 0), ("INVITE", 100), ("INVITE", 180), ("INVITE", 200), ("ACK", 0), ("BYE", 0)],
        [("INVITE", 0), ("INVITE", 407), ("ACK", 0), ("INVITE", 0), ("INVITE", 486), ("ACK", 0)],
        [("REGISTER", 0), ("REGISTER", 401), ("REGISTER", 0), ("REGISTER", 200)],
        [("INVITE", 0), ("INVITE", 200), ("ACK", 0), ("BYE", 0), ("BYE", 200)],
    ]
)
steps = st.lists(st.one_of(message.map(lambda one: [one]), usual), min_size=1, max_size=8)
traffic = st.lists(
    st.tuples(
        st.integers(0, 5),
        steps.map(lambda parts: [one for part in parts for one in part]),
        st.lists(st.sampled_from([1, 20_000_000, 400_000_000, 9 * SECOND]), min_size=1, max_size=5),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def packets(given_traffic: list) -> list[tuple[int, bytes]]:
    """The packets of some calls, each in its own pace; of those on two hops each message twice."""
    made = []
    for call, (call_id, messages, gaps, through) in enumerate(given_traffic):
        time = 1_600_000_000 * SECOND + call * 7
        for place, (method, status) in enumerate(messages):
            time += gaps[place % len(gaps)]
            start = f"SIP/2.0 {status} Any" if status else f"{method} sip:2@b SIP/2.0"
            raw = sip(start, f"call-{call_id}", cseq=f"1 {method}")
            for hop in (0, 2) if through else (0,):
                source, destination = HOPS[hop + (status > 0)]
                packet = ethernet(ipv4(udp(raw), source=source, destination=destination))
                made.append((time + hop, packet))
    return sorted(made, key=lambda one: one[0])


def agrees(found: Metrics, conversations: Conversations, among: list[int] | None = None) -> None:
    """Compare all figures with the naive ones."""
    chosen = [one for one in conversations if among is None or one.id in among]
    naive = Naive(chosen, conversations.index.newest)
    for name in ("unanswered_byes", "unanswered_registers", "unanswered_invites"):
        # Those of BYEs outside of any session are known to the columns only.
        if name != "unanswered_byes":
            assert getattr(found, name) == naive.counts.pop(name, 0), name
    assert found.unanswered_byes >= naive.counts.pop("unanswered_byes", 0)
    assert +found.counts == +naive.counts
    for name in ("srd", "srd_failed", "rrd", "sdt"):
        assert found.delays[name] == naive.delay(name), name
    assert (
        Counter(second for time in naive.failures for second in [time // SECOND]) == found.failures
    )
    kinds = Counter({**{n: k.messages for n, k in found.requests.items()},
                     **{s: k.messages for s, k in found.responses.items()}})  # fmt: skip
    assert kinds == naive.kinds
    assert dict(found.talkers) == dict(naive.senders)
    begins = [call[0] for call in naive.calls]
    assert found.most_at_once == max(map(naive.at_once, begins), default=0)
    if found.most_at is not None:
        assert naive.at_once(found.most_at) == found.most_at_once
    assert found.in_progress == sum(len(call) == 1 for call in naive.calls)
    assert found.messages == sum(one.count for one in chosen)
    assert found.conversations == len(chosen)


@given(traffic, st.integers(1, 30), st.sampled_from([1, 2, 4096]))
@settings(max_examples=80, deadline=None)
def test_figures_equal_those_worked_out_message_by_message(
    given_traffic: list, cut: int, size: int
) -> None:
    made = packets(given_traffic)
    chain, kept = Chain(), Measuring()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "BLOCK", size)
        patch.setattr(values, "_PIECE", 8)
        for begin in range(0, len(made), cut):
            part = made[begin : begin + cut]
            chain.feed(batch([one for _, one in part], times=[time for time, _ in part]))
            # What was measured before is used again: the result is that of all at once.
            chosen = bytes(map(chain.conversations.has, range(chain.conversations.places)))
            for _ in kept.measure(chain.conversations, chosen, lambda: True):
                pass
        agrees(kept.metrics, chain.conversations)
        assert kept.metrics == measure(chain.conversations)
        some = [one for one in chain.conversations if one.id % 2]
        agrees(measure(chain.conversations, some), chain.conversations, [one.id for one in some])


@given(traffic, st.sampled_from([1, 3, 60]))
@settings(max_examples=60, deadline=None)
def test_intervals_hold_what_came_in_them(given_traffic: list, seconds: int) -> None:
    made = packets(given_traffic)
    chain = Chain()
    chain.feed(batch([one for _, one in made], times=[time for time, _ in made]))
    naive = Naive(chain.conversations, 0)
    found = told(measure(chain.conversations), chain.conversations, seconds)
    times = [one.time for conversation in chain.conversations for one in conversation.messages]
    width = seconds * SECOND
    for one in found:
        end = one.begin + width
        assert one.messages == sum(one.begin <= time < end for time in times)
        assert one.failures == sum(one.begin <= time < end for time in naive.failures)
        # Sessions change when one begins or ends; just before the interval they count as well.
        moments = [
            one.begin - 1,
            *(t for call in naive.calls for t in call if one.begin <= t < end),
        ]
        assert one.calls == max(map(naive.at_once, moments))
    assert sum(one.messages for one in found) == len(times)
    assert all(after.begin - before.begin == width for before, after in pairwise(found))


def told(metrics: Metrics, conversations: Conversations, seconds: int) -> list[Interval]:
    chosen = bytes(map(conversations.has, range(conversations.places)))
    work = intervals(metrics, conversations.index, chosen, seconds, never)
    try:
        while True:
            next(work)
    except StopIteration as end:
        return end.value


def test_intervals_fit_the_room_there_is() -> None:
    metrics = measure(sipstream.load(CAPTURES / "testdata-pt.pcap.gz"))
    # 1496 seconds.
    assert [fitting(metrics, room) for room in (10_000, 200, 60, 30, 3, 2)] == [
        1, 10, 30, 60, 900, 900,
    ]  # fmt: skip
    for room in (2, 30, 60):
        assert needed(metrics, fitting(metrics, room)) <= room
    # A capture may say that it was taken over centuries.
    long = Metrics(messages=2, first=0, last=10**18 * 9)
    assert needed(long, fitting(long, 60)) <= 60


@pytest.mark.parametrize(
    "path",
    [
        *sorted(CAPTURES.glob("*.pcap*")),
        *(pytest.param(one, marks=needs(shared=True)) for one in REAL),
    ],
    ids=lambda path: path.name,
)  # fmt: skip
def test_what_was_sent_again_is_what_its_bytes_say(path) -> None:
    """The term retransmissions and `copy_of` compare bytes, figures only codes and their order."""
    conversations = sipstream.load(path)
    metrics = measure(conversations)
    kinds = [*metrics.requests.values(), *metrics.responses.values()]
    index = conversations.index
    assert sum(one.sent_again for one in kinds) == sum(
        whole.retransmissions(index, one.id) for one in conversations
    )
    assert sum(one.copies for one in kinds) == sum(
        message.copy_of is not None for one in conversations for message in one.messages
    )


def test_what_was_given_up_no_longer_counts_and_places_that_are_used_again_do() -> None:
    chain, kept = Chain(), Measuring()

    def come(*names: str) -> Metrics:
        raw = [sip("OPTIONS sip:2@b SIP/2.0", name, cseq="1 OPTIONS") for name in names]
        chain.feed(batch([ethernet(ipv4(udp(one))) for one in raw]))
        chosen = bytes(map(chain.conversations.has, range(chain.conversations.places)))
        for _ in kept.measure(chain.conversations, chosen, never):
            pass
        found = told(kept.metrics, chain.conversations, 1) if kept.metrics.messages else []
        assert sum(one.messages for one in found) == kept.metrics.messages
        return kept.metrics

    assert come("c", "a", "b").messages == 3
    chain.conversations.give_up([1, 2])
    assert come().messages == 1
    # The same message of the same time: it is there already, and the place that it had is free.
    assert come("c").messages == 1
    assert come("d", "e").conversations == 3
    assert chain.conversations.places == 3, "places weren't used again"
