"""Makes an update of the firmware for one device, to be served by any web server.

    python firmware/update.py --key FILE --version 2 FOLDER

FILE is the `update.key` that `soul-connect provision` wrote, and stays on this computer.
"""

import argparse
import hashlib
import hmac
import json
import shutil
from pathlib import Path

SOUL = Path(__file__).parent / "soul"


def make(key: bytes, version: int, folder: Path) -> list[str]:
    """Copy the package into `folder` with its `update.json`; returns the files."""
    files = {}
    (folder / "soul").mkdir(parents=True, exist_ok=True)
    for path in sorted(SOUL.glob("*.py")):
        shutil.copyfile(path, folder / "soul" / path.name)
        data = path.read_bytes()
        files[f"soul/{path.name}"] = [hashlib.sha256(data).hexdigest(), len(data)]
    text = json.dumps({"version": version, "files": files})
    mac = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    (folder / "update.json").write_text(json.dumps({"manifest": text, "mac": mac}), encoding="utf-8")
    return list(files)


def main() -> None:
    """Read the command line, and make it."""
    parser = argparse.ArgumentParser(description="Make an update of the firmware for one device.")
    parser.add_argument("--key", type=Path, required=True, help="the device's update.key")
    parser.add_argument("--version", type=int, required=True, help="a number greater than the running one")
    parser.add_argument("folder", type=Path, help="where the update goes")
    given = parser.parse_args()
    files = make(bytes.fromhex(given.key.read_text().strip()), given.version, given.folder)
    print(f"Version {given.version} with {len(files)} files is in {given.folder}.")


if __name__ == "__main__":
    main()
