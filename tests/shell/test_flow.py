"""Ladders in the shell: of a conversation, while messages come, and what their columns are called."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES, ethernet, ipv4, sip, udp
from terminal import Terminal

from sipstream.settings import Settings
from sipstream.shell import naming
from sipstream.shell.completion import offers
from sipstream.shell.naming import Naming

TIMEOUT = str(CAPTURES / "timeout.pcap")
SDP = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 8\r\n"
TRYING = sip("SIP/2.0 100 Trying")
BYE = sip("BYE sip:2@b SIP/2.0", cseq="2 BYE")


async def test_a_conversation_is_drawn(shell: Shell) -> None:
    lines = await shell("show conversation 10 flow")
    assert lines[0].startswith("=== Conversation Call-ID: 35e857d642ef6280292e2d0e4cac4f13@")
    assert lines[1] == "7 copies seen at other capture points are folded"
    assert lines[2].split() == ["10.10.10.2:5060", "178.19.48.48:5060"]
    assert lines[3] == "[0]  16:41:37.979995          |- INVITE x7 over 31.5 s ->|"
    assert await shell("sh conv 10 fl") == lines
    # By Call-ID there is no heading, as show conversation has none.
    assert (
        await shell("show conversation 35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060 flow")
        == (lines[1:])
    )
    await shell("conversation 10")
    assert await shell("show flow") == lines
    assert await shell("show flow | count") == [str(len(lines))]


async def test_arrows_are_objects_under_json(tmp_path: Path) -> None:
    made = Shell(tmp_path, as_json=True)
    async with made.session as session:
        await session.sources.load(CAPTURES / "timeout.pcap")
        await made("set name 178.19.48.48 pbx")
        [invite] = map(json.loads, await made("show conversation 10 flow"))
        trying = json.loads((await made("show conversation 1 flow"))[1])
    made.close()
    assert invite["messages"] == list(range(14))
    assert {name: invite[name] for name in ("index", "label", "sendings", "copies", "leg")} == {
        "index": 0,
        "label": "INVITE",
        "sendings": 7,
        "copies": 7,
        "leg": 0,
    }
    assert invite["span"] == pytest.approx(31.499775)
    assert (invite["source"], invite["destination_name"]) == ("10.10.10.2:5060", "pbx")
    assert (trying["label"], trying["answers"], trying["delta"]) == (
        "100 Trying",
        "INVITE",
        0.000282,
    )


async def test_names_are_shown_kept_and_taken_away(shell: Shell) -> None:
    assert await shell("show names") == ["no address has a name: 'set name ADDRESS NAME' gives one"]
    assert await shell("set name 178.19.48.48 pbx") == []
    assert await shell('set name [2001:DB8:0::1]:5060 "the trunk"') == []
    assert (await shell("show conversation 10 flow"))[2].split() == ["10.10.10.2:5060", "pbx"]
    assert await shell("show names") == [
        "178.19.48.48        pbx",
        "[2001:db8::1]:5060  the trunk",
    ]
    kept = Settings.read(shell.config)
    assert {text: one.text for text, one in kept.addresses.items()} == {
        "178.19.48.48": "pbx",
        "[2001:db8::1]:5060": "the trunk",
    }
    assert not kept.complaints
    assert await shell("unset name 178.19.48.48") == []
    assert "pbx" not in shell.config.read_text()
    assert (await shell("show conversation 10 flow"))[2].split()[1] == "178.19.48.48:5060"


async def test_what_is_no_address_or_no_name_is_refused(shell: Shell) -> None:
    wanted = "10.20.0.22, 10.20.0.22:5060 or [2001:db8::1]:5060"
    for text in ("pbx", "10.20.0", "10.20.0.22:", "[::1", "1:2:3"):
        assert await shell(f"set name {text} pbx") == [
            f"*** Error! '{text}' is no address: {wanted}"
        ]
    assert await shell(f"set name 10.0.0.1 {'x' * 33}") == [
        f"*** Error! '{'x' * 33}' is no name: at most 32 letters that show"
    ]
    assert await shell('set name 10.0.0.1 " "') == [
        "*** Error! ' ' is no name: at most 32 letters that show"
    ]
    assert shell.session.settings.addresses == {}


def test_faults_in_the_file_cost_that_name_only(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[names]\n"10.0.0.1" = "one"\n"10.0.0" = "two"\n"10.0.0.3" = 3\n"10.0.0.4" = "\\u001b"\n'
        '"10.0.0.5" = "five"\n'
    )
    settings = Settings.read(path)
    assert {text: one.text for text, one in settings.addresses.items()} == {
        "10.0.0.1": "one",
        "10.0.0.5": "five",
    }
    assert [one.split(":")[0] for one in settings.complaints] == [
        "config.toml line 3",
        "config.toml line 4",
        "config.toml line 5",
    ]


async def test_completion_offers_addresses_that_may_have_a_name(shell: Shell) -> None:
    await shell("set name 10.10.10.2 pbx")
    session = shell.session
    assert [one.text for one in offers(session, "unset name ", "general")[1]] == ["10.10.10.2"]
    texts = [one.text for one in offers(session, "set name ", "general")[1]]
    assert texts[0] == "10.10.10.2"
    assert "178.19.48.48" in texts
    assert texts.count("10.10.10.2") == 1
    near = [one.text for one in offers(session, "set name 178.19.48.9", "general")[1]]
    assert "178.19.48.97" in near
    assert near[0].startswith("178.19.48.9")


async def test_dns_is_asked_only_where_that_is_wanted_and_by_no_more_than_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    slow = threading.Event()

    def look_up(address: str) -> str:
        asked.append(address)
        if address == "10.0.0.2":
            slow.wait(20)
        return {"10.0.0.1": "phone.example"}.get(address, "")

    monkeypatch.setattr(naming, "PATIENCE", 0.05)
    settings = Settings(tmp_path / "config.toml")
    names = Naming(lambda: settings, look_up)
    await names.ask(["10.0.0.1"])
    assert (asked, names.name_of("10.0.0.1")) == ([], "")
    settings.change("reverse_dns", True)
    try:
        while not names.name_of("10.0.0.1"):
            await names.ask(["10.0.0.1", "10.0.0.2", "host-that-tcpdump-printed"])
        assert names.name_of("10.0.0.1") == "phone.example"
        await names.ask(["10.0.0.1", "10.0.0.2"])
        assert (sorted(asked), names.name_of("10.0.0.2")) == (["10.0.0.1", "10.0.0.2"], "")
    finally:
        slow.set()
    await asyncio.wait(names.begin(["10.0.0.2"]))
    # Without a name it isn't asked about again.
    await names.ask(["10.0.0.2"])
    assert len(asked) == 2
    settings.change_named("names", "10.0.0.1", "mine")
    assert names.name_of("10.0.0.1") == "mine"


async def test_a_follow_draws_what_comes(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session:
        assert await made("follow dstnum 5660066 flow") == ["Follow 1: dstnum 5660066 (flow)"]
        made.put(sip(call_id="one"), sip("SIP/2.0 100 Trying", "one"))
        lines = await made.written()
        assert lines[0] == "=== Conversation Call-ID: one ==="
        assert lines[1].split() == ["10.0.0.1:5060", "10.0.0.2:5060"]
        assert [line.split(maxsplit=2)[2] for line in lines[2:]] == [
            "|--------- INVITE --------->|",
            "+1.0ms |------- 100 Trying ------->|",
        ]
        # The same call goes on without its names; they come again behind another one.
        made.put(sip("SIP/2.0 180 Ringing", "one"))
        assert [line[:4] for line in await made.written()] == ["[2] "]
        made.put(sip(call_id="two"))
        assert (await made.written())[0] == "=== Conversation Call-ID: two ==="
        made.put(sip("SIP/2.0 200 OK", "one"))
        lines = await made.written()
        assert lines[0] == "=== Conversation Call-ID: one ==="
        assert lines[1].split() == ["10.0.0.1:5060", "10.0.0.2:5060"]
        assert lines[2].startswith("[3] ")
        assert len(lines) == 3
    made.close()


async def test_what_is_sent_again_says_how_often_and_copies_are_left_out(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session:
        await made("follow flow")
        invite = sip(extra="Content-Type: application/sdp\r\n", body=SDP)
        made.put(invite)
        # A millisecond later it is a copy.
        made.put(invite)
        made._clock += 500 * 10**6
        made.put(invite)
        lines = await made.written()
    made.close()
    arrows = [line for line in lines if line.startswith("[")]
    # What it offers is said once.
    assert [line.strip(" |") for line in lines if "SDP" in line] == ["SDP 10.0.0.1:4000 PCMA"]
    assert len(arrows) == 2
    assert arrows[1].startswith("[2]")
    assert "INVITE x2 over 0.50 s" in arrows[1]


async def test_a_follow_changes_between_lines_and_ladders(tmp_path: Path) -> None:
    made = Shell(tmp_path)
    async with made.session:
        await made("follow dstnum 5660066")
        await made("follow 1")
        await made("flow")
        made.put(sip())
        assert (await made.written())[0].startswith("=== ")
        await made("messages")
        made.put(BYE)
        assert "BYE sip:2@b SIP/2.0" in await made.written()
        await made("lines")
        made.put(TRYING)
        assert "10.0.0.1:5060 -> 10.0.0.2:5060 100 Trying" in (await made.written())[0]
        await made("flow")
        assert await made("show follows") == ["1: dstnum 5660066 (flow) (3 messages shown)"]
    made.close()


async def test_several_follows_are_told_apart_and_arrows_are_objects_under_json(
    tmp_path: Path,
) -> None:
    made = Shell(tmp_path)
    async with made.session:
        await made("follow flow")
        await made("follow dstnum 5660066 flow")
        made.put(sip())
        heads = [line for line in await made.written() if "===" in line]
    made.close()
    assert heads == [f"#{one} === Conversation Call-ID: call-1 ===" for one in (1, 2)]
    (tmp_path / "json").mkdir()
    made = Shell(tmp_path / "json", as_json=True)
    async with made.session:
        await made("follow flow")
        await made.written()
        made.put(sip(), TRYING)
        found = list(map(json.loads, await made.written()))
    made.close()
    assert [one["label"] for one in found] == ["INVITE", "100 Trying"]
    assert found[1]["delta"] == 0.001


async def test_conversations_that_are_silent_for_long_are_forgotten(tmp_path: Path) -> None:
    from sipstream.shell import flowing

    made = Shell(tmp_path)
    async with made.session as session:
        await made("follow flow")
        made.put(sip())
        follow = session.follows[0]
        ladders = made.console._flowing
        assert ladders is not None
        for number in range(flowing._OPEN + 5):
            made.put(sip(call_id=f"call-{number}"))
        assert len(ladders._open) == flowing._OPEN
        assert (follow, 0) not in ladders._open
    made.close()


def packet(message: bytes) -> bytes:
    """A record of a pcap, as of now."""
    frame = ethernet(ipv4(udp(message)))
    now = time.time()
    return struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame


def test_on_a_terminal_arrows_come_while_one_types(tmp_path: Path) -> None:
    path = tmp_path / "grows.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    terminal = Terminal(["--tail", "grows.pcap"], cwd=tmp_path, columns=80, rows=30)
    try:
        terminal.command("set name 10.0.0.1 phone")
        terminal.command("follow dstnum 5660066 flow")
        terminal.type("show conv")
        terminal.editing("sipstream: show conv")
        with path.open("ab") as file:
            file.write(packet(sip()))
            file.flush()
            terminal.until(r"^ +phone +10\.0\.0\.2:5060$")
            terminal.until("─ INVITE ─+>│$")
            file.write(packet(TRYING))
            file.flush()
            terminal.until("─ 100 Trying ─+>│$")
        # What is being typed stays.
        terminal.editing("sipstream: show conv")
        terminal.type("ersation 0 flow\r")
        terminal.until("^=== Conversation Call-ID: call-1 ===")
        terminal.command("unfollow")
        assert all(len(line) <= 80 for line in terminal.lines())
    finally:
        terminal.close()


@pytest.mark.parametrize("columns", [60, 132])
def test_on_a_terminal_a_ladder_is_as_wide_as_it(tmp_path: Path, columns: int) -> None:
    terminal = Terminal([TIMEOUT], cwd=tmp_path, columns=columns, rows=40)
    try:
        terminal.command("show conversation 7 flow")
        line = terminal.until("183 Session Progress")
        assert line.endswith("│<─ 183 Session Progress ─│")
        assert len(line) <= columns
    finally:
        terminal.close()


def test_on_a_terminal_without_unicode_it_is_ascii(tmp_path: Path) -> None:
    plain = {"LANG": "C", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    terminal = Terminal([TIMEOUT], cwd=tmp_path, columns=80, rows=40, environment=plain)
    try:
        terminal.command("show conversation 7 flow")
        assert terminal.until("183 Session").endswith("|<- 183 Session Progress -|")
    finally:
        terminal.close()
