"""What is written privately is whole, on the disk, and its owner's."""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from soul_protocol.private_file import write_privately

ROOT = os.geteuid() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with contextlib.suppress(PermissionError):  # only root may, and only root could do it wrong
        os.chown(tmp_path, 1, 1)
    return tmp_path


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was brought to the disk, in order."""
    kinds: list[str] = []
    fsync: Callable[[int], None] = os.fsync

    def watched(descriptor: int) -> None:
        kinds.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    return kinds


def test_content_and_name_are_on_the_disk_and_nothing_else_is_left(folder: Path, synced: list[str]) -> None:
    file = folder / "token"
    file.write_bytes(b"old")
    file.chmod(0o644)
    write_privately(file, b"new")
    assert synced == ["file", "folder"]
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", 0o600)
    assert list(folder.iterdir()) == [file]


def test_what_may_be_lost_waits_for_no_disk(folder: Path, synced: list[str]) -> None:
    write_privately(folder / "note", b"new", sync=False)
    assert (folder / "note").read_bytes() == b"new"
    assert not synced


def test_what_others_may_read_has_its_mode_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        write_privately(folder / "key.pub", b"public", 0o644)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "key.pub").stat().st_mode) == 0o644


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("like_folder", [True, False])
def test_what_root_writes_is_the_folders_owners_unless_told_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch, root: bool, like_folder: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1_000)
    write_privately(folder / "file", b"x", like_folder=like_folder)
    given = ROOT and not (root and like_folder)
    assert (folder / "file").stat().st_uid == (0 if given else folder.stat().st_uid)


def test_what_cannot_be_put_there_leaves_what_was_there(folder: Path) -> None:
    file = folder / "token"
    file.write_bytes(b"old")

    def put(made: str, place: Path) -> None:
        assert (Path(made).read_bytes(), place) == (b"new", file)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_privately(file, b"new", put=put)
    assert file.read_bytes() == b"old"
    assert list(folder.iterdir()) == [file]
    with pytest.raises(FileNotFoundError):
        write_privately(folder / "missing" / "token", b"new")


def test_the_first_of_two_wins_where_that_is_asked_for(folder: Path) -> None:
    file = folder / "key"
    write_privately(file, b"first", put=os.link)
    with pytest.raises(FileExistsError):
        write_privately(file, b"second", put=os.link)
    assert file.read_bytes() == b"first"
    assert list(folder.iterdir()) == [file]
