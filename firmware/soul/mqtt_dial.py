"""One connection to the broker: TCP, then TLS whose certificate, name and dates are verified.

On `asyncio.open_connection`, which does the handshake with the first write and read. It looks the name up
in a call that blocks the loop (on the ESP32 for some seconds, where no DNS server answers).
"""

import asyncio

CERTIFICATE = "refused: certificate"
HOST = "refused: host"
EXPIRED = "refused: certificate expired"
NOT_YET = "refused: certificate not yet valid"

_VERIFY_FAILED = -0x2700  # MBEDTLS_ERR_X509_CERT_VERIFY_FAILED

# What mbedTLS says. A certificate of another authority may be old as well, so this one comes first.
_SAYINGS = (
    ("not correctly signed", CERTIFICATE),
    ("CN) does not match", HOST),
    ("validity has expired", EXPIRED),
    ("starts in the future", NOT_YET),
)


def refusal(error):
    """Why we do not trust the server: a status, or None where `error` is another one."""
    if isinstance(error, OSError):  # of a build that has no words for it
        return CERTIFICATE if error.args and error.args[0] == _VERIFY_FAILED else None
    if not isinstance(error, ValueError):
        return None
    text = str(error)
    for saying, status in _SAYINGS:
        if saying in text:
            return status
    return CERTIFICATE


class Dialer:
    """Opens connections to one address.

    Args:
        host: a name or an address, and what the certificate must say unless `server_hostname` is given.
        port: of the broker's TLS listener.
        ca: the authority, PEM as str or bytes. None: no TLS, for tests.
    """

    def __init__(self, host, port, ca, server_hostname=None):
        self._host = host
        self._port = port
        self._name = server_hostname or host
        self._socket = None
        self._context = None
        if ca is not None:
            import tls

            self._context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            self._context.verify_mode = tls.CERT_REQUIRED  # pyright: ignore[reportAttributeAccessIssue]
            self._context.load_verify_locations(ca)

    async def open(self, seconds):
        """A stream, with `readinto`, `write`, `drain` and `close`.

        Raises:
            OSError: it was not reached within `seconds`.
        """
        try:
            # `self` stands in for the context: so the socket is known, and closed, if this is given up.
            connecting = asyncio.open_connection(self._host, self._port, ssl=self, server_hostname=self._name)
            stream, _ = await asyncio.wait_for(connecting, seconds)
        except asyncio.TimeoutError:
            self.close()
            raise OSError("no answer from " + self._host)
        except BaseException:
            self.close()
            raise
        return stream

    def wrap_socket(self, sock, server_hostname=None, do_handshake_on_connect=False):
        """As of an SSLContext, for `asyncio.open_connection`."""
        self._socket = sock
        if self._context is not None:
            self._socket = self._context.wrap_socket(
                sock, server_hostname=server_hostname, do_handshake_on_connect=do_handshake_on_connect
            )
        return self._socket

    def close(self):
        """Close what `open` opened, at once."""
        sock, self._socket = self._socket, None
        if sock is not None:
            try:
                sock.close()
            except OSError:
                pass  # it was closed by the other side
