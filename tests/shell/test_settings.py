"""set, unset, show settings; named filters, aliases, scripts: as commands answer."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES
from terminal import Terminal

from sipstream import plan
from sipstream.limits import MAX_SCRIPT, SCRIPT_DEPTH
from sipstream.render.colours import PLAIN, THEMES, Paint
from sipstream.settings import SETTINGS, Named, Settings
from sipstream.shell import help as help_texts
from sipstream.shell.completion import listing, offers
from sipstream.shell.registry import FILTER, GENERAL


def texts(shell: Shell, line: str, context: str = GENERAL) -> list[str]:
    return [one.text for one in offers(shell.console.session, line, context)[1]]


async def test_a_setting_applies_at_once_and_is_kept(shell: Shell) -> None:
    assert shell.console.paging
    assert await shell("set paging off") == []
    assert not shell.console.paging
    assert shell.config.read_text().startswith("paging = false # Long answers stop")
    assert not Settings.read(shell.config).on("paging")
    assert await shell("unset paging") == []
    assert shell.console.paging
    assert shell.config.read_text() == ""


async def test_a_theme_applies_to_the_next_answer(tmp_path: Path) -> None:
    made = Shell(tmp_path, paint=Paint(True))
    async with made.console.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        await made("show conversation 0")
        await made("set theme mono")
        shown = "\n".join(await made("show conversation 0"))
        assert "\x1b[1;4m401 Unauthorized\x1b[0m" in shown
        assert "38;5" not in shown
        await made("set theme dark")
        assert THEMES["dark"].failure in "\n".join(await made("show conversation 0"))
    made.close()


async def test_no_colours_stay_none_whatever_the_theme(shell: Shell) -> None:
    await shell("set theme dark")
    assert not any("\x1b" in line for line in await shell("show conversation 0"))
    assert PLAIN.theme is THEMES["both"]


async def test_the_numbering_plan_is_that_of_the_settings(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_plan", plan.Plan())
    asked = "show conversations dstnum 3545660066 | count"
    assert await shell(asked) == ["0"]
    await shell("set country_code 354")
    assert await shell(asked) == ["1"]
    await shell('set country_code ""')
    assert await shell(asked) == ["0"]
    await shell("set region is")
    assert await shell(asked) == ["1"]
    assert await shell("set region Iceland") == [
        "*** Error! region is two letters of a country, such as IS, \"\" for none, not 'Iceland'"
    ]


async def test_wrong_values_change_nothing(shell: Shell) -> None:
    assert await shell("set theme drak") == [
        "*** Error! theme is dark, light, mono or auto, not 'drak'"
    ]
    assert await shell("set them dark") == []
    assert await shell("set thme dark") == ["*** Error! unknown word thme: did you mean theme?"]
    [line] = await shell("unset thme")
    assert line == "*** Error! unknown setting thme: 'show settings' lists them"
    assert shell.console.session.settings.text("theme") == "dark"


async def test_show_settings_lists_all_and_says_what_was_changed(shell: Shell) -> None:
    await shell("set watch_seconds 9")
    lines = await shell("show settings")
    assert [line.split()[:3] for line in lines if "changed" in line] == [
        ["watch_seconds", "9", "changed"]
    ]
    assert "theme           auto   default  Colours for a dark or a light terminal" in lines[0]
    assert await shell("show settings | count") == [str(len(SETTINGS))]


async def test_settings_as_objects(tmp_path: Path) -> None:
    made = Shell(tmp_path, as_json=True)
    await made("set columns time, state")
    found = {one["setting"]: one for one in map(json.loads, await made("show settings"))}
    assert (found["columns"]["value"], found["columns"]["default"]) == (["time", "state"], [])
    assert (found["columns"]["changed"], found["paging"]["changed"]) == (True, False)
    await made("alias sc = show conversations")
    assert list(map(json.loads, await made("alias"))) == [
        {"name": "sc", "text": "show conversations"}
    ]
    made.close()


async def test_what_can_not_be_kept_holds_for_the_run(shell: Shell) -> None:
    shell.config.parent.mkdir()
    os.mkfifo(shell.config)
    [line] = await shell("set theme light")
    assert line == (
        f"This holds until the program ends, it can't be kept: {shell.config}: is no file"
    )
    assert shell.console.session.settings.text("theme") == "light"


async def test_the_conditions_of_filters_come_first_in_their_context(shell: Shell) -> None:
    await shell("filter")
    assert await shell("set condition and") == ["45 conversations"]
    assert await shell("set co or") == ["0 conversations"]
    assert await shell("set theme light") == []
    assert shell.console.session.settings.text("theme") == "light"
    [line] = await shell("set nonsense")
    assert line == "*** Error! unknown word nonsense: it may be condition"


async def test_settings_are_completed_and_have_help(shell: Shell) -> None:
    assert texts(shell, "set th") == ["theme"]
    assert texts(shell, "set theme ") == ["dark", "light", "mono", "auto"]
    assert texts(shell, "unset watch") == ["watch_seconds"]
    assert "condition" in texts(shell, "set ", FILTER)
    assert "theme" in texts(shell, "set ", FILTER)
    [row] = [line for line in (help_texts.of("set", GENERAL) or "").split("\n") if "mono" in line]
    assert row.split()[:2] == ["theme", "<dark|light|mono|auto>"]
    text = help_texts.of("set country_code", GENERAL)
    assert text is not None
    assert text.startswith("set country_code <digits>\n\nCountry code that numbers have")


async def test_filters_are_saved_and_loaded(shell: Shell) -> None:
    assert await shell("save filter mine") == [
        "*** Error! no filter is active: 'filter' and 'add' make one that can be saved"
    ]
    for line in ("filter", "set condition and", "add dstnum 5660066", "add method INVITE"):
        await shell(line)
    assert await shell("save filter mine") == ["Filter mine: dstnum 5660066 and method INVITE"]
    await shell("reset")
    assert await shell("load filter mine") == ["1 conversations"]
    assert await shell("show") == ["condition or", "dstnum 5660066 and method INVITE"]
    await shell("reset")
    await shell("exit")
    assert await shell("load filter mine") == ["1 conversations"]
    assert await shell("show filters") == ["mine  dstnum 5660066 and method INVITE"]
    assert Settings.read(shell.config).filters["mine"].text == "dstnum 5660066 and method INVITE"
    assert texts(shell, "load filter m") == ["mine"]
    assert texts(shell, "delete filter ") == ["mine"]
    assert await shell("delete filter mine") == []
    assert await shell("load filter mine") == [
        "*** Error! no filter mine: 'show filters' lists them"
    ]
    assert Settings.read(shell.config).filters == {}
    # What is active stays.
    assert await shell("show conversations | count") == ["1"]


async def test_a_filter_of_the_file_that_makes_no_sense_is_told_when_it_is_used(
    shell: Shell,
) -> None:
    settings = shell.console.session.settings
    settings.filters["bad"] = Named("dstnum 1 and", "config.toml line 7")
    lines = await shell("load filter bad")
    assert lines[0].startswith("*** Error! filter bad (config.toml line 7): ")
    assert lines[1:] == ["  dstnum 1 and", "              ^"]
    assert not shell.console.session.filters.active


@pytest.mark.parametrize("name", ["filter", "f", "filt"])
async def test_a_file_may_be_named_as_the_word_filter(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes((CAPTURES / "timeout.pcap").read_bytes())
    [first, _] = await shell(f"load {name}")
    assert first == f"Processing file {name}..."
    assert name in texts(shell, f"load {name[:1]}")


@pytest.mark.parametrize("name", ['"a b"', "a/b", "-x", "x" * 65])
async def test_names_are_words(shell: Shell, name: str) -> None:
    await shell("filter")
    await shell("add dstnum 1")
    [line] = await shell(f"save filter {name}")
    assert "is no name: letters, digits" in line
    assert not shell.config.exists()


async def test_columns_are_those_of_list(shell: Shell) -> None:
    assert await shell("set columns index,state time") == []
    heading, line = await shell("list dstnum 5660066 last 1")
    assert heading.split() == ["#", "state", "time"]
    assert line.split() == ["10", "calling", "16:41:37.979995"]
    heading, _ = await shell("list dstnum 5660066 columns method")
    assert heading == "method"
    [line] = await shell("set columns index,stat")
    assert line.startswith("*** Error! columns is some of index, time, method, numbers, endpoints,")
    assert line.endswith(" state and finding, not 'index,stat'")
    assert texts(shell, "set columns index,sta") == ["status", "state"]


async def test_an_alias_of_run_comes_to_an_end(shell: Shell) -> None:
    await shell("alias again = run again")
    await shell("alias sc = show conversations")
    assert await shell("again") == [
        "*** Error! run takes a command of the general context, not another run"
    ]
    assert await shell("run sc | count") == ["45"]


async def test_an_alias_stands_for_the_first_word_once(shell: Shell) -> None:
    assert await shell("alias sc = show conversations") == []
    assert await shell("alias scc = sc sorted") == [
        "*** Error! unknown command sc: 'help' lists them"
    ]
    assert await shell("sc sorted | count") == ["45"]
    assert await shell("alias invites = show conversations method INVITE | count") == []
    [count] = await shell("invites")
    assert 0 < int(count) < 45
    assert await shell("alias") == [
        "invites  show conversations method INVITE | count",
        "sc       show conversations",
    ]
    assert texts(shell, "sc") == ["sc"]
    assert "sorted" in texts(shell, "sc ")
    assert "sorted" in "\n".join(listing(shell.console.session, "sc ", GENERAL, 80))
    assert set(texts(shell, "alias x = show conv")) == {"conversation", "conversations"}
    assert await shell("unalias sc") == []
    assert (await shell("sc"))[0].startswith("*** Error! unknown command sc")
    assert await shell("unalias sc") == ["*** Error! no alias sc: 'alias' lists them"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("alias show = help", "show is a command, and no alias may hide it"),
        ("alias add = help", "add is a command, and no alias may hide it"),
        ("alias x", "missing argument: alias takes NAME = COMMAND"),
        ("alias x =", "missing argument: alias takes NAME = COMMAND"),
        ("alias a b = help", "'a b' is no name"),
    ],
)
async def test_aliases_that_can_not_be(shell: Shell, line: str, error: str) -> None:
    [said] = await shell(line)
    assert said.startswith(f"*** Error! {error}")
    assert shell.console.session.settings.aliases == {}


async def test_an_alias_can_not_run_for_ever(shell: Shell) -> None:
    shell.console.session.settings.aliases["loop"] = Named("loop x")
    assert (await shell("loop"))[0].startswith("*** Error! unknown command loop")


async def test_a_script_runs_to_its_end_and_says_what_failed(shell: Shell, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(
        "# setup\nfilter\nadd dstnum 5660066\nexit\n\nbogus\nshow conversations | count\n"
    )
    assert await shell(f"source {script}") == [
        "1 conversations",
        f"*** Error! {script} line 6: unknown command bogus: 'help' lists them",
        "1",
        f"*** Error! 1 command of {script} failed",
    ]
    assert not await shell.console.execute(f"source {script}")
    script.write_text("show filter\n")
    assert await shell.console.execute(f"source {script}")


async def test_scripts_within_scripts_have_an_end(shell: Shell, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"source {script}\n")
    lines = await shell(f"source {script}")
    assert len(lines) == SCRIPT_DEPTH + 1
    assert "isn't run: it would be script 9 within others" in lines[0]
    script.write_text("show follows\n")
    assert await shell(f"source {script}") == ["nothing is followed"]


async def test_exit_in_a_script_ends_the_program(shell: Shell, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("exit\nshow follows\n")
    assert await shell(f"source {script}") == []
    assert shell.console.finished


@pytest.mark.parametrize("kind", ["none", "folder", "fifo", "large"])
async def test_scripts_that_can_not_be_read(shell: Shell, tmp_path: Path, kind: str) -> None:
    script = tmp_path / "script"
    if kind == "folder":
        script.mkdir()
    elif kind == "fifo":
        os.mkfifo(script)
    elif kind == "large":
        script.write_bytes(b"#" * (MAX_SCRIPT + 1))
    says = {
        "none": "can't be read: no such file or directory",
        "folder": "can't be read: is a directory",
        "fifo": "is no file",
        "large": "has more than 1 MiB",
    }
    assert await shell(f"source {script}") == [f"*** Error! {script} {says[kind]}"]


async def test_a_script_is_ended_by_its_being_cancelled(shell: Shell, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("show follows\n" * 50_000)
    task = asyncio.create_task(shell.console.execute(f"source {script}"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (shell.console.depth, shell.console.place) == (0, "")
    assert 0 < len(await shell.written()) < 50_000


def test_the_prompt_does_as_the_settings_say(tmp_path: Path) -> None:
    terminal = Terminal([], cwd=tmp_path)
    try:
        terminal.command("show filter")
        terminal.type("show fi")
        terminal.editing("sipstream: show filter")
        terminal.type("\x03")
        terminal.command("set suggestions off")
        terminal.command("set history off")
        terminal.command("show follows")
        terminal.type("show fi")
        terminal.editing("sipstream: show fi")
        terminal.type("\x03")
        terminal.command("set keys vi")
        terminal.type("show filtxer\x1b")
        # Vi's own keys: back to the x, which goes.
        terminal.pump(0.8)
        terminal.type("Fxx")
        terminal.editing("sipstream: show filter")
        terminal.type("A\r")
        terminal.at_prompt()
        terminal.type("exit\r")
        assert terminal.end() == 0
    finally:
        terminal.close()
    [history] = (tmp_path / "state").rglob("history")
    text = history.read_text()
    assert "+set history off" in text
    assert "show follows" not in text


def test_faults_of_the_file_are_told_at_the_start(tmp_path: Path) -> None:
    config = tmp_path / "config" / "sipstream" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('# mine\n\n\ntheme = "drak"\n[aliases]\nfi = "show filter"\n')
    terminal = Terminal([], cwd=tmp_path)
    try:
        terminal.command("fi")
        terminal.until("^condition or")
        told = "*** Error! config.toml line 4: theme is dark, light, mono or auto, not 'drak'"
        assert terminal.lines().count(told) == 1
    finally:
        terminal.close()
