"""`treeledger ignore`: which files are left out, by which rule, and changes to the rules."""

from __future__ import annotations

import os
from typing import Final

from treeledger.answers import PathRule, RepositoryRule
from treeledger.cli.ignore_edit import edit
from treeledger.cli.options import Options
from treeledger.cli.places import place_of, say
from treeledger.cli.render import print_json, table, tell
from treeledger.cli.run import with_ledger
from treeledger.cli.targets import chosen
from treeledger.errors import RootOffline, TreeledgerError
from treeledger.ledger import Ledger
from treeledger.looking import looker
from treeledger.model import Repository
from treeledger.names import shown, stored_from_os
from treeledger.protocols import Verdict

_FATAL: Final = 128  # as `git check-ignore` exits; 0: one is ignored at least, 1: none


def run(options: Options) -> int:
    if options.given.action == "check":
        try:
            return with_ledger(options, _check)
        except TreeledgerError as error:
            tell(str(error))
            return _FATAL
    return with_ledger(options, _list if options.given.action == "list" else edit)


async def _check(ledger: Ledger, options: Options) -> int:
    """Prints `source:rule<TAB>path` of what is ignored; with `-v` also of what is not."""
    found = False
    for argument in options.given.paths:
        place = await place_of(ledger, argument)
        eyes = await looker(ledger, place.repository)
        (verdict,) = await eyes.verdicts([(place.prefix, argument.endswith("/"))])
        ignored = verdict is not None and verdict.ignored
        found = found or ignored
        if options.json:
            print_json(PathRule.of(verdict, place.repository.name, place.prefix).fields())
        elif (ignored and not options.quiet) or options.verbose:
            source, rule = ("", "") if verdict is None else (verdict.source, verdict.rule)
            print(f"{shown(source)}:{shown(rule)}\t{shown(stored_from_os(argument))}")
    return 0 if found else 1


async def _list(ledger: Ledger, options: Options) -> int:
    only = await chosen(ledger, options.given.repo)
    repositories = [only] if only is not None else await ledger.repositories()
    code = 0
    for repository in repositories:
        try:
            rules, problems = await (await looker(ledger, repository)).rules()
        except RootOffline as error:
            tell(f"{repository.name}: {error}")
            code = RootOffline.exit_code
            continue
        _print_rules(repository, rules, options, heading=len(repositories) > 1)
        for problem in problems:
            where = os.path.join(repository.root, problem.path)
            tell(f"{where}: {problem.message}")
    if not repositories:
        say(options, "no repositories")
    return code


def _print_rules(repository: Repository, rules: list[Verdict], options: Options, *, heading: bool) -> None:
    if options.json:
        for rule in rules:
            print_json(RepositoryRule.of(rule, repository.name).fields())
        return
    if heading:
        print(f"{shown(repository.name)}:")
    if rules:
        table(("Rule", "From"), [(shown(rule.rule), shown(rule.source)) for rule in rules])
    else:
        say(options, f"{shown(repository.name)}: no rules")
