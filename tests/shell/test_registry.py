"""How a line is read: abbreviations, optional words, values, and what is said of wrong ones."""

import pytest

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.errors import CommandError
from sipstream.shell.registry import (
    COMMANDS,
    CONVERSATION,
    FILTER,
    GENERAL,
    Parameter,
    expected,
    read,
)


@pytest.mark.parametrize(
    ("line", "context", "pattern", "values", "flag"),
    [
        ("show conversations", GENERAL, "show conversations [sorted]", {}, None),
        ("show conversations sorted", GENERAL, "show conversations [sorted]", {}, "sorted"),
        ("sh conversations so", GENERAL, "show conversations [sorted]", {}, "sorted"),
        ("sh conv", GENERAL, "show conversations [sorted]", {}, None),
        ("sh conv 0", GENERAL, "show conversation", {"ref": "0"}, None),
        ("sh conv 0 mess", GENERAL, "show conversation", {"ref": "0"}, "messages"),
        ("sh conv 0 mess 3", GENERAL, "show conversation", {"ref": "0", "index": "3"}, None),
        (
            "show conversation messages message 1",
            GENERAL,
            "show conversation",
            {"ref": "messages", "index": "1"},
            None,
        ),
        (
            'show conversation "a b" messages',
            GENERAL,
            "show conversation",
            {"ref": "a b"},
            "messages",
        ),
        ("l a.pcap", GENERAL, "load", {"file": "a.pcap"}, None),
        ("load filter", GENERAL, "load {file}", {"file": "filter"}, None),
        ("load f", GENERAL, "load {file}", {"file": "f"}, None),
        ("load filter x", GENERAL, "load filter! {name}", {"name": "x"}, "filter"),
        ('load "filter" ', GENERAL, "load {file}", {"file": "filter"}, None),
        ("set country_code 354", GENERAL, "set country_code", {"value": "354"}, None),
        ("t a.pcap", GENERAL, "tail", {"file": "a.pcap"}, None),
        ("r", FILTER, "reset", {}, None),
        ("li last 5", GENERAL, "list", {"what": "last 5"}, None),
        ("run li last 5", CONVERSATION, "run", {"line": "li last 5"}, None),
        ("cap start", GENERAL, "capture start", {}, None),
        ("cap start eth0", GENERAL, "capture start", {"interface": "eth0"}, None),
        (
            "cap start filter port 5070 or 5080",
            GENERAL,
            "capture start",
            {"bpf": "port 5070 or 5080"},
            None,
        ),
        (
            "capture start eth0 filter udp  port 5070",
            GENERAL,
            "capture start",
            {"interface": "eth0", "bpf": "udp  port 5070"},
            None,
        ),
        ("fol dstnum 5 or  srcnum 6", GENERAL, "follow", {"what": "dstnum 5 or  srcnum 6"}, None),
        ("follow", GENERAL, "follow", {}, None),
        ("set cond and", FILTER, "set condition", {"condition": "and"}, None),
        ("add has diversion", FILTER, "add", {"text": "has diversion"}, None),
        ("show", FILTER, "show", {}, None),
        ("show message 0", CONVERSATION, "show [message", {"index": "0"}, None),
        ("show messages", CONVERSATION, "show [message", {}, "messages"),
        ("n", CONVERSATION, "next", {}, None),
        ("help show conversation", GENERAL, "help", {"topic": "show conversation"}, None),
    ],
)
def test_lines(
    line: str, context: str, pattern: str, values: dict[str, str], flag: str | None
) -> None:
    call = read(line, context)
    assert call.command.pattern.startswith(pattern)
    assert {name: text for name, (_, text) in call.values.items()} == values
    assert flag is None or flag in call.flags


@pytest.mark.parametrize(
    ("line", "context", "words"),
    [
        ("c", GENERAL, "c is short for capture, clear or conversation"),
        ("shwo", GENERAL, "unknown command shwo: did you mean show?"),
        ("xyzzy", GENERAL, "unknown command xyzzy: 'help' lists them"),
        (
            "show",
            GENERAL,
            "missing argument: show needs conversations, conversation, filter,",
        ),
        ("show conversation", GENERAL, None),
        ("show converstaions", GENERAL, "unknown word converstaions: did you mean conversations?"),
        ("load", GENERAL, "missing argument: load needs <file>; see 'help load'"),
        ("load f x", GENERAL, "nothing more is expected behind load f: x"),
        ("load filter x y", GENERAL, "nothing more is expected behind load filter x: y"),
        ("clear all", GENERAL, "nothing more is expected behind clear: all"),
        ("add dstnum 1", GENERAL, "add is a command of the context filter"),
        ("next", GENERAL, "next is a command of the context conversation"),
        ("set and", FILTER, "unknown word and: it may be condition"),
        ("add", FILTER, "missing argument: add needs <filter>; see 'help add'"),
        ("\x1b]0;x", GENERAL, r"unknown command \x1b]0;x"),
    ],
)
def test_what_is_said_of_wrong_lines(line: str, context: str, words: str | None) -> None:
    if words is None:
        # Short for the list, which needs no more.
        assert read(line + "s", context)
        return
    with pytest.raises(CommandError) as caught:
        read(line, context)
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("line", "typed", "wanted"),
    [
        ("", "", {"show", "load", "help", "follow"}),
        ("sh", "sh", {"show"}),
        ("show ", "", {"conversation", "conversations", "filter"}),
        ("show conversation ", "", {"<call-id|index>"}),
        ("show conversation 0 ", "", {"message", "messages"}),
        ("show conversation 0 message ", "", {"<index>"}),
        ("follow ", "", {"[<filter>] [messages|flow]"}),
        ("follow dstnum 5 and ", "dstnum 5 and ", {"[<filter>] [messages|flow]"}),
        ("follow dstnum 5 an", "dstnum 5 an", {"[<filter>] [messages|flow]"}),
        ("load /tmp/x", "/tmp/x", {"<file>"}),
        ("load f", "f", {"<file>", "filter"}),
        ("load filter ", "", {"<name>"}),
        ("capture start ", "", {"<interface>", "filter"}),
    ],
)
def test_what_is_expected(line: str, typed: str, wanted: set[str]) -> None:
    found = expected(line, GENERAL)
    assert found.typed == typed
    names = {part.kind.syntax if isinstance(part, Parameter) else part for part in found.parts}
    assert wanted <= names


def test_nothing_is_expected_behind_nonsense() -> None:
    with pytest.raises(CommandError, match="unknown command nonsense"):
        expected("nonsense ", GENERAL)


def test_every_command_says_what_it_does() -> None:
    for one in COMMANDS:
        assert one.summary, one.pattern
        assert len(one.summary) < 100
