"""capture: live interfaces. Never blocks the prompt."""

from __future__ import annotations

from typing import Annotated

from sipstream.escape import escape
from sipstream.shell.arguments import Interface, KernelFilter
from sipstream.shell.commands.general import say_loaded
from sipstream.shell.console import Console
from sipstream.shell.ongoing import Captured
from sipstream.shell.registry import command


@command("capture start [{interface}] [filter {bpf}]")
def start(
    console: Console,
    interface: Annotated[str | None, Interface] = None,
    bpf: Annotated[str | None, KernelFilter] = None,
) -> None:
    """Starts capturing on an interface, without a name on the last one, at first on all

    The prompt stays usable and filters keep working. By default the kernel lets through SIP on any
    port and keeps RTP out, but for --rtp; filter sets an expression of your own, as tcpdump takes it.

    Examples:

    $ sipstream
    sipstream: capture start lo
    Starting packet capture
    sipstream: capture start lo
    *** Error! a capture on lo is running already
    sipstream: capture stop
    0 conversations (0 SIP messages) extracted
    sipstream: capture start nosuch0 filter udp port 5070
    ...
    """
    console.session.sources.capture_start(interface, bpf)
    console.out.line("Starting packet capture")


@command("capture stop [{interface}]")
async def stop(console: Console, interface: Annotated[str | None, Captured] = None) -> None:
    """Stops capturing, and says what came in

    So does Ctrl-C on an empty line, pressed twice.

    Examples:

    $ sipstream --live lo
    sipstream: capture stop lo
    0 conversations (0 SIP messages) extracted
    sipstream: capture stop
    *** Error! no capture is running
    sipstream: capture stop lo
    *** Error! no capture is running on lo
    """
    say_loaded(console, await console.session.sources.capture_stop(interface))


@command("capture status")
async def status(console: Console) -> None:
    """Shows the figures of each running capture

    Examples:

    $ sipstream --live lo
    sipstream: capture status
    lo: 0 packets, 0 messages, 0 dropped by the kernel, 0 s, filter: SIP on any port
    sipstream: capture stop
    0 conversations (0 SIP messages) extracted
    sipstream: capture status
    no capture is running
    """
    running = console.session.sources.capture_status()
    texts = (
        f"{escape(one.interface)}: {one.packets} packets, {one.messages} messages, "
        f"{one.drops} dropped by the kernel, {one.seconds:.0f} s, filter: {escape(one.filter)}"
        for one in running
    )
    rows = (
        {
            "interface": one.interface,
            "packets": one.packets,
            "messages": one.messages,
            "drops": one.drops,
            "seconds": round(one.seconds, 3),
            "filter": one.filter,
        }
        for one in running
    )
    await console.out.rows(texts if running else ["no capture is running"], rows)
