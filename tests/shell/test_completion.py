"""What Tab and `?` offer, tested with strings: no terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import CAPTURES

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.session import Session
from sipstream.shell.completion import listing, offers, takes_word
from sipstream.shell.registry import CONVERSATION, FILTER, GENERAL

CALL_ID = "35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060"


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with Session() as made:
        await made.sources.load(CAPTURES / "timeout.pcap")
        yield made


def texts(session: Session, line: str, context: str = GENERAL) -> list[str]:
    return [one.text for one in offers(session, line, context)[1]]


async def test_commands_and_their_words(session: Session) -> None:
    assert {"show", "follow", "load", "untail"} <= set(texts(session, ""))
    assert texts(session, "sh") == ["show"]
    assert texts(session, "show conversation 0 m") == ["message", "messages"]
    assert "srcnum" in texts(session, "add ", FILTER)
    assert texts(session, "nonsense ") == []


async def test_call_ids_have_their_line_beside_them(session: Session) -> None:
    [offer] = offers(session, "show conversation 35e8", GENERAL)[1]
    assert (offer.text, offer.about) == (
        CALL_ID,
        "[10] 16:41:37.979995: INVITE 4151502->5660066",
    )


@pytest.mark.parametrize("which", ["10", CALL_ID])
async def test_message_indexes(session: Session, which: str) -> None:
    found = offers(session, f"show conversation {which} message ", GENERAL)[1]
    assert [one.text for one in found] == [str(n) for n in range(14)]
    assert found[0].about == "16:41:37.979995 INVITE"
    assert texts(session, f"show conversation {which} message 1") == ["1", *map(str, range(10, 14))]


async def test_message_indexes_of_the_contexts_conversation(session: Session) -> None:
    chosen = session.conversations.by_call_id(CALL_ID)
    found = offers(session, "show message ", CONVERSATION, chosen)[1]
    assert len(found) == 14
    assert offers(session, "show message ", CONVERSATION)[1] == []


async def test_topics_of_help(session: Session) -> None:
    assert {"show conversation", "srcnum", "capture start"} <= set(texts(session, "help "))
    assert texts(session, "help sh")[0].startswith("show")


async def test_whole_messages_are_offered_behind_a_filter(session: Session) -> None:
    assert "messages" in texts(session, "follow dstnum 5660066 ")
    assert texts(session, "follow dstnum 5660066 mess") == ["messages"]
    assert texts(session, "follow dstnum 56600") == ["5660066"]


async def test_paths_with_blanks_are_quoted(session: Session, tmp_path: Path) -> None:
    (tmp_path / "my file.txt").touch()
    (tmp_path / "plain.txt").touch()
    quoted = f'"{tmp_path}/my file.txt"'
    assert texts(session, f"load {tmp_path}/m") == [quoted]
    assert texts(session, f'load "{tmp_path}/my f') == [quoted]
    assert texts(session, f"load {tmp_path}/p") == [f"{tmp_path}/plain.txt"]


async def test_watched_files_and_follows(session: Session, tmp_path: Path) -> None:
    session.sources.tail(tmp_path / "a")
    await session.follow("dstnum 1")
    assert texts(session, "untail ") == [str(tmp_path / "a")]
    assert texts(session, "unfollow ") == ["1"]


async def test_a_question_mark_lists_what_may_follow(session: Session) -> None:
    lines = listing(session, "show conversation 0 ", GENERAL, 100)
    assert lines[-1] == "  <Enter>"
    assert any(line.startswith("  messages") for line in lines)
    assert listing(session, "bogus ", GENERAL, 100) == [
        "  unknown command bogus: 'help' lists them"
    ]
    many = listing(session, "show conversation ", GENERAL, 100)
    assert many[0].startswith("  <call-id|index>")
    assert all(len(line) <= 100 for line in many)
    assert "<Enter>" not in many[-1]
    assert listing(session, "clear ", GENERAL, 100) == ["  <Enter>"]


async def test_where_a_question_mark_is_a_letter() -> None:
    assert takes_word("sh", GENERAL)
    assert takes_word("show conv", GENERAL)
    assert not takes_word("show conversation 3", GENERAL)
    assert not takes_word("follow header Subject what", GENERAL)
    assert takes_word("load a", GENERAL)


async def test_what_works_in_every_context_is_offered_there(session: Session) -> None:
    assert {"conversations", "filter"} <= set(texts(session, "show ", FILTER))
    assert "sorted" in texts(session, "show conversations ", FILTER)
    lines = listing(session, "show ", FILTER, 100)
    assert lines[-1] == "  <Enter>"
    assert any(line.startswith("  states") for line in lines)
    assert texts(session, "tail ", FILTER) == []
    assert texts(session, "load ", FILTER) == ["filter"]


async def test_the_way_into_a_folder_with_a_blank_goes_on(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "c.txt").touch()
    [opened] = texts(session, f"load {tmp_path}/a")
    assert opened == f'"{folder}/'
    assert texts(session, f"load {opened}") == [f'"{folder}/c.txt"']
    session.sources.tail(folder / "c.txt")
    assert texts(session, "untail ") == [f'"{folder}/c.txt"']
