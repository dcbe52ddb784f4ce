"""Key log files: read as they are, again as they grow, and refused when they are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tls_made import AES_256, CHACHA20_OF_12, TLS12, TLS13, Made

from sipstream import limits
from sipstream.decode import keylog
from sipstream.decode.keylog import Secrets
from sipstream.errors import SourceError
from sipstream.sources.keylog import KeyLogFile

OF_12, OF_13 = Made(TLS12, CHACHA20_OF_12, 1), Made(TLS13, AES_256, 2)
NAME = "SERVER_TRAFFIC_SECRET_0"


def has(secrets: Secrets, made: Made) -> bool:
    """Tell whether all secrets of a connection are there."""
    found = [secrets.find(name, made.client_random) for name in made.secrets]
    return found == list(made.secrets.values())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.log"


def read(path: Path) -> Secrets:
    secrets = Secrets()
    KeyLogFile(path).read_into(secrets)
    return secrets


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"  \n", b"\n\n# a comment\n"])
def test_lines(path: Path, end: bytes) -> None:
    text = OF_12.keylog() + OF_13.keylog()
    path.write_bytes(
        b"# SSL/TLS secrets log file\nRSA 0011223344556677 00\n"
        b"EXPORTER_SECRET 00 00\nCLIENT_RANDOM 12 34\n" + text.replace(b"\n", end)
    )
    secrets = Secrets()
    assert KeyLogFile(path).read_into(secrets) == 5
    assert has(secrets, OF_12)
    assert has(secrets, OF_13)
    assert secrets.find(NAME, bytes(32)) is None


def test_capitals_and_a_last_line_without_its_end(path: Path) -> None:
    path.write_bytes(OF_12.keylog().replace(OF_12.client_random.hex().encode(), b"01" * 32)[:-1])
    assert has(read(path), OF_12)
    first, random, secret = OF_12.keylog().split()
    path.write_bytes(first + b"\t" + random.upper() + b" " + secret.upper())
    assert has(read(path), OF_12)


def test_a_file_that_grows(path: Path) -> None:
    path.write_bytes(b"")
    secrets = read(path)
    assert not has(secrets, OF_12)
    text = OF_12.keylog() + OF_13.keylog()
    with path.open("ab", buffering=0) as file:
        for place in range(0, len(text), 10):
            file.write(text[place : place + 10])
            secrets.find(NAME, OF_13.client_random)
    assert has(secrets, OF_12)
    assert has(secrets, OF_13)


def test_a_file_that_begins_anew_or_is_replaced(path: Path) -> None:
    path.write_bytes(OF_12.keylog() * 3)
    secrets = read(path)
    path.write_bytes(OF_13.keylog("CLIENT_TRAFFIC_SECRET_0"))
    assert secrets.find("CLIENT_TRAFFIC_SECRET_0", OF_13.client_random)
    other = path.with_suffix(".new")
    other.write_bytes(OF_13.keylog())
    other.replace(path)
    assert has(secrets, OF_13)
    path.unlink()
    assert secrets.find(NAME, bytes(32)) is None
    assert has(secrets, OF_12)


def test_a_file_without_line_ends_is_not_read_again_and_again(path: Path) -> None:
    path.write_bytes(OF_12.keylog())
    log = KeyLogFile(path)
    log.read_into(Secrets())
    with path.open("ab", buffering=0) as file:
        for _ in range(10):
            file.write(b"x" * 1000)
            assert len(log.more()) <= limits.TLS_LOG_LINE + 1000
        file.write(b"\n" + OF_13.keylog())
    assert OF_13.keylog() in log.more()


def test_a_large_file(path: Path) -> None:
    path.write_bytes(b"# nothing\n" * 200_000 + OF_12.keylog() + b"#" * limits.CHUNK + b"\n")
    assert has(read(path), OF_12)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"INVITE sip:a SIP/2.0\r\n", "has no line of a TLS key log"), (None, "no such file")],
)
def test_refusal(path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=words) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_pipe_and_a_folder_are_refused(tmp_path: Path, path: Path) -> None:
    os.mkfifo(path)
    for one in (path, tmp_path):
        with pytest.raises(SourceError):
            read(one)


def test_how_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest ones stay; that others had to go is told."""
    monkeypatch.setattr(keylog, "TLS_SECRETS", 4)
    secrets = Secrets()
    secrets.add(OF_12.keylog())
    assert secrets.forgotten == 0
    secrets.add(OF_13.keylog())
    assert has(secrets, OF_13)
    assert secrets.forgotten == 1
