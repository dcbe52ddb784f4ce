"""Text that someone gives as a filter or a command: nothing runs, nothing recurses, errors are short."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filter_fakes import FakeConversation
from support import CAPTURES
from terminal_attacks import ATTACKS

import sipstream
import sipstream.shell.commands  # noqa: F401 - registers the commands
from sipstream.errors import FilterError
from sipstream.escape import escape
from sipstream.filters import Filter, FilterSet, quote
from sipstream.filters.tokens import FilterTextError
from sipstream.limits import FILTER_DEPTH, FILTER_TEXT
from sipstream.session import Session
from sipstream.shell.console import Console
from sipstream.shell.output import Output, Writer

SHORT = 400
"""Characters of an error at most."""

PAYLOADS = {
    "dunder": "__class__",
    "attribute": "().__class__.__bases__[0].__subclasses__()",
    "call": "ip __import__('os').system('touch owned')",
    "f-string": "srcnum {().__class__} {1+1!r:>{9}} %s %(x)s ${x}",
    "name": "header __class__ __init__.__globals__",
    "subject": "has __class__ has __dict__",
    "brackets": "(" * 10_000 + "ip 1.1.1.1" + ")" * 10_000,
    "square": "[" * 10_000,
    "braces": "{" * 10_000,
    "nots": "not " * 4000 + "ip 1.1.1.1",
    "closed": ")" * 10_000,
    "operators": "and or " * 2000,
    "megabyte": "a" * 1_000_000,
    "megabyte of terms": "srcnum 1 or " * 80_000,
    "long word": "a" * 16_000,
    "long value": "status " + "9" * 16_000,
    "long zone": f"srcip [fe80::1%{'z' * 16_000}]:5060",
    "long keyword": f"srcnum srcnum {'z' * 16_000}",
    "long subject": f"has {'z' * 8000} {'y' * 8000}",
    "long quote": 'callid "' + "a" * 16_000,
    "nul": "callid a\0b",
    "nul in quotes": 'callid "a\0b"',
    "escape": "callid \x1b]0;owned\x07",
    "line": 'callid "a\nb"',
    "look-alikes": "\u0441allid \uff11 ᵃⁿᵈ \u202edi\u202c",
    "surrogate": "callid \ud800 \udcff",
    "regex": "srcnum (a+)+$ (?P<x>.*)\\1",
}
RIGHT = {"name", "subject", "surrogate", "f-string", "call"}
"""Payloads that may be filters, of values that nobody has."""
every_payload = pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS)


def assert_clear(error: str) -> None:
    """An error is one short line."""
    assert 0 < len(error) <= SHORT, error[:500]
    assert "\n" not in error
    assert "Traceback" not in error


@every_payload
def test_a_filter_is_understood_or_refused_in_one_line(text: str) -> None:
    """Row X2: Filter.parse, and what the filter context does with it; the error names its place."""
    name = next(key for key, value in PAYLOADS.items() if value == text)
    filters = FilterSet()
    for use in (Filter.parse, filters.add, filters.remove, filters.set_condition):
        begun = time.process_time()
        try:
            use(text)
        except FilterError as error:
            assert_clear(str(error))
            if use == Filter.parse:
                assert isinstance(error, FilterTextError)
                assert 1 <= error.column <= len(text) + 1
        else:
            assert name in RIGHT
        assert time.process_time() - begun < 2


def test_terms_said_twice_are_refused_in_one_line() -> None:
    """Row X2: what is set already, and what isn't, is quoted cut."""
    filters = FilterSet()
    long = "header User-Agent " + "a" * 8000
    filters.add(long)
    for use, text in ((filters.add, long), (filters.remove, "header Via " + "b" * 8000)):
        with pytest.raises(FilterError) as caught:
            use(text)
        assert_clear(str(caught.value))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_call_id_as_it_is_shown_is_a_filter(name: str) -> None:
    """Row T1: what Tab offers for a Call-ID is a filter that finds it."""
    shown = quote(escape(name + ATTACKS[name]))
    assert shown.isprintable()
    wanted = Filter.parse(f"callid {shown}")
    assert wanted.matches(FakeConversation(call_id=name + ATTACKS[name]))
    assert not wanted.matches(FakeConversation(call_id=name))


def test_the_deepest_filter_is_answered_and_one_more_refused() -> None:
    """Row X2: the cap on depth, for brackets, `not` and both; the place is the one too many."""
    for opening, closing, levels in (("(", ")", 1), ("not ", "", 1), ("(not ", ")", 2)):
        depth = FILTER_DEPTH // levels
        deepest = opening * depth + "srcnum 1" + closing * depth
        assert Filter.parse(deepest).matches(FakeConversation()) in (True, False)
        with pytest.raises(FilterTextError, match=rf"\(column {len(opening) * depth + 1}\)$"):
            Filter.parse(opening + deepest + closing)


async def test_the_same_text_in_every_command(tmp_path: Path) -> None:
    """Row X2: filter context, follow and all other commands; each error is one short line."""
    path = tmp_path / "out"
    with path.open("wb") as file:
        writer = Writer(file.fileno())
        async with Session() as session:
            console = Console(session, Output(writer, writer))
            for text in PAYLOADS.values():
                if "\n" in text:
                    continue
                for context, commands in _COMMANDS.items():
                    console.context = context
                    for one in commands:
                        begun = time.process_time()
                        await console.execute(one.replace("{}", text))
                        assert time.process_time() - begun < 2, one
            assert not session.filters.active or len(session.filters.expression()) < FILTER_TEXT
        writer.close()
    lines = path.read_text().splitlines()
    assert len(lines) > len(PAYLOADS) * 5
    for line in lines:
        if not line.startswith(("Follow ", "0 conversations")):
            assert_clear(line)


_COMMANDS = {
    "general": (
        "{}",
        "show {}",
        "show conversation {}",
        "help {}",
        "follow {}",
        "follow {} messages",
        "unfollow {}",
        "untail {}",
        "capture stop {}",
        "show conversations {} {}",
    ),
    "filter": ("add {}", "del {}", "set condition {}", "{}"),
}


@pytest.mark.parametrize("option", ["--filter", "--follow"])
def test_options(option: str, tmp_path: Path) -> None:
    """Row X2: on the command line."""
    texts = [one for one in PAYLOADS.values() if "\0" not in one and len(one) < 100_000]
    chosen = [texts[number] for number in (1, 2, 6, 11, len(texts) - 4)]
    for text in chosen:
        text = text.encode("utf-8", "surrogateescape")
        command = [sys.executable, "-m", "sipstream", CAPTURES / "timeout.txt", option, text]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
        assert done.returncode in (0, 2)
        if done.returncode:
            line, where, caret = done.stderr.decode().splitlines()
            assert max(len(where), len(caret)) <= 80
            assert caret.strip() == "^"
            assert_clear(line)
    assert list(tmp_path.iterdir()) == []


def test_a_command_without_end_on_standard_input(tmp_path: Path) -> None:
    """Row X2: megabytes without a line end are refused in one line."""
    command = [sys.executable, "-m", "sipstream", CAPTURES / "timeout.txt"]
    done = subprocess.run(
        command, cwd=tmp_path, input=b"follow " + b"a" * 3_000_000, capture_output=True, timeout=60
    )
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert_clear(line)


# The code itself

FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "globals",
    "locals",
    "vars",
    "breakpoint",
}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "yaml", "dill", "code", "codeop", "runpy"}
BY_NAME = {"getattr", "setattr", "delattr", "import_module", "attrgetter", "methodcaller"}


def ways_to_run_text(tree: ast.AST) -> Iterator[str]:
    """What in a module could run text, or find something by a name that isn't in the code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [node.module or ""]
            yield from (one for one in modules if one.split(".")[0] in FORBIDDEN_MODULES)
            yield from (one for one in names if one in BY_NAME - {"import_module"})
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in FORBIDDEN_CALLS:
                yield name
            method = node.func.attr if isinstance(node.func, ast.Attribute) else name
            if method in BY_NAME:
                what = node.args[-1 if method == "import_module" else 1 : None][:1]
                if not all(isinstance(one, ast.Constant) for one in what) or len(node.args) < 2:
                    yield f"{method} {ast.unparse(node)}"


def test_nothing_in_the_code_runs_text() -> None:
    """Row X2: no eval, exec, compile, pickle, marshal, yaml, nor getattr on names from the user."""
    folder = Path(sipstream.__file__).parent
    found = [
        f"{path.relative_to(folder)}: {what}"
        for path in sorted(folder.rglob("*.py"))
        for what in ways_to_run_text(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == KNOWN


KNOWN = [
    # The package's own names, out of a table: `sipstream.load` imports what it needs.
    "__init__.py: getattr getattr(import_module(_HOMES[name]), name)",
    "__init__.py: import_module import_module(_HOMES[name])",
    # Its own columns.
    "index.py: vars",
    "index.py: vars",
    # Figures by the names of a table, and reasons that are listed.
    "metrics/exposition.py: getattr getattr(metrics, name)",
    "metrics/exposition.py: vars",
    # Modules of ours and of the prompt, by the names of their files, before rights are given up.
    "opening.py: import_module importlib.import_module(name)",
    "opening.py: import_module importlib.import_module(whole)",
    # Options as argparse names them, all in the code.
    "options/__init__.py: vars",
    "options/agent.py: vars",
    "options/archive.py: vars",
    # What a view has worked out already, by two names of ours.
    "redacted.py: vars",
    "redacted.py: vars",
    # Figures by the names of a table, again.
    "render/stats.py: getattr getattr(metrics, name)",
    "render/stats.py: getattr getattr(metrics, name)",
    "render/stats_objects.py: getattr getattr(metrics, name)",
    # Modules of ours, in a thread: they take long.
    "shell/commands/stats.py: import_module import_module(name)",
    "shell/commands/stats.py: import_module import_module('sipstream.render.plot')",
]


def test_the_search_for_ways_to_run_text_finds_them() -> None:
    texts = "eval(x)", "import pickle", "from yaml import load", "getattr(a, b)", "exec(x, {})"
    assert all(list(ways_to_run_text(ast.parse(one))) for one in texts)
    harmless = "getattr(a, 'b', None)", "re.compile(x)", "import struct"
    assert not any(list(ways_to_run_text(ast.parse(one))) for one in harmless)
