"""The statements of docs/mqtt-conformance.toml, the tests that they name, and the page made of them.

    PYTHONPATH=tests .venv/bin/python -m broker.conformance           writes docs/mqtt-conformance.md
    PYTHONPATH=tests .venv/bin/python -m broker.conformance --check   says whether it is up to date

Either fails where a test that is named is none that pytest finds.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NotRequired, TypedDict, cast

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / "docs" / "mqtt-conformance.toml"
PAGE: Final = ROOT / "docs" / "mqtt-conformance.md"
BROKER: Final = ROOT / "broker" / "soul_broker"


class Statement(TypedDict):
    """One of the standard's; `tests` are missing where there is nothing to show, and `note` says why."""

    number: str
    of: str
    says: str
    tests: NotRequired[list[str]]
    note: NotRequired[str]
    departs: NotRequired[str]


class Patch(TypedDict):
    """One line of the broker's source, wrong, and the test that notices."""

    number: str
    file: str
    old: str
    new: str
    test: str
    seen: NotRequired[str]


def load() -> tuple[list[Statement], list[Patch]]:
    """The statements and the patches."""
    data = tomllib.loads(DATA.read_text("utf-8"))
    return cast("list[Statement]", data["statement"]), cast("list[Patch]", data["patch"])


def named(statements: list[Statement], patches: list[Patch]) -> list[str]:
    """Every test that is named, once."""
    tests = [test for statement in statements for test in statement.get("tests", [])]
    return sorted({*tests, *(patch["test"] for patch in patches)})


def collect(names: list[str]) -> dict[str, list[str]]:
    """The node ids that pytest finds for each name."""
    files = sorted({f"tests/{name.partition('::')[0]}" for name in names})
    missing = [file for file in files if not (ROOT / file).is_file()]
    if missing:
        raise SystemExit(f"{DATA.name} names files that are not there: {', '.join(missing)}")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = [line.removeprefix("tests/") for line in run.stdout.splitlines() if "::" in line]
    return {name: [node for node in found if _is(name, node)] for name in names}


def _is(name: str, node: str) -> bool:
    test, _, parameter = name.removesuffix("]").partition("[")
    found, _, parameters = node.removesuffix("]").partition("[")
    return test == found and (not parameter or f"-{parameter}-" in f"-{parameters}-")


def faults(statements: list[Statement], patches: list[Patch], found: dict[str, list[str]]) -> list[str]:
    """What is wrong with the data, in words."""
    wrong = [f"no such test: {name}" for name, nodes in found.items() if not nodes]
    numbers = [statement["number"] for statement in statements]
    wrong += [f"twice: {number}" for number in {each for each in numbers if numbers.count(each) > 1}]
    wrong += [
        f"neither test nor note: {each['number']}"
        for each in statements
        if not each.get("tests") and not each.get("note")
    ]
    shown = {each["number"]: each.get("tests", []) for each in statements}
    for patch in patches:
        if patch["test"] not in shown.get(patch["number"], []):
            wrong.append(f"not the test of {patch['number']}: {patch['test']}")
        source = (BROKER / patch["file"]).read_text("utf-8")
        if source.count(patch["old"]) != 1:
            wrong.append(f"{patch['number']}: not once in {patch['file']}: {patch['old'].strip()}")
    return wrong


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _short(test: str) -> str:
    return f"`{test.removeprefix('broker/')}`"


def statements_table(statements: list[Statement]) -> str:
    rows = []
    for each in statements:
        says = each["says"]
        if "departs" in each:
            says += f" **Ours:** {each['departs']}"
        if "note" in each:
            says += f" *{each['note']}*"
        tests = "<br>".join(map(_short, each.get("tests", [])))
        rows.append((each["number"], each["of"], says, tests))
    return _table(("[MQTT-", "of", "says", "shown by"), rows)


def change(patch: Patch) -> str:
    """A patch in words: the line before and after, or the line that is gone."""
    old, new = patch["old"].strip(), patch["new"].strip()
    if "\n" in old:
        return f"`{patch['file']}`: without `{old.partition(chr(10))[0]}`"
    return f"`{patch['file']}`: `{old}` → `{new}`"


def patches_table(patches: list[Patch]) -> str:
    rows = [
        (
            each["number"],
            change(each),
            _short(each["test"]),
            f"`{each['seen']}`" if "seen" in each else "",
        )
        for each in patches
    ]
    return _table(("[MQTT-", "broken by", "fails", "and says"), rows)


def page(text: str, statements: list[Statement], patches: list[Patch]) -> str:
    """The page with its tables made anew."""
    tables = {"statements": statements_table(statements), "patches": patches_table(patches)}
    return re.sub(
        r"<!-- table: (\w+) -->\n.*?<!-- end -->",
        lambda found: f"<!-- table: {found[1]} -->\n\n{tables[found[1]]}\n\n<!-- end -->",
        text,
        flags=re.DOTALL,
    )


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare. Returns the exit code."""
    statements, patches = load()
    wrong = faults(statements, patches, collect(named(statements, patches)))
    text = PAGE.read_text("utf-8")
    fresh = page(text, statements, patches)
    if arguments == ["--check"]:
        if text != fresh:
            wrong.append(f"{PAGE.name} is out of date: run `make docs`")
    else:
        PAGE.write_text(fresh, "utf-8")
    for each in wrong:
        sys.stderr.write(f"{each}\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
