"""Secrets: what a text shows of them is nothing, and who may have read them."""

from __future__ import annotations

import json
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from treeledger.config.secrets import MASK, is_secret_key, mask, resolve_secret, shown_value
from treeledger.errors import ConfigurationError

SECRETS = some.text(string.ascii_letters + string.digits + "!$*+-._~%", min_size=6, max_size=40).filter(
    lambda text: not MASK.startswith(text)
)
OTHER = "0th3r-s3cr3t"


@given(SECRETS)
def test_no_text_that_holds_an_address_shows_its_password(secret: str) -> None:
    for text in (
        "postgresql://me:SECRET@db:5432/ledger",
        "cannot reach https://me:SECRET@nas/hook?x=1, trying again",
        "https://SECRET@nas/hook",
        "https://nas/hook?a=1&token=SECRET&b=2",
        "https://nas/hook?api_key=SECRET#there",
        "https://nas/hook?sig=SECRET",
        "postgresql://db/x?user=me&password=SECRET&sslmode=require",
        "postgresql://db/x?sslpassword=SECRET",
        "invalid dsn: host=db password=SECRET user=me",
        "host=db password='SECRET' user=me",
        "Authorization: Bearer SECRET",
        "authorization: Basic SECRET",
        "X-Api-Key: SECRET",
    ):
        shown = mask(text.replace("SECRET", OTHER))
        assert OTHER not in shown
        assert MASK in shown
        assert mask(shown) == shown
        assert mask(text.replace("SECRET", secret)) == shown  # also if it is one of the other words


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me@db:5432/x",
        "sqlite:/home/me/ledger.db",
        "https://nas/hook?page=2",
        "2024/a@b.jpg: cannot be read",
        "12:30:00 photos: 3 files, at 10:00@home",
        "the token of this list",
        "a password is needed",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "passwd",
        "PGPASSWORD",
        "passphrase",
        "secret",
        "client_secret",
        "token",
        "X-Api-Key",
        "apikey",
        "api_key",
        "Authorization",
        "Proxy-Authorization",
        "bearer",
        "Cookie",
        "Set-Cookie",
        "credentials",
        "dsn",
        "private_key",
        "access-key",
        "X-Auth-Key",
        "signature",
        "webhook_sig",
        "pin",
        "headers",
    ],
)
def test_keys_whose_values_are_secrets(key: str) -> None:
    assert is_secret_key(key)
    assert shown_value(key, "of value") == MASK
    assert shown_value(key, 123456) == MASK
    assert shown_value(key, ["of value"]) == f"[{MASK}]"
    assert shown_value(key, {"any": "of value"}) == "{ any = " + MASK + " }"
    assert shown_value(key, "env:WHERE") == '"env:WHERE"'


@pytest.mark.parametrize(
    "key", ["url", "host", "timeout", "batch", "patterns", "keep", "design", "pinned", "monkey", "assign"]
)
def test_other_keys_are_shown(key: str) -> None:
    assert not is_secret_key(key)
    assert shown_value(key, "of value") == json.dumps("of value")


def test_a_secret_file_that_others_can_write_is_refused_and_one_that_all_can_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text("canary\n")
    for mode in (0o602, 0o620, 0o666):
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match=r"file:.*others can write") as caught:
            resolve_secret(f"file:{file}", {})
        assert "canary" not in str(caught.value)
    for mode, is_told in ((0o600, False), (0o400, False), (0o640, False), (0o644, True)):
        file.chmod(mode)
        caplog.clear()
        assert resolve_secret(f"file:{file}", {}) == "canary"
        assert ("everybody" in caplog.text) is is_told
        assert "canary" not in caplog.text


def test_a_secret_that_is_no_file_or_too_long_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "long").write_text("x" * 2**20)
    (tmp_path / "long").chmod(0o600)
    for name, reason in (("fifo", "no regular file"), ("long", "longer"), ("no", "No such file")):
        with pytest.raises(ConfigurationError, match=reason):
            resolve_secret(f"file:{tmp_path}/{name}", {})
