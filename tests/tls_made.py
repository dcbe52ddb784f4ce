"""TLS connections for tests: records sealed by hand, the same in every run, and Python's own TLS.

By hand: hello messages, Finished of zeros and records under fixed secrets, with the key schedule of
`cryptography`, so that what no library sends on demand can be sent too. Handshakes prove nothing
here; `talk` is a true one between two ends of Python's `ssl`.
"""

from __future__ import annotations

import ssl
import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hostile_inputs import block
from support import A, B, ipv4, tcp

TLS12, TLS13 = 0x0303, 0x0304
AES_128, AES_256, CHACHA20 = 0x1301, 0x1302, 0x1303
AES_128_OF_12, AES_256_OF_12, CHACHA20_OF_12 = 0xC02F, 0xC030, 0xCCA8
ALL = (
    (TLS13, AES_128), (TLS13, AES_256), (TLS13, CHACHA20),
    (TLS12, AES_128_OF_12), (TLS12, AES_256_OF_12), (TLS12, CHACHA20_OF_12),
)  # fmt: skip
"""Versions and cipher suites that are read."""
CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

Part = tuple[bool, bytes]
"""Whether the client sends it, and bytes of its stream."""


def record(kind: int, body: bytes, version: int = TLS12) -> bytes:
    return struct.pack("!BHH", kind, version, len(body)) + body


def handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def plain(kind: int, body: bytes) -> bytes:
    """A handshake message in a record of its own, not encrypted."""
    return record(HANDSHAKE, handshake(kind, body))


class Sealer:
    """Seals one side's records."""

    def __init__(self, suite: int, key: bytes, iv: bytes, version: int) -> None:
        self.sequence = 0
        self.version = version
        chacha = suite in (CHACHA20, CHACHA20_OF_12)
        self._explicit = version == TLS12 and not chacha
        self._aead = ChaCha20Poly1305(key) if chacha else AESGCM(key)
        self._iv = iv

    def seal(self, kind: int, data: bytes, padding: int = 0) -> bytes:
        number = self.sequence.to_bytes(8, "big")
        nonce = (int.from_bytes(self._iv, "big") ^ self.sequence).to_bytes(12, "big")
        self.sequence += 1
        if self.version == TLS13:
            inner = data + bytes([kind]) + bytes(padding)
            header = struct.pack("!BHH", APPLICATION, TLS12, len(inner) + 16)
            return header + self._aead.encrypt(nonce, inner, header)
        explicit = (self.sequence + 0x1234567).to_bytes(8, "big") if self._explicit else b""
        nonce = self._iv + explicit if explicit else nonce
        bound = number + struct.pack("!BHH", kind, TLS12, len(data))
        return record(kind, explicit + self._aead.encrypt(nonce, data, bound))


def expand(suite: int, secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1)."""
    label = b"tls13 " + label
    info = struct.pack("!HB", length, len(label)) + label + b"\0"
    return HKDFExpand(SHA384() if suite == AES_256 else SHA256(), length, info).derive(secret)


def key_block(suite: int, master: bytes, seed: bytes, length: int) -> bytes:
    """PRF(master, "key expansion", seed) (RFC 5246 section 5)."""

    def digest(data: bytes) -> bytes:
        mac = HMAC(master, SHA384() if suite == AES_256_OF_12 else SHA256())
        mac.update(data)
        return mac.finalize()

    seed = b"key expansion" + seed
    block, output = seed, b""
    while len(output) < length:
        block = digest(block)
        output += digest(block + seed)
    return output[:length]


@dataclass
class Made:
    """A connection that is made part by part; `parts` in the order they were sent."""

    version: int = TLS13
    suite: int = AES_128
    number: int = 1
    """Connections with different numbers have different randoms and secrets."""
    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client_random = bytes([self.number]) * 32
        self.server_random = bytes([self.number ^ 0x80]) * 32
        size = 48 if self.version == TLS12 or self.suite == AES_256 else 32
        self.secrets = {
            name: (bytes([self.number, place]) * 24)[:size]
            for place, name in enumerate(
                ["CLIENT_RANDOM"]
                if self.version == TLS12
                else [
                    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
                    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                    "CLIENT_TRAFFIC_SECRET_0",
                    "SERVER_TRAFFIC_SECRET_0",
                ]  # fmt: skip
            )
        }
        self.sealers: dict[bool, Sealer] = {}
        self.traffic: dict[bool, bytes] = {}

    def keylog(self, *names: str) -> bytes:
        """Its lines of a key log: all of them, or those of these names."""
        return b"".join(
            f"{name} {self.client_random.hex()} {secret.hex()}\n".encode()
            for name, secret in self.secrets.items()
            if not names or name in names
        )

    def send(self, client: bool, data: bytes) -> None:
        self.parts.append((client, data))

    def hello(self, retry: bool = False) -> Made:
        """Both hello messages."""
        hello = record(HANDSHAKE, self.client_hello())
        change = record(CHANGE_CIPHER, b"\1")
        self.send(True, hello)
        if retry:
            self.send(False, record(HANDSHAKE, self.server_hello(RETRY)) + change)
            self.send(True, change + hello)
        self.send(False, record(HANDSHAKE, self.server_hello(self.server_random)))
        return self

    def client_hello(self) -> bytes:
        body = struct.pack("!H32sB", TLS12, self.client_random, 0) + b"\0\2\x13\1\1\0\0\0"
        return handshake(1, body)

    def server_hello(self, random: bytes) -> bytes:
        body = struct.pack("!H32sBHB", TLS12, random, 0, self.suite, 0)
        other = struct.pack("!HH4s", 51, 4, b"key.")
        version = struct.pack("!HHH", 43, 2, TLS13) if self.version == TLS13 else b""
        return handshake(2, body + struct.pack("!H", len(other + version)) + other + version)

    def finish(self) -> Made:
        """The rest of the handshake, up to where application data begins."""
        if self.version == TLS12:
            lengths = (16, 4) if self.suite == AES_128_OF_12 else (32, 4)
            lengths = (32, 12) if self.suite == CHACHA20_OF_12 else lengths
            key, iv = lengths
            seed = self.server_random + self.client_random
            block = key_block(self.suite, self.secrets["CLIENT_RANDOM"], seed, 2 * (key + iv))
            self.sealers[True] = Sealer(self.suite, block[:key], block[2 * key : -iv], TLS12)
            self.sealers[False] = Sealer(self.suite, block[key : 2 * key], block[-iv:], TLS12)
            self.send(False, plain(11, bytes(300)) + plain(14, b""))
            for client in (True, False):
                finished = self.sealers[client].seal(HANDSHAKE, handshake(20, bytes(12)))
                self.send(client, record(CHANGE_CIPHER, b"\1") + finished)
            return self
        for client in (False, True):
            side = "CLIENT" if client else "SERVER"
            self._use(client, self.secrets[f"{side}_HANDSHAKE_TRAFFIC_SECRET"])
            size = 48 if self.suite == AES_256 else 32
            finished = handshake(20, bytes(size))
            if not client:
                messages = handshake(8, bytes(2)) + handshake(11, bytes(300)) + finished
                # Cut in the middle of a message.
                self.send(False, record(CHANGE_CIPHER, b"\1"))
                self.sealed(False, messages[:100], HANDSHAKE)
                self.sealed(False, messages[100:], HANDSHAKE)
            else:
                self.sealed(True, finished, HANDSHAKE)
            self._use(client, self.secrets[f"{side}_TRAFFIC_SECRET_0"])
        return self

    def _use(self, client: bool, secret: bytes) -> None:
        self.traffic[client] = secret
        length = 16 if self.suite == AES_128 else 32
        key = expand(self.suite, secret, b"key", length)
        self.sealers[client] = Sealer(self.suite, key, expand(self.suite, secret, b"iv", 12), TLS13)

    def sealed(
        self, client: bool, data: bytes, kind: int = APPLICATION, size: int = 0, padding: int = 0
    ) -> None:
        """Send data in one record, or in records of `size` bytes."""
        step = size or len(data) or 1
        pieces = [data[place : place + step] for place in range(0, len(data), step)] or [b""]
        self.send(client, b"".join(self.sealers[client].seal(kind, one, padding) for one in pieces))

    def update(self, client: bool) -> None:
        """Change the keys of a side (RFC 8446 section 4.6.3)."""
        self.sealed(client, handshake(24, b"\0"), HANDSHAKE)
        secret = self.traffic[client]
        self._use(client, expand(self.suite, secret, b"traffic upd", len(secret)))


def made(
    version: int = TLS13, suite: int = AES_128, messages: Iterable[Part] = (), number: int = 1
) -> Made:
    """A connection that carries messages, each in a record."""
    connection = Made(version, suite, number).hello().finish()
    for client, message in messages:
        connection.sealed(client, message)
    return connection


def packets(parts: Iterable[Part], size: int = 1400, port: int = 50_000) -> list[bytes]:
    """IPv4 packets with these parts of two streams, in segments of `size` bytes at most."""
    found: list[bytes] = []
    sequence = {True: 1000, False: 2**32 - 100}
    for client, data in parts:
        for place in range(0, len(data), size):
            found.append(segment(client, sequence[client], data[place : place + size], port))
            sequence[client] += len(data[place : place + size])
    return found


def segment(
    client: bool,
    sequence: int,
    data: bytes,
    port: int = 50_000,
    *,
    flags: int = 0x18,
    acknowledged: int = 0,
) -> bytes:
    """One TCP segment, from the client's port to 5061 or back."""
    ports = (port, 5061) if client else (5061, port)
    packet = tcp(data, sequence, acknowledged, flags, *ports)
    return ipv4(packet, 6, *((A, B) if client else (B, A)))


def dsb(log: bytes, order: str = "<", kind: int = 0x544C534B) -> bytes:
    """A decryption secrets block of a pcapng."""
    return block(10, struct.pack(order + "II", kind, len(log)) + log, order)


# Python's own


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, made for the test."""
    pair = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=sipstream.example",
         "-out", str(pair[0]), "-keyout", str(pair[1])],
        check=True, capture_output=True,
    )  # fmt: skip
    return pair


def talk(
    pair: tuple[Path, Path],
    keylog: Path,
    messages: Sequence[Part],
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ciphers: str = "",
) -> list[Part]:
    """A true connection between two ends in memory: what each sent, in order."""
    server, client = (
        ssl.SSLContext(one) for one in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)
    )
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    server.load_cert_chain(*pair)
    for one in (server, client):
        one.minimum_version = one.maximum_version = version
        if ciphers:
            one.set_ciphers(ciphers)
    server.keylog_filename = str(keylog)
    ins, outs = ({side: ssl.MemoryBIO() for side in (True, False)} for _ in range(2))
    ends = {
        True: client.wrap_bio(ins[True], outs[True]),
        False: server.wrap_bio(ins[False], outs[False], server_side=True),
    }
    parts: list[Part] = []

    def act(side: bool, action: Callable[[], object]) -> bool:
        """Let one side do something, note what it sent; return whether it got through."""
        done = True
        try:
            action()
        except ssl.SSLWantReadError:
            done = False
        sent = outs[side].read()
        if sent:
            parts.append((side, sent))
            ins[not side].write(sent)
        return done

    done = {True: False, False: False}
    while not all(done.values()):
        for side in (True, False):
            if not done[side]:
                done[side] = act(side, ends[side].do_handshake)
    for side, message in messages:
        act(side, partial(ends[side].write, message))
        act(not side, partial(ends[not side].read, 1 << 20))
    return parts
