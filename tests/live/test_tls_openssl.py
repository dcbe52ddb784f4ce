"""SIP between openssl's own server and client, captured by tcpdump, decrypted by sipstream and tshark."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile.differential import by_sipstream, by_tshark
from live_programs import wait_for
from support import needs, sip
from tls_made import certificate

import sipstream

pytestmark = needs("openssl", "tcpdump", "tshark", "editcap", root=True)

HOST = "127.0.0.1"
BODY = "v=0\r\n" + "a=sendrecv\r\n" * 2000 + "a=the last line of it\r\n"
"""More than a record and than a segment hold."""
FORWARD = [
    sip(call_id="first"),
    sip("ACK sip:2@b SIP/2.0", "first", cseq="1 ACK"),
    sip("MESSAGE sip:2@b SIP/2.0", "long", cseq="7 MESSAGE", body=BODY),
]
BACK = [
    sip("SIP/2.0 200 OK", "first"),
    sip("BYE sip:1@a SIP/2.0", "first", cseq="2 BYE"),
    sip("SIP/2.0 202 Accepted", "long", cseq="7 MESSAGE"),
]
OF_12, OF_13 = "-tls1_2 -cipher ECDHE-ECDSA-", "-tls1_3 -ciphersuites TLS_"


@contextmanager
def program(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program with pipes, ended afterwards."""
    pipe = subprocess.PIPE
    started = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        yield started
    finally:
        started.terminate()
        started.communicate(timeout=10)


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def wait_until_listening(port: int) -> None:
    """Wait for a server without a connection, which it would take for a client's."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    deadline = time.monotonic() + 20
    while wanted not in Path("/proc/net/tcp").read_text():
        assert time.monotonic() < deadline, "the server doesn't listen"
        time.sleep(0.02)


def say(one: subprocess.Popen[bytes], other: subprocess.Popen[bytes], message: bytes) -> None:
    """Send a message through a program, wait until it came out of the other one."""
    assert one.stdin is not None
    one.stdin.write(message)
    one.stdin.flush()
    # Its last bytes, which stand nowhere else in what is sent this way.
    wait_for(other.stdout, message[-60:])


@contextmanager
def talking(
    folder: Path, options: list[str], port: int
) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """A client and a server that have a connection; the secrets go to keys.log."""
    cert, key = certificate(folder)
    server_words = [
        "openssl", "s_server", "-accept", f"{HOST}:{port}", "-quiet", "-cert", str(cert),
        "-key", str(key), "-keylogfile", str(folder / "keys.log"), *options,
    ]  # fmt: skip
    client_words = ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-quiet", *options]
    with program(*server_words) as server:
        wait_until_listening(port)
        with program(*client_words) as client:
            yield client, server


def converse(folder: Path, options: list[str], port: int) -> Path:
    """Capture a connection that carries the messages both ways; keys.log is beside it."""
    path = folder / "tls.pcap"
    words = ["tcpdump", "-i", "lo", "--immediate-mode", "-U", "-w", str(path), f"tcp port {port}"]
    with program(*words) as sniffer:
        wait_for(sniffer.stderr, b"listening on")
        with talking(folder, options, port) as (client, server):
            for there, back in zip(FORWARD, BACK, strict=True):
                say(client, server, there)
                say(server, client, back)
        wait_until_written(path, port)
    return path


def wait_until_written(path: Path, port: int) -> None:
    """Send one packet more, to a port that nobody listens at any more, until that is written."""
    with socket.socket() as last:
        last.bind((HOST, 0))
        last.connect_ex((HOST, port))
        ports = last.getsockname()[1].to_bytes(2, "big") + port.to_bytes(2, "big")
        deadline = time.monotonic() + 20
        while ports not in path.read_bytes():
            assert time.monotonic() < deadline, "tcpdump writes nothing"
            time.sleep(0.05)


@pytest.mark.parametrize(
    "options",
    [
        OF_12 + "AES128-GCM-SHA256",
        OF_12 + "AES256-GCM-SHA384",
        OF_12 + "CHACHA20-POLY1305",
        OF_13 + "AES_128_GCM_SHA256",
        OF_13 + "AES_256_GCM_SHA384",
        OF_13 + "CHACHA20_POLY1305_SHA256",
    ],
)
def test_openssl_and_tshark(options: str, tmp_path: Path) -> None:
    """Row F6: what was sent, what sipstream reads and what tshark reads are the same."""
    port = free_port()
    path = converse(tmp_path, options.split(), port)
    keylog = tmp_path / "keys.log"
    conversations = sipstream.load(path, keylog)
    found = [message.raw for one in conversations for message in one.messages]
    assert sorted(found) == sorted(FORWARD + BACK)
    ours = by_sipstream(path, keylog)
    theirs = by_tshark(
        path, "-o", f"tls.keylog_file:{keylog}", "-d", f"tcp.port=={port},tls",
        "-d", f"tls.port=={port},sip",
    )  # fmt: skip
    assert ours.messages == theirs.messages
    assert ours.messages.total() == len(FORWARD + BACK)
    assert by_sipstream(path).messages.total() == 0
    with_secrets = tmp_path / "with-secrets.pcapng"
    inject = ["editcap", "--inject-secrets", f"tls,{keylog}", str(path), str(with_secrets)]
    subprocess.run(inject, check=True, capture_output=True)
    assert by_sipstream(with_secrets).messages == ours.messages


def test_live_with_a_key_log_that_is_being_written(tmp_path: Path) -> None:
    """Messages are shown as they come, of a connection that began after the capture."""
    port = free_port()
    keylog = tmp_path / "keys.log"
    keylog.touch()
    words = [
        sys.executable, "-m", "sipstream", "--live", "lo", "--bpf", f"tcp port {port}", "--keylog",
        str(keylog), "--follow", "callid *", "--json",
    ]  # fmt: skip
    with program(*words) as sipstream_live:
        wait_for(sipstream_live.stderr, b"Starting packet capture")
        with talking(tmp_path, OF_13.split()[:1], port) as (client, server):
            for there, back in zip(FORWARD[:2], BACK[:2], strict=True):
                say(client, server, there)
                wait_for(sipstream_live.stdout, b'"transport": "TLS"')
                say(server, client, back)
                wait_for(sipstream_live.stdout, b'"transport": "TLS"')
