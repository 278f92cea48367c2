"""`serve` itself: its `ready` line, ports that are off or taken, bad settings, what it leaves behind."""

import json
import re
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from serving import PROGRAM, Server, free_ports
from soul_broker.certificates import names_of


def refused(*arguments: str) -> str:
    """What a server that cannot start says on stderr; it must end with 2, one sentence, no traceback."""
    done = subprocess.run(
        [*PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_the_ready_line_names_what_listens(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        assert server.start() == (
            f"ready mqtt=127.0.0.1:{server.mqtt_port} tls=127.0.0.1:{server.tls_port} "
            f"http=127.0.0.1:{server.http_port}"
        )
        assert server.stop() == 0
        server.mqtt_port = server.tls_port = 0
        assert server.start() == f"ready http=127.0.0.1:{server.http_port}"
        assert server.stop() == 0
        assert server.process.lines == [f"ready http=127.0.0.1:{server.http_port}"]
    finally:
        server.kill()


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        server.start()
        said = refused(
            *("--data-dir", str(tmp_path / "other"), "--mqtt-port", str(server.mqtt_port)),
            *("--tls-port", "0", "--http-port", "0"),
        )
        assert f"127.0.0.1:{server.mqtt_port}" in said
        assert "--mqtt-port" in said
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("key", "value", "named"), [("mqtt_port", '"x"', "mqtt_port"), ("mqtt_prot", "1", "mqtt_port")]
)
def test_a_bad_setting_is_one_clear_sentence(tmp_path: Path, key: str, value: str, named: str) -> None:
    config = tmp_path / "soul.toml"
    config.write_text(f"{key} = {value}\n", "utf-8")
    said = refused("--data-dir", str(tmp_path / "data"), "--config", str(config))
    assert named in said
    assert str(config) in said


def test_the_data_directory_is_its_owners_alone(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        server.start()
    finally:
        server.kill()
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    for name in ("signing-key.pem", "ca-key.pem", "server-key.pem"):
        assert stat.S_IMODE((server.data_dir / name).stat().st_mode) == 0o600


def invited(server: Server, *more: str) -> str:
    done = server.run("invite", "alice", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("#invite=")[0]


def test_other_commands_know_where_the_running_server_is(tmp_path: Path) -> None:
    server, folder = Server(tmp_path), tmp_path / "pocket"
    server.add_user("alice")
    provision = ("provision", str(folder), "--name", "Pocket", "--wifi", "home", "--password-stdin")

    def tls_port() -> int:
        done = server.run(*provision, stdin="\n")
        assert done.returncode == 0, done.stderr
        return int(json.loads((folder / "config.json").read_text())["port"])

    try:
        server.start()
        assert invited(server) == f"{server.http}/"
        assert invited(server, "--url", "https://music.example.org") == "https://music.example.org/"
        assert tls_port() == server.tls_port
        assert "this machine only" in server.run("invite", "alice").stderr
        # Killed, it cannot take the note back: that is the best that is known.
        server.kill()
        assert invited(server) == f"{server.http}/"

        server.env["SOUL_CONNECT_PUBLIC_URL"] = "https://home.example.org/soul"
        server.tls_port = 0
        server.start()
        del server.env["SOUL_CONNECT_PUBLIC_URL"]
        assert invited(server) == "https://home.example.org/soul/"
        assert server.run("invite", "alice").stderr == ""
        assert "TLS port is off" in server.run(*provision, stdin="\n").stderr
        assert server.stop() == 0

        server.http_port = 0
        server.start()
        done = server.run("invite", "alice")
        assert (done.returncode, done.stdout) == (2, "")
        assert "--url" in done.stderr
        # Stopped, it is where the settings say.
        assert server.stop() == 0
        assert invited(server) == "http://127.0.0.1:8080/"
        assert tls_port() == 8883
    finally:
        server.kill()


def test_a_guest_link_of_a_server_for_the_network_is_one_for_the_network(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.add_user("alice")
    try:
        server.start("--host", "0.0.0.0")
        host = urlsplit(invited(server)).hostname or ""
    finally:
        server.kill()
    # Of this machine, as its certificate knows it; another than the loopback's, where it has one.
    named = [name for name in names_of(server.data_dir / "server.pem") if re.fullmatch(r"[0-9.]+", name)]
    assert host in named
    assert host != "127.0.0.1" or named == ["127.0.0.1"]


def test_the_demo_needs_a_port_for_its_players(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    said = refused(
        *("--demo", "--data-dir", str(tmp_path), "--mqtt-port", "0"),
        *("--tls-port", str(port), "--http-port", "0"),
    )
    assert "demo" in said
