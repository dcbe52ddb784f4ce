"""Agents on a real server: each request, what it is refused for, and what is left alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("nats")

from agents import agent, asking, until  # noqa: E402
from nats_servers import NatsServer, nats_server, needs_nats_server  # noqa: E402
from support import sip  # noqa: E402

pytestmark = needs_nats_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_server(tmp_path) as started:
        yield started


def calls(count: int, number: str = "5660066") -> list[bytes]:
    """Calls of two messages each."""
    made = []
    for place in range(count):
        to = f"<sip:{number}@b>"
        made += [
            sip(call_id=f"c{place}", destination=to),
            sip("SIP/2.0 200 OK", f"c{place}", destination=to),
        ]
    return made


async def test_find_gives_whole_conversations_the_newest_first(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        messages = calls(3)
        one.put(*messages, sip(call_id="other", destination="<sip:9@b>"))
        answer = await ask("sbc1", "find", filter="dstnum 5660066", limit=2)
        assert answer.messages == messages[4:6] + messages[2:4]
        assert (answer.end["matching"], answer.end["given"], answer.end["messages"]) == (3, 2, 4)
        assert answer.end["tap"] == "sbc1"
        everything = await ask("sbc1", "find", filter="")
        assert (everything.end["matching"], len(everything.messages)) == (4, 7)


async def test_a_server_that_stands_still_holds_no_end_up(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.agent.service._STOP_SECONDS", 0.1)
    try:
        async with asyncio.timeout(5), agent(server.url):
            os.kill(server.pid, signal.SIGSTOP)
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_who_asks_again_gets_what_came_since(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        ringing, other = sip(call_id="a"), sip(call_id="b")
        one.put(ringing, other)
        first = await ask("sbc1", "find", filter="state calling")
        assert first.messages == [other, ringing]
        again = await ask("sbc1", "find", filter="state calling", since=first.end["mark"])
        assert (again.messages, again.end["matching"]) == ([], 0)
        busy, new = sip("SIP/2.0 486 Busy Here", "a"), sip(call_id="c")
        one.put(busy, new, sip("SIP/2.0 200 OK", "d"))
        again = await ask("sbc1", "find", filter="state calling", since=again.end["mark"])
        # What no longer matches is given too: who asked has it as it was.
        assert again.messages == [new, ringing, busy]
        once_more = await ask("sbc1", "find", filter="state calling", since=again.end["mark"])
        assert once_more.messages == []
        # Of another question, or an answer that wasn't whole, all is given.
        everything = await ask("sbc1", "find", filter="", since=again.end["mark"])
        assert everything.end["matching"] == 4
        assert (await ask("sbc1", "find", filter="", since="no such")).end["matching"] == 4
        assert (await ask("sbc1", "find", filter="", limit=2)).end["mark"] == ""
        assert (await ask("sbc1", "find", filter="last 5m")).end["mark"] == ""


async def test_a_conversation_is_asked_for_by_its_call_id(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        messages = calls(3)
        one.put(*messages)
        answer = await ask("sbc1", "conversation", call_ids=["c2", "none", "c0", "c2"])
        assert answer.messages == messages[4:6] + messages[:2]
        assert (answer.end["matching"], answer.end["given"]) == (2, 2)


async def test_stats_tell_how_an_agent_is(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        one.put(*calls(2))
        await ask("sbc1", "find", filter="dstnum 5660066")
        told = (await ask("sbc1", "stats")).end
        assert (told["tap"], told["messages"], told["conversations"]) == ("sbc1", 4, 2)
        assert told["states"] == {"answered": 2}
        assert told["last"] == 10**18 + 3 * 10**6
        assert told["requests"] == {"find": 1, "stats": 1}
        assert told["sent"] > 200 and told["memory"] > 10_000_000


WRONG = {
    "find": [
        (b"{", "this is no JSON"),
        (b"[" * 60_000, "this is no JSON"),
        (b"\xff", "this is no JSON"),
        (b"[1]", "this is no JSON object"),
        (b'{"filter": 1}', '"filter" is a text'),
        (b'{"filter": ["dstnum 1"]}', '"filter" is a text'),
        (b'{"filter": "nosuch 1"}', "unknown term 'nosuch'"),
        (b'{"filter": "' + b"(" * 70 + b'"}', "more than 64 parentheses"),
        (b'{"filter": "dstnum ' + b"1 " * 3000 + b'"}', "at most 4096 characters"),
        (b'{"filter": "' + b"dstnum 1 or " * 70 + b'dstnum 1"}', "at most 64 values"),
        (b'{"filter": "header a ~ b' + b" or header a ~ b" * 16 + b'"}', "at most 16 terms"),
        (b'{"filter": "", "limit": "3"}', '"limit" is a number of conversations'),
        (b'{"filter": "", "limit": -1}', '"limit" is a number of conversations'),
        (b'{"filter": "", "since": 1}', '"since" is the mark of an answer'),
        (b'{"filter": "", "limit": true}', '"limit" is a number of conversations'),
        (b'{"filter": "", "limit": 1' + b"0" * 5000 + b"}", "this is no JSON"),
        (b" " * 70_000, "more than 64 KiB"),
    ],
    "conversation": [
        (b"{}", '"call_ids" is a list of texts'),
        (b'{"call_ids": "c1"}', '"call_ids" is a list of texts'),
        (b'{"call_ids": [1]}', '"call_ids" is a list of texts'),
        (b'{"call_ids": ["' + b"x" * 2000 + b'"]}', "at most 1000 Call-IDs of 1024 characters"),
        (json.dumps({"call_ids": ["x"] * 1001}).encode(), "at most 1000 Call-IDs of"),
    ],
    "stats": [(b"7", "this is no JSON object")],
    "follow": [
        (b"{}", '"id" is a text of 1 to 64 characters'),
        (b'{"id": ""}', '"id" is a text'),
        (b'{"id": "' + b"x" * 65 + b'"}', '"id" is a text'),
        (b'{"id": {}}', '"id" is a text'),
        (b'{"id": "f", "end": 1}', '"end" is true or false'),
        (b'{"id": "f", "filter": null}', '"filter" is a text'),
        (b'{"id": "f", "filter": "status"}', "missing argument"),
    ],
}


async def test_what_makes_no_sense_is_refused_in_a_sentence(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        one.put(*calls(1))
        for verb, cases in WRONG.items():
            for data, why in cases:
                answer = await ask.raw("sbc1", verb, data)
                assert answer.kind == "error" and why in answer.end["error"], (verb, data[:80])
        assert not one.session.follows and not one.session.faults.counts
        assert (await ask("sbc1", "find", filter="")).end["matching"] == 1


async def test_a_follow_gets_what_matches_as_it_comes(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        before, first, busy, other = (
            sip(call_id="old"),
            sip(call_id="a"),
            sip("SIP/2.0 486 Busy Here", "a"),
            sip(call_id="b"),
        )
        one.put(before)
        followed = await ask.follow("sbc1", id="f", filter="status 486")
        assert followed.last[0] == "begun" and followed.last[1]["tap"] == "sbc1"
        one.put(first, other)
        one.put(busy)
        # The first message of a call that matches late is no less part of it.
        assert await followed.until(2) == [first, busy]
        assert followed.parts == 1


async def test_many_messages_go_out_together(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        followed = await ask.follow("sbc1", id="f")
        messages = calls(200)
        for place in range(0, 400, 20):
            one.put(*messages[place : place + 20])
        assert await followed.until(400) == messages
        assert followed.parts < 10


async def test_a_follow_is_asked_for_again_changed_and_ended(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        followed = await ask.follow("sbc1", id="f", filter="dstnum 1")
        [follow] = one.session.follows
        assert (await followed.ask(id="f", filter="dstnum 1"))[0] == "begun"
        assert one.session.follows == [follow]
        await followed.ask(id="f", filter="dstnum 2")
        assert [one.text for one in one.session.follows] == ["dstnum 2"]
        await followed.ask(id="g", filter="dstnum 1")
        assert len(one.session.follows) == one.counts.follows == 2
        assert (await followed.ask(id="f", end=True))[0] == "end"
        assert (await followed.ask(id="f", end=True))[0] == "end"
        assert [one.text for one in one.session.follows] == ["dstnum 1"]


async def test_a_follow_ends_when_nobody_asks_for_it(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.agent.following.LEASE_SECONDS", 0.05)
    monkeypatch.setattr("sipstream.agent.service._TICK_SECONDS", 0.05)
    async with agent(server.url) as one, asking(server.url) as ask:
        await ask.follow("sbc1", id="f", filter="dstnum 1")
        await until(lambda: not one.session.follows)
        assert one.counts.follows == 0


async def test_follows_are_bounded(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.agent.following.MOST_FOLLOWS", 2)
    async with agent(server.url) as one, asking(server.url) as ask:
        followed = await ask.follow("sbc1", id="1", filter="dstnum 1")
        await followed.ask(id="2", filter="dstnum 1")
        kind, told = await followed.ask(id="3", filter="dstnum 1")
        assert (kind, told["error"]) == ("error", "busy: 2 follows are on here already")
        assert (await followed.ask(id="2", filter="dstnum 2"))[0] == "begun"
        assert len(one.session.follows) == 2
        monkeypatch.setattr("sipstream.agent.following.MOST_LOOKING", 3)
        kind, told = await followed.ask(id="2", filter="ua a and ua b and ua c and ua d")
        assert kind == "error" and "look into messages by 3 terms" in told["error"]


async def test_of_many_requests_some_wait_and_the_others_are_refused(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        one.put(*calls(1))
        followed = await ask.follow("sbc1", id="f")
        async with one.service._turns.turn():
            asked = [asyncio.create_task(ask("sbc1", "find", filter="")) for _ in range(30)]
            await until(lambda: sum(task.done() for task in asked) == 10)
            for answer in [task.result() for task in asked if task.done()]:
                assert answer.kind == "error" and answer.end["error"].startswith("busy: 20 ")
            # What costs nothing is answered all the same.
            assert (await ask("sbc1", "stats")).end["refused"] == 10
            assert (await followed.ask(id="f"))[0] == "begun"
        answers = await asyncio.gather(*asked)
        assert sum(answer.end.get("matching", 0) for answer in answers) == 20


async def test_requests_that_wait_for_too_long_are_given_up(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.agent.service._SECONDS", 0.2)
    async with agent(server.url) as one, asking(server.url) as ask:
        async with one.service._turns.turn():
            # Some of them wait for a turn, others until one of these is done.
            answers = await asyncio.gather(*(ask("sbc1", "find", filter="") for _ in range(6)))
        assert {answer.end["error"] for answer in answers} == {"it took more than 0 s"}
        assert not one.service._tasks
        assert (await ask("sbc1", "find", filter="")).kind == "end"


async def test_who_waits_is_told_that_somebody_is_there(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.agent.service._SIGN", 0.05)
    async with agent(server.url) as one, asking(server.url) as ask:
        one.put(*calls(1))
        async with one.service._turns.turn():
            asked = [asyncio.create_task(ask("sbc1", "find", filter="")) for _ in range(6)]
            await asyncio.sleep(0.3)
        answers = await asyncio.gather(*asked)
        waited = [answer for answer in answers if answer.parts[0] == []]
        assert len(waited) == 2 and all(len(answer.messages) == 2 for answer in answers)


async def test_an_answer_is_bounded_and_says_so(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sipstream.agent.answer.ANSWER_BYTES", 3000)
    async with agent(server.url) as one, asking(server.url) as ask:
        messages = calls(50)
        long = [sip(call_id="long", cseq=f"{place} INVITE") for place in range(40)]
        one.put(*messages)
        answer = await ask("sbc1", "find", filter="")
        assert answer.end["matching"] == 50 and 2 <= answer.end["given"] < 6
        assert answer.messages[:2] == messages[-2:]
        one.put(*long)
        answer = await ask("sbc1", "find", filter="")
        assert answer.end["given"] == 1
        assert answer.end["left_out"] + answer.end["messages"] == 40
        assert answer.messages == long[: answer.end["messages"]]


async def test_answers_go_to_inboxes_only(server: NatsServer) -> None:
    async with agent(server.url) as one, asking(server.url) as ask:
        one.put(*calls(1))
        came: list[str] = []

        async def take(message: object) -> None:
            came.append(message.subject)  # type: ignore[attr-defined]

        for subject in ("sip.>", "$JS.>", "other"):
            await ask.client.subscribe(subject, cb=take)
        for subject in (
            "sipstream.sbc1.find", "sipstream.sbc1.stats", "sipstream.sbc1.follow", "$SRV.PING",
            "$SRV.INFO.sipstream", "$SRV.STATS.sipstream",
        ):  # fmt: skip
            for reply in ("sip.sbc1.3", "$JS.API.STREAM.PURGE.SIP", "other", ""):
                await ask.client.publish(subject, b'{"id": "f"}', reply=reply)
        await until(lambda: one.counts.refused == 12)
        # Behind what nats.micro answers itself.
        inbox = ask.client.new_inbox()
        waiting = await ask.client.subscribe(inbox)
        for verb in ("PING", "INFO.sipstream", "STATS.sipstream"):
            await ask.client.publish(f"$SRV.{verb}", reply=inbox)
            await waiting.next_msg()
        assert came == []
        assert not one.session.follows and not one.session.faults.counts


async def test_shells_find_agents_and_each_answers_for_itself(server: NatsServer) -> None:
    url = server.url
    async with agent(url, "a") as one, agent(url, "b.*>") as two, asking(url) as ask:
        one.put(*calls(1))
        two.put(*calls(2))
        inbox = ask.client.new_inbox()
        found = await ask.client.subscribe(inbox)
        await ask.client.publish("$SRV.INFO.sipstream", b"", reply=inbox)
        told = [json.loads((await found.next_msg()).data) for _ in range(2)]
        assert {one["metadata"]["tap"] for one in told} == {"a", "b.*>"}
        for info in told:
            names = {one["name"] for one in info["endpoints"]}
            assert names == {"find", "conversation", "stats", "follow"}
        assert (await ask("a", "find", filter="")).end["matching"] == 1
        answer = await ask("b.*>", "find", filter="")
        assert (answer.end["matching"], answer.end["tap"]) == (2, "b.*>")


async def test_agents_of_one_name_all_answer(server: NatsServer) -> None:
    async with agent(server.url) as one, agent(server.url) as two, asking(server.url) as ask:
        one.put(*calls(1))
        two.put(*calls(2))
        inbox = ask.client.new_inbox()
        waiting = await ask.client.subscribe(inbox)
        await ask.client.publish("sipstream.sbc1.stats", b"", reply=inbox)
        told = [json.loads((await waiting.next_msg()).data)["conversations"] for _ in range(2)]
        assert sorted(told) == [1, 2]
