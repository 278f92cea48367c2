"""A small HTTP/1.1 client (RFC 9112) for files: one request a connection, a deadline on every wait."""

import asyncio

STEP = 4
"""How long (s) each step may take: connecting, the head, each piece of the body."""

REDIRECTS = 3


class HttpError(OSError):
    """The server did not give what was asked for.

    Attributes:
        code: `unreachable`, `not_found`, `not_allowed`, `server_error` or `bad_answer`.
    """

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def split(url):
    """Scheme, host, port and path of a URL; None where it is none that can be fetched."""
    scheme, found, rest = url.partition("://")
    ports = {"http": 80, "https": 443}
    if not found or scheme not in ports:
        return None
    place, slash, path = rest.partition("/")
    host, _, port = place.partition(":")
    if not host or (port and not port.isdigit()):
        return None
    return scheme, host, int(port) if port else ports[scheme], slash + path if slash else "/"


def _resolve(base, target):
    if "://" in target:
        return target
    scheme, rest = base.split("://", 1)
    root = scheme + "://" + rest.split("/", 1)[0]
    return root + target if target.startswith("/") else base.rsplit("/", 1)[0] + "/" + target


def _quoted(path):
    """A path as it may stand in a request: a space would end it, and a line break the whole line."""
    return "".join([chr(byte) if 32 < byte < 127 else "%%%02X" % byte for byte in path.encode()])


async def within(seconds, awaitable):
    """Its result in time.

    Raises:
        HttpError: `unreachable`, not in time.
    """
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise HttpError("unreachable") from None


class Response:
    """Status, headers (names in lower case) and the body, to be read once."""

    def __init__(self, status, headers, reader, writer):
        self.status = status
        self.headers = headers
        self._reader = reader
        self._writer = writer
        length = headers.get("content-length", "")
        self.length = int(length) if length.isdigit() else None
        """Bytes of the body; None if the server did not say."""

    async def readinto(self, view):
        """Read some bytes into a memoryview; 0 at the end.

        Raises:
            OSError: the connection broke, or stood still.
        """
        if not hasattr(self._reader, "readinto"):  # CPython
            data = await within(STEP, self._reader.read(len(view)))
            view[: len(data)] = data
            return len(data)
        while True:
            count = await within(STEP, self._reader.readinto(view))
            if count is not None:  # TLS: a record was read, and there was nothing in it
                return count

    async def readexactly(self, count):
        """So many bytes.

        Raises:
            OSError: they do not come.
        """
        data = bytearray(count)
        view, got = memoryview(data), 0
        while got < count:
            more = await self.readinto(view[got:])
            if not more:
                raise HttpError("bad_answer")
            got += more
        return bytes(data)

    async def skip(self, count):
        """Read and forget so many bytes; raises OSError likewise."""
        scratch = memoryview(bytearray(min(count, 4096)))
        while count:
            got = await self.readinto(scratch[: min(count, 4096)])
            if not got:
                raise HttpError("bad_answer")
            count -= got

    async def close(self):
        """Close the connection."""
        await _close(self._writer)


async def _close(writer):
    try:
        writer.close()  # says so; on MicroPython it is `wait_closed` that does it
        await asyncio.wait_for(writer.wait_closed(), STEP)
    except (OSError, asyncio.TimeoutError):
        pass  # it is gone either way


_CODES = {401: "not_allowed", 403: "not_allowed", 404: "not_found", 410: "not_found", 416: "bad_answer"}


async def get(url, headers=None, context=None):
    """Ask for a URL; the response is 200 or 206.

    `context`: a TLS context for https; None: it is not asked for.

    Raises:
        HttpError: as its `code` says.
    """
    for _ in range(REDIRECTS + 1):
        response = await _ask(url, headers or {}, context)
        if response.status in (200, 206):
            if response.headers.get("transfer-encoding", "identity") != "identity":
                await response.close()
                raise HttpError("bad_answer")  # a stream: no length, no seeking
            return response
        await response.close()
        target = response.headers.get("location")
        if response.status not in (301, 302, 303, 307, 308) or not target:
            otherwise = "server_error" if response.status >= 500 else "bad_answer"
            raise HttpError(_CODES.get(response.status, otherwise))
        url = _resolve(url, target)
    raise HttpError("bad_answer")


async def _ask(url, headers, context):
    parts = split(url)
    if parts is None:
        raise HttpError("not_found")
    scheme, host, port, path = parts
    options = {}
    if scheme == "https":
        if context is None:
            raise HttpError("not_allowed")
        options = {"ssl": context, "server_hostname": host}
    try:
        reader, writer = await within(STEP, asyncio.open_connection(host, port, **options))
    except HttpError:
        raise
    except (OSError, ValueError):  # ValueError: a certificate that is not trusted
        raise HttpError("unreachable") from None
    try:
        lines = ["GET " + _quoted(path) + " HTTP/1.1", "Host: " + host, "Connection: close"]
        lines += [name + ": " + value for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await within(STEP, writer.drain())
        return await _head(reader, writer)
    except BaseException as error:
        await _close(writer)
        if isinstance(error, OSError) and not isinstance(error, HttpError):
            raise HttpError("unreachable") from None
        if isinstance(error, (ValueError, MemoryError)):  # a head that is no text, or has no end
            raise HttpError("bad_answer") from None
        raise


async def _head(reader, writer):
    line = await within(STEP, reader.readline())
    parts = line.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise HttpError("bad_answer")
    status, headers, size = int(parts[1]), {}, 0
    while True:
        line = await within(STEP, reader.readline())
        size += len(line)
        if not line or size > 8192:
            raise HttpError("bad_answer")
        if line in (b"\r\n", b"\n"):
            return Response(status, headers, reader, writer)
        name, _, value = line.partition(b":")
        headers[name.strip().lower().decode()] = value.strip().decode()
