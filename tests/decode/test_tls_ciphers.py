"""The key schedule against the trace of RFC 8448, and which cipher suites are read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from sipstream.decode import tls_ciphers

CLIENT = bytes.fromhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
"""client_application_traffic_secret_0 of RFC 8448 section 3."""
RECORD = bytes.fromhex(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a"
    "20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
)
"""The client's first record under it: 50 bytes from 0 on, and their type."""


def test_trace_of_rfc_8448() -> None:
    opener = tls_ciphers.opener(tls_ciphers.SUITES[0x1301], CLIENT)
    assert opener.open(RECORD[:5], RECORD[5:], 1) == bytes(range(50)) + b"\x17"
    assert opener.sequence == 1
    assert opener.open(RECORD[:5], RECORD[5:], 1) is None


@pytest.mark.parametrize("size", range(17))
def test_records_too_short_for_their_tag(size: int) -> None:
    for suite in set(tls_ciphers.SUITES.values()):
        secrets = bytes(48), bytes(32), bytes(32)
        pair = tls_ciphers.openers(suite, *secrets)
        for opener in (*pair, tls_ciphers.opener(suite, bytes(suite.secret_length))):
            assert opener.open(b"\x17\3\3\0\0", bytes(size), 64) is None


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def known_to_openssl() -> Iterator[tuple[int, str]]:
    """Numbers and names of all cipher suites."""
    words = ["openssl", "ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        number, _, name, *_ = line.split()
        high, _, low = number.partition(",0x")
        yield int(high, 16) << 8 | int(low, 16), name.replace("_", "-").replace("AES-", "AES")


@needs_openssl
def test_suites_are_what_their_names_say() -> None:
    ours = {"AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"}
    seen = set()
    for number, name in known_to_openssl():
        suite = tls_ciphers.SUITES.get(number)
        wanted = next((one for one in ours if one in name and "ARIA" not in name), "")
        if suite is None:
            assert not wanted, name
            continue
        seen.add(wanted)
        cipher = f"AES{8 * suite.key_length}-GCM" if suite.explicit else "CHACHA20-POLY1305"
        assert cipher in wanted, name
        assert suite.digest == ("sha384" if "SHA384" in wanted else "sha256"), name
    assert seen == ours


@needs_openssl
def test_names_of_other_suites() -> None:
    named = 0
    for number, name in known_to_openssl():
        if number in tls_ciphers.SUITES or "SRP" in name or "NULL" in name:
            continue
        cipher = next((one for one in ("CCM", "ARIA", "CAMELLIA") if one in name), "CBC")
        assert tls_ciphers.name_of(number).upper().endswith(cipher), name
        named += 1
    assert named > 50
