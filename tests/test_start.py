"""A start imports what it uses: what only looks at calls waits until somebody asks for it."""

from __future__ import annotations

import os
import subprocess
import sys

from support import CAPTURES

LATER = (
    "sipstream.findings", "sipstream.calls", "sipstream.metrics", "sipstream.rtp", "sipstream.redact",
    "sipstream.ladder", "sipstream.sip.offers", "sipstream.render.diff", "sipstream.render.ladder",
    "sipstream.export.", "sipstream.bus", "sipstream.taps", "sipstream.ring", "sipstream.archive",
    "sipstream.agent", "sipstream.sending", "sipstream.triggers",
    "plotext", "prometheus_client", "phonenumbers", "scapy",
)  # fmt: skip
FORMATS = "sipstream.export.formats"
"""Only their names, which Tab knows."""


def test_a_start_imports_nothing_that_only_looks() -> None:
    program = (
        "import sys, sipstream.cli; sipstream.cli.run(sys.argv[1:]); print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(CAPTURES / "timeout.pcap"), "-c", "show states"],
        capture_output=True, text=True, timeout=60, check=True,
        # Who gives up being root imports all before.
        env=os.environ | {"SIPSTREAM_USER": "root"},
    )  # fmt: skip
    imported = done.stdout.splitlines()
    assert "sipstream.session" in imported
    assert [one for one in imported if one.startswith(LATER) and one != FORMATS] == []
