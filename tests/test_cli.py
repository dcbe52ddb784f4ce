"""The program as scripts run it: exit status, what goes where, signals, closed pipes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import CAPTURES

TIMEOUT = str(CAPTURES / "timeout.pcap")
CALL_ID = "35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060"


def run(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        input=typed,
        env={**os.environ, "TZ": "UTC", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_main_job() -> None:
    result = run(
        TIMEOUT,
        "-c",
        "filter",
        "-c",
        "add dstnum 5660066",
        "-c",
        "exit",
        "-c",
        "show conversations sorted",
    )
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        f"Processing file {TIMEOUT}...",
        "45 conversations (354 SIP messages) extracted",
        "1 conversations",
        "[0] 16:41:37.979995: INVITE 4151502->5660066",
    ]
    assert result.stderr == ""


def test_every_file_as_text_and_as_pcap_gives_the_same() -> None:
    for name in ("timeout", "callerid-problem", "diversion-problem", "testdata-pt"):
        packed = "pcap" if name == "timeout" else "pcap.gz"
        one = run(str(CAPTURES / f"{name}.txt"), "-c", "show conversations sorted")
        other = run(str(CAPTURES / f"{name}.{packed}"), "-c", "show conversations sorted")
        assert one.stdout.splitlines()[1] == other.stdout.splitlines()[1]
        different = [
            (a, b)
            for a, b in zip(one.stdout.splitlines()[2:], other.stdout.splitlines()[2:], strict=True)
            if a != b and "\\x" not in b and not any(ord(char) > 127 for char in b)
        ]
        assert different == []


def test_the_filter_option() -> None:
    result = run(
        TIMEOUT, "--filter", "dstnum 5660066 and method INVITE", "-c", "show conversations"
    )
    assert result.stdout.splitlines()[2:] == [
        f"{CALL_ID}: 16:41:37.979995: INVITE 4151502->5660066"
    ]


def test_json_is_all_there_is_on_standard_output() -> None:
    result = run(TIMEOUT, "--json", "--filter", "dstnum 5660066", "-c", "show conversations sorted")
    [line] = result.stdout.splitlines()
    found = json.loads(line)
    keys = "call_id index time method src_num dst_num source destination messages".split()
    assert list(found)[: len(keys)] == keys
    assert found["call_id"] == CALL_ID
    assert found["time"] == "2018-04-16T16:41:37.979995+00:00"
    assert (found["source"], found["destination"]) == ("10.10.10.2:5060", "178.19.48.48:5060")
    assert found["messages"] == 14
    assert "45 conversations (354 SIP messages) extracted" in result.stderr


def test_json_messages() -> None:
    result = run(TIMEOUT, "--json", "-c", f"show conversation {CALL_ID}")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["index"] for one in found] == list(range(14))
    assert [one.get("copy_of") for one in found] == [
        None,
        0,
        None,
        2,
        None,
        4,
        None,
        6,
        None,
        8,
        None,
        10,
        None,
        12,
    ]
    assert {(one["method"], one["status"], one["cseq"]) for one in found} == {
        ("INVITE", None, "102 INVITE")
    }


def test_follow_a_file() -> None:
    result = run(TIMEOUT, "--follow", "dstnum 5660066")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 14
    assert all(CALL_ID in line for line in result.stdout.splitlines())
    assert "extracted" in result.stderr
    whole = run(TIMEOUT, "--follow", "dstnum 5660066", "--messages")
    assert whole.stdout.count("INVITE sip:5660066@178.19.48.48 SIP/2.0") == 14
    assert whole.stdout.count("m=audio 54028 RTP/AVP 9 8 0 101") == 14


def test_commands_from_standard_input() -> None:
    typed = "# a comment\n\nfilter\nadd dstnum 5660066\nexit\nshow conversations sorted\n"
    result = run(TIMEOUT, typed=typed)
    assert result.returncode == 0
    assert result.stdout.splitlines()[-1] == "[0] 16:41:37.979995: INVITE 4151502->5660066"


@pytest.mark.parametrize("name", ["timeout.pcap", "timeout.txt", "testdata-pt.pcap.gz"])
def test_data_from_standard_input(name: str) -> None:
    with (CAPTURES / name).open("rb") as file:
        for given in (file, subprocess.PIPE):
            process = subprocess.Popen(
                [sys.executable, "-m", "sipstream", "-", "-c", "show sources"],
                stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            data = (CAPTURES / name).read_bytes() if given is subprocess.PIPE else None
            output, errors = process.communicate(data, timeout=60)
            count = 6496 if "testdata" in name else 354
            assert f"{count} messages".encode() in output, errors
            assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (
            ["nosuch.pcap", "-c", "show filter"],
            1,
            "*** Error! nosuch.pcap: no such file or directory",
        ),
        (
            [TIMEOUT, "-c", "show conversation 99"],
            1,
            "*** Error! no conversation 99: the last one is 44",
        ),
        (
            [TIMEOUT, "-c", "show conversation x@y"],
            1,
            "*** Error! no conversation has the Call-ID x@y",
        ),
        (
            [TIMEOUT, "-c", "show conversation 0 message 99"],
            1,
            "*** Error! no message 99: the last one is 7",
        ),
        (
            [TIMEOUT, "--filter", "dstnmu 1", "-c", "show filter"],
            2,
            "*** Error! --filter: unknown term 'dstnmu'",
        ),
        ([TIMEOUT, "--follow", "dstnum"], 2, "*** Error! --follow: missing argument: dstnum needs"),
        (["/", "-c", "show filter"], 1, "*** Error! /: is a directory"),
        (["--nosuch"], 2, "*** Error! unrecognized arguments: --nosuch"),
        (["--write", "x.pcap"], 2, "*** Error! --write needs what is to be written: a FILE, or"),
        ([TIMEOUT, "--write", "x", "-c", "help"], 2, "*** Error! --write of files stands alone"),
        (["--tail", TIMEOUT, "--write", "x"], 2, "*** Error! --write reads files to their end"),
        (["--live", "lo", "--write", "-"], 2, "*** Error! --write - is for files"),
        (["--live", "lo", "--narrow"], 2, "*** Error! --narrow captures what a filter asks for"),
        (
            ["--live", "lo", "--narrow", "--rtp", "--filter", "ip 10.0.0.1"],
            2,
            "*** Error! --narrow keeps out media of other hosts: choose one of --narrow and --rtp",
        ),
        (["--follow", "dstnum 1"], 2, "*** Error! --follow needs a source"),
        (
            [TIMEOUT, "--follow", "dstnum 1", "-c", "show filter"],
            2,
            "*** Error! --follow prints",
        ),
        (["-c", "tail /"], 1, "*** Error! /: is a directory"),
        ([""], 2, "*** Error! a FILE has an empty name"),
        (["--from-now"], 2, "*** Error! --from-now is for files to watch"),
    ],
)
def test_errors_are_one_line_and_a_status(arguments: list[str], status: int, words: str) -> None:
    result = run(*arguments)
    assert result.returncode == status
    line, *below = result.stderr.splitlines()
    assert line.startswith(words)
    # Where a filter is wrong its text follows, with a caret below.
    in_a_filter = any(wrong in line for wrong in ("unknown term", "dstnum needs"))
    assert [one.strip() for one in below[1:]] == ["^"] * in_a_filter
    assert bool(below) is in_a_filter


def test_a_command_that_fails_does_not_stop_the_others() -> None:
    result = run(TIMEOUT, "-c", "nonsense", "-c", "show conversations")
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 47


def test_text_that_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear customer,\n\nyour calls fail.\n")
    result = run(str(path), "-c", "show conversations")
    assert result.returncode == 1
    assert "neither a capture file nor text that tcpdump printed" in result.stderr


def test_the_one_line_form_says_which_flags_to_add(tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    line = "16:41:37.979995 IP 10.10.10.2.5060 > 178.19.48.48.5060: SIP: INVITE sip:1@10.0.0.1 SIP/2.0\n"
    path.write_text(line * 3)
    result = run(str(path), "-c", "show sources")
    assert "let tcpdump print it with -v, -A or -X" in result.stdout
    assert "3 printed without its text" in result.stdout
    assert "0 conversations (0 SIP messages) extracted" in result.stdout


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("sipstream 0.")
    assert "--follow EXPR" in run("--help").stdout


def test_a_closed_pipe_ends_quietly() -> None:
    capture = CAPTURES / "testdata-pt.txt"
    command = f"{sys.executable} -m sipstream {capture} -c 'show conversations sorted' | head -1"
    result = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0
    assert result.stderr == ""


def test_ctrl_c_while_watching(tmp_path: Path) -> None:
    path = tmp_path / "later.pcap"
    process = subprocess.Popen(
        [sys.executable, "-m", "sipstream", "--tail", str(path), "--follow", "method INVITE"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert b"isn't there yet" in process.stderr.readline()
    path.write_bytes(Path(TIMEOUT).read_bytes())
    assert process.stdout is not None
    assert b"INVITE" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130


def test_no_colour_where_nobody_sees_it() -> None:
    assert "\x1b" not in run(TIMEOUT, "-c", "show conversations sorted").stdout


def test_a_flood_of_output_to_a_slow_reader_is_complete() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sipstream", str(CAPTURES / "testdata-pt.txt"),
         "--follow", "callid *", "--messages"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(1)
    output, _ = process.communicate(timeout=60)
    assert output.count(b" IP ") >= 6496
    assert b"not shown" not in output


def test_standard_input_that_is_empty_or_closed(tmp_path: Path) -> None:
    for redirection in ("</dev/null", "<&-"):
        command = f"{sys.executable} -m sipstream {TIMEOUT} {redirection}"
        result = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=20, check=False
        )
        assert (result.returncode, result.stderr) == (0, ""), redirection
        assert "354 SIP messages" in result.stdout


def test_what_a_watched_file_holds_is_there_when_the_first_command_runs(tmp_path: Path) -> None:
    path = tmp_path / "tail.pcap"
    path.write_bytes(Path(TIMEOUT).read_bytes())
    arguments = ["--tail", str(path)]
    lines = run(*arguments, "-c", "show conversations sorted").stdout.splitlines()
    assert len(lines) == 45
    assert len(run(*arguments, typed="show conversations sorted\n").stdout.splitlines()) == 45


def test_nonsense_on_standard_input_is_an_error() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "sipstream", "-", "-c", "show conversations"],
        input=b"nonsense\n" * 100,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.decode().startswith("*** Error! standard input: neither a capture file")


def test_a_full_disk_is_told() -> None:
    command = f"{sys.executable} -m sipstream {TIMEOUT} -c 'show conversations' > /dev/full"
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=20, check=False
    )
    assert result.returncode == 1
    assert "no space left" in result.stderr


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump")
def test_tcpdumps_shorter_forms_say_which_flags_do(tmp_path: Path) -> None:
    for flags in ("-v", "-vv"):
        path = tmp_path / "text"
        with path.open("wb") as file:
            subprocess.run(
                ["tcpdump", "-n", flags, "-r", TIMEOUT],
                stdout=file, stderr=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        result = run(str(path), "-c", "show sources")
        assert "58 printed without its Call-ID" in result.stdout
        assert "let tcpdump print it with -A or -X" in result.stdout


def test_a_message_asked_for_whole_has_its_text() -> None:
    for command, count in (("message 0", 1), ("messages", 14)):
        result = run(TIMEOUT, "--json", "-c", f"show conversation 10 {command}")
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert len(found) == count
        assert found[0]["text"].startswith("INVITE sip:5660066@178.19.48.48 SIP/2.0")
        assert "m=audio 54028 RTP/AVP 9 8 0 101" in found[0]["text"]
    overview = run(TIMEOUT, "--json", "-c", "show conversation 10").stdout.splitlines()
    assert "text" not in json.loads(overview[0])
