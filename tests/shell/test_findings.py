"""diagnose, show findings, the term finding, and what lists tell of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from consoles import Shell
from support import CAPTURES, sip

from sipstream.findings import FINDINGS
from sipstream.render import findings as render
from sipstream.shell.commands import table


async def test_diagnose_says_what_is_wrong_and_shows_what_proves_it(shell: Shell) -> None:
    head, finding, sentence, *proof = await shell("diagnose 10")
    assert head == "[10] 16:41:37.979995: INVITE 4151502->5660066"
    assert finding.split()[0] == "problem"
    assert "7 times in 31.5 s" in sentence
    assert proof[0] == "    [0]  16:41:37.979995  INVITE  10.10.10.2:5060 -> 178.19.48.48:5060"
    assert proof[7].startswith("    [7]  ")
    assert proof[8:] == ["    and 6 more: 8 9 10 11 12 13"]


async def test_without_an_index_all_that_is_shown_is_diagnosed(shell: Shell) -> None:
    assert (await shell("diagnose"))[0].startswith("[10] ")
    assert (await shell("diagnose"))[-1] == "1 of 45 conversations have findings"
    await shell.console.session.change_filter(lambda filters: filters.add("method REGISTER"))
    assert await shell("diagnose") == ["0 of 16 conversations have findings"]
    assert await shell("show findings") == ["nothing is found wrong in 16 conversations"]


async def test_who_has_no_number_is_named_by_the_user_alone(shell: Shell) -> None:
    shell.put(sip(call_id="named", source='"Anna Jones" <sip:anna@a>;tag=17'))
    assert (await shell("diagnose named"))[0].endswith(": INVITE anna->5660066")


async def test_nothing_wrong_is_said(shell: Shell) -> None:
    assert (await shell("diagnose 3"))[1:] == ["  nothing is found wrong"]
    call_id = (await shell("show conversation 3"))[0].split()[3]
    assert (await shell(f"diagnose {call_id}"))[1:] == ["  nothing is found wrong"]
    assert await shell("diagnose 45") == ["*** Error! no conversation 45: the last one is 44"]


async def test_the_term_finds_them(shell: Shell) -> None:
    assert await shell("show conversations finding problem | count") == ["1"]
    assert await shell("show conversations finding note | count") == ["0"]
    assert await shell("show conversations not finding | count") == ["44"]
    for name in ("", " UNREACHABLE", " problem note"):
        found = await shell(f"show conversations finding{name} | count")
        assert found in (["1"], ["0"])
    (error, *_) = await shell("show conversations finding unreachble")
    assert error.endswith("'unreachble' is no finding: did you mean unreachable?")


async def test_a_list_tells_the_worst(shell: Shell) -> None:
    heading, line = await shell("list dstnum 5660066 srcnum 4151502")
    assert heading.endswith("state        finding")
    assert line.split()[-1] not in ("calling", "")
    first, *_ = (await shell("list sorted by finding desc columns index"))[1:]
    assert first == "10"


async def test_of_very_many_a_list_doesnt_tell_unasked(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "LISTED_FINDINGS", 44)
    heading, *_, last = await shell("list")
    assert heading.endswith("state")
    assert last == "too many to look for what is wrong with each: show findings does"
    heading, *rows = await shell("list columns index,finding")
    assert (heading.split(), len(rows)) == (["#", "finding"], 45)
    heading, *_, last = await shell("list method INVITE")
    assert heading.endswith("finding")


async def test_objects(tmp_path: Path) -> None:
    shell = Shell(tmp_path, as_json=True)
    async with shell.session as session:
        await session.sources.load(CAPTURES / "timeout.txt")
        (finding,) = map(json.loads, await shell("diagnose 10"))
        assert finding["messages"] == list(range(14))
        assert finding["severity"] == "problem"
        assert finding["call_id"] == "35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060"
        assert [json.loads(line)["index"] for line in await shell("diagnose")] == [10]
        (counted,) = map(json.loads, await shell("show findings"))
        assert (counted["finding"], counted["conversations"]) == (finding["finding"], [10])
        row = json.loads((await shell("list dstnum 5660066 srcnum 4151502"))[0])
        assert row["findings"] == [finding["finding"]]
        every = [json.loads(line) for line in await shell("show findings all")]
        assert {"finding", "severity", "about", "source"} == set(every[0])
    shell.close()


async def test_a_sentence_that_quotes_traffic_is_escaped(shell: Shell) -> None:
    hostile = "<sip:\x1b[2J\u202e@b>"
    shell.put(*[sip(destination=hostile)] * 7)
    assert not any("\x1b" in line or "\u202e" in line for line in await shell("diagnose 0"))


def test_on_a_narrow_terminal_sentences_go_on_below() -> None:
    rows = list(render.rules(FINDINGS.values(), 80))
    assert max(map(len, rows)) <= 80
    assert len(rows) > len(FINDINGS)
    together = " ".join(row.strip() for row in rows)
    assert all(rule.about.split()[-1] in together for rule in FINDINGS.values())
    assert len(list(render.rules(FINDINGS.values(), None))) == len(FINDINGS)
