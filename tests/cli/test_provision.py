"""`provision`: what a hardware player is given, on a real data directory."""

import json
import os
import pty
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from firmware.board import MICROPYTHON
from serving import PROGRAM
from soul_connect.cli.provision import WIRING
from soul_coordinator.accounts import Accounts
from soul_coordinator.tokens import TokenSigner
from soul_protocol.roles import Role

EXAMPLE = Path(__file__).parents[2] / "firmware" / "config.example.json"
SECRET = "correct horse"


class Home:
    """A data directory, without a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.pocket = folder / "pocket"
        self.env = {**os.environ, "SOUL_CONNECT_DATA_DIR": str(self.data), "XDG_CONFIG_HOME": str(folder)}

    def run(self, *words: str, stdin: str | None = SECRET + "\n") -> tuple[int, str, str]:
        done = subprocess.run(
            [*PROGRAM, *words], input=stdin or "", env=self.env, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr and SECRET not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def provision(self, *more: str, stdin: str | None = SECRET + "\n") -> tuple[int, str, str]:
        words = ("--name", "Pocket", "--wifi", "home", "--password-stdin")
        return self.run("provision", str(self.pocket), *words, *more, stdin=stdin)

    def made(self, *more: str) -> dict[str, Any]:
        code, out, errors = self.provision(*more)
        assert code == 0, (out, errors)
        return self.config()

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.pocket / "config.json").read_text())
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    Accounts.of_data_dir(home.data).add("alice", None)
    return home


def test_a_name_with_an_emoji_is_read_by_micropython(home: Home) -> None:
    name = "Küche 🎧"
    assert home.made("--name", name)["name"] == name
    script = 'import json; print(json.load(open("config.json"))["name"].encode() == bytes.fromhex("%s"))'
    done = subprocess.run(
        [MICROPYTHON, "-c", script % name.encode().hex()], cwd=home.pocket, capture_output=True, check=True
    )
    assert done.stdout == b"True\n"


def test_a_folder_has_all_that_a_player_needs_and_nobody_else_reads_it(home: Home) -> None:
    code, out, errors = home.provision()
    assert (code, out) == (0, "") and "mpremote fs cp" in errors
    config = home.config()
    assert config["name"] == "Pocket" and config["wifi"] == {"ssid": "home", "password": SECRET}
    assert config["port"] == 8883 and config["host"].endswith(".local")
    assert {word: config[word] for word in WIRING} == WIRING
    claims = TokenSigner.of_data_dir(home.data).read(config["token"])
    assert (claims.sub, claims.role, claims.device) == ("alice", Role.DEVICE, config["device"])
    assert (home.pocket / "ca.pem").read_text() == (home.data / "ca.pem").read_text()
    assert (home.pocket / "update.key").read_text().strip() == config["update_key"]
    assert stat.S_IMODE(home.pocket.stat().st_mode) == 0o700
    assert {path.name for path in home.pocket.iterdir()} == {"config.json", "ca.pem", "update.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.pocket.iterdir()} == {0o600}


def test_the_example_has_the_same_settings(home: Home) -> None:
    example = json.loads(EXAMPLE.read_text())
    assert set(home.made()) == set(example)
    assert {word: example[word] for word in WIRING} == WIRING


def test_again_it_is_the_same_player_with_another_token(home: Home) -> None:
    first = home.made()
    first["led"], first["volume_curve"] = 48, "mine"
    (home.pocket / "config.json").write_text(json.dumps(first))
    second = home.made("--library", "http://nas/{id}.wav", "--ttl", "4h", "--json")
    for word in ("device", "update_key", "led", "volume_curve"):
        assert second[word] == first[word]
    assert second["token"] != first["token"] and second["library"] == "http://nas/{id}.wav"
    claims = TokenSigner.of_data_dir(home.data).read(second["token"])
    assert claims.exp - claims.iat < 4 * 3600 + 2


def test_for_scripts(home: Home) -> None:
    code, out, errors = home.provision("--json", "--host", "localhost", "--port", "8884", "--user", "alice")
    assert (code, errors) == (0, "")
    said = json.loads(out)
    assert said["device_id"] == home.config()["device"] and said["files"][0] == "config.json"
    assert (said["name"], said["user"], said["host"], said["port"]) == ("Pocket", "alice", "localhost", 8884)


def test_with_a_certificate_from_elsewhere(home: Home) -> None:
    settings = home.folder / "server.toml"
    settings.write_text('tls_cert = "a.pem"\ntls_key = "b.pem"\ntls_port = 9999\n')
    code, _, errors = home.provision("--config", str(settings))
    assert code == 2 and "--ca" in errors
    assert (
        home.run("provision", str(home.folder / "x"), "--name", "X", "--wifi", "y", "--password-stdin")[0]
        == 0
    )
    ours = home.data / "ca.pem"
    config = home.made("--config", str(settings), "--ca", str(ours), "--host", "music.example")
    assert (config["host"], config["port"]) == ("music.example", 9999)
    for bad in (home.folder / "none", settings):
        code, _, errors = home.provision("--config", str(settings), "--ca", str(bad))
        assert code == 2 and str(bad) in errors


@pytest.mark.parametrize(
    ("more", "stdin", "says"),
    [
        (("--name", " "), SECRET, "1 to 64 characters"),
        (("--wifi", ""), SECRET, "1 to 32 bytes"),
        (("--wifi", "x" * 33), SECRET, "1 to 32 bytes"),
        (("--library", "http://nas/"), SECRET, "{id}"),
        (("--ttl", "soon"), SECRET, "duration"),
        (("--port", "0"), SECRET, "--port"),
        (("--host", "elsewhere.example"), SECRET, "localhost"),
        (("--user", "bob"), SECRET, "bob"),
        ((), "short", "8 to 63"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    home: Home, more: tuple[str, ...], stdin: str, says: str
) -> None:
    code, out, errors = home.provision(*more, stdin=stdin + "\n")
    assert code in {1, 2} and out == "" and says in errors and errors.count("\n") == 1
    assert not home.pocket.exists()


def test_who_owns_it_must_be_clear(home: Home) -> None:
    Accounts.of_data_dir(home.data).add("bob", None)
    code, _, errors = home.provision()
    assert code == 2 and "alice, bob" in errors
    assert home.made("--user", "bob")["user"] == "bob"
    for name in ("alice", "bob"):
        Accounts.of_data_dir(home.data).remove(name)
    code, _, errors = home.provision()
    assert code == 2 and "user add" in errors


def test_what_is_in_the_way_is_left_alone(home: Home) -> None:
    home.pocket.mkdir()
    other = home.pocket / "config.json"
    other.write_text("mine")
    code, _, errors = home.provision()
    assert code == 2 and "move it away" in errors and other.read_text() == "mine"
    file = home.folder / "file"
    file.write_text("")
    code, _, errors = home.run("provision", str(file), "--name", "X", "--wifi", "y", "--password-stdin")
    assert code == 2 and errors.startswith("soul-connect: ")


def test_the_password_is_asked_for_and_an_open_network_has_none(home: Home) -> None:
    words = ("provision", str(home.pocket), "--name", "Pocket", "--wifi", "home")
    code, _, errors = home.run(*words)
    assert code == 2 and "--password-stdin" in errors
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *words], stdin=theirs, stderr=subprocess.PIPE, env=home.env, start_new_session=True
    )
    try:
        assert process.stderr is not None
        asked = b""
        while not asked.endswith(b": "):
            asked += os.read(process.stderr.fileno(), 200)
            assert process.poll() is None, asked
        assert b"home" in asked
        os.write(ours, b"\n")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
        os.close(theirs)
    assert home.config()["wifi"]["password"] == ""


def test_without_a_tls_port_there_is_no_way_to_it(home: Home) -> None:
    settings = home.folder / "server.toml"
    settings.write_text("tls_port = 0\n")
    code, _, errors = home.provision("--config", str(settings), "--data-dir", str(home.data))
    assert code == 2 and "TLS port is off" in errors
