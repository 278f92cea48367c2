"""`serve`, `broker`, `coordinator`: the one place that knows both halves of the server."""

# ruff: noqa: PLC0415 (a command imports what it needs when it runs: see __init__)

from pathlib import Path
from typing import Annotated

import typer

_PANEL = "Server"

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Where keys, certificates and the database are."),
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A settings file; see config/ for one.")
]
Host = Annotated[
    str | None, typer.Option("--host", metavar="HOST", help="The address to listen on; 127.0.0.1 unless set.")
]
MqttPort = Annotated[
    int | None, typer.Option("--mqtt-port", metavar="PORT", help="MQTT over TCP; 1883 unless set, 0 is off.")
]
TlsPort = Annotated[
    int | None, typer.Option("--tls-port", metavar="PORT", help="MQTT over TLS; 8883 unless set, 0 is off.")
]
HttpPort = Annotated[
    int | None,
    typer.Option("--http-port", metavar="PORT", help="The page and WebSocket; 8080 unless set, 0 is off."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=_PANEL)(serve)
    app.command(rich_help_panel=_PANEL)(broker)
    app.command(rich_help_panel=_PANEL)(coordinator)


def serve(
    *,
    data_dir: DataDir = None,
    config: Config = None,
    host: Host = None,
    mqtt_port: MqttPort = None,
    tls_port: TlsPort = None,
    http_port: HttpPort = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Add the user `demo` with two players that keep time in silence.")
    ] = False,
) -> int:
    """Run the server: broker, coordinator and web in one process, until Ctrl-C.

    Example: soul-connect serve --host 0.0.0.0
    """
    from soul_connect.cli.server_run import run

    return run(
        "serve",
        config=config,
        demo=demo,
        data_dir=data_dir,
        host=host,
        mqtt_port=mqtt_port,
        tls_port=tls_port,
        http_port=http_port,
    )


def broker(
    *,
    data_dir: DataDir = None,
    config: Config = None,
    host: Host = None,
    mqtt_port: MqttPort = None,
    tls_port: TlsPort = None,
    http_port: HttpPort = None,
) -> int:
    """Run the broker alone; `coordinator` is then a process of its own.

    Example: soul-connect broker
    """
    from soul_connect.cli.server_run import run

    return run(
        "broker",
        config=config,
        data_dir=data_dir,
        host=host,
        mqtt_port=mqtt_port,
        tls_port=tls_port,
        http_port=http_port,
    )


def coordinator(
    *,
    data_dir: DataDir = None,
    config: Config = None,
    host: Host = None,
    broker_url: Annotated[
        str | None,
        typer.Option("--broker-url", metavar="URL", help="The broker; mqtt://127.0.0.1:1883 unless set."),
    ] = None,
    http_port: Annotated[
        int,
        typer.Option(
            "--http-port", metavar="PORT", help="Login, health and metrics; 8081 unless set, 0 off."
        ),
    ] = 8081,
) -> int:
    """Run the coordinator alone, beside a `broker` with the same data directory.

    Example: soul-connect coordinator --broker-url mqtts://music.example.org
    """
    from soul_connect.cli.server_run import run

    return run(
        "coordinator",
        config=config,
        data_dir=data_dir,
        host=host,
        broker_url=broker_url,
        http_port=http_port,
    )
