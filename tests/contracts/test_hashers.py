"""The built-in hashers keep the contract, and give what the usual tools print."""

from __future__ import annotations

import hashlib

import pytest

from treeledger.plugins.blake3_hasher import Blake3
from treeledger.plugins.sha256 import Sha256
from treeledger.protocols import Hasher
from treeledger.testing.hashers import HasherContract


class TestSha256(HasherContract):
    def build(self) -> Hasher:
        return Sha256()

    @pytest.mark.parametrize("content", [b"", b"abc", bytes(100_000)])
    def test_it_is_what_sha256sum_prints(self, hasher: Hasher, content: bytes) -> None:
        assert self.digest(hasher, content) == hashlib.sha256(content).hexdigest()


class TestBlake3(HasherContract):
    def build(self) -> Hasher:
        return Blake3()

    def test_it_is_what_b3sum_prints(self, hasher: Hasher) -> None:
        empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        assert self.digest(hasher) == empty
        assert self.digest(hasher, b"abc").startswith("6437b3ac38465133ffb63b75273a8db5")
