"""Who is let in, and with which token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crsrisk.errors import InputError
from crsrisk.serve.security import TOKEN_VARIABLE, door, read_token

TOKEN = "a-token-that-is-long-enough-1"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "ward-server"])
def test_other_interfaces_need_a_token(host: str) -> None:
    with pytest.raises(InputError, match="no token"):
        door(host=host, token=None)


def test_all_interfaces_need_a_name() -> None:
    with pytest.raises(InputError, match="--allowed-host"):
        door(host="0.0.0.0", token=TOKEN)
    named = door(host="0.0.0.0", token=TOKEN, allowed_hosts=["Ward.example:8000"])
    assert named.knows_host("ward.example:8000")
    assert not named.knows_host("localhost:8000")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_is_known_by_its_own_names(host: str) -> None:
    local = door(host=host, token=None)
    assert all(map(local.knows_host, ("localhost:8000", "127.0.0.1:8000", "[::1]:8000")))
    for other in ("", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example"):
        assert not local.knows_host(other)


def test_the_token_is_read_and_leaves_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert read_token(None) == TOKEN
    assert TOKEN_VARIABLE not in os.environ
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}2\n", encoding="utf-8")
    assert read_token(file) == f"{TOKEN}2"


@pytest.mark.parametrize("text", ["shrt9", "", "two words that are long enough", "ü" * 40])
def test_a_weak_token_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="at least 24") as refused:
        read_token(file)
    assert not text or text not in str(refused.value)
