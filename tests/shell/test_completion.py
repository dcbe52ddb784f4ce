"""What Tab and `?` offer, tested with strings: no terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import CAPTURES

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.session import Session
from sipstream.shell.completion import Menu, asks, listing, offers, search, takes_word
from sipstream.shell.offered import Offer
from sipstream.shell.registry import CONVERSATION, FILTER, GENERAL
from sipstream.shell.steps import at_once

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
    assert "1" in texts(session, "follow ")
    assert "1" not in texts(session, "follow call "), "only follow alone enters one"


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


def menu(session: Session, line: str, context: str = GENERAL) -> Menu:
    return at_once(search(session, line, context))


@pytest.mark.parametrize(
    ("line", "inserted"),
    [
        ("fol", "follow "),
        ("follow", "follow "),
        ("sh", "show "),
        ("show conv", "conversation"),  # conversations begins so too
        ("flw", None),  # a slip is offered, not put in
        ("follow d", None),
        ("follow dstn", "dstnum "),
        ("follow dstnum 56600", "5660066 "),
        ("follow dstnum +56600", "5660066 "),
        ("follow dstnum 60066", None),
        ("follow eac", "each("),
        ("follow header user-a", "User-Agent "),
        ("follow ua fpbx", None),
        ("nonsense ", None),
    ],
)
async def test_what_tab_puts_in(session: Session, line: str, inserted: str | None) -> None:
    assert menu(session, line).insertion == inserted


async def test_the_common_beginning_of_quoted_words_is_put_in() -> None:
    made = Menu("As", [Offer('"Asterisk PBX 1"'), Offer('"Asterisk PBX 2"')], begun=2)
    assert made.insertion == '"Asterisk PBX '
    assert Menu('"Ast', made.offers, begun=2).insertion == '"Asterisk PBX '
    assert Menu('"Asterisk PBX ', made.offers, begun=2).insertion is None
    assert Menu("x", [Offer("+12"), Offer("0012")], begun=2).insertion is None


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("flw", ["follow", "unfollow"]),
        ("flolow", ["follow", "unfollow"]),
        ("follow stnum", ["dstnum"]),
        ("follow tnum", ["dstnum", "telnum"]),
        ("follow dstnum 60066", ["5660066"]),
        ("follow dstnum 5606", ["5660066"]),
        ("follow srcip 48.73", ["178.19.48.73"]),
    ],
)
async def test_what_fits_otherwise_is_offered(
    session: Session, line: str, offered: list[str]
) -> None:
    assert texts(session, line)[: len(offered)] == offered


@pytest.mark.parametrize(
    ("line", "first", "about"),
    [
        ("follow number ", "5523815", "7 conversations"),
        ("follow srcip ", "10.10.10.2", "24 conversations"),
        ("follow endpoint ", "10.10.10.2:5060", "354 messages"),
        ("follow port ", "5060", "354 messages"),
        ("follow method ", "OPTIONS", "20 conversations"),
        ("follow status ", "200", "42 conversations"),
        ("follow state ", "done", "22 conversations"),
        ("follow transport ", "udp", "354 messages"),
        ("follow user ", "asterisk", "20 conversations"),
        ("follow header ", "CSeq", "298 of 298 messages looked at"),
    ],
)
async def test_values_of_each_kind_come_with_how_often_they_occur(
    session: Session, line: str, first: str, about: str
) -> None:
    offer = offers(session, line, GENERAL)[1][0]
    assert (offer.text, offer.about) == (first, about)


async def test_values_a_term_knows_stand_behind_those_captured(session: Session) -> None:
    found = texts(session, "follow method ")
    assert len(found) == len(set(found))
    assert found.index("REGISTER") < found.index("PRACK")
    assert {"1xx", "407"} <= set(texts(session, "follow status ")) | {"407"}
    # Whole messages are for behind a filter.
    assert "messages" not in found
    assert "messages" in texts(session, "follow method INVITE ")


async def test_a_regular_expression_is_no_value_of_the_data(session: Session) -> None:
    assert texts(session, "follow dstnum ~ ") == []
    assert listing(session, "follow dstnum ~ ", GENERAL, 100) == [
        "  <text>  matches a regular expression"
    ]


async def test_only_values_of_the_active_filter_are_offered_as_conversations(
    session: Session,
) -> None:
    await session.change_filter(lambda filters: filters.add("dstnum 5660066"))
    assert texts(session, "show conversation ") == [CALL_ID]
    assert texts(session, "show conversation d642") == [CALL_ID]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("", ["show", "follow", "load"]),
        ("sh conv 0 ", ["message", "messages", "| count", "<Enter>"]),
        ("show conversations ", ["sorted", "<filter>", "dstnum", "each(", "not", "(", "<Enter>"]),
        ("show conversations each(", ["not", "dstnum", "("]),
        ("show conversations dstnum ", ["<telnum>", "5523815", "~"]),
        ("show conversations dstnum 5660066 ", ["and", "or", "not", "ua", "| count", "<Enter>"]),
        ("show conversations (dstnum 5660066 ", [")", "and"]),
        ("show conversations duration ", [">", ">=", "<", "<="]),
        ("show conversations duration > ", ["<duration>", "30s", "2h"]),
        ("show conversations header User-Agent ", ["<text>", "~", "="]),
        ("show conversations dst", ["dstip", "dstnum"]),
        ("show conversations not ", ["not", "(", "dstnum"]),
        ("follow ", ["[<filter>] [messages|flow]", "dstnum", "<Enter>"]),
        ("show conversations | ", ["count"]),
        ("load ", ["<file>"]),
    ],
)
async def test_what_may_follow_is_listed_everywhere(
    session: Session, line: str, rows: list[str]
) -> None:
    lines = listing(session, line, GENERAL, 79)
    assert all(len(one) <= 79 for one in lines)
    # Each has a sentence, or a frequency.
    shown = {one.strip().partition("  ")[0]: one.strip().partition("  ")[2] for one in lines}
    for row in rows:
        assert row in shown, lines
        assert shown[row] or row == "<Enter>"


@pytest.mark.parametrize(
    ("line", "word", "about"),
    [
        ("", "load", "Load SIP data from file."),
        ("show ", "filter", "Shows the active conversation filter"),
        ("watch show ", "filter", "Shows the active conversation filter"),
        ("load ", "filter", "Makes a filter that was saved the active one"),
        ("delete ", "filter", "Forgets a filter that was saved"),
        ("capture start ", "filter", "a kernel filter of your own"),
        ("help fil", "filter", "Enter SIP filter configuration for filtering conversations"),
        ("help fil", "filters", "The language of filters, on one screen"),
    ],
)
async def test_a_word_has_the_sentence_of_its_command(
    session: Session, line: str, word: str, about: str
) -> None:
    assert about in [one.about for one in offers(session, line, GENERAL)[1] if one.text == word]


@pytest.mark.parametrize("command", ["show conversations", "list", "follow"])
async def test_what_stands_in_parentheses_is_a_filter(session: Session, command: str) -> None:
    for opened in ("(", "not ("):
        found = set(texts(session, f"{command} {opened}"))
        assert {"dstnum", "last", "state", "each("} <= found
        assert not {"sorted", "columns", "new"} & found
    for opened in ("each(", "any(method BYE and (", "not first((has Reason) "):
        found = set(texts(session, f"{command} {opened}"))
        # Others are about the conversation as a whole.
        assert {"dstnum", "last", "not", "("} <= found
        assert not {"sorted", "columns", "new", "state", "duration", "each(", "any("} & found
    assert {"state", "each("} <= set(texts(session, f"{command} each(method BYE) "))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("show conversations bogus ", "unknown term 'bogus'"),
        ("list dstnum 1 method INVITE )", "no parenthesis is open"),
        ("follow bogus ", "unknown term 'bogus'"),
        ("show states | cuont ", "unknown word behind |: cuont"),
    ],
)
async def test_where_nothing_may_follow_the_mistake_is_told(
    session: Session, line: str, error: str
) -> None:
    found = listing(session, line, GENERAL, 100)
    assert any(one.startswith(f"  {error}") for one in found), found
    assert all(len(one) <= 100 for one in found)


async def test_what_is_half_a_filter_cannot_be_entered(session: Session) -> None:
    for line in ("follow dstnum ", "show conversations (dstnum 1 ", "follow duration > "):
        assert "  <Enter>" not in listing(session, line, GENERAL, 79)


async def test_a_listing_is_bounded_and_says_how_many_more(session: Session) -> None:
    lines = listing(session, "show conversations number 5660066 ", GENERAL, 79)
    values = [line for line in lines if line.rstrip().endswith(("conversation", "conversations"))]
    found = offers(session, "show conversations number ", GENERAL)[1]
    numbers = sum(one.about.endswith(("conversation", "conversations")) for one in found)
    assert len(values) == 10
    assert f"  ... and {numbers - 10} more: Tab completes what is begun" in lines
    assert all(len(one) <= 30 for one in listing(session, "follow ", GENERAL, 30))


@pytest.mark.parametrize(
    ("line", "is_question"),
    [
        ("", True),
        ("sh", True),
        ("show ", True),
        ("follow dst", True),
        ("follow dstnum ", True),
        ("follow dstnum 56", False),
        ("follow dstnum 5660066 an", False),
        ("follow (", True),
        ("follow each(", True),
        ("follow state an", True),
        ("follow method INV", True),
        ("follow port 50", True),
        ("follow header Sub", True),
        ("follow header Subject what", False),
        ('follow header Subject "what ', False),
        ("follow callid a", False),
        ("follow body ", True),
        ("show conversation 3", False),
        ("show conversations | ", True),
        ("show conversations | c", True),
        ("show conversations | match a", False),
        ("run show conversations dst", True),
        ("capture start eth0 filter port ", True),
        ("capture start eth0 filter port", False),
        ("bogus ", True),
    ],
)
async def test_where_a_question_mark_asks(line: str, is_question: bool) -> None:
    assert asks(line, GENERAL) == is_question
