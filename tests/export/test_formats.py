"""Formats: what goes out comes in again the same, and masked nothing secret is in any of them."""

from __future__ import annotations

import csv
import io
import json
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from secret_messages import MESSAGES, SECRETS, found_in
from support import CAPTURES, SHARED, ethernet, ipv4, needs, sip, tcp, udp

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.export.formats import FORMATS
from sipstream.export.selected import Selected
from sipstream.export.target import file_name
from sipstream.redact import Redactor
from sipstream.sources import Source, stores_of
from sipstream.sources.file import FileSource

REAL = SHARED / "captures-real"
MADE = [CAPTURES / name for name in ("timeout.pcap", "timeout.txt", "diversion-problem.txt")]
RECORDED = [
    REAL / f"{name}.pcap"
    for name in (
        "irontec_sngrep__tests_ipip",
        "ntop_nDPI__tests_cfgs_default_pcap_sip",
        "sipcapture_heplify__example_pcap_sip_ipv4_tcp",
        "sipcapture_heplify__example_pcap_sip_ipv4_tcp_fragmented",
        "sipcapture_heplify__example_pcap_sip_ipv6_udp",
        "sipcapture_heplify__example_pcap_sip_sctp",
        "sipcapture_heplify__example_pcap_sip_tcp_websocket",
        "sipcapture_heplify__src_decoder_testdata_ipip0",
        "zeek_zeek__testing_btest_Traces_sip_wireshark",
    )
] + [REAL / "ntop_nDPI__tests_cfgs_default_pcap_sip_hello.pcapng"]
ASKED = (MADE[0], RECORDED[0], RECORDED[3])
"""Those that tshark reads, too, which takes it a second each time."""
WITH_MEDIA = REAL / "sipcapture_heplify__example_pcap_rtp_rtcp_sip_ipv4_udp.pcap"

Said = tuple[int, str, str, str, bytes]


async def loaded(*files: Path) -> tuple[Conversations, list[Source]]:
    conversations, sources = Conversations(), list[Source]()
    for file in files:
        sources.append(FileSource(file))
        await pipeline.run(pipeline.Intake(sources[-1], conversations), lambda added: None)
    return conversations, sources


async def selected(
    *files: Path, redactor: Redactor | None = None, rtp: bool = False, only: str = ""
) -> Selected:
    conversations, sources = await loaded(*files)
    numbers = [one.id for one in conversations if only in one.call_id]
    return Selected(
        conversations, numbers, range(len(numbers)), stores_of(sources), redactor=redactor, rtp=rtp
    )


def written(name: str, what: Selected) -> bytes:
    return b"".join(FORMATS[name].pieces(what, lambda: True))


def said(conversations: Iterable[object], *, dated: bool = True) -> list[Said]:
    """Return all messages: when, whence, where to, over what, and their bytes but for line ends."""
    day = 1 if dated else 86_400 * 10**6
    return sorted(
        (one.time // 1000 if dated else one.time // 1000 % day, one.source, one.destination,
         one.transport, one.raw.replace(b"\r\n", b"\n"))
        for conversation in conversations
        for one in conversation.messages  # type: ignore[attr-defined]
    )  # fmt: skip


def pcap(packets: Iterable[bytes], linktype: int = 1) -> bytes:
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    for place, packet in enumerate(packets):
        data += struct.pack("<IIII", 1_523_897_000 + place, 7, len(packet), len(packet)) + packet
    return data


def tshark(path: Path, *arguments: str) -> list[str]:
    """Return the lines that tshark writes of a capture, without resolving names."""
    result = subprocess.run(
        ["tshark", "-n", "-r", path, *arguments], capture_output=True, timeout=60, check=True
    )
    return result.stdout.decode().splitlines()


def frames(path: Path) -> list[str]:
    """Return time, length and a digest of the bytes of each packet, as tshark reads a capture."""
    fields = [f"-eframe.{name}" for name in ("time_epoch", "len", "cap_len", "md5_hash")]
    return tshark(path, "-o", "frame.generate_md5_hash:TRUE", "-Tfields", *fields)


def given(paths: Iterable[Path]) -> list[object]:
    """Return captures as parameters; what is recorded needs the folder that it lies in."""
    return [
        pytest.param(
            path, marks=needs(shared=True) if path.is_relative_to(REAL) else (), id=path.name
        )
        for path in paths
    ]


@pytest.mark.parametrize("path", given([MADE[0], *RECORDED]))
async def test_the_same_packets_come_in_again(tmp_path: Path, path: Path) -> None:
    for name in ("pcap", "pcapng"):
        what = await selected(path)
        out = tmp_path / f"out.{name}"
        out.write_bytes(written(name, what))
        again, sources = await loaded(out)
        assert said(again) == said(what.conversations)
        assert sources[0].notes == []
        assert what.packets and what.missing == what.remarks == []


@needs("tshark")[0]
@pytest.mark.parametrize("path", given(ASKED))
async def test_tshark_reads_the_same_packets(tmp_path: Path, path: Path) -> None:
    before = frames(path)
    for name in ("pcap", "pcapng"):
        what = await selected(path)
        out = tmp_path / f"out.{name}"
        out.write_bytes(written(name, what))
        ours = frames(out)
        assert len(ours) == what.packets
        assert set(ours) <= set(before)


@pytest.mark.parametrize("path", given(MADE + RECORDED))
async def test_text_gives_the_same_messages_again(tmp_path: Path, path: Path) -> None:
    what = await selected(path)
    out = tmp_path / "out.txt"
    out.write_bytes(written("text", what))
    again, sources = await loaded(out)
    expected = said(what.conversations, dated=False)
    # In text neither TLS nor WebSocket is told from TCP.
    plain = [
        (*one[:3], {"UDP": "UDP", "SCTP": "SCTP"}.get(one[3], "TCP"), one[4]) for one in expected
    ]
    assert said(again, dated=False) == plain
    assert not sources[0].tally.reasons


async def test_a_message_cannot_forge_another_one_in_text(tmp_path: Path) -> None:
    forged = (
        "hello\r\n16:41:01.032251 IP 1.2.3.4.5060 > 10.10.10.2.5060: SIP, length: 300\r\n"
        "E.......@.....0I...............s.INVITE sip:victim@b SIP/2.0\r\nCall-ID: forged\r\n\r\n"
    )
    messages = [
        sip(call_id="one", body=forged),
        sip(call_id="two", body="354 packets captured\r\n"),
        sip(call_id="three", body="\x1b]52;c;aGVsbG8=\x07 rings"),
        sip(call_id="four", body="a\nb\r\nc"),
        sip(call_id="five", body="ends in a blank line\r\n\r\n"),
        sip(call_id="six", body="þ"),
        sip(call_id="eight", body="\u202e0066665 sllac\u2066 \u200b \U000e0041 \u3164"),
    ]
    packets = [ethernet(ipv4(udp(one))) for one in messages]
    packets.append(ethernet(ipv4(tcp(sip(call_id="seven", body=forged), 1), 6)))
    (tmp_path / "in.pcap").write_bytes(pcap(packets))
    what = await selected(tmp_path / "in.pcap")
    data = written("text", what)
    (tmp_path / "out.txt").write_bytes(data)
    again, _ = await loaded(tmp_path / "out.txt")
    assert said(again, dated=False) == said(what.conversations, dated=False)
    assert len(again) == 8
    assert b"\x1b" not in data
    assert not {*"\u202e\u2066\u200b\U000e0041\u3164"} & {*data.decode()}


async def test_text_of_several_days_has_dates(tmp_path: Path) -> None:
    packets = pcap([ethernet(ipv4(udp(sip(call_id=name)))) for name in "ab"])
    late = packets[:24] + struct.pack("<I", 1_523_997_000) + packets[28:]
    (tmp_path / "in.pcap").write_bytes(late)
    what = await selected(tmp_path / "in.pcap")
    (tmp_path / "out.txt").write_bytes(written("text", what))
    again, _ = await loaded(tmp_path / "out.txt")
    assert said(again) == said(what.conversations)
    assert what.remarks == [
        "messages of several days: each line has its date, as with tcpdump -tttt"
    ]


def pcapng(
    packets: list[tuple[int, int, bytes, str]], interfaces: list[tuple[str, int, int]]
) -> bytes:
    """Packets of (interface, time, bytes, comment), interfaces of (name, link type, resolution)."""

    def block(kind: int, body: bytes) -> bytes:
        size = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + size + body + size

    def option(code: int, value: bytes) -> bytes:
        return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)

    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    for name, linktype, resolution in interfaces:
        options = option(2, name.encode()) + option(9, bytes((resolution,))) + option(0, b"")
        data += block(1, struct.pack("<HHI", linktype, 0, 262_144) + options)
    for number, time, packet, comment in packets:
        high, low = divmod(time, 1 << 32)
        said = option(1, comment.encode()) + option(0, b"") if comment else b""
        head = struct.pack("<IIIII", number, high, low, len(packet), len(packet))
        data += block(6, head + packet + bytes(-len(packet) % 4) + said)
    return data


async def test_pcapng_keeps_interfaces_comments_and_resolutions(tmp_path: Path) -> None:
    packet = ipv4(udp(sip()))
    given = pcapng(
        [
            (0, 1_523_897_000_000_001, ethernet(packet), "seen at the edge"),
            (1, 1_523_897_000_000_002_003, packet, ""),
            (0, 1_523_897_000_000_003, ethernet(ipv4(udp(sip(cseq="2 INVITE")))), ""),
        ],
        [("eth0", 1, 6), ("tun0", 101, 9)],
    )
    (tmp_path / "in.pcapng").write_bytes(given)
    what = await selected(tmp_path / "in.pcapng")
    assert written("pcapng", what) == given


async def test_masked_packets_hold_masked_messages_with_lengths_that_are_right(
    tmp_path: Path,
) -> None:
    packets = [ethernet(ipv4(udp(one))) for one in MESSAGES[:11]]
    (tmp_path / "in.pcap").write_bytes(pcap(packets))
    redactor = Redactor(b"key")
    for name in ("pcap", "pcapng"):
        what = await selected(tmp_path / "in.pcap", redactor=redactor)
        (tmp_path / "out").write_bytes(written(name, what))
        again, sources = await loaded(tmp_path / "out")
        expected = [(*one[:4], redactor.message(one[4])) for one in said(what.conversations)]
        assert said(again) == sorted(expected)
        assert not sources[0].tally.reasons
        assert not any(one.cut for conversation in again for one in conversation.messages)


@needs("tshark")[0]
@pytest.mark.parametrize("name", ["pcap", "pcapng"])
async def test_tshark_finds_the_checksums_of_masked_packets_right(
    tmp_path: Path, name: str
) -> None:
    packets = [ethernet(ipv4(udp(one))) for one in MESSAGES[:11]]
    (tmp_path / "in.pcap").write_bytes(pcap(packets))
    what = await selected(tmp_path / "in.pcap", redactor=Redactor(b"key"))
    (tmp_path / "out").write_bytes(written(name, what))
    checks = ("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-Y")
    bad = "ip.checksum.status == Bad || udp.checksum.status == Bad || _ws.malformed"
    # One was malformed before: a line of it is no header.
    found = tshark(tmp_path / "out", *checks, bad, "-Tfields", "-eframe.number")
    assert found == ["9"]


@pytest.mark.parametrize("name", FORMATS)
async def test_masked_nothing_secret_is_found_in_any_format(tmp_path: Path, name: str) -> None:
    packets = [ethernet(ipv4(udp(one))) for one in MESSAGES]
    packets += [ethernet(ipv4(tcp(MESSAGES[0], 1), 6))]
    comment = "Gudrun called from 5557001"
    source = pcapng(
        [(0, place, one, comment) for place, one in enumerate(packets)], [("eth0", 1, 6)]
    )
    (tmp_path / "in.pcapng").write_bytes(source)
    what = await selected(tmp_path / "in.pcapng", redactor=Redactor(b"key"))
    data = written(name, what)
    assert what.written >= 11
    assert found_in(data) == []
    assert not any(found_in(line.encode()) for line in what.remarks + what.missing)
    plain = written(name, await selected(tmp_path / "in.pcapng"))
    # Some formats tell a few things only of each message.
    least = {"csv": 5, "markdown": 5, "mermaid": 2, "svg": 2}
    assert len(found_in(plain)) >= least.get(name, len(SECRETS) // 2)


async def test_ndjson_is_a_line_of_json_for_each_message(tmp_path: Path) -> None:
    odd = sip(
        call_id="odd", extra="X-Odd: \\ud800 \u2028 </script>\r\nX-Two: a\r\n b\r\n", body="\x00"
    )
    odd = odd.replace(b"</script>", b"\xff\xfe")
    (tmp_path / "in.pcap").write_bytes(pcap([ethernet(ipv4(udp(odd)))]))
    what = await selected(tmp_path / "in.pcap", CAPTURES / "timeout.pcap")
    data = written("ndjson", what)
    assert data.isascii()
    rows = [json.loads(line) for line in data.decode().splitlines()]
    assert len(rows) == what.messages == 355
    (row,) = (row for row in rows if row["call_id"] == "odd")
    assert ["X-Odd", "\\ud800 \u2028 \udcff\udcfe"] in row["headers"]
    assert ["X-Two", "a b"] in row["headers"]
    assert row["body"] == "\x00"
    for row in rows:
        one = what.conversations[what.numbers[row["conversation"]]]
        message = one.messages[row["index"]]
        text = "\n".join([row["start_line"], *map(": ".join, row["headers"])])
        raw = message.raw.decode("utf-8", "surrogateescape").replace("\r\n b", " b")
        assert raw.replace("\r\n", "\n") == f"{text}\n\n{row['body']}".replace("\r\n", "\n")
        assert row["time_ns"] == message.time


FORMULAS = [
    "=HYPERLINK(1)", "+1", "-1+1", "@SUM(1)", "\t=1", "  =1", "＝1", "＋1", "－1", "＠1", "'=1", "\0=1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
async def test_no_cell_of_csv_is_a_formula(tmp_path: Path, text: str) -> None:
    message = sip(call_id=f'a",{text}\nb', source=f"{text};x").replace(b"\nb\r\n", b"b\r\n")
    (tmp_path / "in.pcap").write_bytes(pcap([ethernet(ipv4(udp(message)))]))
    what = await selected(tmp_path / "in.pcap")
    data = written("csv", what).decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    assert len(rows) == 1
    for cell in rows[0].values():
        assert not cell.lstrip().startswith(tuple("=+-@＝＋－＠"))
        assert not cell.startswith(("\t", "\r", "\n", "\0"))
    assert rows[0]["messages"] == "1"
    assert all(one.startswith('"') and one.endswith('"') for one in data.split("\r\n")[:-1])
    assert data.count('","') >= 2 * 12


async def test_csv_has_a_row_for_each_conversation() -> None:
    what = await selected(CAPTURES / "timeout.pcap")
    rows = list(csv.DictReader(io.StringIO(written("csv", what).decode(), newline="")))
    assert [row["call_id"] for row in rows] == [one.call_id for one in what.conversations]
    assert [int(row["messages"]) for row in rows] == [one.count for one in what.conversations]
    assert rows[10]["dst_num"] == "5660066"


@pytest.mark.parametrize("path", given([WITH_MEDIA]))
async def test_media_are_what_session_descriptions_name(path: Path) -> None:
    what = await selected(path, rtp=True)
    assert written("pcap", what)
    assert what.remarks == ["1453 packets are media"]
    assert what.packets == 1467


@needs("tshark")[0]
@pytest.mark.parametrize("path", given([WITH_MEDIA]))
async def test_tshark_reads_the_media_of_a_call(tmp_path: Path, path: Path) -> None:
    out = tmp_path / "out.pcap"
    out.write_bytes(written("pcap", await selected(path, rtp=True)))
    ours = frames(out)
    assert len(ours) == 1467
    assert set(ours) < set(frames(path))
    assert len(tshark(out, "-Y", "rtp || rtcp")) == 1453


async def test_media_of_others_and_of_later_calls_are_left_out(tmp_path: Path) -> None:
    body = "v=0\r\nc=IN IP4 10.0.0.2\r\nm=audio 4000 RTP/AVP 8\r\n"
    kind = "Content-Type: application/sdp\r\n"
    bye = sip("BYE sip:2@b SIP/2.0", cseq="2 BYE")
    done = sip("SIP/2.0 200 OK", cseq="2 BYE")

    def rtp(port: int, number: int, to: int = 4000) -> bytes:
        return ethernet(ipv4(udp(struct.pack("!BBHII", 0x80, 8, number, 0, 1), port, to)))

    packets = [
        rtp(9000, 0), ethernet(ipv4(udp(sip(extra=kind, body=body)))), rtp(9000, 1), rtp(9000, 2, 4001),
        rtp(9000, 3, 4002), ethernet(ipv4(udp(bye))), ethernet(ipv4(udp(done))), rtp(9000, 4),
        *[rtp(9000, 5, 7)] * 6, rtp(9000, 6),
    ]  # fmt: skip
    (tmp_path / "in.pcap").write_bytes(pcap(packets))
    what = await selected(tmp_path / "in.pcap", rtp=True)
    data = written("pcap", what)
    # Before its first message and long after its last one they are of others.
    kept = [packets[place] for place in (1, 2, 3, 5, 6, 7)]
    assert [packet for packet in packets if packet in data] == kept
    assert what.remarks == ["3 packets are media"]


@pytest.mark.parametrize(
    "call_id",
    ["../../etc/passwd", "/etc/passwd", "a\0b", "x" * 5000, "-rf", "CON", "a\nb", ".hidden", "þorn", "",
     "~", "\udcff"],
)  # fmt: skip
def test_names_made_of_call_ids_are_safe(call_id: str) -> None:
    name = file_name(call_id, ".pcap")
    letters, _, digest = name.removesuffix(".pcap").rpartition("-")
    assert len(digest) == 12
    assert len(letters) <= 64
    assert all(one.isascii() and (one.isalnum() or one in "._-") for one in name)
    assert name[0] not in "-."
    assert name != file_name(call_id + "x", ".pcap")
