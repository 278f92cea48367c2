"""What `doctor` looks at: the way from this computer to the music, step by step."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from soul_connect.address import Address, parse_url, trust
from soul_connect.cli.exits import RENEWAL, CliError, Exit, explain
from soul_connect.cli.link import Server, knock
from soul_connect.cli.probe import speaks_mqtt
from soul_connect.cli.tokens import token_dates
from soul_connect.client import ConnectClient
from soul_connect.errors import LinkError, SoulConnectError, TokenRefusedError, UnreachableError
from soul_connect.link import tls_reason
from soul_connect.settings import SettingsError

if TYPE_CHECKING:
    from soul_connect.settings import ClientSettings

_SECONDS: Final = 5.0
_CLOCK_MS: Final = 2_000
"""More than this between the clocks is worth a word: commands carry times, but of the server's clock."""
_CLOCK_FAR_MS: Final = 60_000
"""More than this, and dates are judged wrongly."""
_SOON: Final = 7 * 24 * 3600
_ELSEWHERE: Final = (
    "If `soul-connect token` made it: was that on the server, with the server's --data-dir? "
    "A service of systemd has /var/lib/soul-connect."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. `advice` says what to do, where there is something."""

    check: str
    ok: bool
    text: str
    advice: str | None = None
    code: Exit = Exit.DONE


async def examine(server: Server) -> AsyncIterator[Finding]:
    """One check after the other, for as long as the next makes sense."""
    try:
        settings = server.settings()
    except SettingsError as error:
        yield Finding("settings", False, str(error), "Mend the setting.", Exit.USAGE)
        return
    address = parse_url(settings.url)
    closed = await knock(settings.url)
    if closed is not None:
        yield Finding(
            "port",
            False,
            f"{address.host} port {address.port}: {closed}.",
            "Start the server with `soul-connect serve`, or set SOUL_CONNECT_URL to where it is.",
            Exit.UNREACHABLE,
        )
        return
    yield Finding("port", True, f"{address.host} port {address.port} is open.")
    if address.tls:
        certificate = await _certificate(address, settings)
        yield certificate
        if not certificate.ok:
            return
    broker = await _broker(address, settings)
    yield broker
    if not broker.ok:
        return
    try:
        _, token = server.settings_with_token()
    except CliError as error:
        yield Finding("token", False, str(error), None, error.code)
        return
    dates = _token_dates(token)
    yield dates
    if not dates.ok:
        return
    async for finding in _connection(settings, token):
        yield finding


async def _certificate(address: Address, settings: "ClientSettings") -> Finding:
    advice = "Give the server's authority with --ca FILE or SOUL_CONNECT_CA."
    try:
        context = trust(settings.ca)
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(
                address.host, address.port, ssl=context, server_hostname=address.host
            )
    except ssl.SSLCertVerificationError as error:
        text = f"The server's certificate is not trusted: {error.verify_message}."
        if "expired" in error.verify_message:
            advice = "Renew the certificate on the server, and look whether this computer's clock is right."
        return Finding("certificate", False, text, advice, Exit.UNREACHABLE)
    except ValueError as error:
        return Finding("certificate", False, f"{error}.", advice, Exit.USAGE)
    except OSError as error:
        reason = tls_reason(error) if isinstance(error, ssl.SSLError) else str(error) or "no answer came"
        text = f"There is no TLS at {address.host} port {address.port}: {reason}."
        return Finding("certificate", False, text, "Is this the TLS port (8883)?", Exit.UNREACHABLE)
    found: dict[str, str] = writer.get_extra_info("peercert") or {}
    writer.close()
    until = ssl.cert_time_to_seconds(found["notAfter"])
    text = f"The certificate is trusted, and valid until {_day(until)}."
    soon = until - time.time() < _SOON
    return Finding("certificate", True, text, "Renew it soon." if soon else None)


async def _broker(address: Address, settings: "ClientSettings") -> Finding:
    context = trust(settings.ca) if address.tls else None
    wrong = await asyncio.to_thread(speaks_mqtt, address, context)
    place = f"{address.host} port {address.port}"
    if wrong is None:
        return Finding("broker", True, f"An MQTT broker answers at {place}.")
    advice = "Look at the address: mqtt:// is port 1883, mqtts:// 8883, and ws:// 8080 with the path /mqtt."
    return Finding("broker", False, f"There is no MQTT broker at {place}: {wrong}.", advice, Exit.UNREACHABLE)


def _token_dates(token: str) -> Finding:
    issued, expires = token_dates(token)
    now = time.time()
    if expires is not None and expires <= now:
        return Finding("token", False, f"The token expired on {_day(expires)}.", RENEWAL, Exit.REFUSED)
    if issued is not None and issued > now + 60:
        return Finding(
            "token",
            False,
            "The token is from the future: this computer's clock, or the server's, is wrong.",
            "Set the clock (NTP).",
            Exit.REFUSED,
        )
    if expires is None:
        return Finding("token", True, "The token has no end.")
    soon = expires - now < _SOON
    return Finding("token", True, f"The token is valid until {_day(expires)}.", RENEWAL if soon else None)


async def _connection(settings: "ClientSettings", token: str) -> AsyncIterator[Finding]:
    client = ConnectClient(url=settings.url, token=token, name="Doctor", ephemeral=True, ca_file=settings.ca)
    try:
        try:
            await client.connect(timeout=_SECONDS)
        except UnreachableError as error:
            cause = f": {error.__cause__}" if error.__cause__ else ""
            yield Finding(
                "coordinator",
                False,
                f"The broker is there, but the coordinator does not answer{cause}.",
                "Is the coordinator running? `soul-connect serve` runs both.",
                Exit.UNREACHABLE,
            )
            return
        except LinkError as error:
            code, text = explain(error)
            advice = _ELSEWHERE if isinstance(error, TokenRefusedError) else None
            yield Finding("login", False, text, advice, code)
            return
        yield Finding("login", True, f"The broker lets {client.user} in.")
        yield Finding("coordinator", True, "The coordinator is online.")
        yield _clock(client)
        yield _devices(client)
    except SoulConnectError as error:
        code, text = explain(error)
        yield Finding("connection", False, text, None, code)
    finally:
        await client.disconnect()


def _clock(client: ConnectClient) -> Finding:
    server_ms = client.server_now()
    if server_ms is None:
        return Finding("clock", True, "The server's clock is not known yet.")
    offset_ms = server_ms - round(time.time() * 1000)
    text = f"The server's clock is {abs(offset_ms) / 1000:.1f} s {'ahead' if offset_ms > 0 else 'behind'}."
    if abs(offset_ms) <= _CLOCK_MS:
        return Finding("clock", True, "The clocks agree.")
    advice = "Music is not harmed, but tokens and certificates have dates: set both clocks (NTP)."
    far = abs(offset_ms) > _CLOCK_FAR_MS
    return Finding("clock", not far, text, advice, Exit.REJECTED if far else Exit.DONE)


def _devices(client: ConnectClient) -> Finding:
    online = sum(each.is_online and each.capabilities.can_render for each in client.devices)
    text = f"{online} of {len(client.devices)} devices can play now."
    return Finding(
        "devices", True, text, None if online else "`soul-connect player` makes this computer one."
    )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
