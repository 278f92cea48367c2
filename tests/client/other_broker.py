"""mosquitto: a broker that is not ours."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import free_ports, listens
from waiting import until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@contextmanager
def mosquitto(folder: Path) -> Iterator[tuple[int, int]]:
    """A running one that lets everybody in; its TCP and WebSocket ports."""
    assert MOSQUITTO, "mosquitto is not installed; see tests/system-packages.sh"
    tcp, websocket = free_ports(2)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"allow_anonymous true\nlistener {tcp} 127.0.0.1\n"
        f"listener {websocket} 127.0.0.1\nprotocol websockets\n"
    )
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(tcp) and listens(websocket))
        yield tcp, websocket
    finally:
        process.kill()
        process.wait()
