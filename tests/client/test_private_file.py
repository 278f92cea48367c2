"""What a client keeps is on the disk, and belongs to who runs it."""

import contextlib
import os
import stat
from pathlib import Path

import pytest

from soul_connect.private_file import write_privately


def test_a_token_in_a_new_folder_is_there_after_a_power_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.suppress(PermissionError):  # only root may
        os.chown(tmp_path, 1, 1)
    synced: list[bool] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    file = tmp_path / "soul-connect" / "config.toml"
    write_privately(file, b"token")
    assert synced == [False, True]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (file.parent, file)] == [0o700, 0o600]
    write_privately(tmp_path / "beside", b"token")
    assert (tmp_path / "beside").stat().st_uid == os.geteuid()
