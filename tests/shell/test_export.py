"""export: what is said, what is refused, and what is left of a file that isn't finished."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from consoles import Shell
from secret_messages import MESSAGES, found_in
from support import CAPTURES, sip, times_of

from sipstream import options
from sipstream.export import writing
from sipstream.export.formats import FORMATS
from sipstream.shell.completion import listing

TIMEOUT = CAPTURES / "timeout.pcap"


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if one.name not in ("out", "errors"))


async def test_conversations_are_chosen_as_elsewhere(shell: Shell, tmp_path: Path) -> None:
    async def exported(what: str) -> list[str]:
        answer = await shell(f"export ndjson {tmp_path}/a.ndjson {what} overwrite no-redact")
        assert shell.good, answer
        lines = (tmp_path / "a.ndjson").read_text().splitlines()
        return sorted({json.loads(line)["call_id"] for line in lines})

    everything = await exported("")
    assert len(everything) == 45
    assert len(await exported("method INVITE")) == 7
    (ten,) = await exported("conversation 10")
    assert await exported(f"conv {ten}") == await exported("dstnum 5660066") == [ten]
    assert await shell("filter") == []
    await shell("add dstnum 5660066")
    # What the active filter shows is exported, in its own context as well.
    assert await exported("") == [ten]
    await shell("exit")
    await shell("conversation 0")
    assert await exported("") == [ten]
    row = json.loads((tmp_path / "a.ndjson").read_text().splitlines()[0])
    assert (row["conversation"], row["index"]) == (0, 0)


async def test_a_call_is_exported_with_all_its_legs(shell: Shell, tmp_path: Path) -> None:
    await shell.session.sources.load(CAPTURES / "testdata-pt.txt")
    await shell("filter")
    await shell("add dstnum 8969669")
    await shell("exit")
    answer = await shell(f"export ndjson {tmp_path}/a.ndjson call 0 no-redact")
    assert answer == [
        f"2 conversations (14 SIP messages) written to {tmp_path}/a.ndjson, nothing masked"
    ]
    rows = [json.loads(line) for line in (tmp_path / "a.ndjson").read_text().splitlines()]
    assert {row["conversation"] for row in rows} == {0, 1}
    leg = rows[-1]["call_id"]
    await shell(f"export ndjson {tmp_path}/b.ndjson call {leg} no-redact")
    assert (tmp_path / "b.ndjson").read_text() == (tmp_path / "a.ndjson").read_text()
    for name in ("html", "markdown"):
        await shell(f"export {name} {tmp_path}/report call 0 overwrite")
        assert "A and B: media, likely" in (tmp_path / "report").read_text()
    assert (await shell("export csv a call 1"))[-1] == "*** Error! no call 1: the last one is 0"


async def test_a_file_that_is_there_is_left_alone_unless_told(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("mine")
    assert await shell(f"export csv {out}") == [
        f"*** Error! {out} is there already and is left as it is: choose another name, or add overwrite"
    ]
    assert out.read_text() == "mine"
    assert (await shell(f"export csv {out} overwrite"))[-1].endswith("masked")
    assert out.read_text().startswith('"index","call_id"')
    assert out.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("more", ["", "overwrite"])
async def test_neither_links_nor_pipes_nor_sources_are_written_over(
    shell: Shell, tmp_path: Path, more: str
) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "source").hardlink_to(TIMEOUT)
    for name, why in (
        ("link", "is a symbolic link, which isn't written through"),
        ("fifo", "is a pipe, not a file"),
        ("source", "is read, so it can't be written too: choose another name"),
        ("none/at", "no such file or directory"),
        ("link/at", "no such file or directory"),
    ):
        assert await shell(f"export pcap {tmp_path}/{name} {more}") == [
            f"*** Error! {tmp_path}/{name}: {why}"
        ]
    assert names(tmp_path) == ["fifo", "link", "source"]
    assert (tmp_path / "source").read_bytes() == TIMEOUT.read_bytes()


async def test_what_appears_meanwhile_is_left_alone(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who may write to the folder puts something in place of the file."""
    out = tmp_path / "a.pcap"
    (tmp_path / "other").write_text("theirs")
    whole = writing.write

    async def disturbed(*given: object) -> None:
        out.unlink()
        (tmp_path / "other").rename(out)
        await whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "write", disturbed)
    assert (await shell(f"export pcap {out}"))[-1].startswith(f"*** Error! {out} is there already")
    assert out.read_text() == "theirs"
    assert names(tmp_path) == ["a.pcap"]


async def test_interrupted_it_leaves_no_file(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, whole = asyncio.Event(), writing.write

    async def slow(form: object, selected: object, target: object, *rest: object) -> None:
        await target.write(b"half")  # type: ignore[attr-defined]
        begun.set()
        await asyncio.sleep(60)
        await whole(form, selected, target, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "write", slow)
    task = asyncio.create_task(shell(f"export text {tmp_path}/a.txt"))
    await begun.wait()
    assert len(names(tmp_path)) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(tmp_path) == []


async def test_a_folder_takes_one_conversation_by_its_call_id(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    shell.put(sip(call_id="../../etc/cron.d/x y"), sip(call_id="-rf"))
    for call_id in ("-rf", '"../../etc/cron.d/x y"'):
        await shell(f"export pcap {tmp_path}/f no-redact conversation {call_id}")
        assert shell.good
    found = names(tmp_path / "f")
    assert len(found) == 2
    assert all(one.endswith(".pcap") and one[0] not in "-." for one in found)
    assert (await shell(f"export pcap {tmp_path}/f"))[-1] == (
        f"*** Error! {tmp_path}/f is a folder, which takes one conversation: name a file"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("export xml a", "unknown format xml: it may be"),
        ("export pacp a", "unknown format pacp: did you mean pcap?"),
        ("export csv", "missing argument: export csv needs <file>"),
        ("export csv a conversation", "conversation takes one Call-ID or index"),
        ("export csv a call", "call takes one Call-ID or index"),
        ("export csv a conversation 99", "no conversation 99: the last one is 44"),
        ("export csv a methd INVITE", "methd"),
        ("export csv a method INVITE redcat", "unknown word redcat: did you mean redact?"),
        ("export csv a redact no-redact", "redact and no-redact contradict each other"),
        ("export csv a rtp", "csv holds no media: rtp goes with pcap and pcapng"),
        ("export pcap a redact rtp", "what is said in media can't be masked"),
        ("export pcap a dstnum 1", "no conversation to export"),
        ("export pcap -", "export writes files"),
    ],
)
async def test_what_is_refused_is_said_in_a_line(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (answer, *below) = await shell(line)
    assert answer.startswith("*** Error! ")
    assert said in answer
    assert not below or "methd" in line
    assert names(tmp_path) == []


async def test_words_are_offered(shell: Shell) -> None:
    def offered(line: str) -> str:
        return "\n".join(listing(shell.session, line, shell.console.context, 100))

    assert "ndjson" in offered("export ")
    assert "redact" in offered("export pcap a ")
    assert "conversation" in offered("export pcap a ")
    assert "dstnum" in offered("export pcap a redact ")
    assert "overwrite" in offered("export pcap a redact ")
    assert "no-redact" not in offered("export pcap a redact ")
    assert "rtp" in offered("export pcap a method INVITE ")
    assert "44" in offered("export pcap a conversation 4")
    await shell("conversation 10")
    assert "overwrite" in offered("export pcap a re") or "redact" in offered("export pcap a re")


@pytest.mark.parametrize("form", FORMATS)
async def test_masked_nothing_secret_is_in_the_file_or_said(
    shell: Shell, tmp_path: Path, form: str
) -> None:
    shell.put(*MESSAGES)
    (tmp_path / "f").mkdir()
    answer = await shell(f"export {form} {tmp_path}/f/a redact ip 10.0.0.1")
    assert answer[-1].endswith("masked")
    answer += await shell(f"export {form} {tmp_path}/f redact conversation 45")
    for path in (tmp_path / "f").iterdir():
        assert found_in(path.read_bytes() + path.name.encode()) == []
    assert found_in("\n".join(answer).encode()) == []


def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "sipstream", *map(str, arguments)],
        env={**os.environ, "TZ": "UTC"}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_write_follows_the_ending_and_format(tmp_path: Path) -> None:
    question = ("-q", "--filter", "dstnum 5660066")
    result = run(*question, "--no-redact", "--write", tmp_path / "a.ndjson", TIMEOUT)
    assert (result.returncode, result.stderr, result.stdout) == (0, b"", b"")
    assert len((tmp_path / "a.ndjson").read_bytes().splitlines()) == 14
    assert b"5660066" in (tmp_path / "a.ndjson").read_bytes()
    result = run(*question, "--write", "-", "--format", "csv", TIMEOUT)
    assert result.stdout.startswith(b'"index","call_id"')
    assert b"5660066" not in result.stdout
    masked = run(*question, "--redact", "--write", "-", TIMEOUT).stdout
    assert len(times_of(masked)) == 14
    assert b"5660066" not in masked


async def test_started_with_redact_exports_are_masked(shell: Shell, tmp_path: Path) -> None:
    for masked in (True, False):
        shell.console.redact = masked
        for form in ("text", "ndjson"):
            await shell(f"export {form} {tmp_path}/a --overwrite dstnum 5660066")
            assert shell.good
            assert (b"5660066" in (tmp_path / "a").read_bytes()) is not masked
        word = "no-redact" if masked else "redact"
        await shell(f"export text {tmp_path}/a overwrite {word} dstnum 5660066")
        assert (b"5660066" in (tmp_path / "a").read_bytes()) is masked


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--format", "xml", "--write", "a"), "--format: no format 'xml': it may be pcap"),
        (("--format", "csv"), "--format says how --write writes: add --write FILE"),
        (("--live", "lo", "--redact", "--write", "a"), "--format and --redact are for files"),
    ],
)
def test_options_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit):
        options.parse([*wrong, str(TIMEOUT)])
    assert said in capsys.readouterr().err
