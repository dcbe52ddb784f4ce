"""What values of filter terms stand for: numbers, addresses, status codes, text with wildcards.

Knows nothing of terms or conversations. Each set is built once from a filter's text and then asked
for every conversation, so all work on the text is done here, and no question takes more than time
linear in the text asked about: wildcards are found piece by piece, never by a backtracking pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from sipstream.errors import FilterError
from sipstream.escape import escape
from sipstream.sip.uri import number_code, user_of

_SEPARATORS = str.maketrans("", "", "-.() ")
_DIALLED = re.compile(r"\+?[0-9*#]+")
_PREFIX = re.compile(r"\+(?=.)|00(?=[1-9*])")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+)[.:]\d+|\[([^\]]*)\]:\d+")
_STATUS = re.compile(r"[1-9](?:[0-9][0-9]|[0-9]x|xx)")
_STATUS_RANGE = re.compile(r"([1-9][0-9][0-9])-([1-9][0-9][0-9])")

# A privacy parameter; what stands in quotes or in <> is skipped, since a URI's parameter isn't one
# of the header's. What is never closed runs to the end, so that each character is read once.
_PRIVACY = re.compile(
    r'"(?:[^"\\]|\\.)*(?:"|\\?$)|<[^>]*(?:>|$)'
    r'|;\s*(?P<name>privacy)(?:\s*=\s*(?:"(?P<quoted>[^"]*)"?|(?P<plain>[^;,\s]*))|(?=[;,\s]|$))',
    re.DOTALL | re.IGNORECASE,
)

_LIST_MARKS = re.compile(r"[,;]")
_LISTED = re.compile(r"\+?[0-9*#]+(?:[,;]\+?[0-9*#]*)+")

_ADDRESSES_KEPT = 65_536
"""Addresses whose answer an AddressSet remembers; the table is emptied when full."""


def normal_number(text: str) -> str:
    """Return a number as filters compare it: no visual separators, no leading + or 00.

    `+354 566-0066`, `003545660066` and `3545660066` are one number; 00 counts as the international
    prefix only before a country code, which never begins with 0, so Australia's 000 stays. A text
    that is no number (a user named `alice`) comes back as it is.
    """
    if text.isdecimal() and text.isascii() and not text.startswith("00"):
        return text
    number = text.translate(_SEPARATORS)
    if not _DIALLED.fullmatch(number):
        return text
    # More than once: what comes back, written again, is the same number.
    while prefix := _PREFIX.match(number):
        number = number[prefix.end() :]
    return number


def number_text(value: str) -> str:
    """Return a number or a user's name in its one spelling.

    Raises:
        FilterError: it is neither: nothing, a URI, or several in one word.
    """
    if not value:
        raise FilterError("'' is no number")
    if "@" in value or re.match(r"(?:sips?|tel):", value, re.IGNORECASE):
        user = user_of(value) or value.partition("@")[0]
        hint = f": write '{shown(user)}'" if user else ""
        raise FilterError(f"'{shown(value)}' is a URI, a number alone is compared{hint}")
    if _LISTED.fullmatch(value):
        several = " ".join(part for part in _LIST_MARKS.split(value) if part)
        raise FilterError(
            f"'{shown(value)}' is no number; write '{shown(several)}', without commas"
        )
    return normal_number(value)


class Wildcard:
    """A text in which `*` stands for any run of characters, an empty one included."""

    def __init__(self, text: str) -> None:
        self._first, *self._middle, self._last = text.split("*")
        self._shortest = len(self._first) + len(self._last)

    def matches(self, text: str) -> bool:
        """Tell whether the whole text fits. Leftmost places suffice, so nothing is tried twice."""
        if (
            len(text) < self._shortest
            or not text.startswith(self._first)
            or not text.endswith(self._last)
        ):
            return False
        place, end = len(self._first), len(text) - len(self._last)
        for piece in self._middle:
            place = text.find(piece, place, end)
            if place < 0:
                return False
            place += len(piece)
        return True


class TextSet:
    """Texts, some with wildcards; compared as they are."""

    def __init__(self, texts: Iterable[str]) -> None:
        plain = list(texts)
        self._exact = frozenset(text for text in plain if "*" not in text)
        self._wildcards = [Wildcard(text) for text in plain if "*" in text]

    def holds(self, text: str) -> bool:
        """Tell whether one of the texts is this one."""
        return text in self._exact or any(one.matches(text) for one in self._wildcards)


class NumberSet:
    """Numbers and users' names. In a number `*` stands for digits only, in a name for anything."""

    def __init__(self, numbers: Iterable[str]) -> None:
        normal = [normal_number(number) for number in numbers]
        self._exact = frozenset(number for number in normal if "*" not in number)
        patterns = [number for number in normal if "*" in number]
        self._names = [Wildcard(one) for one in patterns if not _DIALLED.fullmatch(one)]
        self._numbers = [Wildcard(one) for one in patterns if _DIALLED.fullmatch(one)]

    @property
    def codes(self) -> frozenset[int] | None:
        """The codes (sip.uri) of all that count as one of the numbers, None where `*` stands in one.

        A code has digits behind a + or none, so that only these prefixes can be left out of it.
        """
        if self._names or self._numbers:
            return None
        spellings = (prefix + number for number in self._exact for prefix in ("", "+", "00", "+00"))
        return frozenset(
            number_code(one.encode("utf-8", "surrogateescape"))
            for one in spellings
            if normal_number(one) in self._exact
        ) - {0}

    def holds(self, user: str) -> bool:
        """Tell whether one of the numbers is the user part `user`; "" is none."""
        if not user:
            return False
        number = normal_number(user)
        if number in self._exact:
            return True
        if any(name.matches(number) for name in self._names):
            return True
        # Where the whole is dialled characters, what `*` stands for is so too.
        return (
            bool(self._numbers)
            and _DIALLED.fullmatch(number) is not None
            and any(pattern.matches(number) for pattern in self._numbers)
        )


class AddressSet:
    """IPv4 and IPv6 networks, single addresses being the smallest ones, and host names."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        self._known: dict[str, bool] = {}
        for address in addresses:
            network = _network(address)
            if network is None:
                self._names.add(_host(address))
            else:
                shift = network.max_prefixlen - network.prefixlen
                same_size = self._networks.setdefault((network.version, shift), set())
                same_size.add(int(network.network_address) >> shift)

    def holds(self, address: str) -> bool:
        """Tell whether an endpoint's address or host name is one of these or in one of them."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _ADDRESSES_KEPT:
                self._known.clear()
            known = self._known[address] = self._find(address)
        return known

    def _find(self, address: str) -> bool:
        network = _network(address)
        if network is None:
            return _host(address) in self._names
        number = int(network.network_address)
        return any(
            version == network.version and number >> shift in same_size
            for (version, shift), same_size in self._networks.items()
        )


def address_text(value: str) -> str:
    """Return an address, network or host name in its one spelling.

    Raises:
        FilterError: it is none of these.
    """
    network = _network(value)
    if network is not None:
        single = network.prefixlen == network.max_prefixlen
        return str(network.network_address if single else network)
    with_port = _PORT.fullmatch(value)
    if with_port and _network(with_port[1] or with_port[2]) is not None:
        alone = shown(with_port[1] or with_port[2])
        raise FilterError(f"'{shown(value)}' has a port: write the address alone, {alone}")
    host = _host(value)
    labels = host.split(".")
    # A last label of digits only makes a misspelt IPv4 address, never a host name (RFC 1123 2.1).
    if (
        len(host) > 253
        or labels[-1].isdecimal()
        or not all(_LABEL.fullmatch(label) for label in labels)
    ):
        raise FilterError(
            f"'{shown(value)}' is no IPv4 or IPv6 address, network (10.0.0.0/8) or host name"
        )
    return host


def _host(name: str) -> str:
    return name.removesuffix(".").lower()


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """Return an address or network of any spelling, None for what is neither.

    An IPv4 address written as an IPv6 one (::ffff:10.0.0.1, RFC 4291 2.5.5.2) is taken as itself.
    """
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    address, slash, size = text.partition("/")
    # The zone says at which interface of the capturing host, which the traffic can't tell.
    address = address.partition("%")[0]
    try:
        network = ip_network(address + slash + size, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), network.prefixlen - 96))
    return network


def status_text(value: str) -> str:
    """Return a status code, class or range in its one spelling.

    Raises:
        FilterError: it is none of these.
    """
    text = value.lower()
    between = _STATUS_RANGE.fullmatch(text)
    if between and between[1] > between[2]:
        raise FilterError(f"'{text}' is empty: the lower status code comes first")
    if not between and not _STATUS.fullmatch(text):
        raise FilterError(
            f"'{shown(value)}' is no status code (403), class of them (4xx) or range (100-199)"
        )
    return text


def status_codes(text: str) -> range:
    """Return the status codes that a text of `status_text` names."""
    low, _, high = text.partition("-")
    return range(int(low.replace("x", "0")), int((high or low).replace("x", "9")) + 1)


def has_privacy_parameter(value: str) -> bool:
    """Tell whether an identity header's value has a privacy parameter other than `off`."""
    return any(
        found["name"] and (found["quoted"] or found["plain"] or "").lower() != "off"
        for found in _PRIVACY.finditer(value)
    )


def shown(text: str) -> str:
    """Return a value as error messages quote it: escaped, a long one cut."""
    return escape(text if len(text) <= 40 else text[:37] + "...")
