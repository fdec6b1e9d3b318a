"""`treeledger ignore add` and `remove`."""

from __future__ import annotations

from collections.abc import Sequence

from treeledger.cli.options import Options
from treeledger.cli.render import paste, print_json
from treeledger.cli.targets import chosen
from treeledger.config.secrets import shown_value
from treeledger.errors import Unwritable, UsageError
from treeledger.ignore_patterns import PatternHome, declared_in, home_of, write
from treeledger.ledger import Ledger
from treeledger.names import shown


async def edit(ledger: Ledger, options: Options) -> int:
    """Adds or removes the patterns given. Exit code 1 if the file cannot be written."""
    home = await _home(ledger, options.given.repo)
    given: list[str] = options.given.patterns
    if options.given.action == "add":
        patterns = (*home.patterns, *(one for one in dict.fromkeys(given) if one not in home.patterns))
    else:
        _check_known(home, given)
        patterns = tuple(one for one in home.patterns if one not in given)
    try:
        await write(ledger, home, patterns)
    except Unwritable as error:
        return paste(error)
    if options.json:
        print_json({"where": home.label, "patterns": list(patterns)})
    elif not options.quiet:
        print(f"{shown(home.label)}: patterns = {shown(shown_value('patterns', patterns))}")
        await _say_when(ledger, home)
    return 0


async def _home(ledger: Ledger, name: str | None) -> PatternHome:
    """Of a repository that the file declares, if only there, else of one that `--repo` means."""
    if name is None or declared_in(ledger.configuration, name) is not None:
        return await home_of(ledger, name)
    repository = await chosen(ledger, name)
    assert repository is not None
    return await home_of(ledger, repository.name)


def _check_known(home: PatternHome, given: Sequence[str]) -> None:
    for pattern in given:
        if pattern not in home.patterns:
            known = ", ".join(home.patterns) or "none"
            raise UsageError(f"{home.label} has no pattern {pattern!r}; it has: {known}")


async def _say_when(ledger: Ledger, home: PatternHome) -> None:
    """When an engine that runs goes by them: it follows the store, and reads plugins.toml when it is told."""
    holder = await ledger.store.engine_holder(ledger.host)
    if holder is None:
        return
    if home.repository is not None or home.declared is not None:
        when = "within seconds"
    elif holder.command == "watch":
        when = "when it is started again"
    else:
        when = f"once it reads plugins.toml again: kill -HUP {holder.pid}"
    print(f"treeledger {holder.command} (process {holder.pid}) takes it up {when}")
