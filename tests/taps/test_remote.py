"""A shell over all taps: what it is asked for comes from each, and who doesn't answer is named."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from consoles import Shell
from fake_taps import BEGAN, FakeTap, call, late, refuses, silent, site, taps_on
from nats.aio.client import Client
from nats_servers import NatsServer, nats_server, needs_nats_server

from sipstream.bus import coding
from sipstream.bus.connecting import Server
from sipstream.envelopes import Enveloper
from sipstream.taps import account, following, known, reach, recent, remote
from sipstream.taps.exchange import Question

pytestmark = needs_nats_server
SECOND = 10**9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    if shutil.which("nats-server") is None:
        pytest.skip("nats-server isn't installed")
    with nats_server(tmp_path_factory.mktemp("nats")) as started:
        yield started


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for two seconds here."""
    monkeypatch.setattr(remote, "PATIENCE", 1.0)
    monkeypatch.setattr(remote, "_LITTLE_PATIENCE", 0.1)
    monkeypatch.setattr(remote, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(remote, "DISCOVERY_SECONDS", 0.3)
    monkeypatch.setattr(recent, "FRESH_SECONDS", 0.0)


@asynccontextmanager
async def shell_over(server: NatsServer, folder: Path) -> AsyncIterator[Shell]:
    """A shell that has found its taps."""
    shell = Shell(folder)
    async with shell.session:
        await reach(Server(server.url), shell.session)
        await taps_of(shell)._was_found.wait()
        yield shell
    shell.close()


def taps_of(shell: Shell) -> remote.AllTaps:
    assert shell.session.remotes.taps is not None
    return shell.session.remotes.taps


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds that others do."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - it is done elsewhere
            await asyncio.sleep(0.02)


async def until(shell: Shell, *texts: str) -> list[str]:
    """Wait until lines were written that hold some texts; return all that was."""
    lines: list[str] = []
    async with asyncio.timeout(20):
        while not all(any(text in one for one in lines) for text in texts):
            await asyncio.sleep(0.02)
            lines += await shell.written()
    return lines


def words(lines: list[str]) -> list[str]:
    """Lines with one blank between words: how wide columns are is no matter here."""
    return [" ".join(line.split()) for line in lines]


async def test_lists_are_of_all_taps(server: NatsServer, tmp_path: Path) -> None:
    taps = site(3, 2)
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        assert await shell.written() == ["3 taps: sbc1, sbc2 and sbc3"]
        # Three of them began at the same time.
        assert sorted(words(await shell("list columns numbers,messages"))) == [
            "4151000->5660066 4",
            "4151001->4151500 4",
            "4151003->4151500 4",
            "4151005->4151500 4",
            "numbers msgs",
        ]
        found = shell.session.conversations.by_call_id("call-0")
        assert found is not None
        assert {one.tap for one in found.messages[0].sightings} == {"sbc1", "sbc2", "sbc3"}
        assert await shell("show stats calls | last 3") != []


async def test_the_filter_goes_to_the_data(server: NatsServer, tmp_path: Path) -> None:
    taps = site(2, 3)
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell.session.change_filter(lambda filters: filters.add("dstnum 5660066"))
        assert await shell("show conversations sorted | count") == [
            "2 taps: sbc1 and sbc2", "1",
        ]  # fmt: skip
        await shell("show calls method INVITE")
        assert len(shell.session.conversations) == 5
        await shell("reset filter")
        asked = [fields["filter"] for _, fields in taps[0].asked]
        assert asked[:3] == ["dstnum 5660066", "dstnum 5660066", "method INVITE"]


async def test_only_some_taps_are_asked(server: NatsServer, tmp_path: Path) -> None:
    taps = site(3, 1)
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        lines = await shell("list tap sbc2 and dstnum 5660066 columns index,messages")
        assert words(lines[1:]) == ["# msgs", "0 4"]
        assert [tap.asked for tap in taps] == [
            [],
            [("find", {"filter": "dstnum 5660066", "limit": 20_000})],
            [],
        ]


async def test_a_conversation_is_shown_with_what_all_taps_have(
    server: NatsServer, tmp_path: Path
) -> None:
    taps = site(3, 1)
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell.written()
        await shell("list tap sbc2")
        lines = await shell("show conversation 0 | count")
        assert lines == ["5"]
        (found,) = shell.session.conversations
        assert {one.tap for one in found.messages[0].sightings} == {"sbc1", "sbc2", "sbc3"}
        assert [verb for verb, _ in taps[0].asked] == ["conversation"]
        lines = await shell("show conversation call-0 message 0 | match ^INVITE")
        assert lines == ["INVITE sip:5660066@b SIP/2.0"]


async def test_one_by_its_call_id_alone(server: NatsServer, tmp_path: Path) -> None:
    async with taps_on(server.url, site(2, 1)), shell_over(server, tmp_path) as shell:
        await shell.written()
        assert await shell("show conversation call-0 | count") == ["4"]
        assert await shell("show conversation nowhere") == [
            "*** Error! no conversation has the Call-ID nowhere"
        ]


async def test_the_same_question_brings_nothing_twice(server: NatsServer, tmp_path: Path) -> None:
    (tap,) = taps = site(1, 2)
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        for _ in range(3):
            await shell("list")
        assert len(tap.asked) == 3
        (entry,) = shell.session.sources.all
        assert (entry.tally.packets, entry.tally.messages) == (8, 8)
        shell.session.clear()
        assert await shell("list | count") == ["2"]


async def test_a_mark_of_an_answer_goes_back(server: NatsServer, tmp_path: Path) -> None:
    """Then a tap need only give what came since; not so when something is there no more."""

    async def with_mark(tap: FakeTap, reply: str, data: bytes, client: Client) -> None:
        await tap.end(reply, matching=0, given=0, messages=0, mark="run-7")

    tap = FakeTap("sbc1", ways={"find": with_mark})
    async with taps_on(server.url, [tap]), shell_over(server, tmp_path) as shell:
        await shell("list dstnum 5")
        await shell("list dstnum 5")
        await shell("list dstnum 6")
        shell.session.clear()
        await shell("list dstnum 5")
        since = [fields.get("since") for _, fields in tap.asked]
        assert since == [None, "run-7", None, None]


async def test_no_tap(server: NatsServer, tmp_path: Path) -> None:
    async with shell_over(server, tmp_path) as shell:
        assert await shell.written() == [
            f"{server.url}: no tap answers; 'sipstream agent --nats {server.url}' is one"
        ]
        assert await shell("list") == ["no conversations"]
        assert await shell("show taps") == ["no tap has answered yet"]
        async with FakeTap("sbc1").has(*call(1)).on(server.url):
            await until(shell, "tap sbc1 is there now (host-of-it, version")
            assert await shell("list | count") == ["1"]


async def test_a_silent_tap_is_named_and_what_comes_later_comes_in(
    server: NatsServer, tmp_path: Path
) -> None:
    taps = site(3, 1)
    taps[1].ways["find"] = silent
    goes_on = asyncio.Event()
    taps[2].ways["find"] = late(goes_on)
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell.written()
        assert words(await shell("list columns index,messages")) == [
            "sbc2 and sbc3 don't answer: left out, what comes later is taken in",
            "# msgs",
            "0 4",
        ]
        assert shell.session.status().sources == ["taps 1/3"]
        goes_on.set()
        await until(shell, "sbc3 answered after")
        assert shell.session.status().sources == ["taps 2/3"]
        (found,) = shell.session.conversations
        assert {one.tap for one in found.messages[0].sightings} == {"sbc1", "sbc3"}


async def test_ctrl_c_ends_the_waiting(
    server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE", 600.0)
    monkeypatch.setattr(remote, "_LONGEST", 600.0)
    taps = site(2, 1)
    taps[1].ways["find"] = silent
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell.written()
        assert not shell.session.remotes.hurry()
        listing = asyncio.create_task(shell("list columns index,messages"))
        await eventually(lambda: len(shell.session.conversations) > 0)
        assert shell.session.remotes.hurry()
        async with asyncio.timeout(20):
            lines = await listing
        assert words(lines[1:]) == ["# msgs", "0 4"]
        assert not shell.session.remotes.hurry()


async def test_a_tap_that_has_left_is_named(
    server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = site(2, 1)
    async with first.on(server.url), shell_over(server, tmp_path) as shell:
        before = server.told("connz")["num_connections"]
        async with second.on(server.url):
            await shell.session.remotes.bring("")
            taps = taps_of(shell)
            await taps._exchange.who_is_there()
            await until(shell, "tap sbc2 is there now")
        async with asyncio.timeout(20):
            while server.told("connz")["num_connections"] > before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        # The server itself says so, at once.
        assert (await shell("list | count")) == ["sbc2 is not there: left out", "1"]
        assert (await shell("list | count")) == ["1"]
        monkeypatch.setattr(known, "GONE_SECONDS", 0.2)
        taps.known.take(
            coding.dump({
                "name": "sipstream", "id": "x", "metadata": {"tap": "sbc2"},
                "endpoints": [{"subject": "sipstream.sbc2.find"}],
            }),
            asyncio.get_running_loop().time(),
        )  # fmt: skip
        await until(shell, "tap sbc2 is gone: nothing heard for")


async def test_a_name_that_no_tap_has_is_told(server: NatsServer, tmp_path: Path) -> None:
    async with taps_on(server.url, site(2, 1)), shell_over(server, tmp_path) as shell:
        await shell.session.remotes.bring("")
        await until(shell, "2 taps: sbc1 and sbc2")
        assert await shell("list tap sbc3 dstnum 5660066") == [
            "no tap that is there has such a name: there are sbc1 and sbc2",
            "no conversations",
        ]
        assert await shell("list tap sbc2 sbc3 | count") == ["1"]
        taps_of(shell)._told.clear()
        assert await shell("follow tap sbc3") == [
            "no tap that is there has such a name: there are sbc1 and sbc2",
            "Follow 1: tap sbc3",
        ]


async def test_errors_and_limits_are_told_in_a_line(server: NatsServer, tmp_path: Path) -> None:
    taps = [
        FakeTap("old", ways={"find": refuses("unknown term \x1b[2J")}),
        FakeTap("busy1", ways={"find": refuses("busy")}),
        FakeTap("busy2", ways={"find": refuses("busy")}),
        FakeTap("full").has(*call(1)).has(*call(2), begin=BEGAN + SECOND),
    ]

    async def newest(tap: FakeTap, reply: str, data: bytes, client: Client) -> None:
        await tap.find({"filter": "", "limit": 1}, reply)

    taps[3].ways["find"] = newest
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell.written()
        assert words(await shell("list columns index,numbers")) == [
            "busy1 and busy2: busy",
            r"old: unknown term \x1b[2J",
            "full: the newest 1 of 2 conversations; a narrower filter brings the others",
            "# numbers",
            "0 4151002->5660066",
        ]


async def test_an_answer_that_lost_some_is_told(server: NatsServer, tmp_path: Path) -> None:
    async def loses(tap: FakeTap, reply: str, data: bytes, client: Client) -> None:
        await tap.end(reply, matching=1, given=1, messages=4)

    async with (
        FakeTap("sbc1", ways={"find": loses}).on(server.url),
        shell_over(server, tmp_path) as shell,
    ):
        await shell.written()
        assert (await shell("list"))[0] == ("sbc1: 0 of 4 messages came; ask again for the others")


async def test_a_hostile_tap(server: NatsServer, tmp_path: Path) -> None:
    """It speaks for itself only, and what is damaged is told once."""

    def under_another_name(enveloper: Enveloper, index: object, numbers: list[int]) -> list[bytes]:
        return Enveloper("pbx").pack(index, numbers)  # type: ignore[arg-type]

    async def garbage(tap: FakeTap, reply: str, data: bytes, client: Client) -> None:
        await client.publish(reply, b"\xff" * 100, headers={coding.KIND: coding.PART})
        await client.publish(reply, b"nothing")
        await tap.find(coding.read(data), reply)

    evil = FakeTap("evil", packed=under_another_name, ways={"find": garbage}).has(*call(1))
    taps = [FakeTap("pbx").has(*call(0)), evil]
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell("list")
        await until(
            shell,
            "evil: under another tap's name (shown as its own)",
            "evil: damaged, or too long unpacked",
        )
        found = shell.session.conversations.by_call_id("call-1")
        assert found is not None
        assert {message.tap for message in found.messages} == {"evil"}
        await shell("list")
        await asyncio.sleep(0.2)
        assert not any("evil" in line for line in await shell.written())
        (row,) = [one for one in taps_of(shell).known.all if one.name == "evil"]
        assert row.left_out["no answer of an agent"] == 2


async def test_a_follow_is_of_all_taps_once(server: NatsServer, tmp_path: Path) -> None:
    taps = [FakeTap("sbc1").has(*call(1)), FakeTap("sbc2")]
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell.written()
        assert await shell("follow dstnum 5660066") == ["Follow 1: dstnum 5660066"]
        await taps[0].sees(*call(7)[:1])
        lines = await until(shell, "INVITE")
        await taps[1].sees(*call(8, destination="1"))
        await taps[1].sees(*call(7)[1:2])
        lines += await until(shell, "180 Ringing")
        assert ["INVITE" in line for line in lines] == [True, False]
        # What was there before, or what a list brings, is no news.
        assert await shell("list | count") == ["3"]
        await taps[0].sees(*call(7)[2:3])
        lines = await until(shell, "200 OK")
        assert len(lines) == 1
        assert await shell("unfollow 1") == ["Follow 1 ended (3 messages shown)"]
        await eventually(lambda: not any(tap.follows for tap in taps))


async def test_what_a_list_brings_first_a_follow_shows_all_the_same(
    server: NatsServer, tmp_path: Path
) -> None:
    """A message may come in an answer before the follow's own one, which is a repeat then."""
    tap = FakeTap("sbc1")
    async with tap.on(server.url), shell_over(server, tmp_path) as shell:
        await shell("follow")
        ((wanted, reply),) = tap.follows.values()
        tap.follows.clear()
        await tap.sees(*call(3)[:2])
        await shell.written()
        await shell("list | count")
        await shell.session.publishing.holding.settle()
        lines = await shell.written()
        assert ["INVITE" in line for line in lines] == [True, False]


async def test_a_tap_that_comes_is_followed_too(
    server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RENEWAL_SECONDS", 1000.0)
    first, second = FakeTap("sbc1"), FakeTap("sbc2")
    async with first.on(server.url), shell_over(server, tmp_path) as shell:
        await shell("follow dstnum 5660066")
        async with second.on(server.url):
            await taps_of(shell)._exchange.who_is_there()
            await until(shell, "tap sbc2 is there now")
            await eventually(lambda: bool(second.follows))
            await second.sees(*call(1)[:1])
            await until(shell, "INVITE")
        # It is asked for again and again.
        monkeypatch.setattr(following, "RENEWAL_SECONDS", 0.1)
        asked = len(first.asked)
        await eventually(lambda: len(first.asked) >= asked + 3)
        assert len({fields["id"] for _, fields in first.asked}) == 1


async def test_a_follow_that_is_refused_is_told_once(
    server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RENEWAL_SECONDS", 0.05)
    tap = FakeTap("sbc1", ways={"follow": refuses("busy: 32 follows are on here already")})
    async with tap.on(server.url), shell_over(server, tmp_path) as shell:
        await shell.written()
        assert await shell("follow dstnum 1") == [
            "sbc1: busy: 32 follows are on here already",
            "Follow 1: dstnum 1",
        ]
        await eventually(lambda: len(tap.asked) >= 4)
        assert await shell.written() == []
        # It may have room later.
        tap.ways.clear()
        await eventually(lambda: bool(tap.follows))
        await tap.sees(*call(1, destination="1")[:1])
        await until(shell, "INVITE")


async def test_a_server_that_was_away(tmp_path: Path) -> None:
    tap = FakeTap("sbc1").has(*call(1))
    with nats_server(tmp_path / "nats") as own:
        async with tap.on(own.url), shell_over(own, tmp_path) as shell:
            await shell("follow dstnum 5660066")
            tap.follows.clear()
            own.kill()
            await until(shell, "the server is gone")
            assert (await shell("list"))[0] == (
                f"{own.url}: the server is away, nothing comes from taps"
            )
            assert taps_of(shell).words == "taps 0/1"
            own.start()
            await until(shell, "the server is there again")
            await eventually(lambda: bool(tap.follows))
            assert taps_of(shell).words == "taps 1/1"
            await tap.sees(*call(2)[:1])
            await until(shell, "INVITE")
            assert await shell("list | count") == ["2"]


async def test_how_taps_are(server: NatsServer, tmp_path: Path) -> None:
    def odd(tap: FakeTap) -> dict[str, object]:
        return {"rate": "x", "messages": -1, "memory": 1e400, "cpu": True, "conversations": [1]}

    quiet = FakeTap("quiet", ways={"stats": silent})
    strange = FakeTap("strange\x1b[2J", host="h" * 100)
    strange.standing = lambda: odd(strange)  # type: ignore[method-assign]
    taps = [*site(1, 2), quiet, strange]
    async with taps_on(server.url, taps), shell_over(server, tmp_path) as shell:
        await shell.written()
        lines = await shell("show taps")
        assert lines[0] == "quiet doesn't answer: left out, what comes later is taken in"
        assert lines[1].split() == [
            "tap", "host", "version", "heard", "messages/s", "conversations", "messages",
            "drops", "memory", "CPU", "answer",
            "clock",
        ]  # fmt: skip
        quietly, normal, odd_one = (line.split() for line in lines[2:])
        assert quietly[:2] == ["quiet", "host-of-it"]
        assert "silent," in quietly
        assert normal[0] == "sbc1"
        assert normal[6:-3] == ["12", "2", "8", "0", "48", "MiB", "3%"]
        assert odd_one[0] == r"strange\x1b[2J"
        assert odd_one[6:-3] == ["-"] * 6


async def test_without_a_bus(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert await shell("show taps") == [
        "*** Error! no bus is asked for taps: start with --nats nats://HOST:4222"
    ]
    assert not shell.session.remotes.hurry()


async def test_many_taps_are_named_in_few_words() -> None:
    tap = known.Tap
    assert account.names([tap("a")]) == "a"
    assert account.names([tap("a"), tap("b"), tap("c"), tap("d")]) == "a, b, c and d"
    assert account.names([tap(str(one)) for one in range(50)]) == "0, 1, 2 and 47 more"


async def test_what_many_taps_do_is_told_in_a_line() -> None:
    taps = [known.Tap(f"tap{one}\x1b[2J") for one in range(500)]
    for tap in taps:
        tap.left_out["no SIP"] += 1
    [line] = account.left_out(taps)
    assert "and 497 more: no SIP" in line and line.isprintable()
    assert list(account.left_out(taps)) == []
    lines = [*account.there(taps), *account.gone(taps, 12)]
    assert len(lines) == 2
    assert all("and 497 more are" in one and one.isprintable() for one in lines)
    questions = [Question(tap, "find", 1) for tap in taps]
    for one, question in enumerate(questions):
        question.answer.error, question.answer.ended = f"{one}\x9b31m", True
    told = list(account.lines(questions))
    assert len(told) == 6
    assert told[-1] == "495 other errors of taps"
    assert all(one.isprintable() for one in told)


async def test_how_far_clocks_are_apart(server: NatsServer, tmp_path: Path) -> None:
    """As messages show that both saw, on their way there and back."""
    ahead = 70_000_000
    first, second = FakeTap("sbc1"), FakeTap("sbc2")
    for number in range(8):
        there = BEGAN + number * SECOND
        first.has(*call(number), begin=there)
        second.has(*call(number), begin=there + ahead)
    async with taps_on(server.url, [first, second]), shell_over(server, tmp_path) as shell:
        await shell("list")
        lines = [line.split() for line in await shell("show taps")]
        clocks = sorted(line[-2] for line in lines[1:])
        assert clocks in (["+0.0", "+70.0"], ["+0.0", "-70.0"])


async def test_a_follow_with_another_filter(server: NatsServer, tmp_path: Path) -> None:
    tap = FakeTap("sbc1")
    async with tap.on(server.url), shell_over(server, tmp_path) as shell:
        await shell("follow dstnum 1")
        await shell("follow 1")
        await shell("filter dstnum 2")
        await eventually(lambda: len(tap.follows) == 1)
        await tap.sees(*call(1, destination="1")[:1], *call(2, destination="2")[:1])
        lines = await until(shell, "INVITE")
        assert [line for line in lines if "INVITE" in line and "->1 " in line] == []
        assert shell.session.follows[0].shown == 1
        await shell("end")
        await eventually(lambda: not tap.follows)
