"""Row L5: root's rights are gone for good before the first packet is looked at."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_programs import stop, wait_for
from namespaces import Pair, pair, usable
from support import CAPTURES, needs, sip
from terminal import Terminal

from sipstream import privileges
from sipstream.errors import SipstreamError
from sipstream.privileges import VARIABLE, to_become

pytestmark = needs("ip", "setpriv", root=True)
in_namespace = pytest.mark.skipif(not usable(), reason="needs network namespaces")

NOBODY = pwd.getpwnam("nobody").pw_uid
DAEMON = pwd.getpwnam("daemon")
RIGHTS = ("CapInh", "CapPrm", "CapEff", "CapAmb")
TEXT = CAPTURES / "timeout.txt"


@pytest.fixture(autouse=True)
def as_users_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root gives its rights up, as it does outside of tests."""
    for name in (VARIABLE, "SUDO_USER", "SUDO_UID", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hosts() -> Iterator[Pair]:
    with pair() as names:
        yield names


@pytest.fixture
def daemons() -> Iterator[Path]:
    """A folder of daemon's: another pytest that begins closes those of pytest to all but root."""
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, DAEMON.pw_uid, DAEMON.pw_gid)
        yield Path(name)


@pytest.fixture
def for_root(tmp_path: Path) -> Path:
    """A capture that nobody but root may read, in such a folder."""
    tmp_path.chmod(0o700)
    path = tmp_path / "calls.txt"
    path.write_bytes(TEXT.read_bytes())
    path.chmod(0o600)
    return path


def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sipstream", *arguments],
        capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, **more},
    )  # fmt: skip


def threads(pid: int) -> list[dict[str, str]]:
    """The status of each thread of a process (proc(5))."""
    made = []
    for path in Path(f"/proc/{pid}/task").iterdir():
        lines = (path / "status").read_text().splitlines()
        made.append(
            {name: value.strip() for name, _, value in (one.partition(":") for one in lines)}
        )
    return made


def assert_powerless(pid: int, uid: int) -> None:
    found = threads(pid)
    assert len(found) > 1
    for one in found:
        assert one["Uid"].split() == [str(uid)] * 4
        assert {int(one[name], 16) for name in RIGHTS} == {0}
        assert one["NoNewPrivs"] == "1"


@in_namespace
def test_a_capture_goes_on_without_any_right(hosts: Pair) -> None:
    program = hosts.sipstream("b", "--live", "vb", "--follow", "method INVITE")
    try:
        wait_for(program.stderr, b"Starting packet capture")
        assert_powerless(program.pid, NOBODY)
        hosts.send(sip(call_id="seen-by-nobody"))
        wait_for(program.stdout, b"4151500->5660066")
        assert_powerless(program.pid, NOBODY)
        # The interface goes away and comes back: the socket is bound again, no right is needed.
        for line in ("link del vb", f"link add vb type veth peer name va netns {hosts.a}",
                     "address add 10.99.0.2/24 dev vb", "link set vb up"):  # fmt: skip
            subprocess.run(["ip", "-n", hosts.b, *line.split()], check=True)
        for line in ("address add 10.99.0.1/24 dev va", "link set va up"):
            subprocess.run(["ip", "-n", hosts.a, *line.split()], check=True)
        wait_for(program.stderr, b"is up again")
        hosts.send(sip(call_id="seen-again", source="<sip:7712552@a>;tag=1"))
        wait_for(program.stdout, b"7712552->5660066")
        stop(program)
    finally:
        program.kill()
        program.wait()


@in_namespace
def test_a_shell_starts_and_stops_captures_without_any_right(hosts: Pair, tmp_path: Path) -> None:
    shell = Terminal([], cwd=tmp_path, prefix=hosts.command("b"))
    try:
        for _ in range(6):
            # More often than there are sockets: each is used again.
            shell.command("capture start vb")
            shell.command("capture stop")
        shell.command("capture start vb")
        shell.command("follow method INVITE")
        assert_powerless(shell.child.pid, NOBODY)
        hosts.send(sip())
        shell.until("INVITE .*4151500->5660066")
        shell.command("capture status")
        shell.until("^vb: 1 packets, 1 messages")
        assert not any("Error" in line for line in shell.lines())
    finally:
        shell.close()


@in_namespace
def test_more_captures_than_sockets_is_one_line(hosts: Pair) -> None:
    many = [f"many{number}" for number in range(5)]
    for name in many:
        subprocess.run(
            ["ip", "-n", hosts.b, "link", "add", name, "up", "type", "veth", "peer", f"{name}p"],
            check=True,
        )
    commands = [word for name in many for word in ("-c", f"capture start {name}")]
    done = subprocess.run(
        hosts.command("b", sys.executable, "-m", "sipstream", *commands, "-c", "capture status"),
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    [error] = [line for line in done.stderr.splitlines() if "Error" in line]
    assert "4 captures run" in error
    assert "--live" in error
    assert [
        line.partition(":")[0] for line in done.stdout.splitlines() if "filter:" in line
    ] == many[:4]


@in_namespace
def test_a_service_with_one_right_gives_it_up(hosts: Pair) -> None:
    # Python may lie where only root can read it: all is imported before.
    script = """
        import ctypes, os, sys
        from sipstream import opening
        from sipstream.cli import run
        opening._import_all(in_shell=True, captures=True)
        libc, net_raw = ctypes.CDLL(None), 1 << 13
        assert libc.prctl(8, 1, 0, 0, 0) == 0  # PR_SET_KEEPCAPS
        os.setgroups([])
        os.setresgid(1, 1, 1)
        os.setresuid(1, 1, 1)
        head = (ctypes.c_uint32 * 2)(0x20080522, 0)
        assert libc.capset(head, (ctypes.c_uint32 * 6)(net_raw, net_raw, net_raw)) == 0
        assert libc.prctl(47, 2, 13, 0, 0) == 0  # PR_CAP_AMBIENT_RAISE
        del os.environ["SIPSTREAM_USER"]
        sys.exit(run(["--live", "vb", "--follow", "method INVITE"]))
    """
    words = hosts.command("b", sys.executable, "-c", textwrap.dedent(script))
    program = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, VARIABLE: ""},
    )  # fmt: skip
    try:
        wait_for(program.stderr, b"Starting packet capture")
        assert_powerless(program.pid, 1)
        hosts.send(sip())
        wait_for(program.stdout, b"4151500->5660066")
        stop(program)
    finally:
        program.kill()
        program.wait()


def test_files_named_on_the_command_line_are_opened_before(for_root: Path) -> None:
    done = run(str(for_root), "-c", "show conversations sorted", "--filter", "dstnum 5660066")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[0] 16:41:37.979995: INVITE 4151502->5660066"


def test_what_is_opened_later_is_opened_as_the_user(for_root: Path) -> None:
    new = for_root.parent / "new.pcap"
    for words in (["-c", f"load {for_root}"], ["--live", "lo", "--write", str(new), "-c", "help"]):
        done = run(*words)
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert "permission denied for the user nobody" in line
        assert "--user root" in line
    assert not new.exists()
    assert run("--user", "root", "-c", f"load {for_root}").returncode == 0
    assert run("-c", f"load {for_root}", **{VARIABLE: "root"}).returncode == 0


def test_the_caller_of_sudo_is_the_user(daemons: Path) -> None:
    path = daemons / "kept.pcap"
    more = {"SUDO_USER": "daemon", "SUDO_UID": str(DAEMON.pw_uid), "XDG_STATE_HOME": "/root/x"}
    done = run("--live", "lo", "--write", str(path), "-c", "show sources", **more)
    assert (done.returncode, done.stderr.count("Error")) == (0, 0)
    assert path.stat().st_uid == DAEMON.pw_uid
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_is_meant() -> None:
    def name(wanted: str | None = None, **environment: str) -> str | None:
        account = to_become(wanted, environment)
        return account.name if account else None

    assert name() == "nobody"
    assert name(SUDO_USER="daemon", SUDO_UID="1") == "daemon"
    assert name(SUDO_USER="root", SUDO_UID="0") == "nobody"
    assert name("bin", SUDO_USER="daemon", SUDO_UID="1") == "bin"
    assert name(str(DAEMON.pw_uid)) == "daemon"
    assert name(SIPSTREAM_USER="bin") == "bin"
    assert name("root") is None
    for wrong in ("nosuchuser", "-1", "99999999999999", "²"):
        with pytest.raises(SipstreamError, match=r"no user .* \(--user NAME\)"):
            name(wrong)


def test_a_wrong_user_is_one_line() -> None:
    done = run(str(TEXT), "--user", "nosuchuser", "-c", "help")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "*** Error! there is no user 'nosuchuser' to become (--user NAME)\n"


def test_a_refusal_ends_before_anything_is_read() -> None:
    words = ["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid"]
    done = subprocess.run(
        [*words, sys.executable, "-m", "sipstream", str(TEXT), "-c", "show states"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "can't become the user nobody" in line
    assert "--user root" in line


def test_nothing_is_imported_afterwards(tmp_path: Path) -> None:
    """A venv below /root can't be read by the user that we become."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            import os, sys
            from sipstream import opening, privileges

            class Told:
                def find_spec(self, name, path=None, target=None):
                    print("imported late:", name)

            real = privileges.give_up
            def give_up(*arguments):
                real(*arguments)
                sys.meta_path.insert(0, Told())
            privileges.give_up = give_up
            privileges.can_read = lambda account, *paths: False
            from sipstream.cli import run
            sys.exit(run(sys.argv[1:]))
        """)
    )
    pcap = str(CAPTURES / "timeout.pcap")
    shell = Terminal.of([sys.executable, str(script), pcap, str(TEXT)], cwd=tmp_path)
    try:
        for line in ("show conversations | no-more", "filter", "add dstnum 5660066", "exit",
                     "show conversation 0 messages | no-more", "follow dstnum 5", "capture start lo",
                     "capture start any filter udp port 99", "capture stop", "unfollow",
                     "tail /tmp/nosuch", "load /nosuch", "help | no-more", "nonsense",
                     "show sources"):  # fmt: skip
            shell.command(line)
        for keys in ("sho\t con\t", "\x12foll", "add ?"):
            shell.type(keys)
            shell.pump(0.5)
            shell.type("\x03")
            shell.at_prompt()
        shell.type("exit\r")
        assert shell.end() == 0
    finally:
        shell.close()
    assert not [line for line in shell.lines() if "imported late" in line]
    words = [sys.executable, str(script), pcap, "--json", "-c", "show conversation 0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0
    assert "imported late" not in done.stdout


def test_without_rights_there_is_nothing_to_give_up() -> None:
    """What a user of this machine runs: nothing is opened before, nobody is become."""
    code = (
        "import os; from sipstream import opening; print(opening.open_and_drop([], 1, True, None))"
    )
    words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False,
                          env={**os.environ, VARIABLE: "root"})  # fmt: skip
    assert done.stdout == "Opened(sockets=None, files={}, listening=None)\n", done.stderr
    assert privileges.are_there()
    assert shutil.which("setpriv")
