"""The accounts that trials with kills give: what is missing or twice is told, and why."""

from __future__ import annotations

from killed import account

SECOND = 10**9
ONE, TWO = ((b"a", b"b", 1, 2, text) for text in (b"one", b"two"))


def test_all_there_once() -> None:
    result = account("a", [(1, ONE), (2, TWO)], [(2, TWO), (1, ONE)], [], 1)
    assert (result.held, result.doubled, result.foreign, result.lost) == (2, 0, 0, [])


def test_a_row_too_many_and_one_from_nowhere() -> None:
    rows = [(5, ONE), (5, ONE), (9 * SECOND, TWO)]
    result = account("a", [(5, ONE)], rows, [], 1)
    assert (result.held, result.doubled, result.foreign) == (1, 1, 1)


def test_a_retransmission_is_a_message_of_its_own() -> None:
    seen = [(SECOND, ONE), (2 * SECOND, ONE)]
    assert account("a", seen, seen, [], 1).held == 2
    assert account("a", seen, seen[1:], [], 1).lost == [SECOND]


def test_what_is_missing_around_a_kill_is_told_apart() -> None:
    gone = [(10 * SECOND, 12 * SECOND)]
    seen = [(at * SECOND // 10, ONE) for at in (80, 98, 110, 130)]
    result = account("a", seen, [], gone, 0.5)
    assert result.while_gone == 1
    assert result.before_kill == [200.0]
    assert result.lost == [8 * SECOND, 13 * SECOND]


def test_what_comes_while_a_capture_is_set_up_is_nobody_s_loss() -> None:
    gone = [(10 * SECOND, 12 * SECOND)]
    first = 122 * SECOND // 10
    seen = [(at * SECOND // 10, ONE) for at in (121, 122, 130)]
    result = account("a", seen, [(first, ONE)], gone, 0.5)
    assert (result.while_gone, result.held, result.lost) == (1, 1, [13 * SECOND])
