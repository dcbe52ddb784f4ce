"""Past one machine: what an agent, a shell over taps, the stream and an archive writer take.

    python tests/benchmarks/taps.py [agent] [taps] [follow] [bus] [archive] [hep]
        [--rates 20000] [--seconds 60] [--taps 50] [--messages 1000000] [--keep DIR]

`agent` captures at a rate and publishes what it captures, `taps` asks simulated taps, `follow` has them
send to a shell's follow, `bus` fills the stream, with one replica and three, and replays it, `archive`
writes it to Parquet, `hep` sends envelopes over UDP. Needs nats-server, `agent` also root and tcpreplay.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fake_taps import FakeTap, taps_on
from filling import batches, envelopes, fill
from generate import capture
from keyboard import Shell
from measuring import (
    SIPSTREAM,
    Others,
    PeakMemory,
    environment,
    family,
    machine,
    percentiles,
    table,
)
from nats_servers import NatsServer, free_port, nats_cluster, nats_server
from tapped import until
from wire import LINK, sent, until_captures, wire

from sipstream.bus.coding import PART, pack

_SETTLED = 3.0
"""Seconds without progress after which what was sent counts as through."""
_LONGEST = 600.0


@dataclass(frozen=True)
class Wanted:
    """The options, and where captures are."""

    rates: tuple[int, ...]
    seconds: int
    taps: int
    messages: int
    folder: Path


def processor(pid: int) -> float:
    """Return the processor seconds that a process and all that came of it have taken."""
    total = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # Those of children that have ended too.
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(
    *words: str, prefix: Sequence[str] = (), log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start sipstream, end it afterwards; what it says goes to a file."""
    with log.open("wb") if log else tempfile.TemporaryFile() as output:
        program = subprocess.Popen(
            [*prefix, *SIPSTREAM, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
        try:
            yield program
            if program.poll() not in (None, 0, 143):
                output.seek(0)
                raise SystemExit(
                    f"sipstream {' '.join(words)} has ended: {output.read()[-1000:]!r}"
                )
        finally:
            program.send_signal(signal.SIGTERM)
            try:
                program.wait(60)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def settled(progress: Callable[[], object]) -> float:
    """Wait until nothing moves any more, return the moment (monotonic) at which it last did."""
    before, since, end = progress(), time.monotonic(), time.monotonic() + _LONGEST
    while time.monotonic() - since < _SETTLED:
        if time.monotonic() > end:
            raise SystemExit("it doesn't come to an end")
        time.sleep(0.5)
        if (now := progress()) != before:
            before, since = now, time.monotonic()
    return since


def streamed(server: NatsServer) -> tuple[int, int]:
    """Return the batches and bytes that a server's streams have."""
    told = server.told("jsz?streams=true&accounts=true")
    states = [
        stream["state"]
        for account in told.get("account_details") or ()
        for stream in account.get("stream_detail") or ()
    ]
    return sum(one["messages"] for one in states), sum(one["bytes"] for one in states)


# An agent


def agent(wanted: Wanted) -> None:
    """An agent that publishes what it captures: is all in the stream, and what does it take?"""
    rows, elsewhere = [], Others()
    for rate in wanted.rates:
        path = capture(wanted.folder, "udp", rate * wanted.seconds)
        with tempfile.TemporaryDirectory() as name, wire() as cable:
            folder = Path(name)
            subprocess.run(["ip", "-n", cable.receiver, "link", "set", "lo", "up"], check=True)
            server = NatsServer(folder, prefix=cable.receiving).start()
            try:
                rows.append(_captured(cable, server, path, rate, folder))
            finally:
                server.kill()
    heads = (
        "", "sent", "in the stream", "lost", "dropped by the kernel", "agent's processor",
        "µs a message", "its peak MB",
        "server's processor", "B/message to the server", "B/message stored",
    )  # fmt: skip
    print(f"\nsipstream agent --publish, {wanted.seconds} s at each rate\n")
    print(table(heads, rows))
    print(f"other programs used {elsewhere} of a processor meanwhile (nats-server, tcpreplay)")


def _captured(cable: object, server: NatsServer, path: Path, rate: int, folder: Path) -> list[str]:
    words = ("agent", "--live", LINK, "--tap", "tap-000", "--nats", server.url, "--publish")
    log = folder / "log"
    with running(*words, prefix=cable.receiving, log=log) as program:
        until_captures(program.pid)
        time.sleep(1)
        before = [processor(program.pid), processor(server.pid)]
        with PeakMemory(program.pid) as peak:
            begun = time.monotonic()
            done = sent(cable.replaying(path, rate))
            through = settled(lambda: streamed(server)) - begun
        took = [processor(program.pid) - before[0], processor(server.pid) - before[1]]
        to_server = server.traffic()[0]
    # Read where the server is: only programs there reach it.
    script = "import asyncio,sys,filling;print(*asyncio.run(filling.stored(sys.argv[1])))"
    told = subprocess.run(
        [*cable.receiving, sys.executable, "-c", script, server.url],
        check=True, capture_output=True, cwd=Path(__file__).parent,
    )  # fmt: skip
    count, _, size = map(int, told.stdout.split())
    dropped = re.search(r"(\d+) dropped by the kernel", log.read_text())
    return [
        f"{done.rate:,.0f}/s", f"{done.messages:,}", f"{count:,}", f"{done.messages - count:,}",
        f"{int(dropped[1]):,}" if dropped else "?",
        f"{took[0] / through:.0%}", f"{took[0] / count * 1e6:.0f}",
        f"{peak.bytes / 1e6:.0f}", f"{took[1] / through:.0%}",
        f"{to_server / count:.0f}", f"{size / count:.0f}",
    ]  # fmt: skip


# A shell over many taps

_ASKED = 20
"""How often a shell is asked for a call."""
_EACH = 200
"""Conversations of a simulated tap."""


def taps(wanted: Wanted) -> None:
    """Simulated taps, all in one process, answer `find`: from Enter to the answer."""
    elsewhere = Others()
    with tempfile.TemporaryDirectory() as name, nats_server(Path(name) / "bus") as server:
        script = Path(__file__).resolve().parents[1] / "fake_taps.py"
        words = [sys.executable, str(script), server.url, str(wanted.taps), str(_EACH)]
        site = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment())
        try:
            assert site.stdout is not None
            site.stdout.readline()
            shell = Shell(Path(name), ["--nats", server.url])
            shell.at_prompt()
            shell.rest(3)
            # A call that one of the taps has, another one each time: nothing is known of it yet.
            numbers = [4_151_001 + place % wanted.taps * _EACH for place in range(_ASKED)]
            took = [_asked(shell, number) for number in numbers]
            used = processor(shell.process.pid)
            shell.leave()
            whole = [_asked_once(server.url) for _ in range(5)]
        finally:
            site.kill()
            site.wait()
    print(
        f"\n{wanted.taps} simulated taps of {_EACH} conversations are asked for those of a number\n"
    )
    print(f"in a shell, from Enter to the answer: {percentiles(took)}")
    print(f"sipstream --nats URL -c, from its start to its end: {percentiles(whole)}")
    print(f"the shell used {used:.1f} s of processor")
    print(f"other programs used {elsewhere} of a processor meanwhile (the taps, the server)")


def _asked(shell: Shell, number: int) -> float:
    """Return the seconds until a call was found that one of the taps has."""
    shell.at_prompt()
    command = f"show conversations srcnum {number} | count"
    told = shell.ask(command, rb"\n1(?: \w+)?\r*\n")
    if told is None:
        raise SystemExit(f"no answer: {shell.seen[-500:]!r}")
    return told[0]


def _asked_once(url: str) -> float:
    words = [*SIPSTREAM, "--nats", url, "-c", "show conversations dstnum 5660066"]
    begun = time.perf_counter()
    done = subprocess.run(words, capture_output=True, env=environment(), check=True)
    if done.stdout.count(b"call-0") != 1:
        raise SystemExit(f"not the call: {done.stdout!r} {done.stderr!r}")
    return time.perf_counter() - begun


def follow(wanted: Wanted) -> None:
    """Simulated taps send what a shell follows, at rising rates: does it keep up?"""
    rows, elsewhere = [], Others()
    for rate in wanted.rates:
        with tempfile.TemporaryDirectory() as name, nats_server(Path(name) / "bus") as server:
            rows.append(asyncio.run(_followed(server, Path(name), rate, wanted)))
    heads = (
        "",
        "sent",
        "shown",
        "all shown after",
        "shell's processor",
        "peak MB",
        "B/message on the bus",
    )
    print(
        f"\na follow that all messages of {wanted.taps} taps match, {wanted.seconds} s at each rate\n"
    )
    print(table(heads, rows))
    print(f"other programs used {elsewhere} of a processor meanwhile (the taps, the server)")


async def _followed(server: NatsServer, folder: Path, rate: int, wanted: Wanted) -> list[str]:
    site = [FakeTap(f"tap-{number:03}") for number in range(wanted.taps)]
    count = rate * wanted.seconds
    made: list[tuple[int, bytes]] = []
    waiting: dict[int, list[bytes]] = {}
    for tap, _, one in envelopes(count, wanted.taps, rate):
        waiting.setdefault(tap, []).append(one)
        # What comes within 50 ms or so.
        if len(waiting[tap]) > rate // wanted.taps // 20:
            made.append((tap, pack(waiting.pop(tap))))
    made += [(tap, pack(some)) for tap, some in waiting.items()]
    log = folder / "log"
    async with taps_on(server.url, site):
        words = ("--nats", server.url, "--follow", "ip 10.11.12.13")
        with running(*words, log=log) as program, PeakMemory(program.pid) as peak:
            await asyncio.to_thread(until, lambda: all(one.follows for one in site))
            used, before = processor(program.pid), server.traffic()[1]
            begun = time.monotonic()
            for place, (tap, part) in enumerate(made):
                wait = begun + place * wanted.seconds / len(made) - time.monotonic()
                await asyncio.sleep(max(wait, 0))
                for _, reply in site[tap].follows.values():
                    await site[tap].send(reply, PART, part)
            through = await asyncio.to_thread(settled, lambda: log.stat().st_size) - begun
            used, sent_bytes = processor(program.pid) - used, server.traffic()[1] - before
        shown = len(re.findall(rb"(?m)^\d\d:\d\d:\d\d", log.read_bytes()))
    return [
        f"{rate:,}/s", f"{count:,}", f"{shown:,}", f"{through:.1f} s", f"{used / through:.0%}",
        f"{peak.bytes / 1e6:.0f}", f"{sent_bytes / count:.0f}",
    ]  # fmt: skip


# The stream and who reads it


def bus(wanted: Wanted) -> None:
    """What the server takes and stores, with one replica and three; then a shell's replay of it."""
    made = list(batches(wanted.messages, wanted.taps))
    size = sum(len(data) for _, data, _ in made) / wanted.messages
    rows, elsewhere = [], Others()
    with tempfile.TemporaryDirectory() as name:
        with nats_server(Path(name) / "one") as server:
            rows.append(_filled("one server", server.url, [server], made, 1))
            replayed = _replayed(server.url, wanted)
        with nats_cluster(Path(name) / "three") as cluster:
            rows.append(_filled("cluster, three replicas", cluster.url, cluster.servers, made, 3))
    heads = ("", "seconds", "messages/s", "servers' processor seconds", "B/message stored in all")
    print(f"\npublished: {wanted.messages:,} messages of {wanted.taps} taps, {size:.0f} B each\n")
    print(table(heads, rows))
    print(replayed)
    print(f"other programs used {elsewhere} of a processor meanwhile (the servers)")


def _filled(
    what: str,
    url: str,
    servers: list[NatsServer],
    made: list[tuple[str, bytes, int]],
    replicas: int,
) -> list[str]:
    before = sum(processor(one.pid) for one in servers)
    seconds = asyncio.run(fill(url, made, replicas))
    count = sum(number for _, _, number in made)
    took = sum(processor(one.pid) for one in servers) - before
    size = sum(streamed(one)[1] for one in servers)
    return [what, f"{seconds:.2f}", f"{count / seconds:,.0f}", f"{took:.1f}", f"{size / count:.0f}"]


def _replayed(url: str, wanted: Wanted) -> str:
    """Return how fast a shell takes all that the stream has."""
    figures = free_port()
    words = ("--bus", url, "--since", "24h", "--prometheus", f":{figures}")
    begun = time.monotonic()
    with running(*words) as program, PeakMemory(program.pid) as peak:
        seconds = settled(lambda: messages(figures)) - begun
        count, used = messages(figures), processor(program.pid)
    return (
        f"replayed by a shell: {count:,} of {wanted.messages:,} messages in {seconds:.1f} s"
        f" ({count / seconds:,.0f}/s), {used:.1f} s of processor, peak {peak.bytes / 1e6:.0f} MB"
    )


def messages(port: int) -> int:
    """Return how many messages a sipstream has taken, as it tells Prometheus at a port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            text = page.read().decode()
    except OSError:
        # It is just being started.
        return 0
    return int(sum(float(one) for one in re.findall(r"(?m)^sipstream_re.*_total{.*} (.*)$", text)))


def archive(wanted: Wanted) -> None:
    """A writer that takes the stream, from its first batch to its last file."""
    made = list(batches(wanted.messages, wanted.taps))
    rows, elsewhere = [], Others()
    for writers in (1, 2):
        with tempfile.TemporaryDirectory() as name, nats_server(Path(name) / "bus") as server:
            asyncio.run(fill(server.url, made))
            rows.append(_archived(server, Path(name) / "archive", writers, wanted))
    heads = (
        "writers",
        "seconds",
        "messages/s",
        "processor seconds",
        "peak MB of one",
        "B/message",
        "files",
    )
    print(f"\narchived from the stream: {wanted.messages:,} messages of {wanted.taps} taps\n")
    print(table(heads, rows))
    print(f"other programs used {elsewhere} of a processor meanwhile (the server)")


def _archived(server: NatsServer, folder: Path, writers: int, wanted: Wanted) -> list[str]:
    import duckdb

    folder.mkdir()
    words = ("archive", "--bus", server.url, str(folder))
    begun = time.monotonic()
    with ExitStack() as stack:
        programs = [stack.enter_context(running(*words)) for _ in range(writers)]
        peak = stack.enter_context(PeakMemory(programs[0].pid))
        until(lambda: unread(server) == 0, _LONGEST)
        for one in programs:
            one.send_signal(signal.SIGTERM)
        used = sum(_ended(one) for one in programs)
    seconds = time.monotonic() - begun
    # What they still had is written when they end.
    files = list(folder.rglob("*.parquet"))
    count = duckdb.read_parquet([str(one) for one in files]).count("*").fetchall()[0][0]
    flag = "" if count == wanted.messages else f" !{count:,}"
    return [
        f"{writers}{flag}", f"{seconds:.1f}", f"{count / seconds:,.0f}", f"{used:.1f}",
        f"{peak.bytes / 1e6:.0f}", f"{_size(folder) / count:.0f}", str(len(files)),
    ]  # fmt: skip


def _ended(program: subprocess.Popen[bytes]) -> float:
    """Wait until a program has ended, return the processor seconds that it took."""
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*.parquet"))


# HEP


def hep(wanted: Wanted) -> None:
    """Envelopes over UDP to a listening shell, at rising rates: what is lost."""
    rows, elsewhere = [], Others()
    for rate in wanted.rates:
        port = free_port()
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "envelopes"
            count = rate * wanted.seconds
            with path.open("wb") as file:
                file.writelines(one for _, _, one in envelopes(count, wanted.taps))
            figures = free_port()
            words = ("--hep", f"127.0.0.1:{port}", "--prometheus", f":{figures}")
            with running(*words) as program:
                time.sleep(2)
                used = processor(program.pid)
                sender = subprocess.run(
                    [sys.executable, "-c", _SEND, str(path), str(port), str(rate)],
                    check=True, capture_output=True,
                )  # fmt: skip
                took = float(sender.stdout)
                settled(lambda figures=figures: messages(figures))
                used, taken = processor(program.pid) - used, messages(figures)
        rows.append([
            f"{count / took:,.0f}/s", f"{count:,}", f"{count - taken:,}", f"{used / took:.0%}"
        ])  # fmt: skip
    print(f"\nHEP over UDP from {wanted.taps} taps, {wanted.seconds} s at each rate\n")
    print(table(("", "sent", "lost", "processor"), rows))
    print(f"other programs used {elsewhere} of a processor meanwhile (the sender)")


_SEND = """
import socket, sys, time
from sipstream.decode import hep
path, port, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
packets = hep.split(open(path, "rb").read())
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.connect(("127.0.0.1", port))
begun = time.monotonic()
for number, packet in enumerate(packets):
    if not number % 20 and (wait := begun + number / rate - time.monotonic()) > 0:
        time.sleep(wait)
    one.send(packet)
print(time.monotonic() - begun)
"""


def unread(server: NatsServer) -> int:
    """Return the batches that a server's consumers weren't given yet; -1 where there is no consumer."""
    told = server.told("jsz?streams=true&consumers=true&accounts=true")
    waiting = [
        one["num_pending"]
        for account in told.get("account_details") or ()
        for stream in account.get("stream_detail") or ()
        for one in stream.get("consumer_detail") or ()
    ]
    return sum(waiting) if waiting else -1


BENCHMARKS: dict[str, Callable[[Wanted], None]] = {
    "agent": agent,
    "taps": taps,
    "follow": follow,
    "bus": bus,
    "archive": archive,
    "hep": hep,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME")
    parser.add_argument("--rates", default="20000", metavar="N,N,...")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--taps", type=int, default=50)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    given = parser.parse_args()
    rates = tuple(int(one) for one in given.rates.split(","))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        wanted = Wanted(rates, given.seconds, given.taps, given.messages, folder)
        print(machine())
        for name in given.names or BENCHMARKS:
            BENCHMARKS[name](wanted)


if __name__ == "__main__":
    main()
