"""diagnose and show findings: what is wrong with conversations, and what proves it."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from sipstream.matches import Listed
from sipstream.pace import Pace
from sipstream.render import findings as render
from sipstream.shell.arguments import ConversationRef, Selection
from sipstream.shell.commands.show import while_whole
from sipstream.shell.console import Console
from sipstream.shell.registry import CONVERSATION, command
from sipstream.views import Conversation


@command("diagnose [{ref}]")
async def diagnose_one(
    console: Console, ref: Annotated[ConversationRef | None, ConversationRef] = None
) -> None:
    """Says what is wrong with a conversation, and which messages prove it

    Without an index of all that the active filter shows, those of which something is found. A problem
    keeps a call from working, a warning may do so at times, a note is worth knowing. Nothing is said
    without messages that prove it: they stand below it, and the rule of the RFC behind it.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: diagnose 10
    [10] 16:41:37.979995: INVITE 4151502->5660066
      problem  nat-timeout  RFC 3261 17.1.1.2, RFC 4787 4.3
        INVITE was sent 7 times in 31.5 s to 178.19.48.48:5060 without any response, though requests come from there: its NAT or firewall lets nothing in
        [0]  16:41:37.979995  INVITE  10.10.10.2:5060 -> 178.19.48.48:5060
        [1]  16:41:37.979998  INVITE  10.10.10.2:5060 -> 178.19.48.48:5060
        [2]  16:41:38.480357  INVITE  10.10.10.2:5060 -> 178.19.48.48:5060
    ...
    sipstream: diagnose | last 1
    1 of 45 conversations have findings

    $ sipstream captures/timeout.txt --filter 'dstnum 5660066'
    sipstream*: diagnose 0 | match problem
      problem  nat-timeout  RFC 3261 17.1.1.2, RFC 4787 4.3
    """  # noqa: E501
    if ref is not None:
        place = int(ref.name) if ref.by_index else None
        await _show_one(console, place, ref.conversation)
    else:
        await _show_all(console)


@command("diagnose", CONVERSATION)
async def diagnose_here(console: Console) -> None:
    """Say what is wrong with the conversation, and which messages prove it

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: conversation 10
    sipstream[conversation 10]: diagnose | match problem
      problem  nat-timeout  RFC 3261 17.1.1.2, RFC 4787 4.3
    sipstream[conversation 10]: next
    === Conversation Call-ID: 326161822-5060-8@178.19.48.85 ===
    [0]  16:41:41.242733  REGISTER          (5526868->5526868)
    [1]  16:41:41.242736  REGISTER          (5526868->5526868)
    [2]  16:41:41.243433  401 Unauthorized  (5526868->5526868)
    [3]  16:41:41.243437  401 Unauthorized  (5526868->5526868)
    [4]  16:41:41.309825  REGISTER          (5526868->5526868)
    ...
    sipstream[conversation 11]: diagnose | last 1
      nothing is found wrong
    sipstream[conversation 11]: previous
    === Conversation Call-ID: 35e857d642ef6280292e2d0e4cac4f13@10.10.10.2:5060 ===
    [0]  16:41:37.979995  INVITE  (4151502->5660066)
    [1]  16:41:37.979998  INVITE  (4151502->5660066)
    [2]  16:41:38.480357  INVITE  (4151502->5660066)
    [3]  16:41:38.480360  INVITE  (4151502->5660066)
    [4]  16:41:39.479261  INVITE  (4151502->5660066)
    ...
    sipstream[conversation 10]: diagnose | count
    12
    """
    await _show_one(console, None, console.in_conversation())


@command("show findings [all]")
async def show_findings(console: Console, all: bool = False) -> None:  # noqa: A002
    """Shows what is found wrong, and in how many conversations

    Of those that the active filter shows, the worst first, each with the index of some. list finding
    <finding> lists all that have it, diagnose <index> shows the proof. all: everything that can be
    found.

    Examples:

    $ sipstream captures/timeout.txt
    sipstream: show findings
             finding      found  in
    problem  nat-timeout  1      [10]  a request got no response from who is there, but behind a NAT or firewall
    sipstream: show findings all | match unreach | count
    1
    sipstream: show findings | count
    2
    """  # noqa: E501
    from sipstream.findings import FINDINGS

    if all:
        rules = sorted(FINDINGS.values(), key=lambda rule: (-rule.severity, rule.name))
        texts = render.rules(rules, console.words_width, console.out.paint)
        await console.out.rows(texts, map(render.rule_object, rules))
        return
    await _show_counted(console, await console.session.listed())


@command("show findings {what}")
async def show_findings_of(console: Console, what: Annotated[str, Selection]) -> None:
    """Shows the same of conversations that match a filter

    Examples:

    $ sipstream captures/testdata-pt.txt
    sipstream: show findings method REGISTER
    nothing is found wrong in 115 conversations
    sipstream: show findings final 403 | count
    1
    sipstream: show findings finding unreachable | count
    1
    """
    await _show_counted(console, await console.session.listed(what))


async def _show_counted(console: Console, listed: Listed) -> None:
    """Write a line for each finding of some conversations."""
    from sipstream.findings.known import rules

    found: dict[str, render.Counted] = {}
    looked_at = 0
    async for place, bits in _found(console, listed):
        looked_at += 1
        for rule in rules(bits):
            places = found.setdefault(rule.name, render.Counted(rule, array("I"))).places
            assert isinstance(places, array)
            places.append(place)
    counted = sorted(found.values(), key=lambda one: (-one.rule.severity, -len(one.places)))
    out = console.out
    await out.rows(
        render.table(counted, looked_at, console.words_width, out.paint),
        map(render.counted_object, counted),
    )


async def _show_one(console: Console, place: int | None, one: Conversation) -> None:
    """Write what is found of a conversation, or that nothing is."""
    from sipstream.findings import diagnose

    found = diagnose(one)
    out = console.out
    texts = render.of_conversation(place, one, found, console.words_width, out.paint)
    about = {"call_id": one.call_id}
    await out.rows(while_whole(one, texts), (about | render.finding_object(f) for f in found))


async def _show_all(console: Console) -> None:
    """Write what is found of all conversations that are shown."""
    listed = await console.session.listed()
    conversations, out = listed.conversations, console.out
    places = array("I")
    numbers = array("I")
    looked_at = 0
    async for place, bits in _found(console, listed):
        if bits:
            places.append(place)
            numbers.append(listed.numbers[looked_at])
        looked_at += 1

    def there() -> Iterator[tuple[int, Conversation]]:
        for place, number in zip(places, numbers, strict=True):
            if conversations.index.is_there(number, listed.batch):
                yield place, conversations[number]

    await out.rows(_all_texts(console, there(), looked_at, len(places)), _all_objects(there()))


def _all_texts(
    console: Console, there: Iterator[tuple[int, Conversation]], looked_at: int, found: int
) -> Iterator[str]:
    from sipstream.findings import diagnose

    for place, one in there:
        yield from render.of_conversation(
            place, one, diagnose(one), console.words_width, console.out.paint
        )
    yield f"{found} of {looked_at} conversations have findings"


def _all_objects(there: Iterator[tuple[int, Conversation]]) -> Iterator[dict[str, object]]:
    from sipstream.findings import diagnose

    for place, one in there:
        about: dict[str, object] = {"call_id": one.call_id, "index": place}
        yield from (about | render.finding_object(finding) for finding in diagnose(one))


async def _found(console: Console, listed: Listed) -> AsyncIterator[tuple[int, int]]:
    """Yield the index and the findings (known.py) of each, and tell how far it is."""
    from sipstream.findings.known import known

    index = listed.conversations.index
    of, pace = known(index).of, Pace()
    for done, (place, number) in enumerate(zip(listed.places, listed.numbers, strict=True)):
        yield place, of(number) if index.is_there(number, listed.batch) else 0
        if pace.due():
            console.show_share("diagnosed", done, len(listed.numbers))
            await pace.rest()
    console.end_progress()
