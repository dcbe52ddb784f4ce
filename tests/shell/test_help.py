"""Help: each command says what it does with examples that are true; all of the language on a screen."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_taps import site, taps_on
from help_examples import Example, Run, agrees, examples
from nats_servers import nats_server
from support import ROOT, Chain, batch, ethernet, ipv4, sip, udp

import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.filters import TERMS, FilterSet
from sipstream.shell import help as help_texts
from sipstream.shell.pipes import PIPES
from sipstream.shell.registry import COMMANDS, GENERAL, Command

ALL = [
    pytest.param(example, id=f"{one.context}-{one.syntax}-{place}")
    for one in COMMANDS
    for place, example in enumerate(examples(one.details))
] + [
    pytest.param(example, id=f"{name}-{place}")
    for name, pipe in PIPES.items()
    for place, example in enumerate(examples(pipe.details))
]


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: f"{one.context}-{one.pattern}")
def test_each_command_has_three_examples(one: Command) -> None:
    assert one.summary
    steps = [step for example in examples(one.details) for step in example.steps]
    uses = [step for step in steps if step.typed.split()[:1] == [one.words[0]]]
    # What takes nothing is shown in a session of three commands.
    assert len(uses if "{" in one.pattern else steps) >= 3
    assert uses


@pytest.mark.xdist_group("lo")
@pytest.mark.parametrize("example", ALL)
async def test_examples_are_true(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captures = any(step.typed.startswith("capture start") for step in example.steps)
    if (captures or "--live" in example.arguments) and os.geteuid():
        pytest.skip("to capture takes root")
    (tmp_path / "captures").symlink_to(ROOT / "captures")
    monkeypatch.chdir(tmp_path)
    async with _taps(example, tmp_path):
        found = await Run(tmp_path / "out").answers(example)
    for step, (prompt, shown) in zip(example.steps, found, strict=True):
        assert step.prompt == prompt
        assert agrees(shown, step.shown), (step.typed, shown)


@asynccontextmanager
async def _taps(example: Example, folder: Path) -> AsyncIterator[None]:
    """Have taps answer on a bus where an example asks some."""
    if "--nats" not in example.arguments:
        yield
        return
    if shutil.which("nats-server") is None:
        pytest.skip("nats-server isn't installed")
    with nats_server(folder / "nats") as server:
        example.arguments[example.arguments.index("--nats") + 1] = server.url
        async with taps_on(server.url, site(3, 2)):
            yield


@pytest.mark.parametrize("name", PIPES)
def test_each_pipe_has_three_examples(name: str) -> None:
    steps = [step for example in examples(PIPES[name].details) for step in example.steps]
    assert len([step for step in steps if f"| {name}" in step.typed]) >= 3


def test_the_examples_of_add_are_true() -> None:
    """The thesis prints three of them, of a capture that isn't public: here is one like it."""
    chain = Chain()
    calls = [("4151500", "1", "")] * 5 + [("4151502", "1", "")] * 2 + [("2", "5660066", "")] * 3
    calls += [("2", "1", "Diversion: <sip:3@a>\r\n")] * 87
    for place, (source, destination, extra) in enumerate(calls):
        message = sip(
            "INVITE sip:x SIP/2.0",
            call_id=f"call-{place}",
            source=f"<sip:{source}@a>",
            destination=f"<sip:{destination}@b>",
            extra=extra,
        )
        chain.feed(batch([ethernet(ipv4(udp(message)))]))
    shown = (help_texts.of("add", "filter") or "").partition("Examples:")[2]
    said = re.findall(r"\]: add (.+)\n(\d+) conversations", shown)
    assert len(said) == 4
    for text, count in said:
        filters = FilterSet()
        filters.add(text)
        assert sum(map(filters.matches, chain.conversations)) == int(count), text


def test_the_language_fits_one_screen() -> None:
    lines = (help_texts.of("filters", "general") or "").splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    for name in TERMS:
        assert re.search(rf"\b{name}\b", "\n".join(lines)), name


@pytest.mark.parametrize("name", TERMS)
def test_help_on_each_term(name: str) -> None:
    text = help_texts.of(name, "general") or ""
    term = TERMS[name]
    assert text.startswith(f"{name} {term.syntax}")
    assert term.help in text
    assert term.example in text
    assert all(f"{name} {one}" in text for one in term.operators)


@pytest.mark.parametrize("topic", ["and", "or", "not", "each", "any(", "first"])
def test_a_word_of_the_language_leads_to_it(topic: str) -> None:
    assert help_texts.of(topic, "general") == help_texts.of("filters", "general")


def test_pipes_are_a_topic() -> None:
    assert help_texts.of("pipes", "general") == help_texts.of("|", "general")
    assert help_texts.of("pipes", "filter") == help_texts.of("|", "filter")


def test_the_list_has_what_a_word_does_alone() -> None:
    """Not what `follow call` does."""
    lines = (help_texts.of("", GENERAL) or "").splitlines()
    assert "follow        Prints each message of matching conversations as it arrives" in lines
