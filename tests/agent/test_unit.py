"""The unit for systemd: it starts the program as it is, takes little, and shuts it in."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT

from sipstream.options.agent import parse

UNIT = ROOT / "sipstream" / "agent" / "sipstream-agent@.service"


def settings() -> dict[str, str]:
    lines = re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.M)
    return dict(lines)


def test_it_starts_an_agent_with_options_that_there_are() -> None:
    command = settings()["ExecStart"]
    command = command.replace("%i", "eth0").replace("%d", "/run/credentials/x")
    command = command.replace("${NATS_URL}", "tls://bus:4222")
    [options] = re.findall(r"AGENT_OPTIONS=(.*)", UNIT.read_text())
    name, sub, *words = command.replace("$AGENT_OPTIONS", options).split()
    assert (name, sub) == ("sipstream", "agent")
    asked = parse(words)
    assert asked.live == ["eth0"] and asked.nats == "tls://bus:4222" and asked.tap == "sbc1"
    assert asked.nats_creds == Path("/run/credentials/x/nats.creds")


def test_it_shuts_the_agent_in_and_lets_others_go_first() -> None:
    found = settings()
    for name, value in {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "PrivateTmp": "yes",
        "RestrictAddressFamilies": "AF_PACKET AF_INET AF_INET6 AF_UNIX",
        "SystemCallFilter": "@system-service",
        "AmbientCapabilities": "CAP_NET_RAW",
        "CapabilityBoundingSet": "CAP_NET_RAW",
        "UMask": "0077",
    }.items():
        assert found[name] == value
    assert {"MemoryMax", "CPUWeight", "CPUQuota", "Nice", "OOMScoreAdjust"} <= set(found)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_it(tmp_path: Path) -> None:
    # The program may be anywhere here; what the page is called is the concern of man.
    text = UNIT.read_text().replace("ExecStart=sipstream", "ExecStart=/bin/true")
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
    path = tmp_path / "sipstream-agent@eth0.service"
    path.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
