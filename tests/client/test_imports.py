"""Importing the library does no work that can wait: each line in a fresh interpreter."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "line",
    [
        "from soul_connect import ConnectClient",
        "from soul_connect.sync import ConnectClient",
        "from soul_connect import Player",
    ],
)
def test_mqtt_and_the_models_wait_for_the_first_connection(line: str) -> None:
    code = (
        f"{line}\nimport sys\nfrom soul_protocol.wire import Wire\n"
        "def below(kind):\n    return {kind} | {one for sub in kind.__subclasses__() for one in below(sub)}\n"
        "built = sorted(kind.__name__ for kind in below(Wire) if kind.__pydantic_complete__)\n"
        "print(sorted({'aiomqtt', 'paho'} & set(sys.modules)), built)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"
