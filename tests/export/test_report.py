"""The HTML report as a browser shows it: nothing is asked for, nothing of traffic runs."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PROGRAM, Browser
from report_calls import exported, hostile, load
from support import CAPTURES, Chain, batch, ethernet, ipv4, needs, sip, udp

from sipstream.conversations import Conversations
from sipstream.export import html
from sipstream.redact import Redactor

in_browser = [*needs(PROGRAM), pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def timeout() -> Conversations:
    return load(CAPTURES / "timeout.pcap")


def _report(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "report.html"
    path.write_bytes(data)
    return path


VISIBLE = """
(() => {
  const picture = document.querySelector("svg.ladder").getBoundingClientRect();
  const arrows = [...document.querySelectorAll("svg.ladder g.arrow")].map((one) => {
    const box = one.querySelector(".shaft").getBoundingClientRect();
    const label = one.querySelector(".label");
    return [box.width, label.textContent, getComputedStyle(label).fill];
  });
  return {width: picture.width, height: picture.height, arrows: arrows};
})()
"""
WRONG = "[...document.querySelectorAll('details.m')].filter((one) => !one.hidden).length"


@pytest.mark.parametrize("dark", [False, True])
class TestInABrowser:
    pytestmark = in_browser

    def test_the_call_that_timed_out(
        self, browser: Browser, timeout: Conversations, tmp_path: Path, dark: bool
    ) -> None:
        path = _report(tmp_path, exported(timeout, "html", "dstnum 5660066")[0])
        browser.open(path, dark=dark)
        assert browser.complaints == []
        assert browser.requests == [path.as_uri()]
        seen = browser.evaluate(VISIBLE)
        assert seen["width"] > 400 and seen["height"] > 100
        ((width, label, colour),) = seen["arrows"]
        assert width > 100
        assert label == "INVITE x7 over 31.5 s"
        assert colour == ("rgb(132, 182, 255)" if dark else "rgb(29, 79, 156)")
        assert browser.evaluate("document.querySelector('li.problem').innerText").startswith(
            "problem: nat-timeout RFC 3261 17.1.1.2"
        )

    def test_search_and_links(
        self, browser: Browser, timeout: Conversations, tmp_path: Path, dark: bool
    ) -> None:
        path = _report(tmp_path, exported(timeout, "html", "method INVITE")[0])
        browser.open(path, dark=dark)
        count = browser.evaluate(WRONG)
        browser.evaluate("document.getElementById('search').focus()")
        browser.type("BUSY here")
        browser.evaluate("new Promise((done) => setTimeout(done, 400))")
        found = browser.evaluate(WRONG)
        assert 0 < found < count
        shown = browser.evaluate("document.getElementById('found').textContent")
        assert shown == f"{found} of {count} messages"
        assert browser.evaluate(
            "[...document.querySelectorAll('details.m:not([hidden])')].every("
            "(one) => one.open && one.textContent.toLowerCase().includes('busy here'))"
        )
        # A finding leads to the message that proves it, also while something is looked for.
        target = browser.evaluate("document.querySelector('.proof a').hash")
        browser.evaluate("document.querySelector('.proof a').click()")
        browser.evaluate("new Promise((done) => setTimeout(done, 100))")
        assert browser.evaluate(f"document.querySelector('{target}').open")
        box = browser.evaluate(f"document.querySelector('{target}').getBoundingClientRect().top")
        assert 0 <= box < 1400
        assert browser.complaints == []
        assert browser.requests == [path.as_uri()]

    def test_hostile_text_runs_nothing(self, browser: Browser, tmp_path: Path, dark: bool) -> None:
        path = _report(tmp_path, exported(hostile(), "html")[0])
        browser.open(path, dark=dark)
        assert browser.evaluate("typeof pwned") == "undefined"
        assert browser.requests == [path.as_uri()]
        assert browser.complaints == []
        assert browser.evaluate("document.querySelectorAll('script').length") == 1
        assert browser.evaluate("document.querySelectorAll('img,iframe,object,form').length") == 0
        assert browser.evaluate(
            "[...document.querySelectorAll('a')].every((one) => one.getAttribute('href')[0] === '#')"
        )
        assert len(browser.evaluate(VISIBLE)["arrows"]) == 6


@pytest.mark.parametrize("dark", [False])
class TestThePolicy:
    pytestmark = in_browser

    def test_nothing_runs_and_nothing_is_asked_for(
        self, browser: Browser, timeout: Conversations, tmp_path: Path, dark: bool
    ) -> None:
        """What would be done if something weren't escaped: the policy doesn't let it."""
        data = exported(timeout, "html", "dstnum 5660066")[0]
        slip = b"<script>pwned=1</script><img src=http://127.0.0.1:9/x onerror=pwned=1>"
        path = _report(tmp_path, data.replace(b"<h1>", slip + b"<h1>"))
        browser.open(path, dark=dark)
        assert browser.evaluate("typeof pwned") == "undefined"
        assert sum("Content Security Policy" in one for one in browser.complaints) >= 2


def test_hostile_text_is_nothing_but_text() -> None:
    data = exported(hostile(), "html")[0].decode()
    tags = set(re.findall(r"<([a-z0-9]+)", data))
    ours = (
        "html head meta link title style body h1 h3 div input span button section dl dt dd p ul li"
    )
    svg = "a svg rect line text g path details summary time b pre script code"
    assert tags <= {*ours.split(), *svg.split()}
    assert data.count("<script>") == 1
    assert not re.search(r'(?:src|href)="(?!#|data:,")', data)


def test_a_message_reads_as_on_a_terminal(timeout: Conversations) -> None:
    data = exported(timeout, "html", "dstnum 5660066")[0].decode()
    shown = re.findall(r"<pre>(.*?)</pre>", data, re.DOTALL)
    assert len(shown) == 14
    text = entities.unescape(re.sub(r"<[^>]+>", "", shown[0]))
    assert text.splitlines()[1:5] == [
        "INVITE sip:5660066@178.19.48.48 SIP/2.0",
        "Via: SIP/2.0/UDP 10.10.10.2:5060;branch=z9hG4bK72aeec24",
        "Max-Forwards: 70",
        'From: "4151502" <sip:4151502@10.10.10.2>;tag=as71102a1e',
    ]


def test_what_has_no_room_is_told(timeout: Conversations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MOST_CONVERSATIONS", 2)
    monkeypatch.setattr(html, "MOST_MESSAGES", 5)
    data, selected = exported(timeout, "html")
    assert selected.missing[0] == "43 conversations have no room in one report"
    assert selected.written == 2
    left = selected.messages - 5
    assert selected.missing[1] == f"{left} messages have no room in one report"
    assert data.count(b'<details class="m"') == 5
    assert b"43 conversations have no room in one report." in data


def test_legs_of_a_call_share_a_ladder() -> None:
    conversations = load(CAPTURES / "testdata-pt.pcap.gz")
    data, _ = exported(conversations, "html", "dstnum 8969669", is_call=True)
    assert data.count(b"<svg xmlns") == 1
    assert b"<h1>Call 4151509 \xe2\x86\x92 8969669 in 2 legs</h1>" in data
    assert b'<a href="#c1m0" data-m="c1m0">' in data


@pytest.mark.parametrize("name", ["html", "markdown", "svg", "mermaid"])
def test_nothing_of_people_is_left_where_it_is_masked(timeout: Conversations, name: str) -> None:
    """What is in the bytes of a call, without masks and with them."""
    secret = re.compile(rb"4151502|5660066|as71102a1e")
    plain, _ = exported(timeout, name, "dstnum 5660066")
    assert bool(secret.search(plain)) is (name in ("html", "markdown"))
    masked, _ = exported(timeout, name, "dstnum 5660066", redactor=Redactor())
    assert b"INVITE x7 over 31.5 s" in masked or name == "markdown"
    assert b"10.10.10.2" in masked
    told = b"Numbers, names, credentials and texts are masked."
    assert (told in masked, told in plain) == (name in ("html", "markdown"), False)
    found = {hit[0] for hit in secret.finditer(masked)}
    assert found <= {b"as71102a1e"}


@pytest.mark.parametrize(
    ("name", "title"),
    [("html", "<h1>INVITE anna → 5660066</h1>"), ("markdown", "## `anna → 5660066`")],
)
def test_who_has_no_number_is_named_by_the_user_alone(name: str, title: str) -> None:
    chain = Chain()
    named = sip(source='"Anna Jones" <sip:anna@a>;tag=17')
    chain.feed(batch([ethernet(ipv4(udp(named)))], times=[10**18]))
    assert title in exported(chain.conversations, name)[0].decode()
