"""What every hasher must do. Inherit, and say how to build yours."""

from __future__ import annotations

import random
import string

import pytest

from treeledger.protocols import Hasher


class HasherContract:
    def build(self) -> Hasher:
        raise NotImplementedError

    @pytest.fixture
    def hasher(self) -> Hasher:
        return self.build()

    def digest(self, hasher: Hasher, *pieces: bytes | memoryview) -> str:
        digest = hasher.new()
        for piece in pieces:
            digest.update(piece)
        return digest.hexdigest()

    def test_it_satisfies_the_protocol_and_has_a_name_for_the_ledger(self, hasher: Hasher) -> None:
        assert isinstance(hasher, Hasher)
        assert hasher.name
        assert set(hasher.name) <= set(string.ascii_lowercase + string.digits + "-_")

    def test_a_digest_is_lower_case_hexadecimal_of_one_length(self, hasher: Hasher) -> None:
        digests = [self.digest(hasher), self.digest(hasher, b"a"), self.digest(hasher, bytes(70_000))]
        assert all(set(digest) <= set("0123456789abcdef") for digest in digests)
        assert len({len(digest) for digest in digests}) == 1
        assert len(digests[0]) >= 32

    def test_equal_content_in_any_pieces_gives_equal_digests(self, hasher: Hasher) -> None:
        content = random.Random(1).randbytes(300_000)
        whole = self.digest(hasher, content)
        for size in (1000, 65_536, 131_072):
            pieces = [memoryview(content)[at : at + size] for at in range(0, len(content), size)]
            assert self.digest(hasher, *pieces) == whole

    def test_one_bit_makes_another_digest(self, hasher: Hasher) -> None:
        assert self.digest(hasher, b"\x00" * 4096) != self.digest(hasher, b"\x00" * 4095 + b"\x01")
        assert self.digest(hasher, b"") != self.digest(hasher, b"\x00")

    def test_a_buffer_may_be_used_again_after_update(self, hasher: Hasher) -> None:
        buffer = bytearray(b"x" * 100_000)
        digest = hasher.new()
        digest.update(memoryview(buffer))
        buffer[:] = b"y" * 100_000
        assert digest.hexdigest() == self.digest(hasher, b"x" * 100_000)

    def test_digests_under_way_do_not_disturb_one_another(self, hasher: Hasher) -> None:
        one, two = hasher.new(), hasher.new()
        one.update(b"one")
        two.update(b"two")
        assert (one.hexdigest(), two.hexdigest()) == (
            self.digest(hasher, b"one"),
            self.digest(hasher, b"two"),
        )
