"""Who may connect to a nats-server of the tests: a password, TLS with a CA of its own, a creds file."""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import ipaddress
import json
import os
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from nats_servers import LOOPBACK, Access

_OPERATOR, _ACCOUNT, _USER, _SEED = 14 << 3, 0, 20 << 3, 18 << 3
"""First bytes of keys as NATS writes them (nkeys): which key it is, and whether it is the secret."""


def password(user: str = "tap", word: str = "secret") -> Access:
    """One user with a password."""
    return Access(
        config=f'authorization {{ users: [{{ user: "{user}", password: "{word}" }}] }}',
        user=f"{user}:{word}",
    )


def tls(folder: Path, *, config: str = "", creds: Path | None = None) -> Access:
    """TLS alone: a CA made for this test, and a certificate of it for loopback."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key = _certificate("tests' CA", None)
    one, key = _certificate("nats", (ca, ca_key))
    paths = [folder / name for name in ("ca.pem", "server.pem", "server.key")]
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, data in zip(
        paths, (ca.public_bytes(Encoding.PEM), one.public_bytes(Encoding.PEM), secret), strict=True
    ):
        path.write_bytes(data)
    files = f'cert_file: "{paths[1]}", key_file: "{paths[2]}", timeout: 5'
    return Access(config=f"tls {{ {files} }}\n{config}", scheme="tls", ca=paths[0], creds=creds)


def creds(folder: Path) -> Access:
    """A user of an operator's account, who shows a creds file, without TLS."""
    folder.mkdir(parents=True, exist_ok=True)
    operator, system, account, user = (Ed25519PrivateKey.generate() for _ in range(4))
    unlimited = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1}
    storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    limits = {**unlimited, "exports": -1, "wildcards": True}
    accounts = {
        _public(_ACCOUNT, one): _token(
            _OPERATOR, operator, one, _ACCOUNT, {"type": "account", "limits": {**limits, **more}}
        )
        # The system's own account may store nothing.
        for one, more in ((system, {}), (account, storage))
    }
    preload = ", ".join(f"{name}: {token}" for name, token in accounts.items())
    rights = {"type": "user", "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}}
    shown = _token(_ACCOUNT, account, user, _USER, rights)
    path = folder / "tap.creds"
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{shown}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{_seed(_USER, user)}\n------END USER NKEY SEED------\n"
    )
    path.chmod(0o600)
    return Access(
        config=f"operator: {_token(_OPERATOR, operator, operator, _OPERATOR, {'type': 'operator'})}\n"
        f"system_account: {_public(_ACCOUNT, system)}\n"
        f"resolver: MEMORY\nresolver_preload: {{ {preload} }}",
        creds=path,
    )


def _certificate(
    name: str, by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a certificate for loopback signed `by` a CA, or the CA itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    issuer = by[1] if by else key
    made = made.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
    )
    if by is None:
        signs = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **signs)
        made = made.add_extension(usage, critical=True)
    return made.sign(issuer, SHA256()), key


def _written(data: bytes) -> str:
    """Return a key's bytes as NATS writes them: with a checksum, in base 32."""
    checked = data + binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")


def _public(kind: int, key: Ed25519PrivateKey) -> str:
    return _written(bytes([kind]) + key.public_key().public_bytes_raw())


def _seed(kind: int, key: Ed25519PrivateKey) -> str:
    head = bytes([_SEED | kind >> 5, (kind & 31) << 3])
    return _written(head + key.private_bytes_raw())


def _token(
    by_kind: int, by: Ed25519PrivateKey, key: Ed25519PrivateKey, kind: int, claim: dict[str, Any]
) -> str:
    """Return what an issuer says of a key, signed (a JWT as NATS has it)."""
    body: dict[str, Any] = {
        "iat": 1_700_000_000,
        "iss": _public(by_kind, by),
        "sub": _public(kind, key),
        "name": claim["type"],
        "nats": {**claim, "version": 2},
    }
    digest = hashlib.sha256(json.dumps(body).encode() + os.urandom(8)).digest()
    body["jti"] = base64.b32encode(digest).decode().rstrip("=")
    parts = [
        _base64(json.dumps(one).encode()) for one in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)
    ]
    return ".".join([*parts, _base64(by.sign(".".join(parts).encode()))])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
