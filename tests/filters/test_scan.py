"""Scans: each message is looked at once, however often a filter is asked."""

from __future__ import annotations

from filter_fakes import FakeConversation, FakeMessage

from sipstream.conversations import Conversations
from sipstream.filters.scan import Scan
from sipstream.filters.term import never
from sipstream.sip.startline import INVITE
from sipstream.views import Message


class Looking:
    """A scan for messages with a header, and which messages it looked at."""

    def __init__(self, header: str, kind: int | None = None) -> None:
        self.looked: list[int] = []
        self._header = header
        self._scan = Scan(self._test, kind)

    def _test(self, message: Message) -> bool:
        self.looked.append(message.id)
        return message.header(self._header) is not None

    def __call__(self, conversation: FakeConversation) -> bool:
        [flag] = self._scan(conversation.origin, [conversation.id], never)
        return bool(flag)


def test_a_growing_conversation_is_never_scanned_again() -> None:
    conversation = FakeConversation()
    scan = Looking("Diversion")
    for _ in range(50):
        conversation.messages.append(FakeMessage("ACK"))
        assert not scan(conversation)
        assert not scan(conversation)
    assert {message.looks for message in conversation.messages} == {1}
    assert scan.looked == list(range(51))


def test_what_was_found_stays_found() -> None:
    conversation = FakeConversation(FakeMessage("INVITE", ("Diversion", "x")))
    scan = Looking("Diversion")
    for _ in range(3):
        conversation.messages.append(FakeMessage("BYE"))
        assert scan(conversation)
    assert scan.looked == [0]


def test_only_requests_of_the_method_are_looked_at() -> None:
    conversation = FakeConversation(FakeMessage("OPTIONS", ("A", "")), FakeMessage(200, ("A", "")))
    scan = Looking("A", INVITE)
    assert not scan(conversation)
    conversation.messages.append(FakeMessage("INVITE"))
    assert not scan(conversation)
    conversation.messages.append(FakeMessage("INVITE", ("A", "")))
    assert scan(conversation)
    assert [message.looks for message in conversation.messages] == [0, 0, 1, 1]


def test_conversations_are_told_apart_in_any_order() -> None:
    scan = Looking("A")
    shared = Conversations()
    conversations = [
        FakeConversation(
            FakeMessage("INVITE", *([("A", "")] if number % 3 == 0 else [])),
            call_id=str(number),
            among=shared,
        )
        for number in range(40)
    ]
    assert len({one.id for one in conversations}) == 40
    for conversation in reversed(conversations):
        assert scan(conversation) is (conversation.id % 3 == 0)
    assert [scan(one) for one in conversations] == [one.id % 3 == 0 for one in conversations]


def test_conversations_of_another_index_begin_anew() -> None:
    scan = Looking("A")
    assert scan(FakeConversation(FakeMessage("INVITE", ("A", ""))))
    assert not scan(FakeConversation(FakeMessage("INVITE")))
