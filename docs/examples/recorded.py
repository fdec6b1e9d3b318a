import treeledger


@treeledger.impl
def recorded(repository, entries):
    for entry in entries:
        print(repository.name, entry.kind, entry.path)
