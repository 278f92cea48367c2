"""The rules of the contract, each with the tests that show it: docs/rules/*.toml, for docs/protocol.md."""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DOCS = Path(__file__).parent
TESTS = DOCS.parent / "tests"


@dataclass(frozen=True)
class Rule:
    """One rule. `tests` are node ids below tests/, as `FILE::NAME`."""

    id: str
    says: str
    tests: tuple[str, ...]


def load() -> dict[str, list[Rule]]:
    """The rules, by part of the contract."""
    parts: dict[str, list[Rule]] = {}
    for path in sorted((DOCS / "rules").glob("*.toml")):
        page = tomllib.loads(path.read_text("utf-8"))
        parts[page["part"]] = [Rule(one["id"], one["says"], tuple(one["tests"])) for one in page["rule"]]
    return parts


@cache
def _tests_in(file: str) -> frozenset[str]:
    """The tests of a file: its functions, and the classes that state machines make."""
    path = TESTS / file
    if not path.is_file():
        return frozenset()
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return frozenset(name for name in names if name.lower().startswith("test"))


def missing(nodes: tuple[str, ...]) -> list[str]:
    """Those of `nodes` that are no test."""
    return [node for node in nodes if node.partition("::")[2] not in _tests_in(node.partition("::")[0])]


def problems() -> Iterator[str]:
    """What is wrong with the rules, a sentence each."""
    rules = [rule for part in load().values() for rule in part]
    for name, count in Counter(rule.id for rule in rules).items():
        if count > 1:
            yield f"{count} rules are called {name}"
    for rule in rules:
        if not rule.tests:
            yield f"no test shows {rule.id}"
        for node in missing(rule.tests):
            yield f"{rule.id} names a test that there is not: {node}"


def table() -> str:
    """A table for each part."""
    text: list[str] = []
    for part, rules in load().items():
        rows = ["| rule | says | shown by |", "| --- | --- | --- |"]
        for rule in rules:
            tests = ", ".join(f"`{one}`" for one in rule.tests)
            rows.append(f"| {rule.id} | {rule.says} | {tests} |")
        text.append("\n".join([f"### {part}", "", *rows]))
    return "\n\n".join(text)
