"""The commands, one module a family; importing this registers them all."""

from sipstream.shell.commands import (
    capture,
    conversation,
    filtering,
    follow,
    general,
    names,
    scripts,
    settings,
    show,
    watching,
)

__all__ = [
    "capture",
    "conversation",
    "filtering",
    "follow",
    "general",
    "names",
    "scripts",
    "settings",
    "show",
    "watching",
]
