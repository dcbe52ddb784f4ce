"""Scans: each message is looked at once, however often a filter is asked."""

from __future__ import annotations

import random

import pytest
from filter_fakes import FakeConversation, FakeMessage
from support import Chain, batch, ethernet, ipv4, sip, udp

from sipstream.conversations import Conversations
from sipstream.filters import Filter
from sipstream.filters.scan import Scan
from sipstream.filters.sieve import _ALIKE
from sipstream.filters.term import Unfinished, never
from sipstream.runs import runs
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


def test_what_is_due_goes_on_where_it_was() -> None:
    """However often a judgement is broken off, each message is looked at once."""
    chain = Chain()
    packets = [ethernet(ipv4(udp(sip(call_id=str(n % 7), cseq=f"{n} X")))) for n in range(3000)]
    chain.feed(batch(packets))
    looked: list[int] = []
    scan = Scan(lambda message: looked.append(message.id) is not None)
    broken_off = 0
    while True:
        try:
            flags = scan(chain.conversations.index, range(7), lambda: True)
            break
        except Unfinished:
            broken_off += 1
    assert flags == bytes(7)
    assert broken_off >= 5
    assert sorted(looked) == list(range(3000))


def test_a_number_that_became_anothers() -> None:
    """What was found in a conversation that was given up isn't taken for found in the next one."""
    conversations = Conversations(memory=40_000)
    wanted = Filter.parse("header X yes")
    for name in range(900):
        answer = "yes" if name % 3 else "no"
        FakeConversation(
            FakeMessage("INVITE", ("X", answer)), call_id=f"{name}-{answer}", among=conversations
        ).arrive()
        for one in conversations:
            assert wanted.matches(one) is one.call_id.endswith("yes")
    assert conversations.given_up > 300


@pytest.mark.parametrize("seed", range(12))
def test_a_conversation_that_loses_messages(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested goes on right, whatever became of the places of messages given up."""
    monkeypatch.setattr("sipstream.conversations.MAX_MESSAGES", 40)
    monkeypatch.setattr("sipstream.conversations.KEPT_FIRST", 3)
    chance = random.Random(seed)
    conversations = Conversations(memory=1 << 30)
    endless = FakeConversation(call_id="endless", among=conversations)
    wanted = Filter.parse("header X yes")
    found = False
    for count in range(400):
        if chance.random() < 0.05:
            index = endless.origin
            raws = [index.raw(one) for one in index.arrived(endless.id)]
            found = found or any(b"X: yes" in raw for raw in raws)
            assert wanted.matches(endless) is found
        fields = [("X", "yes")] if count > 100 and chance.random() < 0.01 else []
        endless.messages.append(FakeMessage("OPTIONS", *fields))
        if chance.random() < 0.5:
            other = FakeMessage("INVITE", ("X", "yes"))
            FakeConversation(other, call_id=f"other{count}", among=conversations).arrive()
    assert endless.origin.c_left_out


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("asterisk", "ASTERISK PBX", True),
        ("pbx 18", "Asterisk PBX\r\n \t18", True),
        ("pbx  18", "Asterisk PBX\r\n 18", False),
        ("kamailio", "\u212aamailio", True),
        ("kamailio", "\u212bamailio", False),
        ("i\u0307stanbul", "\u0130stanbul", True),
        ("i", "\u0130", True),
        ("örn", "ÖRN", True),
        ("ö", "Ö", True),
        ("ö", "o", False),
        ("café x", "CAFÉ\r\n\tX", True),
        ("a\\b", "A\\B", True),
        (" ", "a b", True),
        ("k", "é", False),
    ],
)
def test_bytes_that_can_not_hold_a_text_are_passed_over(text: str, value: str, holds: bool) -> None:
    """Searching bytes first gives what the header's text gives."""
    conversation = FakeConversation(FakeMessage("INVITE", ("X-Name", value)))
    quoted = text.replace("\\", "\\\\")
    assert Filter.parse(f'header X-Name "{quoted}"').matches(conversation) is holds


def test_every_letter_that_small_letters_make_of_another_one() -> None:
    """Letters beyond ASCII of which `lower` makes ASCII are known: bytes alone don't show it."""
    for code in range(0x80, 0x110000):
        for letter in filter(str.isascii, chr(code).lower()):
            assert chr(code) in _ALIKE[letter], hex(code)


def test_messages_in_the_body_and_in_other_headers_are_no_find() -> None:
    chain = Chain()
    messages = [
        sip(call_id="body", body="User-Agent: asterisk\r\n"),
        sip(call_id="other", extra="Server: asterisk\r\n"),
        sip(call_id="there", extra="user-agent : Asterisk\r\n"),
    ]
    chain.feed(batch([ethernet(ipv4(udp(one))) for one in messages]))
    wanted = Filter.parse("header User-Agent asterisk")
    assert [one.call_id for one in chain.conversations if wanted.matches(one)] == ["there"]


def test_runs_have_the_bytes_of_each_message() -> None:
    chain = Chain()
    chance = random.Random(1)
    for place in range(30):
        packets = [
            ethernet(ipv4(udp(sip(call_id=str(n), body="x" * chance.randrange(9000)))))
            for n in range(place, place + 20)
        ]
        times = [10**9 * place + n for n in range(20)]
        chain.feed(batch(packets, times=times))
    index = chain.conversations.index
    messages = list(range(600))
    chance.shuffle(messages)
    read: list[int] = []
    found = list(runs(index, messages))
    for run in found:
        for message in run.messages:
            begin = index.m_offset[message] - run.begin
            assert run.block[begin : begin + index.m_length[message]] == index.raw(message)
            read.append(message)
    assert sorted(read) == sorted(messages)
    assert len(found) < 200
    assert [run.messages for run in runs(index, [19, 0])] == [[0], [19]], "what is far is left out"
