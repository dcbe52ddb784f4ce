"""Files, help, contexts: what the general context offers beside the larger families."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from sipstream.errors import CommandError
from sipstream.escape import brief, escape
from sipstream.figures import Loaded
from sipstream.render.fold import folded
from sipstream.shell import help as help_texts
from sipstream.shell.arguments import ConversationRef, FilePath, Loadable, Topic
from sipstream.shell.console import Console
from sipstream.shell.ongoing import Watched
from sipstream.shell.registry import CONVERSATION, FILTER, FOLLOW, GENERAL, command
from sipstream.stored import open_stored


def say_loaded(console: Console, loaded: Loaded) -> None:
    """Write the line that ends a load or a capture."""
    console.out.line(loaded.words)


@command("load {file}")
async def load(console: Console, file: Annotated[Path | str, Loadable]) -> None:
    """Load SIP data from file.

    A pcap or pcapng, a .gz of these, or what tcpdump printed with -v, -A or -X; told by its
    content. What is loaded already stays; messages that are there already are left out.
    Ctrl-C stops the load and keeps what came in. A load of over a second leaves the prompt to you.

    Examples:

    $ sipstream
    sipstream: load captures/timeout.txt
    Processing file captures/timeout.txt...
    45 conversations (354 SIP messages) extracted
    sipstream: load captures/callerid-problem.pcap.gz
    Processing file captures/callerid-problem.pcap.gz...
    406 conversations (2090 SIP messages) extracted
    sipstream: load not-there.pcap
    Processing file not-there.pcap...
    *** Error! not-there.pcap: no such file or directory
    """
    if isinstance(file, str):
        await _open(console, file)
        return
    console.out.line(f"Processing file {escape(str(file))}...")
    loaded = await console.session.sources.load(file, console.show_progress, console.patience)
    console.end_progress()
    if loaded is None:
        console.out.line("it goes on, see the bottom line; Ctrl-C on an empty line stops it")
    else:
        say_loaded(console, loaded)


async def _open(console: Console, url: str) -> None:
    """Have what is stored at a URL asked from now on; what matches the active filter comes at once."""
    open_stored(url, console.session)
    console.out.line(f"Reading {escape(url)}: what filters and lists ask for comes from there")
    filters = console.session.filters
    if filters.active:
        await console.session.remotes.bring(filters.expression())


@command("tail {file} [from start|from now]")
def tail(
    console: Console, file: Annotated[Path, FilePath], start: bool = True, now: bool = False
) -> None:
    """Load a file and go on as it grows

    Like tail -f, for pcap and for what tcpdump prints: the file may be rotated or truncated, or
    not be there yet. With from now what is there already is left out.

    Examples:

    $ sipstream
    sipstream: tail captures/timeout.pcap
    Watching captures/timeout.pcap
    sipstream: tail captures/timeout.txt from now
    Watching captures/timeout.txt
    sipstream: tail captures
    *** Error! captures: is a directory
    """
    console.session.sources.tail(file, from_start=start and not now)
    console.out.line(f"Watching {escape(str(file))}")


@command("untail [{file}]")
async def untail(console: Console, file: Annotated[str | None, Watched] = None) -> None:
    """Ends the watching of a file, or of all of them

    What came of it stays.

    Examples:

    $ sipstream --tail captures/timeout.pcap --tail captures/timeout.txt
    sipstream: untail captures/timeout.pcap
    captures/timeout.pcap is no longer watched
    sipstream: untail
    captures/timeout.txt is no longer watched
    sipstream: untail
    *** Error! no file is watched
    """
    for name in await console.session.sources.untail(file):
        console.out.line(f"{escape(name)} is no longer watched")


@command("keylog {file}")
def keylog(console: Console, file: Annotated[Path, FilePath]) -> None:
    """Read TLS with the secrets of a key log

    A file as programs write it for SSLKEYLOGFILE; it may grow. TLS 1.2 and 1.3 with AES-GCM or
    ChaCha20-Poly1305 are read, of connections seen from their beginning. Give it before load;
    what is loaded already can be loaded again.

    Examples:

    $ sipstream
    sipstream: keylog captures/README.md
    *** Error! captures/README.md: has no line of a TLS key log
    sipstream: keylog not-there.log
    *** Error! not-there.log: no such file or directory
    sipstream: keylog captures
    *** Error! captures: is a directory
    """
    console.out.line(f"{console.session.sources.keylog(file)} secrets of TLS read")


@command("clear")
def clear(console: Console) -> None:
    """Clear the SIP conversation data

    Filters, follows and captures go on.

    Examples:

    $ sipstream captures/timeout.txt --filter 'dstnum 5660066'
    sipstream*: clear
    sipstream*: show conversations | count
    0
    sipstream*: show filter
    condition or
    dstnum 5660066
    """
    console.session.clear()


@command("filter")
def enter_filter(console: Console) -> None:
    """Enter SIP filter configuration for filtering conversations

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: filter
    sipstream[filter]: add dstnum 8969669
    2 conversations
    sipstream[filter]*: exit
    sipstream*: show conversations sorted
    [0] 15:49:30.333525: INVITE 4151509->8969669
    [1] 15:49:30.377296: INVITE 4151509->8969669
    """
    console.enter(FILTER)


@command("conversation {ref}")
def enter_conversation(console: Console, ref: Annotated[ConversationRef, ConversationRef]) -> None:
    """Enter one conversation, to look at its messages

    Examples:

    $ sipstream captures/callerid-problem.txt
    sipstream: conversation 36
    sipstream[conversation 36]: show
    === Conversation Call-ID: 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060 ===
    [0] 15:54:44.871687  INVITE         (1502->5660066)
    ...
    sipstream[conversation 36]: next
    === Conversation Call-ID: 6195f600-3d45-1235-c0ba-00215e2c8c90 ===
    [0] 15:54:44.912781  INVITE       (4155790->5111901)
    ...
    sipstream[conversation 37]: exit
    sipstream: conversation 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060
    sipstream[conversation 4bd2133a5be9a247447c5d3e44dd58cd@10.20.0.22:5060]: exit
    sipstream: conversation 406
    *** Error! no conversation 406: the last one is 405
    """
    choose(console, ref)


def choose(console: Console, ref: ConversationRef) -> None:
    """Make a conversation the context's."""
    console.enter(CONVERSATION)
    console.chosen = ref.conversation
    console.chosen_name = ref.name


@command("help [{topic}]", GENERAL)
@command("help [{topic}]", FILTER)
@command("help [{topic}]", CONVERSATION)
@command("help [{topic}]", FOLLOW)
async def show_help(console: Console, topic: Annotated[str, Topic] = "") -> None:
    """List available commands with 'help' or detailed help with 'help <topic>'.

    A topic is a command, some of its words, a term of filters, or a pipe: help | lists those.

    Examples:

    $ sipstream
    sipstream: help clear
    clear
    Clear the SIP conversation data
    ...
    sipstream: help dstnum
    dstnum <telnum> [telnum(s)]
    Select conversations where <telnum> is the destination number.
    ...
    sipstream: help show conversation
    show conversation <call-id|index> [message <index>|messages]
    Shows conversation details
    ...
    """
    text = help_texts.of(topic, console.context)
    if text is None:
        raise CommandError(f"no help on {brief(topic)}: 'help' lists the commands")
    lines, width = text.split("\n"), console.words_width
    await console.out.text(lines if width is None else folded(lines, width))


@command("exit", GENERAL)
def leave(console: Console) -> None:
    """Exit the program

    So does Ctrl-D on an empty line. Captures end.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: filter
    sipstream[filter]: exit
    sipstream: conversation 0
    sipstream[conversation 0]: exit
    sipstream: exit
    """
    console.leave()
