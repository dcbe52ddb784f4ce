"""TLS as a user meets it: --keylog and keylog, what is said without keys, a log that grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile_inputs import enhanced, interface, option, pcap, section
from support import sip
from tls_made import TLS13, Made, Part, dsb, made, packets

import sipstream
import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream import notices
from sipstream.packets import Linktype
from sipstream.privileges import VARIABLE
from sipstream.session import Session
from sipstream.shell.completion import offers
from sipstream.shell.registry import GENERAL

CALL: list[Part] = [
    (True, sip(call_id="in-tls")),
    (False, sip("SIP/2.0 100 Trying", "in-tls")),
    (False, sip("SIP/2.0 200 OK", "in-tls")),
]
HINT = "TLS without keys can't be read: --keylog FILE opens connections of which it has the secrets"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture of one call over TLS; its key log is keys.log beside it."""
    connection = made(messages=CALL)
    (tmp_path / "keys.log").write_bytes(connection.keylog())
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap(packets(connection.parts), Linktype.RAW))
    return path


def run(
    capture: Path, *arguments: str, typed: str = "", user: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        input=typed,
        cwd=capture.parent,
        env={**os.environ, "TZ": "UTC", **({VARIABLE: user} if user else {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_with_a_key_log(capture: Path) -> None:
    done = run(
        capture, "call.pcap", "--keylog", "keys.log", "-c", "show conversation 0",
        "-c", "show conversation 0 message 0", "-c", "show sources",
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[1] == "1 conversations (3 SIP messages) extracted"
    assert [line.split()[2] for line in lines[3:6]] == ["INVITE", "100", "200"]
    assert "IP 10.0.0.1.50000 > 10.0.0.2.5061: SIP over TLS, length: " in lines[6]
    assert lines[-2:] == ["  3 packets with messages", "  6 TLS handshake and control"]


def test_without_a_key_log(capture: Path) -> None:
    """Packets are counted by reason, and one line says once what would open them."""
    done = run(capture, "call.pcap", "-c", "show sources")
    lines = done.stdout.splitlines()
    assert lines[1:3] == [f"call.pcap: {HINT}", "0 conversations (0 SIP messages) extracted"]
    assert lines[-1] == "  9 TLS without keys"
    assert done.stdout.count("keylog") == 1


def test_with_a_key_log_of_other_connections(capture: Path) -> None:
    (capture.parent / "keys.log").write_bytes(Made(number=7).keylog())
    done = run(capture, "call.pcap", "--keylog", "keys.log", "-c", "show sources")
    assert done.stdout.splitlines()[-2:] == [
        "  6 TLS without keys",
        "  3 TLS handshake and control",
    ]
    assert "--keylog" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.log", "none.log: no such file or directory"),
        ("call.pcap", "call.pcap: has no line of a TLS key log"),
        (".", ".: is a directory"),
    ],
)
def test_a_key_log_that_is_none(capture: Path, name: str, words: str) -> None:
    done = run(capture, "call.pcap", "--keylog", name, "-c", "show sources")
    assert done.returncode == 1
    assert done.stderr == f"*** Error! {words}\n"
    typed = run(capture, typed=f"keylog {name}\nshow sources\n")
    assert words in typed.stderr
    assert typed.stdout.splitlines()[-1] == "no source so far"


def test_the_command(capture: Path) -> None:
    done = run(capture, typed="keylog keys.log\nload call.pcap\nshow conversations sorted\n")
    assert done.stdout.splitlines()[0] == "4 secrets of TLS read"
    assert done.stdout.splitlines()[-1].endswith("INVITE 4151500->5660066")
    assert run(capture, "-c", "help keylog").stdout.startswith("keylog <file>\n")


async def test_completion_offers_files(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(capture.parent)
    async with Session() as session:
        assert "keylog" in [one.text for one in offers(session, "ke", GENERAL)[1]]
        assert [one.text for one in offers(session, "keylog ke", GENERAL)[1]] == ["keys.log"]


async def test_python_interface(capture: Path) -> None:
    keylog = capture.parent / "keys.log"
    found = [message.transport async for message in sipstream.stream(capture, keylog=keylog)]
    assert found == ["TLS"] * 3


def test_load_with_a_key_log(capture: Path) -> None:
    assert sipstream.load(capture).message_count == 0
    conversations = sipstream.load(capture, keylog=capture.parent / "keys.log")
    assert conversations.message_count == 3


def test_a_log_that_grows_beside_a_capture_that_does(tmp_path: Path) -> None:
    """Each connection's secrets come into the log after its handshake is captured."""
    connections = [made(TLS13, messages=CALL[:1], number=number) for number in (1, 2, 3)]
    growing, keylog = tmp_path / "grows.pcap", tmp_path / "keys.log"
    growing.write_bytes(pcap([], Linktype.RAW))
    keylog.touch()
    program = subprocess.Popen(
        [sys.executable, "-m", "sipstream", "--tail", str(growing), "--keylog", str(keylog),
         "--follow", "callid *", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert program.stdout is not None
        for number, connection in enumerate(connections):
            some = packets(connection.parts, port=40_000 + number)
            add(growing, pcap(some[:-1], Linktype.RAW))
            time.sleep(0.3)
            with keylog.open("ab") as file:
                file.write(connection.keylog())
            add(growing, pcap(some[-1:], Linktype.RAW))
            seen = json.loads(program.stdout.readline())
            assert (seen["transport"], seen["call_id"]) == ("TLS", "in-tls")
    finally:
        program.kill()
        _, errors = program.communicate(timeout=10)
    assert errors == b""


def add(path: Path, capture: bytes) -> None:
    """Append a capture's packets to another one."""
    with path.open("ab") as file:
        file.write(capture[24:])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_key_log_that_only_root_may_read(capture: Path) -> None:
    """It is opened before root's rights are given up, and grows on behind that."""
    capture.parent.chmod(0o700)
    keylog = capture.parent / "keys.log"
    keylog.chmod(0o600)
    done = run(capture, "call.pcap", "--keylog", "keys.log", "-c", "show sources", user="nobody")
    assert "3 messages" in done.stdout
    assert done.stderr == ""
    secrets = keylog.read_bytes()
    keylog.write_bytes(b"")
    words = [
        sys.executable, "-m", "sipstream", "--keylog", "keys.log", "-", "--follow", "callid *",
    ]  # fmt: skip
    program = subprocess.Popen(
        words, cwd=capture.parent, env={**os.environ, VARIABLE: "nobody"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert program.stdin is not None
    program.stdin.write(capture.read_bytes())
    program.stdin.flush()
    time.sleep(0.3)
    with keylog.open("ab") as file:
        file.write(secrets)
    output, _ = program.communicate(timeout=30)
    assert len(output.splitlines()) == 3


def test_start_up_brings_no_ciphers(capture: Path) -> None:
    """Who gives no key log doesn't wait for them, nor where there is TLS."""
    code = (
        "import sys, sipstream.cli; sipstream.cli.run(sys.argv[1:]);"
        "print(sorted(one for one in sys.modules if one.partition('.')[0] == 'cryptography'))"
    )
    words = [sys.executable, "-c", code, str(capture), "-c", "show sources"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    done = subprocess.run(
        [*words, "--keylog", str(capture.parent / "keys.log")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "cryptography" in done.stdout.splitlines()[-1]


async def test_forgotten_secrets_are_told(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipstream.decode.keylog.TLS_SECRETS", 2)
    words: list[str] = []
    async with Session() as session:
        session.sources.notices.tell = words.append
        session.sources.keylog(capture.parent / "keys.log")
        await session.sources.load(capture)
        await session.sources.load(capture)
    assert [one for one in words if notices._FORGOTTEN in one]


def test_secrets_at_a_captures_end(tmp_path: Path) -> None:
    """What the end of a capture opens is of the capture point that the packets came from."""
    connection = made(messages=CALL)
    first, second = (dsb(one.keylog()) for one in (made(number=5), connection))
    frames = b"".join(enhanced(one) for one in packets(connection.parts))
    path = tmp_path / "call.pcapng"
    head = section() + interface(Linktype.RAW, option(2, b"eth7"))
    path.write_bytes(head + first + frames + second)
    conversations = sipstream.load(path)
    assert {message.tap for one in conversations for message in one.messages} == {"eth7"}
