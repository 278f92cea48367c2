# ruff: noqa: F821 (names of MicroPython's build)
"""What is frozen into a firmware of one's own: bytecode in flash, which takes no memory.

In micropython/ports/esp32, with this repository beside it:

    make BOARD=ESP32_GENERIC_S3 BOARD_VARIANT=SPIRAM_OCT FROZEN_MANIFEST=/path/to/firmware/manifest.py
"""

include("$(PORT_DIR)/boards/manifest.py")  # asyncio and umqtt.simple among them
package("soul", base_path="$(MANIFEST_DIR)", opt=2)
module("main.py", base_path="$(MANIFEST_DIR)", opt=2)
# boot.py stays a file: it settles which version of `soul` runs.
