"""What the values of options may be; argparse tells the user what is wrong with one."""

from __future__ import annotations

import argparse
import re

STDIN = "-"
LOOPBACK = "127.0.0.1"
LAST_PORT = 65_535
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEAST_MEMORY = 8 << 20


def size(text: str) -> int:
    """Return bytes of a size such as 500M or 2G; argparse tells the user of a ValueError."""
    match = re.fullmatch(r"(\d{1,9})([KMG]?)B?", text, re.ASCII | re.IGNORECASE)
    size = int(match[1]) << _UNITS[match[2].upper()] if match else 0
    if size < _LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text!r} is no size of 8M or more, such as 500M or 2G")
    return size


def keep(text: str) -> tuple[str, int]:
    """Return what `--keep` limits, and the limit: an age in ns, or bytes."""
    if match := re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII):
        return "age", max(int(match[1]), 1) * _SECONDS[match[2]] * 10**9
    if match := re.fullmatch(r"(\d{1,9})([KMG])B", text, re.ASCII | re.IGNORECASE):
        return "size", int(match[1]) << _UNITS[match[2].upper()]
    raise argparse.ArgumentTypeError(
        f"{text!r} is no time such as 30m or 2h, nor a size such as 500MB"
    )


def since(text: str) -> int:
    """Return the seconds of a time such as 10m, 0 for `all`."""
    try:
        return 0 if text == "all" else age(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, nor all") from None


def partitions(text: str) -> int:
    """Return a number of partitions: more than 256 would be batches of few messages each."""
    return _number(text, 256)


def replicas(text: str) -> int:
    """Return a number of replicas: JetStream has up to five."""
    return _number(text, 5)


def _number(text: str, most: int) -> int:
    if re.fullmatch(r"\d{1,3}", text, re.ASCII) and 1 <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {most}")


def age(text: str) -> int:
    """Return the seconds of a time such as 24h or 30d."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if seconds < 60:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time of a minute or more, such as 24h or 30d"
        )
    return seconds


def span(text: str) -> int:
    """Return the seconds of a time such as 10s or 5m."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 1 <= seconds <= _SECONDS["d"]:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 10s or 5m, at most 1d")
    return seconds


def address(text: str) -> tuple[str, int]:
    """Return address and port of `:9100`, `10.0.0.1:9100` or `[::1]:9100`; no name is looked up."""
    import ipaddress

    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    host = {"": LOOPBACK, "localhost": LOOPBACK}.get(host, host)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        colon = ""
    if not colon or not re.fullmatch(r"[1-9]\d{0,4}", port, re.ASCII) or int(port) > LAST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address with a port, such as :9100, 10.0.0.1:9100 or [::1]:9100"
        )
    return host, int(port)


def count(text: str) -> int:
    """Return a number of conversations."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of conversations")
    return int(text)
