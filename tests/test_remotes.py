"""What is held elsewhere comes when commands ask for it, and only then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES

from sipstream import stored
from sipstream.envelopes import Enveloper
from sipstream.session import Session

CALL = "dstnum 5660066"


class Elsewhere:
    """A remote that has a capture, and brings what was asked for."""

    def __init__(self, session: Session, held: Session, name: str = "elsewhere") -> None:
        self.name = name
        self.asked: list[tuple[object, ...]] = []
        self._entry = session.sources.entry(name)
        self._held = held

    async def bring(self, expression: str) -> None:
        self.asked.append(("bring", expression))
        listed = await self._held.listed(expression)
        await self._take(list(listed.numbers))

    async def complete(self, call_id: str) -> None:
        self.asked.append(("complete", call_id))
        found = self._held.conversations.by_call_id(call_id)
        await self._take([] if found is None else [found.id])

    async def follow(self, number: int, expression: str) -> None:
        self.asked.append(("follow", number, expression))

    def unfollow(self, number: int) -> None:
        self.asked.append(("unfollow", number))

    async def close(self) -> None:
        self.asked.append(("close",))

    async def _take(self, conversations: list[int]) -> None:
        index = self._held.conversations.index
        numbers = [one for each in conversations for one in index.in_time_order(each)]
        await self._entry.take(Enveloper("there").pack(index, numbers), former=True)


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[tuple[Shell, Elsewhere]]:
    """A shell with a remote that has the calls of callerid-problem."""
    shell = Shell(tmp_path)
    async with Session() as held, shell.session:
        await held.sources.load(CAPTURES / "callerid-problem.txt")
        remote = Elsewhere(shell.session, held)
        shell.session.remotes.all.append(remote)
        yield shell, remote
    shell.close()


async def test_lists_bring_what_they_are_asked_for(shell: tuple[Shell, Elsewhere]) -> None:
    ask, remote = shell
    lines = await ask(f"show conversations {CALL}")
    assert any("1502->5660066" in line for line in lines)
    assert remote.asked == [("bring", CALL)]
    assert len(ask.session.conversations) == 1


async def test_lists_join_the_active_filter(shell: tuple[Shell, Elsewhere]) -> None:
    ask, remote = shell
    await ask.session.change_filter(lambda filters: filters.add(CALL))
    assert remote.asked == [("bring", CALL)]
    await ask("show conversations status 4xx")
    assert remote.asked[1:] == [("bring", f"{CALL} and status 4xx")]
    await ask("show conversations")
    assert remote.asked[2:] == [("bring", CALL)]


async def test_a_conversation_is_completed_before_it_is_shown(
    shell: tuple[Shell, Elsewhere],
) -> None:
    ask, remote = shell
    await ask.session.change_filter(lambda filters: filters.add(CALL))
    call_id = ask.session.conversations[0].call_id
    await ask("show conversation 0")
    assert remote.asked[-1] == ("complete", call_id)
    ask.session.clear()
    assert ask.session.conversations.by_call_id(call_id) is None
    lines = await ask(f"show conversation {call_id}")
    assert any("INVITE" in line for line in lines)


async def test_follows_are_told(shell: tuple[Shell, Elsewhere]) -> None:
    ask, remote = shell
    follow = await ask.session.follow(CALL)
    ask.session.unfollow(follow.number)
    assert remote.asked == [("follow", 1, CALL), ("unfollow", 1)]


async def test_what_is_stored_is_opened_by_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Shell(tmp_path)
    async with Session() as held, ask.session:
        await held.sources.load(CAPTURES / "callerid-problem.txt")
        monkeypatch.setitem(
            stored.KINDS, "box", lambda folder, session: Elsewhere(session, held, f"box://{folder}")
        )
        assert await ask("load box:///nowhere") == [
            "*** Error! box:///nowhere: there is no folder /nowhere"
        ]
        assert await ask(f"load box:/{tmp_path}") == [
            f"*** Error! box:/{tmp_path}: there is no folder {str(tmp_path)[1:]}:"
            f" did you mean box://{tmp_path}?"
        ]
        await ask(f"load box://{tmp_path}")
        assert len(ask.session.conversations) == 0
        assert await ask(f"load box://{tmp_path}") == [
            f"*** Error! box://{tmp_path} is there already"
        ]
        lines = await ask(f"show conversations {CALL} | count")
        assert lines == ["1"]
    ask.close()
