"""set, unset and show settings: the commands that the table of settings gives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from sipstream.errors import CommandError
from sipstream.escape import brief
from sipstream.render.fold import folded
from sipstream.settings import SETTINGS, Setting, Value, shown
from sipstream.shell.arguments import Argument
from sipstream.shell.console import Console
from sipstream.shell.offered import Offer
from sipstream.shell.registry import command
from sipstream.wording import aligned

if TYPE_CHECKING:
    from sipstream.session import Session
    from sipstream.views import Conversation


class SettingName(Argument):
    """A setting."""

    syntax = "<name>"

    @classmethod
    def parse(cls, session: Session, text: str) -> Setting:
        """Return the setting.

        Raises:
            CommandError: there is none of the name.
        """
        if text not in SETTINGS:
            raise CommandError(f"unknown setting {brief(text)}: 'show settings' lists them")
        return SETTINGS[text]

    @classmethod
    def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
        """Return the settings."""
        return (Offer(one.name, one.about) for one in SETTINGS.values())


def _register(setting: Setting) -> None:
    """Make the command that changes a setting."""
    kind = setting.kind

    class SettingValue(Argument):
        syntax = kind.syntax
        rest = kind.several

        @classmethod
        def parse(cls, session: Session, text: str) -> Value:
            try:
                return setting.read(text)
            except ValueError as error:
                raise CommandError(str(error)) from None

        @classmethod
        def unfinished(cls, typed: str) -> str:
            return re.split(r"[\s,]", typed)[-1] if kind.several else typed

        @classmethod
        def offers(cls, session: Session, typed: str, near: Conversation | None) -> Iterable[Offer]:
            return map(Offer, kind.offers)

    async def change(console: Console, value: Annotated[Value, SettingValue]) -> None:
        await _change(console, setting.name, value)

    SettingValue.__doc__ = f"{setting.name}: {kind.wanted}."
    change.__annotations__ = {"console": Console, "value": Annotated[object, SettingValue]}
    one, other = setting.examples
    change.__doc__ = f"""{setting.about}

It is {kind.wanted}; without a change {shown(setting.default) or "none"}. It applies at once and is kept
in sipstream/config.toml in the folder for configuration, ~/.config as a rule.

Examples:

$ sipstream
sipstream: set {setting.name} {one}
sipstream: set {setting.name} {other}
sipstream: set {setting.name} {one}
sipstream: show settings | match ^{setting.name}
...
sipstream: unset {setting.name}"""
    command(f"set {setting.name} {{value}}")(change)


for _one in SETTINGS.values():
    _register(_one)


async def _change(console: Console, name: str, value: Value | None) -> None:
    keep = console.session.settings.change(name, value)
    console.settle()
    await console.keep(keep)


@command("unset {setting}")
async def unset(console: Console, setting: Annotated[Setting, SettingName]) -> None:
    """Gives a setting its default back

    The line is taken out of the file that keeps the settings.

    Examples:

    $ sipstream
    sipstream: set theme dark
    sipstream: unset theme
    sipstream: unset watch_seconds
    sipstream: unset colour
    *** Error! unknown setting colour: 'show settings' lists them
    """
    await _change(console, setting.name, None)


@command("show settings")
async def show_settings(console: Console) -> None:
    """Shows the settings, and which were changed

    Each with its value and a sentence.

    Examples:

    $ sipstream
    sipstream: set paging off
    sipstream: show settings
    theme           auto   default  Colours for a dark or a light terminal, or none; auto fits both
    keys            emacs  default  Keys that edit the line
    paging          off    changed  Long answers stop at each page
    ...
    sipstream: unset paging
    sipstream: show settings | match changed
    sipstream: show settings | match ^keys
    keys            emacs  default  Keys that edit the line
    """
    settings = console.session.settings
    texts = aligned(
        (
            one.name,
            shown(settings[one.name]) or "none",
            "changed" if settings.is_set(one.name) else "default",
            one.about,
        )
        for one in SETTINGS.values()
    )
    objects = (
        {
            "setting": one.name,
            "value": settings[one.name],
            "default": one.default,
            "changed": settings.is_set(one.name),
            "about": one.about,
        }
        for one in SETTINGS.values()
    )
    width = console.words_width
    await console.out.rows(texts if width is None else folded(texts, width), objects)
