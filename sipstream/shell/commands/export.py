"""export: conversations into a file that other programs read."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sipstream.errors import CommandError
from sipstream.escape import escape
from sipstream.export.formats import FORMATS, Format
from sipstream.matches import Listed
from sipstream.session import Session
from sipstream.shell.arguments import FilePath
from sipstream.shell.commands.calls import chosen_call
from sipstream.shell.console import PROGRESS_AFTER, Console
from sipstream.shell.exported import OVERWRITE, RTP, Asked, Exported, ExportHow, FormatName
from sipstream.shell.registry import CONVERSATION, command
from sipstream.sources import stores_of
from sipstream.spool import FileStore, Spool
from sipstream.views import Conversation
from sipstream.wording import aligned

if TYPE_CHECKING:
    from sipstream.calls import Call
    from sipstream.export.selected import Selected

_ALL = Asked()


def _with_formats(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Name the formats in a command's help."""
    rows = aligned((one.name, f"{one.about} ({one.ending})") for one in FORMATS.values())
    function.__doc__ = (function.__doc__ or "").replace("FORMATS", "\n    ".join(rows))
    return function


@command("export {form} {file} [{what}]")
@_with_formats
async def export(
    console: Console,
    form: Annotated[Format, FormatName],
    file: Annotated[Path, FilePath],
    what: Annotated[Asked, Exported] = _ALL,
) -> None:
    """Exports conversations into a file that other programs read

    Those that are shown, of these the ones that match a filter, or conversation <call-id|index>, or
    call <call-id|index> with all its legs. The file is yours alone (mode 0600) and new: one that is
    there already is left as it is, unless overwrite is added. In a folder one conversation gets a name
    made of its Call-ID. Ctrl-C ends it and leaves no file. Formats, and how the names of their files
    usually end:

    FORMATS

    redact masks numbers, names, credentials, texts of bodies, and whatever a header holds that isn't
    known to be harmless. The same number has the same mask all over a file, with its country's code
    and as many digits, so that a call can still be followed. Addresses, hosts, methods, codes and
    media stay. What is made to be handed on, such as csv, is masked unless no-redact is added;
    started with --redact all exports are. The screen shows everything as it is.
    rtp adds the media of the conversations to pcap and pcapng.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: export pcap five.pcap dstnum 5660066
    14 packets written to five.pcap: 1 conversations (14 SIP messages), nothing masked
    sipstream: export pcap five.pcap state failed
    *** Error! five.pcap is there already and is left as it is: choose another name, or add overwrite
    sipstream: export csv calls.csv method INVITE
    7 conversations (102 SIP messages) written to calls.csv, masked
    sipstream: export text call.txt conversation 10 redact
    1 conversations (14 SIP messages) written to call.txt, masked
    sipstream: export html call.html call 0
    1 conversations (8 SIP messages) written to call.html, masked
    """
    if what.conversation is not None:
        await _export(console, form, file, what, await _only(console, what.conversation))
        return
    if what.call:
        _, call = await chosen_call(console, what.call)
        legs = await _all_of(console, call.legs)
        await _export(console, form, file, what, legs, _links(call))
        return
    await _export(console, form, file, what, await console.session.listed(what.expression))


@command("export {form} {file} [{how}]", CONVERSATION)
async def export_here(
    console: Console,
    form: Annotated[Format, FormatName],
    file: Annotated[Path, FilePath],
    how: Annotated[Asked, ExportHow] = _ALL,
) -> None:
    """Export the conversation into a file that other programs read

    Formats, and the words that say how, are those of export in the general context.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: conversation 10
    sipstream[conversation 10]: export pcapng call.pcapng
    14 packets written to call.pcapng: 1 conversations (14 SIP messages), nothing masked
    sipstream[conversation 10]: export ndjson call.ndjson
    1 conversations (14 SIP messages) written to call.ndjson, masked
    sipstream[conversation 10]: export ndjson call.ndjson no-redact overwrite
    1 conversations (14 SIP messages) written to call.ndjson, nothing masked
    """
    await _export(console, form, file, how, await _only(console, console.in_conversation()))


async def _only(console: Console, one: Conversation) -> Listed:
    """Return one conversation alone."""
    return await _all_of(console, [one.id])


async def _all_of(console: Console, numbers: Iterable[int]) -> Listed:
    """Return conversations with their indexes among those that are shown, else among all."""
    conversations = console.session.conversations
    shown = await console.session.listed()
    found = Listed(conversations, array("I"), array("I", numbers), shown.batch)
    for number in found.numbers:
        if number in shown.numbers:
            found.places.append(shown.places[shown.numbers.index(number)])
        else:
            found.places.append(conversations.order.numbers().index(number))
    return found


def _inputs(session: Session) -> Iterator[os.stat_result]:
    """Yield what is read now, or was, and what a capture is kept in: none of it is written over."""
    for store in stores_of(session.sources.all):
        inner = getattr(store, "inner", store)
        with suppress(OSError, ValueError):
            if isinstance(inner, FileStore):
                yield os.fstat(inner.fileno())
            elif isinstance(inner, Spool) and inner.path is not None:
                yield inner.path.stat()
    for tail in session.sources.tails:
        with suppress(OSError, ValueError):
            yield Path(tail.name).stat()


def _links(call: Call) -> list[str]:
    """Return what joins the legs of a call, without what the messages say: that may have to be masked."""
    from sipstream.export.legs import leg_name

    letters = {number: leg_name(place) for place, number in enumerate(call.legs)}
    return [
        f"{letters[link.first]} and {letters[link.second]}: {link.name}, {link.strength}"
        for link in call.links
    ]


async def _export(
    console: Console,
    form: Format,
    file: Path,
    asked: Asked,
    listed: Listed,
    joined_by: Sequence[str] = (),
) -> None:
    """Write conversations into a file, say what came of it.

    Raises:
        CommandError: the format can't hold what is asked for, or nothing is to be written.
        SourceError: the file can't be written.
    """
    from sipstream.export import writing
    from sipstream.export.selected import Selected
    from sipstream.export.target import Target
    from sipstream.redact import Redactor

    session = console.session
    is_masked = asked.is_masked(form.shared if console.redact is None else console.redact)
    if RTP in asked.how and not form.media:
        raise CommandError(f"{form.name} holds no media: rtp goes with pcap and pcapng")
    if RTP in asked.how and is_masked:
        raise CommandError("what is said in media can't be masked: leave out rtp or redact")
    if not listed.numbers:
        raise CommandError("no conversation to export")
    redactor = Redactor(country_code=session.settings.text("country_code")) if is_masked else None
    selected = Selected(
        listed.conversations,
        listed.numbers,
        listed.places,
        stores_of(session.sources.all),
        redactor=redactor,
        rtp=RTP in asked.how,
        is_call=bool(asked.call),
        joined_by=joined_by,
        name_of=console.naming.name_of,
    )
    path = _named(file, form, selected)
    target = Target(path, _inputs(session), overwrite=OVERWRITE in asked.how)
    async with target:
        await writing.write(form.pieces, selected, target, _progress(console))
    console.end_progress()
    _tell(console, selected, target.name, writing.told(selected, target.name))


def _named(file: Path, form: Format, selected: Selected) -> Path:
    """Return what is written to: in a folder a file named for the one conversation.

    Raises:
        CommandError: the name can't be meant.
    """
    from sipstream.export.target import STDOUT, file_name

    if str(file) == STDOUT:
        raise CommandError("export writes files: sipstream --write - writes to standard output")
    if not file.is_dir():
        return file
    if len(selected.numbers) != 1:
        raise CommandError(
            f"{escape(str(file))} is a folder, which takes one conversation: name a file"
        )
    return file / file_name(selected.view(selected.numbers[0]).call_id, form.ending)


def _progress(console: Console) -> Callable[[int], None]:
    """Return what shows how much is written, once it takes its time."""
    begun = time.monotonic()

    def show(written: int) -> None:
        if time.monotonic() - begun > PROGRESS_AFTER:
            console.show_line(f"{written >> 10} KiB written; Ctrl-C ends it")

    return show


def _tell(console: Console, selected: Selected, name: str, told: str) -> None:
    """Say what was written, how, and what is missing."""
    for remark in selected.remarks:
        console.note(remark)
    for what in selected.missing:
        console.complain(f"{what}: they aren't in {name}")
    masked = "nothing masked" if selected.redactor is None else "masked"
    console.out.lines(console.fitted(f"{told}, {masked}"))
