"""JSON objects: keys and their order are a format that programs read."""

from __future__ import annotations

import json
from datetime import datetime

from fakes import at, conversation, message

from sipstream.render import objects

MESSAGE_KEYS = [
    "call_id",
    "index",
    "time",
    "source",
    "destination",
    "transport",
    "method",
    "status",
    "reason",
    "cseq",
]
CONVERSATION_KEYS = [
    "call_id",
    "index",
    "time",
    "method",
    "src_num",
    "dst_num",
    "source",
    "destination",
    "messages",
    "state",
]


def test_a_conversation() -> None:
    one = conversation(
        "a@b", message("INVITE", source_address="2001:db8::1"), message("100 Trying")
    )
    found = objects.conversation(4, one)
    assert list(found) == CONVERSATION_KEYS
    assert (
        datetime.fromisoformat(str(found.pop("time"))).timestamp() == at("15:49:30.333525") / 10**9
    )
    assert found == {
        "call_id": "a@b",
        "index": 4,
        "method": "INVITE",
        "src_num": "4151509",
        "dst_num": "8969669",
        "source": "[2001:db8::1]:5060",
        "destination": "10.11.12.13:5060",
        "messages": 2,
        "state": "calling",
    }


def test_a_conversation_that_a_response_begins() -> None:
    assert objects.conversation(0, conversation("x", message("486 Busy")))["method"] == "486 Busy"


def test_a_request_and_a_response() -> None:
    request = objects.message(message("INVITE", index=3), "a@b")
    assert list(request) == MESSAGE_KEYS
    assert (request["method"], request["status"], request["reason"]) == ("INVITE", None, None)
    assert (request["index"], request["cseq"], request["transport"]) == (3, "102 INVITE", "UDP")
    response = objects.message(message("486 Busy Here"), "a@b")
    assert (response["method"], response["status"], response["reason"]) == (None, 486, "Busy Here")


def test_a_copy_says_of_what() -> None:
    found = objects.message(message("INVITE", copy_of=0), "a@b")
    assert list(found) == [*MESSAGE_KEYS, "copy_of"]
    assert found["copy_of"] == 0


def test_a_line_is_plain_ascii_and_reads_back() -> None:
    odd = 'x\x1b[2J\udcff\ud800\u202e\x7f"\\\n é 電'
    line = objects.dumps(objects.message(message("INVITE", cseq=odd), odd))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["call_id"] == json.loads(line)["cseq"] == odd
