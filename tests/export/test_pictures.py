"""Ladders as SVG, Mermaid and Markdown: valid whatever traffic says, and within what others draw."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from report_calls import MARKUP, exported, hostile, load
from support import CAPTURES

from sipstream.conversations import Conversations
from sipstream.export import markdown as markdown_export
from sipstream.export import pictures
from sipstream.render import markdown, mermaid, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def testdata() -> Conversations:
    return load(CAPTURES / "testdata-pt.pcap.gz")


def _elements(data: bytes) -> tuple[ET.Element, list[str]]:
    root = ET.fromstring(data)
    return root, ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def test_a_picture_has_names_arrows_and_media(testdata: Conversations) -> None:
    names = {"10.20.0.22": "pbx <1>"}
    data, selected = exported(
        testdata, "svg", "dstnum 8969669", is_call=True, name_of=lambda text: names.get(text, "")
    )
    root, texts = _elements(data)
    assert root.tag == f"{SVG}svg"
    assert texts[:3] == ["pbx <1>", "10.11.12.13:5060", "178.19.48.50:5060"]
    groups = list(root.iter(f"{SVG}g"))
    assert len(groups) == 14
    assert [one.get("class") for one in groups[:3]] == [
        *("arrow request", "arrow provisional", "arrow request"),
    ]
    assert "10.20.0.22:57692 G722 PCMA PCMU telephone-event" in texts
    assert {"A[0]", "B[0]"} <= set(texts)
    assert (selected.written, selected.messages, selected.missing) == (2, 14, [])
    # All that is drawn lies within the picture.
    width, height = int(root.get("width", "0")), int(root.get("height", "0"))
    for one in root.iter():
        assert float(one.get("x", "0")) <= width
        assert float(one.get("y", "0")) <= height


@pytest.mark.parametrize("name", ["svg", "html"])
def test_hostile_text_leaves_a_picture_valid(name: str) -> None:
    data = exported(hostile(), name)[0]
    picture = data[data.index(b"<svg") : data.index(b"</svg>") + 6]
    root, texts = _elements(picture)
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        *("svg", "title", "style", "rect", "line", "text", "g", "path", "a"),
    }
    assert any("</pre></details>" in text for text in texts)
    assert not any(key.startswith("on") for one in root.iter() for key in one.attrib)


PARTICIPANT = r"    participant p\d+ as (?:[A-Za-z0-9 .,/()+_-]|#\d+;)+"
ARROW = r"    p\d+(?:->>|-->>)p\d+: (?:[A-Za-z0-9 .,/()+_-]|#\d+;)+"
NOTE = r"    Note over p\d+(?:,p\d+)?: (?:[A-Za-z0-9 .,/()+_-]|#\d+;)+"
GRAMMAR = re.compile(f"sequenceDiagram\n(?:{PARTICIPANT}\n)+(?:(?:{ARROW}|{NOTE})\n)+")


def test_mermaid_of_a_call(testdata: Conversations) -> None:
    data = exported(testdata, "mermaid", "dstnum 8969669", is_call=True)[0].decode()
    assert GRAMMAR.fullmatch(data)
    assert data.count("->>") == 14
    assert "    p1->>p2: B#91;0#93; INVITE #43;0.043" in data or "B#91;0#93; INVITE +0.043" in data


def test_hostile_text_keeps_to_the_grammar_of_mermaid() -> None:
    data = exported(hostile(), "mermaid")[0].decode()
    assert GRAMMAR.fullmatch(data)
    read = re.sub(r"#(\d+);", lambda hit: chr(int(hit[1])), data)
    assert "200 </pre></details>" in read


def test_pictures_are_bounded(testdata: Conversations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_CONVERSATIONS", 2)
    monkeypatch.setattr(svg, "MOST_ARROWS", 3)
    monkeypatch.setattr(mermaid, "MOST_ARROWS", 3)
    for name, arrows in (("svg", '<g class="arrow'), ("mermaid", ">>p")):
        data, selected = exported(testdata, name, "method INVITE")
        assert data.decode().count(arrows) == 3
        assert re.fullmatch(r"\d+ conversations have no room in one picture", selected.missing[0])
        assert re.fullmatch(r"\d+ messages have no room in one picture", selected.missing[1])
        assert b"more messages" in data
    monkeypatch.setattr(mermaid, "MOST_LETTERS", 10)
    assert exported(testdata, "mermaid", "dstnum 8969669")[0] == b"sequenceDiagram\n"


def test_many_endpoints_share_the_last_column(
    testdata: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svg, "MOST_COLUMNS", 2)
    _, texts = _elements(exported(testdata, "svg", "dstnum 8969669", is_call=True)[0])
    assert texts[:2] == ["10.11.12.13:5060", "2 others"]
    assert "10.20.0.22:5060 to 10.11.12.13:5060" in texts


def test_markdown_of_a_call_that_timed_out() -> None:
    data, selected = exported(load(CAPTURES / "timeout.pcap"), "markdown", "dstnum 5660066")
    text = data.decode()
    assert text.startswith("## `4151502 → 5660066`\n\n- From: `4151502`\n")
    assert "- **problem: nat-timeout** (" in text
    assert "Proof: \\[0\\], \\[1\\], " in text
    assert "\n```mermaid\nsequenceDiagram\n" in text
    assert text.count("<details>") == 2
    assert (selected.written, selected.missing) == (1, [])


def test_markdown_leaves_out_what_has_no_room(
    testdata: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown_export, "MOST_LETTERS", 1500)
    data, selected = exported(testdata, "markdown", "dstnum 8969669")
    assert selected.written == 1
    assert selected.missing == ["1 conversations have no room in one text"]
    assert data.decode().endswith("1 conversations have no room in one text.\n")


def _without_code(text: str) -> str:
    """Markdown without its blocks and code spans (CommonMark 4.5, 6.1)."""
    text = re.sub(r"^(`{3,})[^`\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!`)(`+)(?!`)(?:.*?[^`])\1(?!`)", "", text)


def test_hostile_text_marks_nothing_up() -> None:
    text = exported(hostile(), "markdown")[0].decode()
    rest = _without_code(text)
    assert "@somebody" in text and "@somebody" not in re.sub(r"<code>.*</code>", "", rest)
    assert "script" not in rest and "http" not in rest
    assert set(re.findall(r"<[^>]*>", re.sub(r"<code>.*</code>", "", rest))) <= {
        *("<details>", "<summary>", "</summary>", "</details>"),
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("INVITE was sent 7 times in 31.5 s", "INVITE was sent 7 times in 31.5 s"),
        ("see www.example.com", "`see www.example.com`"),
        ("@me", "`@me`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("a|b", r"`a\|b`"),
        ("\x1b[2J", r"`\x1b[2J`"),
    ],
)
def test_text_in_markdown(value: str, shown: str) -> None:
    assert markdown.text(value) == shown


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert markdown.fenced("````\nx") == "`````\n````\nx\n`````"
    assert MARKUP.count("```") == 1
