"""Attacks on terminals where the output goes elsewhere: a pipe, a pager, a log, JSON; and to a shell."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_inputs import pcap
from support import ethernet, ipv4, needs, sip, udp
from terminal import Terminal
from terminal_attacks import ATTACKS, assert_harmless, calls, raw, torture

from sipstream.escape import escape
from sipstream.limits import MAX_CALL_ID
from sipstream.shell.words import as_word

COMMANDS = [
    "show conversations",
    "show conversations sorted",
    *(f"show conversation {number} messages" for number in range(len(ATTACKS))),
    *(f"show conversation {number}" for number in range(len(ATTACKS))),
    "show sources",
    "show nothing \x1b]0;owned\x07\x9b2J\u202e",
    "load \x1b]0;owned\x07",
]
NAME = "odd\x1b]0;owned\x07.pcap"


def command(*arguments: str) -> list[str]:
    """What runs all commands on the attacks."""
    asked = [word for one in COMMANDS for word in ("-c", one)]
    return [sys.executable, "-m", "sipstream", NAME, *arguments, *asked]


def run(folder: Path, *arguments: str) -> tuple[bytes, bytes]:
    """Standard output and standard error of all commands."""
    done = subprocess.run(command(*arguments), cwd=folder, capture_output=True, timeout=60)
    assert done.returncode == 1, "two commands are wrong on purpose"
    return done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / NAME, [*calls(), *torture()])
    return tmp_path


def write(path: Path, messages: list[bytes]) -> None:
    path.write_bytes(pcap([ethernet(ipv4(udp(one))) for one in messages]))


def test_through_a_pipe(folder: Path) -> None:
    """Row T2: standard output and standard error, neither of them a terminal."""
    for written in run(folder):
        assert_harmless(written)
        assert b"\x1b" not in written
        assert b"\r" not in written
        assert rb"\x1b]0;owned\x07" in written


def test_json(folder: Path) -> None:
    """Row T2: under --json the traffic's own text, in printable ASCII."""
    out, errors = run(folder, "--json")
    assert_harmless(errors)
    assert out.isascii()
    lines = out.decode().splitlines()
    assert all(line.isprintable() for line in lines)
    found = {one.get("call_id") for one in map(json.loads, lines)}
    assert {f"{name}{attack}@h" for name, attack in ATTACKS.items()} <= found


@pytest.mark.parametrize("tool", [pytest.param("", marks=needs("script"))])
def test_in_the_log_of_script(folder: Path, tool: str) -> None:
    """Row T2: a log that script(1) writes of a terminal; colours are on there."""
    wanted = ["script", "-qec", shlex.join(command()), "log"]
    subprocess.run(wanted, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    log = (folder / "log").read_bytes()
    first, _, rest = log.partition(b"\n")
    assert first.startswith(b"Script started")
    assert b"\x1b[1mINVITE\x1b[0m" in rest
    # script's own first and last line quote nothing of ours but the command.
    assert_harmless(rest.partition(b"\nScript done")[0])


@pytest.mark.parametrize("tool", [pytest.param("", marks=needs("less"))])
def test_in_a_pager_that_lets_codes_through(folder: Path, tool: str) -> None:
    """Row T2: `less -R` shows what was written, and does nothing else."""
    terminal = Terminal.of(["/bin/sh", "-c", f"{shlex.join(command())} 2>&1 | less -R"], cwd=folder)
    try:
        terminal.until(r"^[:(]|lines 1-")
        terminal.type("G")
        terminal.pump(1)
        terminal.until("show nothing|unknown word")
        terminal.type("?reason=real\r")
        terminal.until(r"reason=real\\x0dFAKE")
        terminal.type("q")
        terminal.end()
    finally:
        terminal.close()
    assert b"\x1b]" not in terminal.raw
    assert terminal.screen.title == ""
    acting = [one for one in map(raw, ATTACKS.values()) if not one.decode("latin-1").isprintable()]
    assert len(acting) > 15
    assert [one for one in acting if one in terminal.raw] == []


# What looks alike, and what is pasted


def test_call_ids_that_look_alike(tmp_path: Path) -> None:
    """Row T4: each text and what it is shown as are two calls; what is shown leads to the right one."""
    names = [f"{name}{attack}" for name, attack in ATTACKS.items()]
    ids = [one for text in names for one in (text, escape(text), escape(escape(text)))]
    ids = list(dict.fromkeys(one for one in ids if len(raw(one)) <= MAX_CALL_ID))
    assert len(ids) > 2 * len(names)
    write(tmp_path / NAME, [sip(call_id="HERE").replace(b"HERE", raw(one)) for one in ids])
    asked = [word for one in ids for word in ("-c", f"show conversation {as_word(one)}")]
    program = [sys.executable, "-m", "sipstream", NAME, "--json"]
    done = subprocess.run([*program, *asked], cwd=tmp_path, capture_output=True, timeout=60)
    found = [json.loads(line)["call_id"] for line in done.stdout.splitlines()]
    assert found == ids
    done = subprocess.run(
        [*program[:-1], "-c", "show conversations"], cwd=tmp_path, capture_output=True, timeout=60
    )
    assert len(set(done.stdout.decode().splitlines())) >= len(ids)


BREAKS = [
    "\r",
    "\n ",
    "\r\n ",
    "\r\n\t",
    "\x0b",
    "\x0c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[E",
    "\x1bD",
]


@pytest.mark.parametrize("end", BREAKS, ids=ascii)
def test_a_shown_line_is_one_line_when_it_is_pasted(tmp_path: Path, end: str) -> None:
    """Row T5: line ends within From, To, Call-ID and reason: lists have a line a call, one for sh too."""
    field = f"a{end}touch owned;{end}b"
    inline = field if not end.endswith((" ", "\t")) else "a"
    messages = [
        sip(call_id="HERE", source=f'"{field}" <sip:x y@a>', destination=field),
        sip(f"SIP/2.0 404 {inline}", call_id="HERE", source=field, destination="2"),
    ]
    messages = [one.replace(b"HERE", raw(inline)) for one in messages]
    write(tmp_path / "lines.pcap", messages)
    program = [sys.executable, "-m", "sipstream", "lines.pcap"]
    for asked in ("show conversations", "show conversations sorted", "show conversation 0"):
        done = subprocess.run(
            [*program, "-c", asked], cwd=tmp_path, capture_output=True, timeout=60
        )
        shown = done.stdout.splitlines()[2:]
        assert 1 <= len(shown) <= 3, shown
        for line in shown:
            count = ["sh", "-c", "n=0; while IFS= read -r x; do n=$((n+1)); done; echo $n"]
            read = subprocess.run(count, input=line + b"\n", capture_output=True, check=True)
            assert read.stdout == b"1\n"
            assert line.decode().isprintable()
