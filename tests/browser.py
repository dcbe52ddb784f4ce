"""A headless Chromium, driven by the DevTools protocol over a pipe: no port, no network, no library."""

from __future__ import annotations

import base64
import json
import os
import selectors
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = "chromium"
_PATIENCE = 60.0
"""Seconds that a browser may take to answer: it starts slowly on a machine that tests keep busy."""


class Browser:
    """A page in a browser, with all that it complains of and asks for."""

    def __init__(self, profile: Path) -> None:
        # The browser reads commands from descriptor 3 and answers on 4.
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        line = (
            f"exec {PROGRAM} --headless --no-sandbox --disable-gpu --disable-dev-shm-usage"
            f" --no-first-run --user-data-dir={profile} --remote-debugging-pipe about:blank"
            f" 3<&{commands} 4>&{answers}"
        )
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", line],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._answers, selectors.EVENT_READ)
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        """What the page has told of itself."""
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session = ""
        self._send("Browser.close")
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(
        self, path: Path, *, dark: bool = False, width: int = 1100, height: int = 1400
    ) -> None:
        """Show a file, and forget what was told before."""
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.do("Page.navigate", url=path.as_uri())
        self._until("Page.loadEventFired")
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")

    def evaluate(self, script: str) -> Any:
        """Return what a script comes to in the page."""
        answer = self.do(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.do("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Keep a picture of the page."""
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot")["data"]))

    @property
    def complaints(self) -> list[str]:
        """All that stands on the console: errors, refusals of the policy, words of scripts."""
        found = []
        for event in self.events:
            if event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                found.append(json.dumps(event["params"]))
            elif event["method"] == "Log.entryAdded":
                found.append(event["params"]["entry"]["text"])
        return found

    @property
    def requests(self) -> list[str]:
        """All addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def do(self, method: str, **parameters: Any) -> Any:
        """Give a command and return its answer."""
        number = self._send(method, **parameters)
        while True:
            told = self._read()
            if told.get("id") == number:
                assert "error" not in told, (method, told["error"])
                return told["result"]

    def _until(self, method: str) -> None:
        while not any(event["method"] == method for event in self.events):
            self._read()

    def _send(self, method: str, **parameters: Any) -> int:
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        return self._number

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            assert self._selector.select(max(end - time.monotonic(), 0)), "no answer from Chromium"
            data = os.read(self._answers, 1 << 16)
            assert data, "Chromium has ended"
            self._buffer += data
        told, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(told)
        if "method" in found:
            self.events.append(found)
        return found
