"""Conversations in order of time, however they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Chain, batch, ethernet, ipv4, sip, udp

from sipstream.order import Order

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "several", "move", "leave out"]), st.integers(0, 12)),
    max_size=60,
)


@given(STEPS)
def test_the_order_is_that_of_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sipstream.order._LONGEST", 4)
        order, wanted = Order(), list[tuple[int, int]]()
        for number, (step, time) in enumerate(steps):
            if step == "add":
                order.add(number, time)
                wanted.append((time, number))
            elif step == "several":
                times = [time + one * (time % 4 - 1) for one in range(1 + number % 11)]
                several = [1000 * (number + 1) + one for one in range(len(times))]
                order.extend(several, times)
                wanted += zip(times, several, strict=True)
            elif step == "move" and wanted:
                before, moved = wanted.pop(time % len(wanted))
                order.move(moved, before, time)
                wanted.append((time, moved))
            elif step == "leave out":
                order.keep(lambda numbers, rest=time: bytes(one % 5 != rest for one in numbers))
                wanted = [one for one in wanted if one[1] % 5 != time]
            # Those of one time as they came: sorting is stable.
            wanted.sort(key=lambda one: one[0])
            numbers = [number for _, number in wanted]
            assert order.numbers().tolist() == numbers
            assert [number for part in order.parts() for number in part] == numbers
            assert [order[place] for place in range(len(order))] == numbers
            with pytest.raises(IndexError):
                order[len(order)]


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6), max_size=9))
def test_conversations_stay_in_order_of_their_first_message(
    batches: list[list[tuple[int, int]]],
) -> None:
    chain = Chain()
    for number, messages in enumerate(batches):
        packets = [
            ethernet(ipv4(udp(sip(call_id=str(call), cseq=f"{number}{place} INVITE"))))
            for place, (call, _) in enumerate(messages)
        ]
        chain.feed(batch(packets, times=[10**9 + time for _, time in messages]))
        conversations = chain.conversations
        times = [one.time for one in conversations]
        assert times == sorted(times)
        assert len(times) == len(conversations)
        ordered = conversations.in_time_order()
        assert [conversations.order[place] for place in range(len(ordered))] == ordered
