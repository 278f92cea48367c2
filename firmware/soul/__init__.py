"""The Soul Connect player for the ESP32-S3, in MicroPython. It also runs on the unix port and CPython."""
