"""A web server for WAV files with Range, and with every fault that a server can have."""

import asyncio
import struct


def ramp(frames, bits=16, channels=2, start=0):
    """Samples that all differ: frame n is n."""
    form = "<" + ("h" if bits == 16 else "i") * channels
    half = 1 << (bits - 1)
    out = bytearray()
    for n in range(start, start + frames):
        value = (n * (1 if bits == 16 else 70001)) % (2 * half) - half
        out += struct.pack(form, *[value] * channels)
    return bytes(out)


def wav(samples, rate=44100, bits=16, channels=2, kind=1, extra=b"", size=None, tail=b""):
    """A WAV file around samples."""
    frame = bits // 8 * channels
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits)
    if kind == 0xFFFE:
        head += (
            struct.pack("<HHI", 22, bits, 3)
            + b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
        )
    body = b"fmt " + struct.pack("<I", len(head)) + head + extra
    body += b"data" + struct.pack("<I", len(samples) if size is None else size) + samples + tail
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


class WavServer:
    """Files by path, and `faults` by path: `cut` hangs up after so many bytes, `status`, `no_range`..."""

    def __init__(self):
        self.files = {}
        self.faults = {}
        self.asked = []
        self.port = 0
        self.pace = None  # bytes a second
        self._server = None
        self._stopped = asyncio.Event()

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    async def start(self):
        for port in range(20000 + (id(self) >> 4) % 20000, 65000):
            try:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
            except OSError:
                continue
            self.port = port
            return

    def stop(self):
        self._stopped.set()
        self._server.close()

    async def _serve(self, reader, writer):
        try:
            await self._answer(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()
            await writer.wait_closed()

    async def _answer(self, reader, writer):
        path = (await reader.readline()).split()[1].decode()
        start = None
        while True:
            line = (await reader.readline()).strip().lower()
            if not line:
                break
            if line.startswith(b"range: bytes="):
                start = int(line[13:].split(b"-")[0])
        self.asked.append((path, start))
        faults = self.faults.get(path, {})
        data = self.files.get(path)
        if "status" in faults or data is None:
            writer.write(b"HTTP/1.1 %d X\r\n" % faults.get("status", 404))
            if "location" in faults:
                writer.write(b"Location: " + faults["location"].encode() + b"\r\n")
            writer.write(b"Content-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if "raw" in faults:
            writer.write(faults["raw"])
            await writer.drain()
            return
        if start is not None and "no_range" not in faults:
            head = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes %d-%d/%d\r\n" % (
                start,
                len(data) - 1,
                len(data),
            )
            data = data[start:]
        else:
            head = b"HTTP/1.1 200 OK\r\n"
        if "no_length" not in faults:
            head += b"Content-Length: %d\r\n" % len(data)
        writer.write(head + b"\r\n")
        end = min(len(data), faults.get("cut", len(data)))
        place = 0
        while place < end:
            count = min(8192, end - place)
            writer.write(data[place : place + count])
            await writer.drain()
            place += count
            if self.pace:
                await asyncio.sleep(count / self.pace)  # a slow network is what it imitates
        if "hang" in faults:
            await self._stopped.wait()
