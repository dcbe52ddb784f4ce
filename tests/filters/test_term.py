"""Scans: each message is looked at once, however often a filter is asked."""

from filter_fakes import FakeConversation, FakeMessage

from sipstream.filters.term import Scan


def test_a_growing_conversation_is_never_scanned_again() -> None:
    conversation = FakeConversation(id=3)
    scan = Scan(lambda message: message.header("Diversion") is not None)
    for _ in range(50):
        conversation.messages.append(FakeMessage("ACK"))
        assert not scan(conversation)
        assert not scan(conversation)
    assert {message.looks for message in conversation.messages} == {1}


def test_what_was_found_stays_found() -> None:
    conversation = FakeConversation(FakeMessage("INVITE", ("Diversion", "x")))
    scan = Scan(lambda message: message.header("Diversion") is not None)
    for _ in range(3):
        conversation.messages.append(FakeMessage("BYE"))
        assert scan(conversation)
    assert [message.looks for message in conversation.messages] == [1, 0, 0, 0]


def test_only_requests_of_the_method_are_looked_at() -> None:
    conversation = FakeConversation(FakeMessage("OPTIONS", ("A", "")), FakeMessage(200, ("A", "")))
    scan = Scan(lambda message: message.header("A") is not None, method="INVITE")
    assert not scan(conversation)
    conversation.messages.append(FakeMessage("INVITE"))
    assert not scan(conversation)
    conversation.messages.append(FakeMessage("INVITE", ("A", "")))
    assert scan(conversation)
    assert [message.looks for message in conversation.messages] == [0, 0, 1, 1]


def test_conversations_are_told_apart_in_any_order() -> None:
    scan = Scan(lambda message: message.header("A") is not None)
    conversations = [
        FakeConversation(
            FakeMessage("INVITE", *([("A", "")] if number % 3 == 0 else [])), id=number
        )
        for number in range(40)
    ]
    for conversation in reversed(conversations):
        assert scan(conversation) is (conversation.id % 3 == 0)
    assert [scan(one) for one in conversations] == [one.id % 3 == 0 for one in conversations]


def test_conversations_of_another_index_begin_anew() -> None:
    scan = Scan(lambda message: message.header("A") is not None)
    assert scan(FakeConversation(FakeMessage("INVITE", ("A", ""))))
    other = FakeConversation(FakeMessage("INVITE"))
    other.origin = "another index"
    assert not scan(other)
