"""watch: drawn above the prompt on a terminal, printed each time without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES
from terminal import Terminal

from sipstream.limits import WATCH_LINES
from sipstream.render.colours import SGR, Paint
from sipstream.shell import completion
from sipstream.shell.completion import listing, offers
from sipstream.shell.registry import GENERAL
from sipstream.shell.steps import in_turns
from sipstream.shell.watch import Kept, Watch

TIMEOUT = str(CAPTURES / "timeout.pcap")
HEAD = "every 1 s: show conversations sorted"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal([], cwd=tmp_path, columns=100, rows=24)
    yield made
    made.close()


def screen(terminal: Terminal) -> list[str]:
    return [line.rstrip() for line in terminal.screen.display]


def drawn(terminal: Terminal, rows: int) -> list[str]:
    """What stands above the prompt; there is one such place, of a third of the rows at most."""
    lines = screen(terminal)
    [place] = [number for number, line in enumerate(lines) if line.startswith("every 1 s: ")]
    end = next(n for n in range(place, len(lines)) if lines[n].startswith("sipstream"))
    assert end - place <= rows // 3
    assert "conversations" in lines[end + 1]
    return lines[place + 1 : end]


def test_an_answer_is_drawn_above_the_prompt_and_follows_what_comes(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.command("tail grows.pcap")
    terminal.command("watch show conversations sorted every 1s")
    assert drawn(terminal, 24) == []
    terminal.command("follow dstnum 5660066")
    terminal.type("show fil")
    (tmp_path / "grows.pcap").write_bytes(Path(TIMEOUT).read_bytes())
    # Each message of the follow stands above, the line being typed below.
    terminal.until(r"^16:42:09.479774 .* INVITE")
    terminal.until(r"^\[5\] 16:41:18")
    terminal.editing("sipstream: show fil")
    shown = drawn(terminal, 24)
    assert shown[0].startswith("[0] 16:41:01.032251: REGISTER 4158596->4158596")
    assert (len(shown), shown[-1]) == (7, "...")
    # A line that is entered leaves nothing of it behind.
    terminal.type("ter\r")
    terminal.until("^condition or")
    terminal.at_prompt()
    assert drawn(terminal, 24) == shown
    assert sum(line == HEAD for line in terminal.lines()) == 1

    for rows, columns in ((24, 50), (36, 90)):
        terminal.child.setwinsize(rows, columns)
        terminal.screen.resize(rows, columns)
        terminal.pump(0.5)
        terminal.at_prompt()
        shown = drawn(terminal, rows)
        assert len(shown) == rows // 3 - 1
        assert all(len(line) < columns for line in shown)

    terminal.type("\x03")
    terminal.until("^nothing is watched any more")
    terminal.at_prompt()
    assert HEAD not in screen(terminal)
    terminal.type("\x03")
    terminal.until("^follow ended")


def test_a_terminal_that_stops_reading_gets_it_again(tmp_path: Path) -> None:
    terminal = Terminal([TIMEOUT], cwd=tmp_path, columns=100, rows=24)
    try:
        terminal.command("watch show conversations sorted every 1s")
        # More than a terminal takes that nobody reads, while the answer is drawn again and again.
        terminal.type("show conversation 0 messages | no-more\r" * 20)
        time.sleep(1.5)
        terminal.at_prompt()
        assert len(drawn(terminal, 24)) == 7
        terminal.command("unwatch")
        assert HEAD not in screen(terminal)
    finally:
        terminal.close()


def test_a_theme_is_changed_on_a_terminal_and_holds_the_next_time(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.command(f"load {TIMEOUT}")
    terminal.command("set theme mono")
    terminal.raw = b""
    terminal.command("show conversation 0")
    assert b"\x1b[1;4m401 Unauthorized\x1b[0m" in terminal.raw
    assert b"38;5;" not in terminal.raw
    terminal.type("exit\r")
    assert terminal.end() == 0
    again = Terminal([TIMEOUT], cwd=tmp_path, environment={"COLORFGBG": "0;15"})
    try:
        again.command("show conversation 0")
        assert b"\x1b[1;4m401 Unauthorized\x1b[0m" in again.raw
        again.command("unset theme")
        again.command("show conversation 0")
        assert b"\x1b[38;5;88m401 Unauthorized\x1b[0m" in again.raw
    finally:
        again.close()


async def test_without_a_terminal_it_is_printed_each_time(shell: Shell) -> None:
    console = shell.console
    assert await shell("watch show conversations | count every 1s times 2") == ["45", "45"]
    task = asyncio.create_task(console.execute("watch show conversations sorted | count"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await shell.written() == ["45"]
    assert console.watch is None


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("watch load x", "only show, list, diagnose and help are watched, not load"),
        ("watch s", "only show, list, diagnose and help are watched, not s"),
        ("watch exit every 2s", "only show, list, diagnose and help are watched, not exit"),
        ("watch show states every 0s", "every takes a whole number from 1 to 3600, as in every 2s"),
        ("watch show states times 0", "times takes a number from 1, as in times 5"),
        (
            "watch show states every x",
            "every takes a whole number from 1 to 3600, as in every 2s, not x",
        ),
        ("watch show states times", "times takes a number from 1, as in times 5"),
        ("watch show states | save x", "what is watched saves nothing: leave out the last | save"),
        ("watch show converstaions", "unknown word converstaions: did you mean conversations?"),
        ("unwatch", "nothing is watched"),
    ],
)
async def test_what_can_not_be_watched(shell: Shell, line: str, error: str) -> None:
    shell.console.in_shell = True
    assert await shell(line) == [f"*** Error! {error}"]
    assert shell.console.watch is None


async def test_one_watch_at_a_time(shell: Shell) -> None:
    console = shell.console
    console.in_shell = True
    assert await shell("watch show conversations | count") == []
    first = console.watch
    assert first is not None
    assert first.seconds == 2
    assert await shell("watch sh filter every 5 s") == []
    second = console.watch
    assert second is not None
    assert [text for _, text in second.drawn(80, 24) if text != "\n"] == [
        "every 5 s: sh filter",
        "condition or",
    ]
    assert await shell("unwatch") == []
    assert console.watch is None


async def test_an_alias_of_what_looks_is_watched(shell: Shell) -> None:
    await shell("alias sc = show conversations")
    await shell("alias bad = load")
    assert await shell("watch sc | count times 1") == ["45"]
    [line] = await shell("watch bad x times 1")
    assert "are watched" in line


async def test_the_command_is_completed(shell: Shell) -> None:
    session = shell.console.session
    assert [one.text for one in offers(session, "watch sh", GENERAL)[1]] == ["show"]
    assert [one.text for one in offers(session, "watch ", GENERAL)[1] if one.text == "load"] == []
    typed, found = offers(session, "watch show conversations dstnum 56600", GENERAL)
    assert (typed, [one.text for one in found]) == ("56600", ["5660066"])
    typed, found = offers(session, 'watch show conversations callid "35e857d642ef6', GENERAL)
    assert (typed, len(found)) == ('"35e857d642ef6', 1)
    behind = [one.text for one in offers(session, "wat show states ", GENERAL)[1]]
    assert {"| count", "every", "times"} <= set(behind)
    assert [one.text for one in offers(session, "watch show states | ex", GENERAL)[1]] == ["except"]
    shown = listing(session, "watch ", GENERAL, 80)
    assert [line.split()[0] for line in shown] == ["show", "help", "diagnose", "list"]


async def test_others_have_their_turn_while_the_command_is_completed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "at_once", None)
    for begin in ("watch ", "run ", "alias x = "):
        found = await in_turns(
            completion.search(
                shell.console.session, f"{begin}show conversations dstnum 56600", GENERAL
            )
        )
        assert [one.text for one in found.offers] == ["5660066"]


async def test_no_more_is_kept_than_is_shown(shell: Shell) -> None:
    kept = Kept(shell.console.out)
    made = 0

    def rows() -> Iterator[str]:
        nonlocal made
        while True:
            made += 1
            yield f"row {made}\nmore"

    await kept.rows(rows())
    assert len(kept.kept) == WATCH_LINES + 1
    assert made == WATCH_LINES // 2 + 1
    kept.line("\x1b]0;x\x07")
    assert not any("\x1b" in line for line in kept.kept)


async def test_colours_are_drawn_as_they_are_printed(tmp_path: Path) -> None:
    made = Shell(tmp_path, paint=Paint(True))
    async with made.console.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        watch = Watch(made.console, "show conversation 0", 1, 1)
        assert await watch.begin() == ""
        styles = {text.strip(): style for style, text in watch.drawn(80, 60)}
        assert styles["401 Unauthorized"] == "bold #ff0087"
        assert styles["every 1 s: show conversation 0"] == "dim"
        assert not any(SGR.search(text) for text in styles)
        watch.end()
    made.close()
