"""An ignore filter: leaves out what file managers call a copy, such as `IMG_4150 (copy).JPG`."""

from treeledger import impl
from treeledger.protocols import DirectoryFilter, IgnoreFilter, PartRef, Verdict

COPY = Verdict(ignored=True, rule="(copy)", source="plugin no_copies")


class NoCopies(DirectoryFilter, IgnoreFilter):
    """The filter, and the rules of each of its directories: they are the same everywhere."""

    problems = ()

    def root(self, read):
        return self

    def below(self, name):
        return self

    def check(self, name, is_directory):
        return COPY if "(copy" in name and not is_directory else None

    def rules(self):
        return [COPY]


@impl
def ignore_filters(tables, settings):
    return [PartRef(__file__, "NoCopies", {})]
