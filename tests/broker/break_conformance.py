"""Breaks the broker one line at a time, and shows that the test of the statement behind it fails. By hand:

    PYTHONPATH=tests .venv/bin/python tests/broker/break_conformance.py [NUMBER...]

The patches are those of docs/mqtt-conformance.toml. Each is made in a copy of the source, which the
tests import in place of the real one; before that every test passes against the copy as it is.
Prints a Markdown table; fails where a test passes that should not.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from broker.conformance import BROKER, ROOT, Patch, change, collect, load

WITHIN = 120.0
"""Seconds for the test of one patch."""


def run(tests: list[str], copy: Path) -> tuple[int, str]:
    """pytest's exit code and output, with the broker of `copy`."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WITHIN
    )
    return done.returncode, done.stdout


def imported(copy: Path) -> Path:
    """Where the tests would take the broker from."""
    done = subprocess.run(
        [sys.executable, "-c", "import soul_broker; print(soul_broker.__file__)"],
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    return Path(done.stdout.strip())


def said(output: str) -> str:
    """Where in the test it ended, and with which error."""
    line = re.findall(r"^tests/\S*test_\w+\.py:\d+: in \w+\n\s+(.*)$", output, re.MULTILINE)
    errors = re.findall(r"^E\s+([\w.]*(?:Error|TooLong)\b)", output, re.MULTILINE)
    return f"{line[-1] if line else '?'} -> {errors[-1] if errors else 'AssertionError'}"


def broken(patch: Patch, copy: Path, nodes: list[str]) -> str | None:
    """What the test says of a broker with this line changed; None where it passes."""
    file = copy / "soul_broker" / patch["file"]
    source = file.read_text("utf-8")
    assert source.count(patch["old"]) == 1, f"not once in {patch['file']}: {patch['old']}"
    file.write_text(source.replace(patch["old"], patch["new"]), "utf-8")
    try:
        code, output = run(nodes, copy)
    finally:
        file.write_text(source, "utf-8")
    if code not in {0, 1}:
        raise SystemExit(f"pytest ended with {code}:\n{output}")
    return said(output) if code else None


def main(wanted: list[str]) -> int:
    patches = [each for each in load()[1] if not wanted or each["number"] in wanted]
    found = collect([each["test"] for each in patches])
    nodes = {name: [f"tests/{node}" for node in found[name]] for name in found}
    passed = 0
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        shutil.copytree(BROKER, copy / "soul_broker", ignore=shutil.ignore_patterns("__pycache__"))
        assert imported(copy).is_relative_to(copy), "the tests would not see the copy"
        code, output = run(sorted({node for each in nodes.values() for node in each}), copy)
        if code:
            raise SystemExit(f"the copy fails as it is:\n{output}")
        sys.stdout.write("| [MQTT- | broken by | fails | and says |\n| --- | --- | --- | --- |\n")
        for patch in patches:
            seen = broken(patch, copy, nodes[patch["test"]])
            passed += seen is None
            result = "**PASSES**" if seen is None else f"`{seen}`"
            sys.stdout.write(f"| {patch['number']} | {change(patch)} | `{patch['test']}` | {result} |\n")
            sys.stdout.flush()
    return int(passed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
