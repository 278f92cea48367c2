"""The files in config/ fit the program."""

import re
from dataclasses import fields
from pathlib import Path

from soul_connect.settings import ServerSettings

CONFIG = Path(__file__).parents[2] / "config"
SAMPLE = CONFIG / "soul-connect.toml"
SETTING = re.compile(r"^# ([a-z_]+) = ", re.MULTILINE)


def test_the_sample_names_every_setting_once_and_no_other() -> None:
    keys = [each.name for each in fields(ServerSettings)]
    assert sorted(SETTING.findall(SAMPLE.read_text())) == sorted(keys)


def test_the_sample_as_it_is_changes_nothing(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert ServerSettings.load(SAMPLE, environ=environ) == ServerSettings.load(environ=environ)


def test_every_example_in_the_sample_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(SETTING.sub(r"\1 = ", SAMPLE.read_text()))
    loaded = ServerSettings.load(file, environ={"HOME": str(tmp_path)})
    plain = ServerSettings.load(environ={"HOME": str(tmp_path)})
    # What the sample calls a default is the default.
    for key in ("host", "mqtt_port", "tls_port", "http_port", "durability", "login_ttl"):
        assert getattr(loaded, key) == getattr(plain, key)
    limits = ("max_connections", "max_connections_per_user", "max_strangers_per_address")
    floods = ("flood_messages", "flood_megabytes", "tls_client_certificate")
    for key in (*limits, *floods, "log_level", "log_format"):
        assert getattr(loaded, key) == getattr(plain, key)
    assert loaded.data_dir == Path("/var/lib/soul-connect")


def test_the_unit_runs_the_program_with_the_sample_in_its_place() -> None:
    unit = (CONFIG / "soul-connect.service").read_text()
    assert "soul-connect serve --config /etc/soul-connect/soul-connect.toml" in unit
    for line in ("DynamicUser=yes", "StateDirectory=soul-connect", "ProtectSystem=strict", "Type=exec"):
        assert re.search(rf"^{line}$", unit, re.MULTILINE)


def test_proxies_point_at_the_http_port() -> None:
    port = ServerSettings.load(environ={"HOME": "/nowhere"}).http_port
    for name in ("Caddyfile", "nginx.conf"):
        assert f"127.0.0.1:{port}" in (CONFIG / name).read_text()
