"""The parts of a server process: broker, coordinator, HTTP; each an async context."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from soul_broker.certificates import Certificates, outward_addresses, own_certificates
from soul_broker.errors import AddressInUseError, SoulBrokerError
from soul_broker.http_port import HttpPort
from soul_broker.listeners import listener_config
from soul_broker.server import BrokerSettings, SoulBroker
from soul_broker.statistics import prometheus_text
from soul_broker.tls_context import server_context
from soul_broker.tokens import TokenVerifier, load_public_key
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.running import Running
from soul_connect.cli.server_local import local_links
from soul_connect.lookup import way_to
from soul_connect.settings import ServerSettings
from soul_coordinator.accounts import Accounts
from soul_coordinator.accounts_key import PUBLIC_KEY, DataDirectoryError
from soul_coordinator.adapters.http import KEEP_ALIVE, Health, HttpSettings, make_app
from soul_coordinator.adapters.http_music import Elsewhere
from soul_coordinator.adapters.mqtt import mqtt_links
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.adapters.sqlite_connection import DATABASE
from soul_coordinator.adapters.sqlite_errors import StoreError
from soul_coordinator.music.folder import MusicFolder
from soul_coordinator.runner import Connect
from soul_coordinator.service import CoordinatorService
from soul_coordinator.tokens import TokenSigner, service_token

_log = structlog.get_logger("soul_connect")
_TTL_HERE: Final = 10 * 365 * 24 * 3600
"""Seconds that the coordinator's token lives where it never leaves the process: its end ends a term."""
_TTL_ELSEWHERE: Final = 30 * 24 * 3600
"""Likewise where a network sees it: as long as any other. Each term makes another."""
_OPTIONS: Final = {"tcp": "--mqtt-port", "tls": "--tls-port", "http": "--http-port"}


class Parts:
    """What is shared by the parts, and what each of them has started."""

    def __init__(self, settings: ServerSettings, accounts: Accounts, signer: TokenSigner) -> None:
        self.settings = settings
        self.accounts = accounts
        self.music: MusicFolder | None = None
        self._signer = signer
        self._broker: SoulBroker | None = None
        self._service: CoordinatorService | None = None
        self._serving: asyncio.Task[None] | None = None
        self._http_address: tuple[str, int] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: ServerSettings) -> AsyncIterator["Parts"]:
        """The data directory with its key and database, made if missing.

        Raises:
            CliError: they cannot be made or read.
        """
        try:
            signer = TokenSigner.of_data_dir(settings.data_dir)
            accounts = Accounts(settings.data_dir / DATABASE, signer)
        except DataDirectoryError as error:
            raise CliError(Exit.USAGE, str(error)) from error
        except StoreError as error:
            raise _no_store(settings, error) from error
        yield cls(settings, accounts, signer)

    def add_music(self, folder: Path) -> MusicFolder:
        """Serve the music of a folder, from the start of the HTTP server on."""
        self.music = MusicFolder(folder, self._signer.key_for("covers"))
        return self.music

    @property
    def page(self) -> str | None:
        """The page's address as browsers reach it, where there is one.

        That is this machine's own where it listens on all of them: a guest's phone has to find it.
        """
        addresses = {} if self._broker is None else self._broker.addresses
        if "http" not in addresses:
            return None
        host, port = addresses["http"]
        found = (each for each in outward_addresses() if (":" in each) == (":" in host))
        everywhere = host in {"0.0.0.0", "::"}
        return f"http://{_joined(next(found, _reachable(host)) if everywhere else host, port)}/"

    @property
    def running(self) -> Running:
        """What other commands have to know; of a broker alone no more than its TLS port."""
        addresses = {} if self._broker is None else self._broker.addresses
        page = self.page if self._service is not None else None
        _, tls_port = addresses.get("tls", ("", 0))
        return Running(self.settings.public_url or page, tls_port)

    @property
    def listening(self) -> str:
        """Where it listens, as the `ready` line says it."""
        addresses = dict(self._broker.addresses) if self._broker is not None else {}
        if self._http_address is not None:
            addresses["http"] = self._http_address
        names = {"tcp": "mqtt", "tls": "tls", "http": "http"}
        found = [(shown, addresses[name]) for name, shown in names.items() if name in addresses]
        return " ".join(f"{shown}={_joined(*address)}" for shown, address in found)

    @property
    def url(self) -> str:
        """The broker as a client on this machine reaches it.

        Raises:
            LookupError: neither the MQTT nor the HTTP port is on.
        """
        if self._broker is None:
            return self.settings.broker_url or f"mqtt://127.0.0.1:{self.settings.mqtt_port or 1883}"
        for name, scheme, path in (("tcp", "mqtt", ""), ("http", "ws", "/mqtt")):
            if name in self._broker.addresses:
                host, port = self._broker.addresses[name]
                return f"{scheme}://{_joined(_reachable(host), port)}{path}"
        raise LookupError("neither the MQTT nor the HTTP port is on")

    @contextlib.asynccontextmanager
    async def broker(self, *, with_api: bool) -> AsyncIterator[None]:
        """The broker; with `with_api` the coordinator's HTTP on its port as well.

        Raises:
            CliError: a port is taken, or a certificate cannot be used.
        """
        async with contextlib.AsyncExitStack() as stack:
            factory = await stack.enter_async_context(self._http()) if with_api else None
            try:
                self._broker = broker = self._make_broker(factory)
                await broker.start()
            except SoulBrokerError as error:
                text = str(error)
                text = f"{text[:1].upper()}{text[1:]}."
                if isinstance(error, AddressInUseError) and error.taken:
                    text += f" Choose another port with {_OPTIONS[error.listener]}; 0 turns it off."
                raise CliError(Exit.USAGE, text) from error
            try:
                yield
            finally:
                await broker.shutdown()

    def _make_broker(self, factory: web.Server | None) -> SoulBroker:
        settings = self.settings
        config = listener_config(
            settings.host,
            mqtt_port=settings.mqtt_port or None,
            tls_port=settings.tls_port or None,
            http_port=settings.http_port or None,
            certificates=_certificates(settings) if settings.tls_port else None,
            client_authority=settings.tls_client_ca,
        )
        return SoulBroker(
            config,
            settings=BrokerSettings(
                data_dir=settings.data_dir,
                allowed_origins=frozenset(settings.allowed_origins),
                trusted_proxies=frozenset(settings.trusted_proxies),
                client_certificates_required=settings.tls_client_certificate == "required",
                connections=settings.max_connections,
                connections_per_user=settings.max_connections_per_user,
                connections_per_address=settings.max_strangers_per_address,
                flood_messages=settings.flood_messages,
                flood_bytes=settings.flood_megabytes * 1024 * 1024,
            ),
            verifier=TokenVerifier([load_public_key(settings.data_dir / PUBLIC_KEY)]),
            http_factory=factory,
        )

    def reload(self) -> None:
        """Read the certificates again, our own made anew where due; what is broken changes nothing."""
        if self._broker is None or not self.settings.tls_port:
            _log.info("nothing to read again: there is no TLS port")
            return
        try:
            _certificates(self.settings)
        except SoulBrokerError as error:
            _log.error("certificate not reloaded, the old one stays", error=str(error))
            return
        self._broker.reload_certificates()

    @contextlib.asynccontextmanager
    async def coordinator(self, *, alone: bool) -> AsyncIterator[None]:
        """The coordinator; `alone` with an HTTP port of its own.

        Raises:
            CliError: the database cannot be opened, or the port is taken.
        """
        settings = self.settings
        try:
            store = SqliteStore(settings.data_dir / DATABASE, settings.durability)
        except StoreError as error:
            raise _no_store(settings, error) from error
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(store.close)
            self._service = CoordinatorService(store=store, connect=self._links())
            if alone and settings.http_port:
                await stack.enter_async_context(self._http_alone())
            self._serving = serving = asyncio.create_task(self._service.run(), name="coordinator")
            try:
                yield
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)

    def _links(self) -> Connect:
        """How the coordinator reaches its broker: by a call in one process, else over the network."""
        if self._broker is not None:
            return local_links(self._broker, token=lambda: self._service_token(_TTL_HERE))
        password = _broker_password(self.settings) or (lambda: self._service_token(_TTL_ELSEWHERE))
        return mqtt_links(self.url, token=password, ca=_own_authority(self.settings), way_to=way_to)

    def _service_token(self, ttl: int) -> str:
        return service_token(self._signer, now=int(time.time()), ttl=ttl).token

    async def ready(self) -> None:
        """Return once the coordinator has subscribed."""
        assert self._service is not None  # noqa: S101 (the order of the parts)
        waiting = asyncio.create_task(self._service.ready.wait())
        failing = asyncio.create_task(self.failure())
        try:
            done, _ = await asyncio.wait({waiting, failing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            waiting.cancel()
            failing.cancel()

    async def failure(self) -> None:
        """Raise what ended the coordinator; without one, wait for ever.

        Raises:
            CliError: the database is damaged.
        """
        if self._serving is None:
            await asyncio.get_running_loop().create_future()
        else:
            try:
                await asyncio.shield(self._serving)
            except StoreError as error:
                raise _no_store(self.settings, error) from error

    def _health(self) -> Health:
        service = self._service.health if self._service is not None else None
        working = service is not None and service.working
        # Of a broker elsewhere, the coordinator's link to it is what can be known.
        broker = working if self._broker is None else self._broker.transitions.state == "started"
        detail = service.problem if service is not None else "starting"
        return Health(broker=broker, coordinator=working, detail=detail)

    def _metrics(self) -> str:
        text = prometheus_text(self._broker.statistics) if self._broker is not None else ""
        if self._service is not None:
            text += self._service.metrics()
        return text

    @contextlib.asynccontextmanager
    async def _http(self) -> AsyncIterator[web.Server]:
        settings = self.settings
        if self.music is None and settings.music_dir is not None:
            if not settings.music_dir.is_dir():
                text = f"music_dir: {settings.music_dir} is no folder that can be read."
                raise CliError(Exit.USAGE, text)
            self.add_music(settings.music_dir)
        app = make_app(
            self.accounts,
            self._health,
            self._metrics,
            HttpSettings(
                public_url=settings.public_url,
                trusted_proxies=settings.trusted_proxies,
                allowed_origins=settings.allowed_origins,
                web_dir=settings.web_dir,
                login_ttl=settings.login_ttl,
                music=self.music,
                music_key=self._signer.key_for("streams"),
                elsewhere=Elsewhere(settings.stream_url, settings.stream_origins),
            ),
            upgrade=_upgrade,
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False, keepalive_timeout=KEEP_ALIVE)
        await runner.setup()
        try:
            assert runner.server is not None  # noqa: S101 (set up just now)
            yield runner.server
        finally:
            await runner.cleanup()

    @contextlib.asynccontextmanager
    async def _http_alone(self) -> AsyncIterator[None]:
        host, port = self.settings.host, self.settings.http_port
        async with self._http() as factory:
            loop = asyncio.get_running_loop()
            try:
                server = await loop.create_server(factory, host, port)
            except OSError as error:
                text = (
                    f"Cannot listen on {_joined(host, port)}: {error.strerror}. Choose another --http-port."
                )
                raise CliError(Exit.USAGE, text) from error
            bound = server.sockets[0].getsockname()
            self._http_address = (str(bound[0]), int(bound[1]))
            try:
                yield
            finally:
                server.close()


def _no_store(settings: ServerSettings, error: StoreError) -> CliError:
    text = str(error).replace("the database", str(settings.data_dir / DATABASE), 1)
    return CliError(Exit.USAGE, text)


def _certificates(settings: ServerSettings) -> Certificates:
    """The TLS port's, looked at: amqtt would speak of them by names of its own."""
    if settings.tls_cert is not None and settings.tls_key is not None:
        found = Certificates(settings.tls_cert, settings.tls_key)
    else:
        found = own_certificates(settings.data_dir)
    server_context(found, client_authority=settings.tls_client_ca)
    return found


def _upgrade(request: web.Request, head: bytes) -> None:
    """A connection that the broker let aiohttp have asks for MQTT after all."""
    transport = request.transport
    port = None if transport is None else transport.get_protocol()
    if not isinstance(port, HttpPort):  # a coordinator alone
        raise web.HTTPNotFound
    # aiohttp is to forget the connection: what it still has it closes.
    request.protocol.transport = None
    port.upgrade(head)


def _own_authority(settings: ServerSettings) -> str | None:
    """What a coordinator of its own trusts: the setting, or the authority in the shared data directory."""
    chosen = settings.broker_ca or settings.data_dir / "ca.pem"
    return str(chosen) if Path(chosen).is_file() else None


def _broker_password(settings: ServerSettings) -> Callable[[], str] | None:
    """The coordinator's password at a broker that knows no tokens; None: show a token.

    Raises:
        CliError: the file cannot be read, or holds none.
    """
    file = settings.broker_password_file
    if file is None:
        return None
    try:
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(Exit.USAGE, f"The broker's password cannot be read from {file}: {error}.") from error
    if not password:
        raise CliError(Exit.USAGE, f"There is no password in {file}.")
    return lambda: password


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(host, host)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
