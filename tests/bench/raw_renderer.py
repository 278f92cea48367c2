"""A renderer that costs next to nothing: the server's share of a command shows beside it.

python -m bench.raw_renderer PORT USER TOKEN     prints its device id, and runs until killed
"""

import json
import sys
from typing import Any

from bench.lean import Device, report


class Renderer:
    """The state that it reports: whatever was asked."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._seq = 0
        self._state: dict[str, Any] = {"track_id": None}

    def execute(self, order: dict[str, Any]) -> None:
        """Carry out a forwarded command, and report it."""
        command = order["command"]
        match command["type"]:
            case "set_volume":
                self._state["volume"] = command["volume"]
            case "play" | "pause":
                self._state["is_playing"] = command["type"] == "play"
            case "set_queue":
                self._state["track_id"] = command["tracks"][command["start_index"]]
            case _:
                pass
        self._seq += 1
        done = (order["id"],)
        self._device.up(
            "state", report(self._device.conn, self._seq, order["epoch"], applied=done, **self._state)
        )

    def run(self) -> None:
        """Until the connection ends."""
        while True:
            packet = self._device.message()
            if packet.topic.endswith(b"/down/execute"):
                message = json.loads(packet.payload)
                if message["type"] == "execute_command":
                    self.execute(message)
            self._device.acknowledge(packet)


def main() -> None:
    """Run one."""
    port, user, token = sys.argv[1:4]
    device = Device(int(port), user, token, name="Raw").register()
    sys.stdout.write(f"{json.dumps({'device_id': device.id})}\n")
    sys.stdout.flush()
    Renderer(device).run()


if __name__ == "__main__":
    main()
