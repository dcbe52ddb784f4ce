"""Man page and completion: what the wheel brings along is what the program is, and shells take it."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pexpect
import pytest
from support import ROOT, needs

from sipstream.filters import TERMS
from sipstream.manual import SHARED, files
from sipstream.options import agent, archive, parser
from sipstream.shell.registry import COMMANDS

INTERFACES = sorted(path.name for path in Path("/sys/class/net").iterdir())
OPTIONS = [option for action in parser()._actions for option in action.option_strings]


def output(*command: str | Path, text: str = "", cwd: Path | None = None) -> str:
    result = subprocess.run(
        list(map(str, command)), input=text, cwd=cwd, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


@pytest.mark.parametrize("name", files())
def test_files_are_as_the_tables_have_it(name: str) -> None:
    kept = (SHARED / name).read_text(encoding="utf-8")
    assert kept == files()[name], "stale: `python -m sipstream.manual` writes it anew"


def test_no_other_file_lies_there() -> None:
    assert sorted(path.name for path in SHARED.iterdir()) == sorted(files())


PLACES = {
    "sipstream.1": "share/man/man1/sipstream.1",
    "sipstream.bash": "share/bash-completion/completions/sipstream",
    "_sipstream": "share/zsh/site-functions/_sipstream",
    "sipstream.fish": "share/fish/vendor_completions.d/sipstream.fish",
}
"""Where man and the shells look, below the prefix that a wheel is installed to."""
UNIT = {"sipstream/agent/sipstream-agent@.service": "lib/systemd/system/sipstream-agent@.service"}
"""Where systemd looks."""


def test_the_wheel_puts_them_where_they_are_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    placed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert placed == {f"sipstream/shared/{name}": place for name, place in PLACES.items()} | UNIT


def test_an_installed_wheel_has_them() -> None:
    package = metadata.distribution("sipstream")
    if not Path(str(package.locate_file("sipstream/__init__.py"))).exists():
        pytest.skip("sipstream is installed to be edited: its files are those of that day")
    for name, place in PLACES.items():
        [path] = [one.locate() for one in package.files or () if str(one).endswith(place)]
        assert Path(str(path)).read_bytes() == (SHARED / name).read_bytes()


# The man page


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["groff", "-ww", "-mandoc", "-Tutf8"], marks=needs("groff")),
        pytest.param(["mandoc", "-Tlint", "-W", "warning"], marks=needs("mandoc")),
    ],
    ids=lambda command: command[0],
)
def test_the_page_is_well_formed(command: list[str]) -> None:
    output(*command, SHARED / "sipstream.1")


def shown_page() -> str:
    shown = output("groff", "-mandoc", "-Tascii", "-P-cbou", "-rLL=200n", SHARED / "sipstream.1")
    return " ".join(re.sub("\x1b\\[[0-9;]*m|.\b", "", shown).split())


@pytest.mark.skipif(os.system("command -v groff >/dev/null") != 0, reason="needs groff")
def test_the_page_names_all_there_is() -> None:
    page = shown_page()
    for option in OPTIONS:
        assert f" {option}" in page
    for action in parser()._actions:
        assert " ".join((action.help or "").split()) in page
    for program in (agent.parser(), archive.parser()):
        for action in program._actions:
            assert all(f" {option}" in page for option in action.option_strings)
            assert " ".join((action.help or "").split()) in page
    for term in TERMS.values():
        assert f"{term.name} {term.syntax} {term.help}" in page
    for command in COMMANDS:
        assert command.syntax in page
        assert " ".join(command.summary.split()) in page


# Completion

CASES = [
    # what is typed, some of what is offered, what isn't
    (["--nar"], ["--narrow"], ["--json"]),
    (["--live", ""], ["any", *INTERFACES], ["file.pcap"]),
    (["x.pcap", "--filter", "dst"], ["dstip", "dstnum"], ["srcnum"]),
    (["-c", "unf"], ["unfollow"], ["untail"]),
    (["fi"], ["file.pcap"], ["--filter"]),
    (["--keylog", "fi"], ["file.pcap"], []),
    (["--spool-dir", "f"], ["folder"], ["file.pcap"]),
    (["--user", "roo"], ["root"], []),
    (["--memory", ""], [], ["file.pcap", "any"]),
    (["--tap", ""], [], ["file.pcap", "root"]),
    (["x.pcap", "--format", "c"], ["csv"], ["file.pcap"]),
    (["a"], ["agent", "archive"], ["file.pcap"]),
    (["x.pcap", "f"], ["file.pcap"], ["agent"]),
    (["agent", "--publ"], ["--publish", "--publish-size"], ["--follow"]),
    (["agent", "--live", ""], ["any", *INTERFACES], ["file.pcap"]),
    (["agent", "--fol"], [], ["--follow"]),
    (["archive", "--bus", "x", "f"], ["folder", "file.pcap"], ["agent"]),
    (["archive", "--fl"], ["--flush"], ["--flow"]),
    (["archive", "--user", "roo"], ["root"], []),
    (["--publ"], [], ["--publish"]),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file.pcap").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def check(offered: list[str], wanted: list[str], unwanted: list[str]) -> None:
    names = {one.rstrip("/") for one in offered}
    assert names.issuperset(wanted)
    assert not names.intersection(unwanted)
    if not wanted:
        assert not names


BASH = """
source "$1"; shift
complete -p sipstream >/dev/null || exit 1
COMP_WORDS=(sipstream "$@"); COMP_CWORD=$#
_sipstream
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("typed", "wanted", "unwanted"), CASES, ids=lambda one: " ".join(one))
def test_bash(folder: Path, typed: list[str], wanted: list[str], unwanted: list[str]) -> None:
    found = output("bash", "-c", BASH, "bash", SHARED / "sipstream.bash", *typed, cwd=folder)
    check(found.split(), wanted, unwanted)


def test_bash_takes_a_value_behind_an_equals_sign(folder: Path) -> None:
    """Readline makes three words of it."""
    for typed in (["--live", "="], ["--live", "=", "an"]):
        found = output("bash", "-c", BASH, "bash", SHARED / "sipstream.bash", *typed, cwd=folder)
        assert "any" in found.split()


def test_bash_at_a_terminal(folder: Path) -> None:
    (folder / "with blank.pcap").touch()
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], cwd=str(folder), encoding="utf-8", timeout=20,
        env={**os.environ, "PS1": "> ", "TERM": "dumb"},
    )  # fmt: skip
    try:
        shell.sendline(f"source {SHARED / 'sipstream.bash'}; bind 'set enable-bracketed-paste off'")
        shell.sendline("sipstream() { printf '<%s>' \"$@\"; }; echo ready")
        shell.expect("\nready")
        shell.send("sipstream --qui\twi\t--live an\t\n")
        shell.expect("<--quiet><with blank.pcap><--live><any>")
    finally:
        shell.close(force=True)


@pytest.mark.parametrize(("typed", "wanted", "unwanted"), CASES, ids=lambda one: " ".join(one))
@pytest.mark.skipif(os.system("command -v fish >/dev/null") != 0, reason="needs fish")
def test_fish(folder: Path, typed: list[str], wanted: list[str], unwanted: list[str]) -> None:
    line = " ".join(["sipstream", *typed])
    script = f"source {SHARED / 'sipstream.fish'}; complete -C '{line}'"
    environment = {**os.environ, "HOME": str(folder / "folder"), "XDG_CONFIG_HOME": "/nonexistent"}
    result = subprocess.run(
        ["fish", "--no-config", "-c", script], cwd=folder, env=environment, capture_output=True,
        text=True, timeout=60, check=True,
    )  # fmt: skip
    check([row.partition("\t")[0] for row in result.stdout.splitlines()], wanted, unwanted)


@pytest.mark.skipif(os.system("command -v zsh >/dev/null") != 0, reason="needs zsh")
def test_zsh_at_a_terminal(folder: Path) -> None:
    (folder / "folder" / "_sipstream").symlink_to(SHARED / "_sipstream")
    shell = pexpect.spawn(
        "zsh", ["-f", "-i"], cwd=str(folder), encoding="utf-8", timeout=20,
        env={**os.environ, "PS1": "> ", "TERM": "dumb"}, dimensions=(50, 200),
    )  # fmt: skip
    try:
        shell.sendline(
            "unsetopt zle_bracketed_paste prompt_sp; PS1='> '; fpath=($PWD/folder $fpath)"
        )
        shell.sendline("autoload -U compinit && compinit -u -D; sipstream() { printf '<%s>' $@ }")
        shell.sendline("echo re''ady")
        shell.expect("ready")
        for typed, shown in (
            ("--quie\t", "<--quiet>"),
            ("--live an\t", "<--live><any>"),
            ("--live=an\t", "<--live=any>"),
            ("--keylog file\t", "<--keylog><file.pcap>"),
            ("--filter dstn\t5660066", "<--filter><dstnum><5660066>"),
            ("-c unf\t", "<-c><unfollow>"),
            ("file\t--nar\t", "<file.pcap><--narrow>"),
            ("arc\t--flu\t5s", "<archive><--flush=5s>"),
            ("agent --live an\t--publish-s\t", "<agent><--live><any><--publish-size>"),
            ("--live any fil\t", "<--live><any><file.pcap>"),
        ):
            shell.send(f"sipstream {typed}\n")
            shell.expect_exact(shown)
    finally:
        shell.close(force=True)


def test_nothing_runs_sipstream(folder: Path) -> None:
    """A Tab must not wait for Python."""
    for name in ("sipstream.bash", "_sipstream", "sipstream.fish"):
        text = re.sub(r"(?m)^\s*#.*$", "", (SHARED / name).read_text())
        assert not re.search(r"(\$\(|`|<\()\s*(command )?sipstream\b", text)
