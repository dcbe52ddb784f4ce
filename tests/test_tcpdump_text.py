"""What becomes of tcpdump's text on its way: other packets between, other flags, broken lines, a BOM.

The text is tcpdump's own of this machine; the reference is the capture it was printed from.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hostile_inputs import pcap
from hostile_targets import Outcome, read
from support import CAPTURES, SHARED, ethernet, ipv4, needs, sip, tcp, udp

from sipstream import reasons
from sipstream.sources.pcap import PcapReader
from sipstream.sources.textclock import Clock, Form

pytestmark = needs("tcpdump")
TIMEOUT = CAPTURES / "timeout.pcap"
REAL = SHARED / "captures-real"
LONG_CALL_ID = "a-call-id-of-many-letters-" * 4 + "@host"
LONG = sip(
    call_id=LONG_CALL_ID,
    extra="User-Agent: a phone whose maker is proud of it and says so at length, in many words\r\n",
    body="v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\n",
)


def printed(path: Path, flags: str) -> bytes:
    command = ["tcpdump", *flags.split(), "-r", str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def of(outcome: Outcome) -> Counter[tuple[bytes, bytes]]:
    """Call-ID and bytes of the messages."""
    return Counter((call_id, raw) for *_, call_id, raw in outcome.messages)


def capture(tmp_path: Path, *packets: bytes) -> Path:
    path = tmp_path / "some.pcap"
    path.write_bytes(pcap([ethernet(packet) for packet in packets]))
    return path


@pytest.mark.parametrize("flags", ["-n -X", "-n -x", "-n -XX", "-n -e -q -X", "-n -S -vv -xx -#"])
def test_hex_gives_the_exact_bytes(flags: str) -> None:
    assert of(read(printed(TIMEOUT, flags))) == of(read(TIMEOUT.read_bytes()))


@pytest.mark.parametrize("flags", ["-q -A", "-S -A", "-e -A", "-e -S -v -A", "-# -A", "-K -A -u"])
def test_flags_over_tcp(flags: str, tmp_path: Path) -> None:
    """Segments with and without options, a message over several of them, in a tunnel too."""
    stream = sip(call_id="one", body="v=0\r\n" * 9) + sip(call_id="two")
    pieces = [(0, stream[:150]), (150, stream[150:400]), (400, stream[400:])]
    packets = [ipv4(tcp(data, 7000 + place), 6) for place, data in pieces]
    tunnelled = [ipv4(ipv4(tcp(data, 9000 + at, source_port=99), 6), 4) for at, data in pieces]
    text = printed(capture(tmp_path, *packets, *tunnelled), f"-n {flags}")
    outcome = read(text)
    assert [raw for *_, raw in outcome.messages] == [stream[: -len(sip(call_id="two"))],
                                                     sip(call_id="two")] * 2  # fmt: skip


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the captures in ../shared")
@pytest.mark.parametrize("flags", ["-e -A", "-e -v -A", "-e -S -A"])
def test_link_lines_before_a_tunnel(flags: str) -> None:
    path = REAL / "irontec_sngrep__tests_ipip.pcap"
    assert of(read(printed(path, f"-n {flags}"))).keys() == of(read(path.read_bytes())).keys()


def test_quiet_text_is_no_text() -> None:
    """-q without -A prints nothing of a message: the user is told so, not that it was no SIP."""
    packets = len(read(TIMEOUT.read_bytes()).packets)
    assert read(printed(TIMEOUT, "-n -q")).reasons == {reasons.NO_TEXT: packets}


@pytest.mark.parametrize("flags", ["-v", "-A", "-q -A", "-e -v"])
def test_names_for_ports(flags: str, tmp_path: Path) -> None:
    """Without -n, between an address and itself: no name server is asked."""
    home = bytes((127, 0, 0, 1))
    packet = ipv4(udp(sip()), 17, home, home)
    outcome = read(printed(capture(tmp_path, packet), flags))
    assert [call_id for *_, call_id, _ in outcome.messages] == [b"call-1"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captures in ../shared")
@pytest.mark.parametrize("flags", ["-v", "-A", "-X", "-e -vv", "-S -A", "-v -A"])
def test_interleaved_with_everything(flags: str, tmp_path: Path) -> None:
    """Between the packets of calls stand those of tcpdump's own tests: some 70 protocols."""
    others = []
    for path in sorted(SHARED.glob("torture/tcpdump-pcaps/*.pcap")):
        data = path.read_bytes()
        if data[20:24] in (b"\x01\0\0\0", b"\0\0\0\x01"):
            for batch in PcapReader(None).feed(data):  # type: ignore[arg-type]
                others += [batch.data[start:end] for _, start, end, _ in batch.records[:20]]
    calls = [ethernet(ipv4(udp(sip(call_id=f"call-{n}")))) for n in range(len(others))]
    both = [packet for pair in zip(calls, others, strict=True) for packet in pair]
    path = tmp_path / "both.pcap"
    path.write_bytes(pcap([packet for packet in both if packet]))
    found = [call_id for *_, call_id, _ in read(printed(path, f"-n {flags}")).messages]
    assert len(others) > 50
    assert [one for one in found if one.startswith(b"call-")] == [
        b"call-%d" % n for n in range(len(others))
    ]


# On its way


def hard(text: str, width: int = 80) -> str:
    """Text as a terminal breaks it: anywhere, tabs as blanks."""
    lines = (line.expandtabs(8) for line in text.split("\n"))
    return "\n".join("\n".join(textwrap_hard(line, width)) for line in lines)


def textwrap_hard(line: str, width: int) -> list[str]:
    return [line[at : at + width] for at in range(0, len(line), width)] or [""]


def mailed(text: str, width: int = 72) -> str:
    """Text as a mailer breaks it: at blanks."""
    return "\n".join(
        "\n".join(
            textwrap.wrap(
                line, width, expand_tabs=False, replace_whitespace=False,
                break_long_words=False, break_on_hyphens=False,
            )
            or [""]
        )
        for line in text.split("\n")
    )  # fmt: skip


CHANGES = {
    "a BOM": lambda text: "ï»¿" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "blanks for tabs": lambda text: text.expandtabs(8),
    "a prompt before": lambda text: (
        "me@sip:~$ tcpdump -nn port 5060\ntcpdump: listening on eth0, "
        "link-type EN10MB (Ethernet), snapshot length 262144 bytes\n" + text
    ),
    "words behind": lambda text: (
        text + "^C354 packets captured\n354 packets received by filter\n"
        "0 packets dropped by kernel\nme@sip:~$ exit\n"
    ),
}


@pytest.mark.parametrize("form", ["-v", "-A", "-X", "-e -v -A"])
@pytest.mark.parametrize("change", CHANGES)
def test_changes_that_do_no_harm(change: str, form: str) -> None:
    text = printed(TIMEOUT, f"-n {form}").decode("latin-1")
    found, wanted = (
        Counter((call_id, raw.replace(b"\r", b"").strip()) for *_, call_id, raw in one.messages)
        for one in (read(CHANGES[change](text).encode("latin-1")), read(text.encode("latin-1")))
    )
    assert found == wanted


@pytest.mark.parametrize("breaking", [hard, mailed])
@pytest.mark.parametrize("form", ["-v", "-A", "-X", "-v -A", "-tttt -v"])
def test_broken_lines(form: str, breaking, tmp_path: Path) -> None:
    """A message is its own or is counted, and never one of another Call-ID."""
    path = capture(
        tmp_path, *(ipv4(udp(one)) for one in (LONG, sip(), LONG.replace(b"1 I", b"2 I")))
    )
    text = printed(path, f"-n {form}").decode("latin-1")
    outcome = read(breaking(text).encode("latin-1"))
    found = [call_id.decode() for *_, call_id, _ in outcome.messages]
    assert set(found) <= {LONG_CALL_ID, "call-1"}
    assert outcome.reasons.get(reasons.BROKEN, 0) == 3 - len(found)
    if "-A" not in form:
        # -A alone prints no length that could prove what a broken Call-ID was.
        assert len(found) == 3


@pytest.mark.parametrize("breaking", [hard, mailed])
@pytest.mark.parametrize("form", ["-v", "-A", "-X", "-v -A", "-e -v"])
def test_broken_lines_of_a_capture(form: str, breaking) -> None:
    text = printed(TIMEOUT, f"-n {form}")
    whole, outcome = read(text), read(breaking(text.decode("latin-1")).encode("latin-1"))
    known = {call_id for *_, call_id, _ in whole.messages}
    assert {call_id for *_, call_id, _ in outcome.messages} <= known
    assert len(outcome.packets) == len(whole.packets)
    if breaking is mailed:
        assert len(outcome.messages) == len(whole.messages)


def test_folds_stand_for_breaks_that_cant_be_proved(tmp_path: Path) -> None:
    text = printed(capture(tmp_path, ipv4(udp(LONG))), "-n -v").decode()
    broken = text.replace("proud of it and", "proud\nof it again and")
    [(*_, raw)] = read(broken.encode()).messages
    assert b"User-Agent: a phone whose maker is proud\r\n of it again and says" in raw


def test_what_cant_be_joined_is_told(tmp_path: Path) -> None:
    text = printed(capture(tmp_path, ipv4(udp(LONG))), "-n -A").decode()
    path = tmp_path / "mailed.txt"
    path.write_text(text.replace("letters-", "letters-\n", 1))
    command = [sys.executable, "-m", "sipstream", str(path), "-c", "show sources"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"1 {reasons.BROKEN}" in ended.stdout
    assert "let tcpdump print it with -X" in ended.stdout + ended.stderr


@pytest.mark.parametrize("stamp", ["2018-04-16", "04/16/2018", "16.04.2018"])
def test_dates(stamp: str) -> None:
    """tcpdump's own date is the same in every locale; older ones and turned ones are read too."""
    day = Clock(Form.DATE, date(2018, 4, 16)).time((f"{stamp} 12:00".encode(), b"00", b"000001"))
    assert day == Clock(Form.DATE, date(2018, 4, 16)).time((b"2018-04-16 12:00", b"00", b"000001"))
    text = printed(TIMEOUT, "-n -v -tttt").replace(b"2018-04-16", stamp.encode())
    assert len(read(text).messages) == len(read(printed(TIMEOUT, "-n -v -tttt")).messages)


def test_tcpdumps_date_knows_no_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = printed(TIMEOUT, "-n -tttt")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert printed(TIMEOUT, "-n -tttt") == plain
