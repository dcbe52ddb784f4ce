"""TLS 1.2 and 1.3 read along with logged secrets: two directions of bytes in, what they carry out.

Sans-IO. Each direction cuts its bytes into records and follows the other's hello through their
connection. A record whose key isn't known yet waits, and with it all behind it; a bounded number of
them. Nothing raises: what can't be opened is an outcome with its reason. Imported with the first
record that secrets may be there for, since it brings `cryptography` along.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sipstream import reasons
from sipstream.decode import tls_ciphers, tls_records
from sipstream.decode.keylog import MASTER, Secrets
from sipstream.decode.tls_ciphers import TLS12, TLS13, Opener, Suite
from sipstream.decode.tls_records import (
    APPLICATION,
    CHANGE_CIPHER,
    CLIENT_HELLO,
    FINISHED,
    HANDSHAKE,
    KEY_UPDATE,
    SERVER_HELLO,
    Handshakes,
    Record,
    Records,
)
from sipstream.limits import TLS_RECORD_COST, TLS_SKIPPED, TLS_TRIES, TLS_WAITING

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Flow

LOST = b""
"""Stands for bytes that are missing, among the bytes that a direction carries."""


class Outcome(NamedTuple):
    """What came of a record or several: bytes carried, LOST, or None with the reason why none.

    `packets` is how many packets it accounts for; below 0 it takes back what an earlier one counted.
    """

    flow: Flow
    time: int
    packets: int
    data: bytes | None
    reason: str = ""


_Opened: TypeAlias = bytes | str | None
"""The content of a record, the reason why it has none, None when it has to wait for its key."""


class _Waiting(NamedTuple):
    """A record that waits for its key (None: bytes that are missing), and packets counted for it."""

    time: int
    record: Record | None
    packets: int

    @property
    def cost(self) -> int:
        """Bytes that holding it takes."""
        return TLS_RECORD_COST + (len(self.record.body) if self.record else 0)


class Connection:
    """What the two directions of a connection know of each other."""

    def __init__(self, secrets: Secrets) -> None:
        self.directions: list[Direction] = []
        """Those that haven't ended."""
        self.complete = False
        """Both directions have begun."""
        self.client_random: bytes = b""
        self.server_random = b""
        self.version = 0
        """0 until the server has said it."""
        self._suite = 0
        self._secrets = secrets

    def direction(self, flow: Flow) -> Direction:
        """Return a new direction of it; what is carried goes out as of `flow`."""
        made = Direction(self, flow)
        self.complete = bool(self.directions)
        self.directions.append(made)
        return made

    def give_up(self, reason: str) -> None:
        """Nothing more of it will be read, for this reason."""
        for one in self.directions:
            one.give_up(reason)

    def server_hello(self, body: bytes) -> None:
        """Take note of what the server chose."""
        hello = tls_records.server_hello(body)
        if hello is not None:
            # A HelloRetryRequest has the suite as well, and its random isn't used in TLS 1.3.
            self.server_random, self.version, self._suite = hello

    def secret(self, name: str) -> bytes | None:
        """Return one of its secrets, None where there is none (yet)."""
        return self._secrets.find(name, self.client_random) if self.client_random else None

    def suite(self) -> Suite | str | None:
        """Return the cipher suite, the reason why it can't be read, None while it isn't known."""
        if not self.server_random:
            return None
        suite = tls_ciphers.SUITES.get(self._suite)
        if suite is None or self.version not in (TLS12, TLS13):
            return f"{reasons.TLS_CIPHER}: {tls_ciphers.name_of(self._suite)}"
        return suite

    def release(self) -> list[Outcome]:
        """Return what came of records that have waited, in the order of their times."""
        outcomes = [outcome for one in self.directions for outcome in one.release()]
        outcomes.sort(key=lambda outcome: outcome.time)
        return outcomes


class Direction:
    """One direction of a connection."""

    def __init__(self, connection: Connection, flow: Flow) -> None:
        self.connection = connection
        self.flow = flow
        """What it carries is of this flow."""
        self._records = Records()
        self._handshakes = Handshakes()
        self._is_client: bool | None = None
        self._sealed = False
        """In TLS 1.2: what follows is encrypted."""
        self._opener: Opener | None = None
        self._finished = False
        """In TLS 1.3: its handshake is over, application data's keys are in use."""
        self._suite: Suite | None = None
        """The cipher suite, once a key is there."""
        self._secret = b""
        """In TLS 1.3: the traffic secret that `_opener` was made from, but for the handshake's."""
        self._lost = False
        """Records before the next one may be missing."""
        self._tries = TLS_TRIES
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._dead = ""
        """Why nothing more is read."""

    @property
    def held(self) -> int:
        """Bytes held: records that wait, a record and a message that aren't whole."""
        return self._waiting_bytes + self._records.held + self._handshakes.held

    def give_up(self, reason: str) -> None:
        """Read nothing more; what waited stays counted as it is."""
        self._dead = self._dead or reason
        self._waiting.clear()
        self._waiting_bytes = 0
        self._records, self._handshakes = Records(), Handshakes()
        self._opener = None

    def lost(self, time: int) -> None:
        """Bytes of the stream are missing here."""
        self._records.lost()
        if self._waiting:
            self._wait(_Waiting(time, None, 0))
        else:
            self._take(None)

    def feed(self, time: int, data: bytes, packets: int) -> list[Outcome]:
        """Take the stream's next bytes, return what came of them and of records that waited."""
        if self._dead:
            return self._outcomes(time, packets, [], self._dead)
        outcomes = self.connection.release()
        carried: list[bytearray] = []
        reason, waited = "", False
        for record in self._records.feed(data):
            opened = None if self._waiting else self._take(record)
            if opened is None:
                self._wait(_Waiting(time, record, 0))
                reason, waited = reasons.TLS, True
            elif isinstance(opened, str):
                reason = opened
            _join(carried, opened)
            if self._dead:
                break
        if not any(carried) and waited and self._waiting:
            self._waiting[-1] = self._waiting[-1]._replace(packets=packets)
        if self._waiting_bytes > TLS_WAITING:
            self.connection.give_up(reasons.TLS)
        return outcomes + self._outcomes(time, packets, carried, reason or self._unfinished())

    def release(self) -> list[Outcome]:
        """Open what waits, as far as keys are known now; return what came of it."""
        outcomes: list[Outcome] = []
        while self._waiting:
            waiting = self._waiting[0]
            opened = self._take(waiting.record)
            if opened is None:
                break
            if self._waiting:
                self._waiting.popleft()
                self._waiting_bytes -= waiting.cost
            time, _, packets = waiting
            outcomes += self._outcomes(time, -packets, [], reasons.TLS)
            carried: list[bytearray] = []
            _join(carried, opened)
            reason = opened if isinstance(opened, str) else ""
            outcomes += self._outcomes(time, packets, carried, reason)
        return outcomes

    def _outcomes(
        self, time: int, packets: int, carried: list[bytearray], reason: str
    ) -> list[Outcome]:
        """Return an outcome for each run of bytes; the first one accounts for the packets."""
        outcomes = []
        for data in carried:
            outcomes.append(Outcome(self.flow, time, packets if data else 0, bytes(data)))
            packets = 0 if data else packets
        if packets:
            outcomes.append(Outcome(self.flow, time, packets, None, reason))
        return outcomes

    def _unfinished(self) -> str:
        """Return the reason for bytes that made no record whole."""
        if self._waiting:
            return reasons.TLS
        return reasons.PART if self._opener is not None else reasons.TLS_CONTROL

    def _wait(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.cost

    def _take(self, record: Record | None) -> _Opened:
        """Take the next record in turn, None where bytes are missing."""
        if record is None:
            self._lost = True
            self._handshakes = Handshakes()
            return reasons.TLS_DAMAGED
        opens = self._sealed or record.kind == APPLICATION
        if (opens or record.kind == CHANGE_CIPHER) and self._is_client is None:
            # Its hello wasn't seen: the capture began later.
            self.connection.give_up(reasons.TLS)
            return reasons.TLS
        if opens:
            return self._open(record)
        if record.kind == CHANGE_CIPHER:
            if not self.connection.version:
                return None
            # In TLS 1.3 it means nothing (RFC 8446 section 5).
            self._sealed = self.connection.version != TLS13
        elif record.kind == HANDSHAKE:
            self._handshake(record.body)
        return reasons.TLS_CONTROL

    def _handshake(self, data: bytes) -> None:
        """Take note of what handshake messages change."""
        connection = self.connection
        for kind, body in self._handshakes.feed(data):
            if kind == CLIENT_HELLO:
                self._is_client = True
                connection.client_random = body[2:34]
            elif kind == SERVER_HELLO:
                self._is_client = False
                connection.server_hello(body)
            elif kind == FINISHED and connection.version == TLS13 and not self._finished:
                self._finished = True
                self._opener = None
            elif kind == KEY_UPDATE and self._secret and self._suite is not None:
                secret = tls_ciphers.updated(self._suite, self._secret)
                self._use(secret, tls_ciphers.opener(self._suite, secret))

    def _open(self, record: Record) -> _Opened:
        """Return what an encrypted record holds."""
        if self._opener is None:
            lacking = self._prepare()
            if self._opener is None:
                return lacking
        plain = self._opened_by(self._opener, record)
        if plain is None and self.connection.version == TLS13:
            plain = self._open_with_next(record)
        if plain is None:
            if self._secret and not self._finished:
                # Without the handshake's secret its records look like this.
                return reasons.TLS_CONTROL
            self._lost = True
            return reasons.TLS_FAILED
        self._lost = False
        self._finished = self._finished or bool(self._secret)
        self._sealed = self.connection.version != TLS13
        self._tries = min(self._tries + 1, TLS_TRIES)
        return self._content(record.kind, plain)

    def _content(self, kind: int, plain: bytes) -> _Opened:
        """Return application data; take note of all else."""
        if self.connection.version == TLS13:
            # Its type is the last byte before the padding (RFC 8446 section 5.4).
            plain = plain.rstrip(b"\0")
            kind, plain = plain[-1] if plain else 0, plain[:-1]
        if kind == APPLICATION and plain:
            return plain
        if kind == HANDSHAKE:
            self._handshake(plain)
        elif kind == CHANGE_CIPHER and self.connection.version != TLS13:
            # A handshake within TLS 1.2 has made new keys.
            self._opener = None
        return reasons.TLS_CONTROL

    def _prepare(self) -> str | None:
        """Make what opens the next record; return why it can't be made, None when it has to wait."""
        connection = self.connection
        suite = connection.suite()
        for name in self._names() if suite is not None else ():
            secret = connection.secret(name)
            if secret is None:
                continue
            if not isinstance(suite, Suite):
                connection.give_up(suite or reasons.TLS)
                return suite
            self._suite = suite
            if connection.version != TLS13:
                randoms = connection.client_random, connection.server_random
                pair = tls_ciphers.openers(suite, secret, *randoms)
                self._opener = pair[0 if self._is_client else 1]
            elif len(secret) == suite.secret_length:
                self._use(
                    secret if name == self._names()[-1] else b"", tls_ciphers.opener(suite, secret)
                )
            break
        return None

    def _names(self) -> tuple[str, ...]:
        """Return the names of the secrets that may open the next record, in their turn."""
        if self.connection.version != TLS13:
            return (MASTER,)
        side = "CLIENT" if self._is_client else "SERVER"
        application = f"{side}_TRAFFIC_SECRET_0"
        return (
            (application,) if self._finished else (f"{side}_HANDSHAKE_TRAFFIC_SECRET", application)
        )

    def _use(self, secret: bytes, opener: Opener) -> None:
        self._secret, self._opener = secret, opener

    def _opened_by(self, opener: Opener, record: Record) -> bytes | None:
        """Return a record's content; behind a hole some sequence numbers are tried."""
        if not self._lost:
            return opener.open(record.header, record.body, 1)
        tries = max(min(TLS_SKIPPED, self._tries), 1)
        before = opener.sequence
        plain = opener.open(record.header, record.body, tries)
        spent = tries if plain is None else opener.sequence - before
        self._tries = max(self._tries - spent, 0)
        return plain

    def _open_with_next(self, record: Record) -> bytes | None:
        """Return the content of TLS 1.3's record when what changed the key wasn't seen."""
        if self._suite is None or not self._tries:
            return None
        secret: bytes | None = None
        if not self._secret:
            secret = self.connection.secret(self._names()[-1])
        elif self._lost:
            secret = tls_ciphers.updated(self._suite, self._secret)
        if secret is None or len(secret) != self._suite.secret_length:
            return None
        opener = tls_ciphers.opener(self._suite, secret)
        plain = self._opened_by(opener, record)
        if plain is not None:
            self._use(secret, opener)
        return plain


def _join(carried: list[bytearray], opened: _Opened) -> None:
    """Append what a record gave: to the bytes before it, or that some are LOST."""
    if isinstance(opened, bytes):
        if carried and carried[-1]:
            carried[-1] += opened
        else:
            carried.append(bytearray(opened))
    elif opened in (reasons.TLS_FAILED, reasons.TLS_DAMAGED):
        carried.append(bytearray(LOST))
