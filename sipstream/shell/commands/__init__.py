"""The commands, one module a family; importing this registers them all."""

from sipstream.shell.commands import (
    capture,
    contexts,
    conversation,
    filtering,
    findings,
    follow,
    following,
    general,
    messages,
    names,
    scripts,
    settings,
    show,
    table,
    watching,
)

__all__ = [
    "capture",
    "contexts",
    "conversation",
    "filtering",
    "findings",
    "follow",
    "following",
    "general",
    "messages",
    "names",
    "scripts",
    "settings",
    "show",
    "table",
    "watching",
]
