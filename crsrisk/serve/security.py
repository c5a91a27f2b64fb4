"""Security: who may ask, under which name, and what a browser is told about the answers."""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from crsrisk.errors import InputError

TOKEN_VARIABLE = "CRSRISK_TOKEN"
SHORTEST_TOKEN = 24  # characters
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, repr=False)
class Door:
    """Whom the server lets in: the names by which it may be called, and the token that it asks for
    (None: none, which only the loopback interface may have).
    """

    hosts: frozenset[str]
    token: bytes | None

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server; another name is a page of somebody else whose
        name was made to lead here (DNS rebinding).
        """
        return host_name(host) in self.hosts

    def is_same_site(self, origin: str, host: str) -> bool:
        """Whether an Origin header is that of the page that this server gives."""
        return origin == "" or urlsplit(origin).netloc.lower() == host.lower()

    def admits(self, authorization: bytes) -> bool:
        """Whether the header holds the token, compared in a time that tells nothing of it."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(b" ")
        is_equal = hmac.compare_digest(given.strip(), self.token)
        return scheme.lower() == b"bearer" and is_equal


def door(*, host: str, allowed_hosts: Iterable[str] = (), token: str | None) -> Door:
    """Whom a server on this interface lets in.

    Raises
    ------
    InputError
        For another interface than loopback without a token, or (where it is all of them) without
        the names by which it is called.
    """
    is_local = is_loopback(host)
    if not is_local and token is None:
        raise InputError(
            where="serve",
            key="--host",
            found=f"{host}, which others reach, and no token",
            expected="a token that whoever asks must know",
            cure=f"write one into a file that only you read and give --token-file, or set"
            f" {TOKEN_VARIABLE}; without --host the server is reached from this machine alone",
        )
    names = {host_name(name) for name in allowed_hosts}
    if is_local:
        names |= set(_LOOPBACK_NAMES)
    elif not _is_any(host):
        names.add(host_name(host))
    if not names:
        raise InputError(
            where="serve",
            key="--allowed-host",
            found=f"every interface ({host}), and no name",
            expected="the names by which the server is called",
            cure="give --allowed-host NAME for each",
        )
    return Door(frozenset(names), None if token is None else token.encode())


def read_token(file: Path | None) -> str | None:
    """The token of a file, or of the environment; None where there is none. The variable is taken
    out of the environment, so that no process started from here inherits it.

    Raises
    ------
    InputError
        For a file that cannot be read and for a token that is too short or not plain text.
    """
    told = os.environ.pop(TOKEN_VARIABLE, None)
    where = TOKEN_VARIABLE
    if file is not None:
        where = str(file)
        try:
            told = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise InputError(
                where=where,
                key="--token-file",
                found="a file that cannot be read as text",
                expected="a file with the token alone in it",
                cure="check the path and its permissions",
            ) from problem
    if told is None:
        return None
    token = told.strip()
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError(
            where=where,
            key="token",
            found="a token that is short or holds blanks or other signs",
            expected=f"at least {SHORTEST_TOKEN} letters and digits",
            cure="make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether an interface is reached from this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_name(host: str) -> str:
    """A Host header without its port, in small letters.

    >>> host_name("LocalHost:8000"), host_name("[::1]:8000"), host_name("::1")
    ('localhost', '::1', '::1')
    """
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text if text.count(":") > 1 else text.partition(":")[0]


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False
