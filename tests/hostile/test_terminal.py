"""The real shell on a real terminal, fed with all that acts on terminals or deceives who reads them."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hostile_inputs import enhanced, hep3, interface, option, outer, pcap, printed, section
from support import ethernet, ipv4, udp
from terminal import Terminal
from terminal_attacks import (
    ATTACKS,
    HARMLESS,
    TORTURE,
    assert_harmless,
    call,
    calls,
    own_and_rest,
    raw,
    torture,
)

from sipstream.escape import cut, escape

COLUMNS = 400
NAME = "odd \x1b]0;owned\x07\x9b2J\u202e\nline\\x1b.pcapng"
"""A file's name; the line feed and the backslash are meant to forge lines and escapes."""

Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Terminal] = []

    def begin(*arguments: str) -> Terminal:
        opened.append(Terminal(list(arguments), cwd=tmp_path, columns=COLUMNS, rows=100))
        opened[-1].at_prompt()
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def write_pcap(path: Path, messages: Iterable[bytes]) -> None:
    frames = [ethernet(ipv4(udp(one))) for one in messages]
    path.write_bytes(pcap(frames, times=[(number, 0) for number in range(len(frames))]))


def paste(terminal: Terminal, *lines: str) -> None:
    """Paste lines as they are, attacks included, and run them."""
    terminal.child.send(b"\x1b[200~" + raw("\n".join(lines)) + b"\x1b[201~\r")
    terminal.pump(0.3)
    terminal.at_prompt()


def complete(terminal: Terminal, line: str) -> None:
    """Type the beginning of a line, let Tab complete it and run it."""
    terminal.type(line + "\t")
    end = time.monotonic() + 10
    while terminal.screen.display[terminal.screen.cursor.y].endswith(line):
        assert time.monotonic() < end, "nothing was completed"
        terminal.pump(0.1)
    terminal.pump(0.1)
    terminal.type("\r")


def assert_untouched(terminal: Terminal) -> None:
    """Nothing but text and the shell's own drawing has reached the terminal."""
    own, rest = own_and_rest(terminal.raw)
    assert len(own) > 20
    assert b"Traceback" not in rest
    assert_harmless(terminal.raw)
    assert terminal.screen.title == ""
    assert terminal.screen.icon_name == ""
    assert b"\x1b]" not in terminal.raw


def everything_of(count: int) -> list[str]:
    """The commands that show all there is of so many conversations."""
    return [
        "show conversations",
        "show conversations sorted",
        *(f"show conversation {number}" for number in range(count)),
        *(f"show conversation {number} messages" for number in range(count)),
        *(f"show conversation {number} message 0" for number in range(count)),
        "show sources",
        "show states",
    ]


@pytest.mark.parametrize("way", ["pcap", "-v", "-X"])
def test_attacks_in_every_field(start: Start, tmp_path: Path, way: str) -> None:
    """Row T1: method, URI, reason, names and values of headers, SDP, Call-ID, in every command."""
    messages = calls()
    if way == "pcap":
        write_pcap(tmp_path / "attacks", messages)
    else:
        text = b"".join(printed(ipv4(udp(one)), way, n) for n, one in enumerate(messages))
        (tmp_path / "attacks").write_bytes(text)
    terminal = start("attacks")
    paste(terminal, *everything_of(len(ATTACKS)))
    assert_untouched(terminal)
    shown = set(terminal.lines())
    # pyte joins a letter and its mark.
    shown_as = unicodedata.normalize("NFC", HARMLESS)
    for name, attack in ATTACKS.items():
        wanted = [f"Subject: {escape(attack)}", f"User-Agent: {shown_as}", f"s={escape(attack)}"]
        wanted += [f"SIP/2.0 480 Gone {escape(attack)}", f"CSeq: 1 PU{escape(attack)}SH"]
        wanted += [f"X-{escape(attack)}: {escape(attack)}", f"Call-ID: {escape(name + attack)}@h"]
        assert [one for one in wanted if len(one) < COLUMNS and one not in shown] == []


@pytest.mark.skipif(not TORTURE.is_dir(), reason="needs the captures in ../shared")
def test_the_torture_set(start: Start, tmp_path: Path) -> None:
    """Row T1, and what the torture set has: all its attacks on terminals."""
    messages = torture()
    assert len(messages) >= 17
    write_pcap(tmp_path / "attacks.pcap", messages)
    terminal = start("attacks.pcap")
    paste(terminal, *everything_of(len(messages)))
    assert_untouched(terminal)
    shown = set(terminal.lines())
    for path in sorted(TORTURE.glob("term-*")):
        lines = path.read_bytes().split(b"\r\n")
        assert [one for one in map(escape, lines) if one and one not in shown] == [], path.name


def test_a_file_and_an_interface_with_odd_names(start: Start, tmp_path: Path) -> None:
    """Row T1: names of files and capture points, the node name of a HEP agent."""
    node = b"node\x1b]0;owned\x07"
    frames = [outer(udp(hep3(one, (19, node)), 51_000, 9060)) for one in call("x", "hep")]
    frames += [ethernet(ipv4(udp(one))) for one in call("x", "plain")]
    tap = raw("eth\x1b[2J\u202e\n0")
    capture = section() + interface(options=option(2, tap)) + b"".join(map(enhanced, frames))
    (tmp_path / NAME).write_bytes(capture)
    terminal = start()
    complete(terminal, "load odd")
    terminal.until(r"^2 conversations \(6 SIP messages\) extracted")
    shown = re.escape(escape(NAME))
    terminal.until(f"^Processing file {shown}\\.\\.\\.$")
    paste(terminal, "show conversation 0 messages", "show conversation 1 messages", "show sources")
    terminal.until(rf"length: \d+ \(on {re.escape(escape(tap))}\)")
    terminal.until(rf"length: \d+ \(on {re.escape(escape(raw(node.decode())))}, in HEP")
    terminal.until(f"^{shown}: 6 packets")
    assert_untouched(terminal)


def test_errors_about_odd_names_are_one_line(start: Start, tmp_path: Path) -> None:
    """Row T1: what can't be read or isn't there, watched files included, in errors and notes."""
    (tmp_path / NAME).write_bytes(b"no capture\n" * 100)
    (tmp_path / f"folder{NAME}").mkdir()
    terminal = start(NAME, f"folder{NAME}", f"none{NAME}", "--tail", f"later{NAME}")
    shown = re.escape(escape(NAME))
    terminal.until(rf"^\*\*\* Error! {shown}: ")
    terminal.until(rf"^\*\*\* Error! folder{shown}: is a directory")
    terminal.until(rf"^\*\*\* Error! none{shown}: no such file")
    terminal.until(rf"^later{shown}: isn't there yet")
    (tmp_path / f"later{NAME}").write_bytes(pcap([ethernet(ipv4(udp(call("x", "x")[0])))]))
    terminal.until(rf"^later{shown}: is there now")
    complete(terminal, "untail later")
    terminal.until(rf"^later{shown} is no longer watched")
    assert_untouched(terminal)


def test_attacks_typed_into_the_prompt(start: Start, tmp_path: Path) -> None:
    """Row T1: in what the prompt echoes, in errors about it, in the prompt itself, in history."""
    write_pcap(tmp_path / "attacks.pcap", calls())
    terminal = start("attacks.pcap")
    attacks = [one for one in ATTACKS.values() if "\x0b" not in one]
    for command in (
        "show conversation {}",
        "{}",
        "help {}",
        "load {}",
        "message {}",
        "unfollow {}",
    ):
        paste(terminal, *(command.format(attack) for attack in attacks))
    paste(terminal, "filter", *(f"add callid {attack}" for attack in attacks))
    paste(terminal, *(f"add header Subject {attack}" for attack in attacks), "show", "reset")
    paste(terminal, *(f"del srcnum {attack}" for attack in attacks), "exit")
    paste(terminal, *(f"follow callid {attack} messages" for attack in attacks), "show follows")
    for attack in attacks:
        terminal.child.send(b"\x1b[200~show " + raw(attack) + b"\x1b[201~ ?\x03")
    terminal.type("\x1b[A" * 3 * len(attacks))
    terminal.type("\x03\x12follow\x12\x12\x12\x03\x15")
    terminal.at_prompt()
    assert_untouched(terminal)
    [history] = (tmp_path / "state").rglob("history")
    assert_harmless(history.read_bytes())
    again = start("attacks.pcap")
    again.type("\x1b[A" * 3 * len(attacks))
    again.type("\x03")
    again.at_prompt()
    assert_untouched(again)


def test_attacks_in_the_menu_and_the_context(start: Start, tmp_path: Path) -> None:
    """Row T1: in what Tab and ? offer, and in the prompt of a conversation's context."""
    write_pcap(tmp_path / "attacks.pcap", calls())
    terminal = start("attacks.pcap")
    for line in ("show conversation ", "follow callid ", "follow srcnum ", "follow header From "):
        terminal.type(line + "?")
        terminal.pump(0.2)
        terminal.type("\t" * (len(ATTACKS) + 2))
        terminal.pump(0.3)
        terminal.type("\x15")
        terminal.at_prompt()
    for name in ("csi", "title", "dcs", "return", "bidi", "marks", "c0"):
        shown = escape(f"{name}{ATTACKS[name]}@h")
        complete(terminal, f"conversation {name}")
        terminal.until("^" + re.escape(f"sipstream[conversation {cut(shown, 64)}]:"))
        paste(terminal, "show", "exit")
    assert_untouched(terminal)


def test_attacks_in_follows(start: Start, tmp_path: Path) -> None:
    """Row T1: in messages printed above the prompt as they come."""
    terminal = start()
    paste(terminal, "tail grows.pcap", "follow callid *", "follow callid * messages")
    terminal.type("half a line")
    write_pcap(tmp_path / "grows.pcap", calls())
    terminal.until(rf"^#1 .* bytes{re.escape(escape(ATTACKS['bytes']))}@h$")
    terminal.until(f"^Subject: {re.escape(escape(ATTACKS['bytes']))}$")
    terminal.editing("sipstream: half a line")
    assert_untouched(terminal)


def test_attacks_in_tables_and_what_is_watched(start: Start, tmp_path: Path) -> None:
    """Row T1: in list, behind pipes, as CSV and JSON, in lines drawn above the prompt, page by page."""
    write_pcap(tmp_path / "attacks.pcap", calls() * 6)
    terminal = start("attacks.pcap")
    paste(
        terminal,
        "list",
        "list sorted by numbers desc columns index,numbers,method,endpoints",
        "show conversations | display csv | no-more",
        "show conversations | display json | no-more",
        "show conversation 0 messages | match Subject",
        "show conversations sorted | last 3",
        'watch show conversations sorted | find "^." every 1s',
    )
    terminal.until("^every 1 s: show conversations sorted")
    terminal.pump(1.2)
    paste(terminal, "watch list columns numbers every 1s", "unwatch")
    terminal.type("show conversation 0 messages\r")
    terminal.until("^-- more -- ")
    terminal.type(" q")
    terminal.at_prompt()
    assert_untouched(terminal)
    shown = terminal.lines()
    # Behind the state stands what was found of the call.
    failed = [line for line in shown if re.search(" failed( |$)", line)]
    assert sum("PU" not in line for line in failed) >= len(ATTACKS)
    saved = escape(f"return{ATTACKS['return']}@h")
    assert [line for line in shown if line.startswith(f"{saved},")]


def test_attacks_in_settings_scripts_and_files(start: Start, tmp_path: Path) -> None:
    """Row T1: in the file of settings, in scripts and their names, in files that answers are saved in."""
    act = "\\u001b]0;owned\\u0007\\u009b2J\\u202e\\n"
    (tmp_path / "config" / "sipstream").mkdir(parents=True, mode=0o700)
    (tmp_path / "config" / "sipstream" / "config.toml").write_text(
        f'theme = "{act}"\ncolumns = ["{act}"]\n"{act}" = 1\nx = {raw(ATTACKS["csi"])!r}\n'
        f'[filters]\n"{act}" = "x"\ny = "{act}"\nz = "callid \\\\u001b[2J and"\n'
        f'[aliases]\n"{act}" = "x"\nshow = "{act}"\n'
    )
    write_pcap(tmp_path / "attacks.pcap", calls())
    terminal = start("attacks.pcap")
    terminal.until(
        r"^\*\*\* Error! config.toml line 1: theme is dark, light, mono or auto, not '\\x1b"
    )
    attacks = [one for one in ATTACKS.values() if "\n" not in one and "\r" not in one]
    lines = [f"show conversations callid {one} (" for one in attacks]
    lines += [f"alias x = {one}" for one in attacks] + [f"set theme {one}" for one in attacks]
    lines += [f"save filter {one}" for one in attacks] + [f"list new {one}" for one in attacks]
    lines += [f"show states | match ({one}" for one in attacks]
    (tmp_path / NAME).write_bytes(raw("\n".join([*lines, "load filter z", f"source none{NAME}"])))
    (tmp_path / f"folder{NAME}").mkdir()
    complete(terminal, "source odd")
    terminal.until("commands of .* failed$")
    paste(terminal, "show filters", "alias", "show settings")
    paste(terminal, *(f"show states | save {attack}" for attack in attacks))
    paste(terminal, *(f"show states | display {attack}" for attack in attacks))
    complete(terminal, "show states | save folder")
    terminal.until(r"^\*\*\* Error! folderodd .* is there already|can't be written")
    assert_untouched(terminal)
