"""The shell on a real terminal, as an engineer uses it."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from benchmarks.generate import write_pcap, write_tcp
from support import CAPTURES
from terminal import Terminal

TIMEOUT = str(CAPTURES / "timeout.pcap")
CALL_ID = "35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060"

Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Terminal] = []

    def begin(*arguments: str, **options: object) -> Terminal:
        opened.append(Terminal(list(arguments), cwd=tmp_path, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def test_a_newcomer_is_told_three_commands(start: Start) -> None:
    terminal = start()
    terminal.at_prompt()
    text = "\n".join(terminal.lines())
    assert "load FILE" in text
    assert "follow dstnum" in text
    assert "'help'" in text


def test_tab_completes_commands_terms_and_call_ids(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.at_prompt()
    terminal.type("foll\t")
    terminal.until("^sipstream: follow")
    terminal.type(" dstn\t")
    terminal.until("^sipstream: follow dstnum")
    terminal.type(" 56600\t")
    terminal.until("^sipstream: follow dstnum 5660066")
    terminal.type("\x15show conversation 35e8\t")
    terminal.until(f"^sipstream: show conversation {CALL_ID}$")
    terminal.type("\r")
    terminal.until(r"^\[13\] 16:42:09.479774 +INVITE")
    terminal.at_prompt()
    terminal.type("show conversation 116\t")
    terminal.type("\t")
    terminal.until("^sipstream: show conversation 116838839-5060-1@178.19.48.73")


def test_the_summary_stands_beside_a_call_id(start: Start) -> None:
    terminal = start(TIMEOUT, columns=140, rows=40)
    terminal.at_prompt()
    terminal.type("show conversation \t")
    terminal.until(
        r"116838839-5060-1@178\.19\.48\.73 +\[0\] 16:41:01\.032251: REGISTER 4158596->4158596"
    )


def test_a_question_mark_lists_and_leaves_the_line(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.at_prompt()
    terminal.type("show ?")
    terminal.until("^  conversations +Shows list of conversations")
    terminal.until("^sipstream: show$")
    terminal.type("filter\r")
    terminal.until("^condition or")


def test_a_question_mark_inside_a_word_is_a_letter(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.command("follow header Subject what?")
    terminal.until(r"^Follow 1: header Subject what\?")


def test_the_conversation_context(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.command("conversation 10")
    terminal.until(r"^sipstream\[conversation 10\]:")
    terminal.command("show message 0")
    terminal.until("^INVITE sip:5660066@178.19.48.48 SIP/2.0")
    terminal.command("next")
    terminal.until(r"^sipstream\[conversation 11\]:")
    terminal.command("previous")
    terminal.command("show messages | no-more")
    terminal.until(r"^===== Message #1 \(copy of #0\) =====")
    terminal.command("exit")
    terminal.until("^sipstream:$")


def test_ctrl_c_clears_a_line_and_leaves_nothing_undone(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.at_prompt()
    terminal.type("nonsense\x03")
    terminal.at_prompt()
    terminal.type("\x03")
    terminal.until("'exit' or Ctrl-D leaves")
    terminal.command("follow dstnum 5660066")
    terminal.type("\x03")
    terminal.until("follow ended")
    terminal.command("show follows")
    terminal.until("nothing is followed")


def test_a_tail_and_two_follows_above_the_prompt(start: Start, tmp_path: Path) -> None:
    terminal = start()
    terminal.command("tail grows.pcap")
    terminal.until("isn't there yet")
    terminal.command("follow dstnum 5660066")
    terminal.command("follow srcnum 4151502")
    terminal.type("half a comm")
    (tmp_path / "grows.pcap").write_bytes(Path(TIMEOUT).read_bytes())
    terminal.until(rf"#1 16:42:09.479774 .* INVITE 4151502->5660066 {CALL_ID} \(copy\)")
    terminal.until(rf"#2 16:42:09.479774 .* INVITE 4151502->5660066 {CALL_ID} \(copy\)")
    terminal.editing("sipstream: half a comm")
    terminal.type("\x03")
    terminal.command("unfollow 1")
    terminal.until(r"^Follow 1 ended \(14 messages shown\)")
    terminal.until("conversations 45")


def test_a_large_load_is_stopped_and_keeps_what_came_in(start: Start, tmp_path: Path) -> None:
    # Over TCP, which one process reads in its order: it takes some seconds.
    write_tcp(tmp_path / "large.pcap", 150_000)
    terminal = start(rows=40)
    terminal.at_prompt()
    terminal.type("load large.pcap\r")
    terminal.until(r"\d+% \| \d+ messages \| \d+ messages/s \| .* left")
    terminal.type("\x03")
    terminal.until(r"conversations \(\d+ SIP messages\) extracted \(stopped")
    terminal.command("show conversations sorted | no-more")
    terminal.until(r"^\[\d+\] .*: INVITE \d+->\d+$")


def test_a_large_load_leaves_the_prompt_to_its_user(start: Start, tmp_path: Path) -> None:
    write_tcp(tmp_path / "large.pcap", 250_000)
    terminal = start(rows=40)
    terminal.at_prompt()
    terminal.type("load large.pcap\r")
    terminal.until("it goes on, see the bottom line; Ctrl-C on an empty line stops it")
    terminal.until(r"large.pcap \d+%")
    terminal.command("show conversation 0")
    terminal.until(r"^\[6\] .* 200 OK ")
    terminal.until(r"large.pcap: \d+ conversations \(\d+ SIP messages\) extracted")
    shown = "\n".join(terminal.lines())
    assert shown.index("[6] ") < shown.index("extracted")


def test_history_is_private_and_keeps_no_line_that_begins_with_a_blank(
    start: Start, tmp_path: Path
) -> None:
    terminal = start()
    terminal.command("show filter")
    terminal.command(" show sources")
    terminal.type("exit\r")
    assert terminal.end() == 0
    [history] = (tmp_path / "state").rglob("history")
    assert history.stat().st_mode & 0o777 == 0o600
    assert history.parent.stat().st_mode & 0o777 == 0o700
    text = history.read_text()
    assert "+show filter" in text
    assert "show sources" not in text


def test_terminal_modes_are_as_before(start: Start) -> None:
    terminal = start(TIMEOUT)
    before = termios.tcgetattr(terminal.child.child_fd)
    terminal.at_prompt()
    terminal.type("\x04")
    assert terminal.end() == 0
    assert before[3] & termios.ECHO


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_when_told_to(start: Start, number: signal.Signals) -> None:
    terminal = start(TIMEOUT)
    terminal.at_prompt()
    terminal.child.kill(number)
    assert terminal.end() == 128 + number


def test_it_ends_when_the_terminal_is_gone(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "sipstream", TIMEOUT],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "HOME": str(tmp_path)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        seen = b""
        while b"sipstream:" not in seen:
            seen += os.read(master, 4096)
    finally:
        os.close(master)
    assert program.wait(timeout=5) is not None


def test_colours_are_on_a_terminal_only_and_can_be_switched_off(start: Start) -> None:
    coloured = start(TIMEOUT, environment={"NO_COLOR": ""})
    coloured.command("show conversations sorted")
    assert b"\x1b[1mINVITE\x1b[0m" in coloured.raw
    plain = start(TIMEOUT, environment={"NO_COLOR": "1"})
    plain.command("show conversations sorted")
    assert b"\x1b[1mINVITE" not in plain.raw


def test_standard_input_is_data_and_the_shell_reads_the_terminal(
    start: Start, tmp_path: Path
) -> None:
    script = tmp_path / "piped.sh"
    script.write_text(f"cat {TIMEOUT} | {shlex.quote(sys.executable)} -m sipstream -\n")
    terminal = start()
    terminal.close()
    terminal.child = pexpect.spawn(
        "/bin/sh",
        [str(script)],
        cwd=str(tmp_path),
        env={
            **os.environ,
            "TERM": "xterm-256color",
            "TZ": "UTC",
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
        },
        dimensions=(200, 160),
    )
    terminal.command("show conversations sorted")
    terminal.until("INVITE 4151502->5660066")
    terminal.type("exit\r")
    assert terminal.end() == 0


@pytest.mark.parametrize("arguments", [["--tail", "none.txt"], []], ids=["tail", "load"])
def test_ctrl_c_ends_a_one_shot_that_loaded_a_file(
    start: Start, tmp_path: Path, arguments: list[str]
) -> None:
    files = [TIMEOUT]
    if not arguments:
        write_tcp(tmp_path / "large.pcap", 150_000)
        files += ["large.pcap"]
    terminal = start(*files, *arguments, "--follow", "dstnum 5660066")
    terminal.until("isn't there yet|Processing file large")
    terminal.pump(0.3)
    terminal.type("\x03")
    assert terminal.end() == 130


def test_ctrl_c_ends_commands_given_with_a_large_file(start: Start, tmp_path: Path) -> None:
    write_tcp(tmp_path / "large.pcap", 150_000)
    terminal = start("large.pcap", "-c", "show filter")
    terminal.until("Processing file large")
    terminal.pump(0.3)
    terminal.type("\x03")
    assert terminal.end() == 130


def test_ctrl_c_ends_a_long_search_and_nothing_else(start: Start, tmp_path: Path) -> None:
    write_pcap(tmp_path / "large.pcap", 100_000)
    terminal = start("large.pcap")
    terminal.until("100000 SIP messages", 30)
    terms = " or ".join(f"header {name} zz" for name in ("From", "To", "Via", "Contact", "CSeq"))
    terminal.at_prompt()
    terminal.type(f"show conversations {terms}\r")
    terminal.pump(0.2)
    terminal.type("\x03")
    terminal.until("interrupted$")
    terminal.command("show conversations method INVITE | count")
    terminal.until(r"^[1-9]\d*$")


def test_ctrl_z_suspends_and_fg_goes_on(tmp_path: Path) -> None:
    terminal = Terminal.of(["/bin/bash", "--norc", "-i"], cwd=tmp_path)
    try:
        terminal.type(f"PS1='$ '; {shlex.quote(sys.executable)} -m sipstream {TIMEOUT}\r")
        terminal.until("^sipstream:")
        terminal.type("half a comm")
        terminal.until("^sipstream: half a comm")
        terminal.type("\x1a")
        terminal.until("Stopped")
        terminal.type("fg\r")
        terminal.editing("sipstream: half a comm")
        terminal.type("\x15exit\r")
        terminal.until(r"^\$ $|^\$$")
    finally:
        terminal.close()


def test_several_follows_of_whole_messages_are_told_apart(start: Start, tmp_path: Path) -> None:
    terminal = start()
    terminal.command("tail grows.pcap")
    terminal.command("follow dstnum 5660066 mess")
    terminal.until(r"^Follow 1: dstnum 5660066 \(whole messages\)")
    terminal.command("follow")
    (tmp_path / "grows.pcap").write_bytes(Path(TIMEOUT).read_bytes())
    terminal.until(r"^#1 16:42:09.479774 IP 10.10.10.2.5060 > 178.19.48.48.5060: SIP, length")
    terminal.until(r"^#2 16:42:09.479774 .* INVITE")


def test_what_only_looks_works_in_every_context(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.command("filter")
    terminal.command("show conversations sorted")
    terminal.until(r"^\[44\] ")
    terminal.command("clear")
    terminal.until("clear is a command of the context general")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_although_the_terminal_has_stopped_reading(
    tmp_path: Path, number: signal.Signals
) -> None:
    master, slave = pty.openpty()
    try:
        program = subprocess.Popen(
            [sys.executable, "-m", "sipstream", str(CAPTURES / "testdata-pt.txt"), "--follow",
             "callid *", "--messages"],
            cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        time.sleep(1.5)
        program.send_signal(number)
        assert program.wait(timeout=6) == 128 + number
    finally:
        os.close(slave)
        os.close(master)


def test_ctrl_c_leaves_a_search_and_ends_nothing(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.command("follow dstnum 5660066")
    terminal.type("\x12foll")
    terminal.until("reverse-i-search")
    terminal.type("\x03")
    terminal.at_prompt()
    terminal.command("show follows")
    terminal.until("^1: dstnum 5660066")


def test_ctrl_s_pauses_what_is_printed_above_until_ctrl_q(start: Start, tmp_path: Path) -> None:
    terminal = start()
    terminal.command("tail grows.pcap")
    terminal.command("follow dstnum 5660066")
    terminal.type("\x13")
    terminal.until("^paused: Ctrl-Q goes on")
    (tmp_path / "grows.pcap").write_bytes(Path(TIMEOUT).read_bytes())
    terminal.pump(1)
    assert not any("16:42:09.479774" in line for line in terminal.lines())
    terminal.type("\x11")
    terminal.until("^16:42:09.479774 ")
    terminal.until("messages 354")


def test_several_lines_that_are_pasted_are_several_commands(start: Start) -> None:
    terminal = start(TIMEOUT)
    terminal.at_prompt()
    terminal.type("\x1b[200~show filter\nshow follows\x1b[201~\r")
    terminal.until("^condition or")
    terminal.until("^nothing is followed")
