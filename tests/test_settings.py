"""The file of settings: what is read, what is said of its faults, how it is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sipstream import config
from sipstream.errors import SourceError
from sipstream.limits import CONFIG_COMPLAINTS, MAX_CONFIG
from sipstream.settings import ALIASES, FILTERS, SETTINGS, Named, Settings, shown


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sipstream" / "config.toml"


def written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_without_a_file_there_are_the_defaults(path: Path) -> None:
    settings = Settings.read(path)
    assert settings.complaints == []
    assert {name: settings[name] for name in SETTINGS} == {
        one.name: one.default for one in SETTINGS.values()
    }
    assert not path.parent.exists()


def test_the_folder_is_the_one_for_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.config_file() == tmp_path / "sipstream" / "config.toml"


def test_values_of_all_kinds(path: Path) -> None:
    written(
        path,
        """\
theme = "light"
keys = "vi"
paging = false
columns = [
  "time",  # first
  "state",
]
suggestions = "off"
country_code = 354
trunk_prefix = ""
watch_seconds = 10

[filters]
mine = "dstnum 1"
"with.dot" = 'has diversion'
[aliases]
sc = "show conversations"
""",
    )
    settings = Settings.read(path)
    assert settings.complaints == []
    assert settings.text("theme") == "light"
    assert settings.text("keys") == "vi"
    assert not settings.on("paging")
    assert settings.names("columns") == ("time", "state")
    assert not settings.on("suggestions")
    assert settings.on("history")
    assert settings.text("country_code") == "354"
    assert settings.text("trunk_prefix") == ""
    assert settings.number("watch_seconds") == 10
    assert settings.filters == {
        "mine": Named("dstnum 1", "config.toml line 14"),
        "with.dot": Named("has diversion", "config.toml line 15"),
    }
    assert settings.expanded("sc sorted") == "show conversations sorted"
    assert settings.expanded("scx sorted") == "scx sorted"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('theme = "drak"', "line 1: theme is dark, light, mono or auto, not 'drak'"),
        ("\n\n# a\ntheme = 3", "line 4: theme is dark, light, mono or auto, not '3'"),
        (
            "theme = dark",
            "line 1: is not understood: invalid value (a text stands in quotes)",
        ),
        ("paging = 1", "line 1: paging is on or off, not '1'"),
        ('watch_seconds = 0', "line 1: watch_seconds is a whole number from 1 to 3600, not '0'"),
        ("watch_seconds = true", None),
        ('country_code = "+354"', None),
        ('country_code = "٣"', None),
        ("country_code = true", None),
        ('columns = "time"\nkeys = ["vi"]', "line 2: keys is emacs or vi, not '['vi']'"),
        ("columns = [1]", None),
        ("columns = [", "line 1: is not understood: invalid value (a text stands in quotes)"),
        ("paeging = true", "line 1: unknown setting paeging: did you mean paging?"),
        ("xyzzy = true", "line 1: unknown setting xyzzy"),
        ("filters = 1", "line 1: unknown setting filters"),
        ("[aliases.deep]\nx = 'y'", "line 2: unknown setting aliases.deep.x"),
        ("[filters]\nx = 5", "line 2: filters.x is a text of one line, in quotes"),
        ('[filters]\nx = "a\\nb"', "line 2: filters.x is a text of one line, in quotes"),
        (
            '[filters]\n"a b" = "x"',
            "line 2: 'a b' is no name: letters, digits, '-', '_' and '.', at most 64 of them",
        ),
        ("[aliases]\nshow = 'x'", "line 2: show is a command, and no alias may hide it"),
        ("[aliases\nx = 'y'", "line 1: is not understood: expected ']' at the end"),
        (b'theme = "\xff"', "line 1: is not in UTF-8"),
        (f"columns = {'[' * 5000}", "line 1: is nested too deep"),
        ('keys = "vi"\nkeys = "emacs"', "line 2: keys stands in line 2 already"),
        ('keys = "\x1b]0;x"', "line 1: is not understood: illegal character"),
        ('keys = "\\u001b]0;x"', r"line 1: keys is emacs or vi, not '\x1b]0;x'"),
    ],
)  # fmt: skip
def test_a_fault_is_told_by_its_line_and_the_others_count(
    path: Path, text: str | bytes, complaint: str | None
) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    rest = (
        b'\n[filters]\ngood = "dstnum 1"\n' if b"[filters]" not in data else b'\ngood = "dstnum 1"'
    )
    settings = Settings.read(written(path, b"history = false\n" + data + rest), {"show"})
    assert not settings.on("history")
    assert settings.filters["good"].text == "dstnum 1"
    [told] = settings.complaints
    if complaint is not None:
        place, _, said = complaint.partition(":")
        number = int(place.removeprefix("line ")) + 1
        assert told.startswith(f"config.toml line {number}:{said}")


def test_many_faults_are_told_up_to_a_limit(path: Path) -> None:
    settings = Settings.read(written(path, "=\n" * 10_000))
    assert len(settings.complaints) == CONFIG_COMPLAINTS + 1
    assert settings.complaints[-1].endswith("line 21: too much is wrong, the rest is left out")


def test_what_is_no_file_is_told_and_nothing_hangs(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    assert Settings.read(path).complaints == ["config.toml: is no file"]
    path.unlink()
    written(path, "#" * (MAX_CONFIG + 1))
    assert Settings.read(path).complaints == ["config.toml: has more than 64 KiB"]


def test_comments_and_order_stay(path: Path) -> None:
    written(path, '# mine\ntheme = "dark" # at night\n\nkeys = "vi"\n[filters]\na = "x"  # y\n')
    settings = Settings.read(path)
    assert settings.change("theme", "light")() == ""
    assert settings.change("watch_seconds", 7)() == ""
    assert settings.change("keys", None)() == ""
    assert settings.change_named(FILTERS, "b", "z")() == ""
    assert settings.change_named(ALIASES, "q", "exit")() == ""
    assert path.read_text() == (
        '# mine\ntheme = "light" # at night\n\n'
        "watch_seconds = 7 # Seconds between two looks of watch: a whole number from 1 to 3600\n"
        '\n[filters]\na = "x"  # y\nb = "z"\n\n[aliases]\nq = "exit"\n'
    )
    again = Settings.read(path)
    assert again.text("theme") == "light"
    assert again.number("watch_seconds") == 7
    assert again.text("keys") == "emacs"


@pytest.mark.parametrize("one", SETTINGS.values(), ids=lambda one: one.name)
def test_every_setting_is_kept_and_read_again(path: Path, one) -> None:  # type: ignore[no-untyped-def]
    for typed in one.examples:
        value = one.read(typed.strip('"'))
        settings = Settings(path)
        assert settings.change(one.name, value)() == ""
        again = Settings.read(path)
        assert again.complaints == []
        assert again[one.name] == value
        assert one.read(shown(value)) == value
        assert again.is_set(one.name) == (value != one.default)


def test_nobody_else_can_read_it_and_nothing_is_left_beside_it(path: Path) -> None:
    before = os.umask(0)
    try:
        assert Settings(path).change("theme", "dark")() == ""
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_nothing_is_written_through_a_link(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text('theme = "dark"\n')
    path.parent.mkdir(mode=0o700)
    path.symlink_to(elsewhere)
    settings = Settings.read(path)
    assert settings.text("theme") == "dark"
    reason = settings.change("theme", "mono")()
    assert reason == f"{path}: it is a symbolic link, and none is written through"
    assert settings.text("theme") == "mono"
    assert elsewhere.read_text() == 'theme = "dark"\n'
    assert path.is_symlink()
    path.unlink()
    path.parent.rename(tmp_path / "real")
    path.parent.symlink_to(tmp_path / "real")
    assert settings.change("theme", "mono")() != ""
    assert list((tmp_path / "real").iterdir()) == []


def test_where_others_may_write_nothing_is_written(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    reason = Settings(path).change("theme", "mono")()
    assert reason == f"{path}: others than you may change the folder it lies in"
    assert not path.exists()


def test_a_file_with_a_fault_is_left_as_it_is(path: Path) -> None:
    written(path, "keys = vi\n")
    settings = Settings.read(path)
    assert settings.change("theme", "mono")() == f"{path}: its line 1 has to be put right first"
    assert path.read_text() == "keys = vi\n"


def test_the_old_file_stays_whole_when_the_disk_is_full(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(path, 'keys = "vi"\n')

    def full(descriptor: int) -> None:
        raise OSError(28, "full")

    monkeypatch.setattr(os, "fsync", full)
    assert "no space left" in Settings.read(path).change("theme", "mono")()
    assert path.read_text() == 'keys = "vi"\n'
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_more_than_is_read_again_is_not_written(path: Path) -> None:
    settings = Settings(path)
    assert "more than 64 KiB" in settings.change_named(FILTERS, "x", "a" * MAX_CONFIG)()
    assert not path.exists()
    with pytest.raises(SourceError, match="more than"):
        config.change_config(path, lambda data: b"#" * (MAX_CONFIG + 1))


def test_without_a_folder_settings_hold_for_the_run() -> None:
    settings = Settings.read(None)
    assert settings.change("theme", "mono")() == "there is no folder for settings"
    assert settings.text("theme") == "mono"
