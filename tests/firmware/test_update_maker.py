"""`firmware/update.py`, and the device that takes what it made."""

import secrets
import subprocess
import sys
from pathlib import Path

from firmware.board import FIRMWARE, micropython

TAKE = """
import sys
from soul import ota
with open(sys.argv[1], "rb") as file:
    offer = file.read()
key = bytes.fromhex(sys.argv[2])
version, files = ota.verify(offer, key, 1)
print("version", version, len(files), "soul/app.py" in files)
for other, running in ((bytes(32), 1), (key, 2)):
    try:
        ota.verify(offer, other, running)
    except ota.UpdateError as error:
        print("refused", error)
"""


def test_an_update_is_made_for_one_device_and_taken_by_it(tmp_path: Path) -> None:
    key, made = tmp_path / "update.key", tmp_path / "update"
    key.write_text(secrets.token_hex(32) + "\n")
    maker = [sys.executable, str(FIRMWARE / "update.py")]
    done = subprocess.run(
        [*maker, "--key", str(key), "--version", "2", str(made)],
        capture_output=True,
        text=True,
        check=True,
    )
    own = sorted(path.name for path in (FIRMWARE / "soul").glob("*.py"))
    assert f"Version 2 with {len(own)} files" in done.stdout
    assert sorted(path.name for path in (made / "soul").iterdir()) == own
    script = tmp_path / "take.py"
    script.write_text(TAKE)
    process = micropython(script, str(made / "update.json"), key.read_text().strip())
    assert process.wait(20) == 0, process.output
    assert process.lines == [
        f"version 2 {len(own)} True",
        "refused the update is not from who made this device",
        "refused nothing newer",
    ]
