"""Do our plugins keep what their kind promises? Run it with: PYTHONPATH=my_plugins pytest"""

import pytest
from blake2 import Blake2b
from newest import Newest

from treeledger.protocols import PartRef
from treeledger.testing.filters import IgnoreFilterContract
from treeledger.testing.hashers import HasherContract
from treeledger.testing.panels import PanelContract


class TestBlake2b(HasherContract):
    def build(self):
        return Blake2b()


class TestNewest(PanelContract):
    @pytest.fixture
    def panel(self):
        return Newest()

    @pytest.fixture
    def examples(self):
        return [[], ["IMG_4150.JPG"], ["2026/a\nb\x1b[31m.jpg", "写真/" * 60] * 50]


class TestNoCopies(IgnoreFilterContract):
    @pytest.fixture
    def part(self):
        return PartRef("no_copies", "NoCopies", {})

    @pytest.fixture
    def ignored(self):
        return ["IMG_4150 (copy).JPG", "2026/a (copy 2).jpg"]

    @pytest.fixture
    def kept(self):
        return ["IMG_4150.JPG", "album (copy)/", "copy.jpg"]
