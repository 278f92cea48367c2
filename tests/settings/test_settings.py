"""Where each setting comes from, and what is said when it is bad."""

from pathlib import Path

import pytest

from soul_connect.settings import (
    ClientSettings,
    ServerSettings,
    SettingsError,
    default_data_dir,
    find_data_dir,
    parse_ttl,
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home")}


def user_file(environ: dict[str, str], text: str) -> Path:
    file = Path(environ["HOME"], ".config", "soul-connect", "config.toml")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def server_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "etc" / "server.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_without_anything_there_are_defaults(environ: dict[str, str]) -> None:
    server = ServerSettings.load(environ=environ)
    assert (server.host, server.mqtt_port, server.tls_port, server.http_port) == (
        "127.0.0.1",
        1883,
        8883,
        8080,
    )
    assert server.data_dir == Path(environ["HOME"], ".local/share/soul-connect")
    assert ClientSettings.load(environ) == ClientSettings()


def test_options_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    file = server_file(tmp_path, 'host = "::1"\nmqtt_port = 1\ntls_port = 2\nhttp_port = 3\n')
    environ |= {"SOUL_CONNECT_TLS_PORT": "20", "SOUL_CONNECT_HTTP_PORT": "30", "SOUL_CONNECT_HOST": ""}
    server = ServerSettings.load(file, {"http_port": 300, "mqtt_port": None}, environ)
    assert (server.host, server.mqtt_port, server.tls_port, server.http_port) == ("::1", 1, 20, 300)


def test_lists_and_durations(tmp_path: Path, environ: dict[str, str]) -> None:
    file = server_file(tmp_path, 'trusted_proxies = ["10.0.0.0/8"]\nlogin_ttl = "4h"\n')
    environ["SOUL_CONNECT_ALLOWED_ORIGINS"] = "https://a.example, http://b.example:81"
    server = ServerSettings.load(file, environ=environ)
    assert server.trusted_proxies == ("10.0.0.0/8",)
    assert server.allowed_origins == ("https://a.example", "http://b.example:81")
    assert server.login_ttl == 4 * 3600


def test_paths_of_a_file_start_at_its_folder(tmp_path: Path, environ: dict[str, str]) -> None:
    file = server_file(tmp_path, 'data_dir = "data"\ntls_cert = "/c.pem"\ntls_key = "k.pem"\n')
    server = ServerSettings.load(file, environ=environ)
    assert server.data_dir == tmp_path / "etc" / "data"
    assert (server.tls_cert, server.tls_key) == (Path("/c.pem"), tmp_path / "etc" / "k.pem")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mqtt_prot = 1", r"there is no setting mqtt_prot; did you mean mqtt_port\?"),
        ("xyzzy = 1", "there is no setting xyzzy; allowed are data_dir, host"),
        ('mqtt_port = "1883"', "mqtt_port must be a whole number from 0 to 65535"),
        ("mqtt_port = true", "mqtt_port must be a whole number from 0 to 65535"),
        ("mqtt_port = 65536", "mqtt_port must be a whole number from 0 to 65535"),
        ("host = 1", "host must be a text that is not empty"),
        ('durability = "high"', "durability must be one of normal, full"),
        ('login_ttl = "soon"', "login_ttl must be a duration such as 90s, 15m, 4h or 30d"),
        ("login_ttl = 30", "login_ttl must be a duration"),
        (
            'public_url = "music.example.org"',
            "public_url must be an address like http://HOST or https://HOST",
        ),
        ('public_url = "https://a:b@c"', "public_url must be an address without a user or password"),
        ('broker_url = "mqtt://h:x"', "broker_url must be an address like mqtt://HOST"),
        ('trusted_proxies = "10.0.0.0/8"', "trusted_proxies must be a list of addresses or networks"),
        ('trusted_proxies = ["proxy"]', "trusted_proxies must be a list of addresses or networks"),
        ('allowed_origins = ["https://a/b"]', "allowed_origins must be a list of web origins"),
        ('data_dir = ""', "data_dir must be a path"),
        ('tls_cert = "c.pem"', "tls_cert and tls_key belong together"),
        ('tls_client_certificate = "please"', "tls_client_certificate must be one of required, optional"),
        ("max_strangers_per_address = -1", "max_strangers_per_address must be a whole number from 0"),
        ("flood_messages = 1", "flood_messages must be a whole number from 100"),
        ("host = ", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, environ: dict[str, str], text: str, said: str
) -> None:
    file = server_file(tmp_path, text)
    with pytest.raises(SettingsError, match=said) as caught:
        ServerSettings.load(file, environ=environ)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value) or "belong together" in said


def test_a_file_that_cannot_be_read(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        ServerSettings.load(tmp_path / "missing.toml", environ=environ)
    (tmp_path / "latin").write_bytes(b"host = '\xe9'")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        ServerSettings.load(tmp_path / "latin", environ=environ)


def test_a_bad_option_or_variable_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="--mqtt-port must be a whole number"):
        ServerSettings.load(None, {"mqtt_port": -1}, environ)
    with pytest.raises(SettingsError, match="SOUL_CONNECT_MQTT_PORT must be a whole number"):
        ServerSettings.load(environ=environ | {"SOUL_CONNECT_MQTT_PORT": "many"})


def test_the_data_directory_is_found(tmp_path: Path, environ: dict[str, str]) -> None:
    assert default_data_dir(environ | {"XDG_DATA_HOME": "/x"}) == Path("/x/soul-connect")
    assert default_data_dir(environ | {"STATE_DIRECTORY": "/var/lib/soul-connect:/y"}) == Path(
        "/var/lib/soul-connect"
    )
    user_file(environ, 'data_dir = "/from/file"')
    assert find_data_dir(environ=environ) == Path("/from/file")
    environ["SOUL_CONNECT_DATA_DIR"] = str(tmp_path / "from environment")
    assert find_data_dir(environ=environ) == tmp_path / "from environment"
    assert find_data_dir(Path("option"), environ) == Path.cwd() / "option"
    assert ServerSettings.load(environ=environ).data_dir == tmp_path / "from environment"


def test_a_client_reads_the_environment_then_the_users_file(environ: dict[str, str]) -> None:
    user_file(environ, 'url = "wss://music.example.org/mqtt"\ntoken = "from file"\nca = "ca.pem"\n')
    environ["SOUL_CONNECT_TOKEN"] = "from environment"
    client = ClientSettings.load(environ)
    assert (client.url, client.token) == ("wss://music.example.org/mqtt", "from environment")
    assert client.ca == Path(environ["HOME"], ".config/soul-connect/ca.pem")
    assert "from environment" not in repr(client)
    with pytest.raises(SettingsError, match="SOUL_CONNECT_URL must be an address like mqtt://HOST or mqtts"):
        ClientSettings.load(environ | {"SOUL_CONNECT_URL": "http://x"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("4h", 14_400), ("30d", 2_592_000), ("3650d", 315_360_000)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_ttl(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "1", "s", "-1s", "1.5h", "1 h", "1w", "3651d", "9" * 40, "१s"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_ttl(text)
