import json
import stat
from pathlib import Path

import pytest

from cli.conftest import PASSWORD
from serving import Server
from waiting import until


@pytest.fixture
def config(server: Server) -> Path:
    file = Path(server.env["XDG_CONFIG_HOME"]) / "soul-connect" / "config.toml"
    file.unlink(missing_ok=True)
    return file


def test_login_keeps_a_token_that_only_its_owner_can_read(server: Server, config: Path) -> None:
    done = server.run("login", server.http, "--user", "alice", "--password-stdin", stdin=PASSWORD + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) & 0o077 == 0
    assert PASSWORD not in config.read_text() and PASSWORD not in done.stdout
    # From now on nothing else is needed; the address is the one that was typed.
    plain = {**server.env, "SOUL_CONNECT_URL": ""}
    server.env, kept = plain, server.env
    try:
        answer = server.run("status", "--json", token="")
    finally:
        server.env = kept
    assert answer.returncode == 0, answer.stderr
    assert "is_playing" in json.loads(answer.stdout)


def test_login_leaves_other_settings_alone(server: Server, config: Path) -> None:
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('# mine\ntoken = "old"\ndata_dir = "/srv/x"\n')
    done = server.run(
        "login", server.http, "--user", "alice", "--password-stdin", "--json", stdin=PASSWORD + "\n"
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["user"] == "alice"
    text = config.read_text()
    assert "# mine" in text and 'data_dir = "/srv/x"' in text and '"old"' not in text
    config.unlink()


def test_a_wrong_password(server: Server, config: Path) -> None:
    done = server.run("login", server.http, "--user", "alice", "--password-stdin", stdin="wrong\n")
    assert done.returncode == 4
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert not config.exists()


def test_without_a_terminal_to_ask(server: Server) -> None:
    assert server.run("login", server.http).returncode == 2
    assert server.run("login", server.http, "--user", "alice").returncode == 2


def test_a_player_gets_a_new_token_when_its_own_ends(server: Server, config: Path) -> None:
    token = server.token("alice", "--ttl", "3s")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f'url = "{server.ws_url}"\ntoken = {json.dumps(token)}\n')
    plain = {**server.env, "SOUL_CONNECT_URL": "", "SOUL_CONNECT_TOKEN": ""}
    server.env, kept = plain, server.env
    try:
        player = server.spawn("player", "--name", "Porch", "--engine", "simulated", "--json")
        try:
            player.line("{")
            until(lambda: token not in config.read_text(), seconds=20)
            assert stat.S_IMODE(config.stat().st_mode) == 0o600
            # The commands use the new one as well, and the player is there.
            until(lambda: _online(server, "Porch"), seconds=20)
            assert server.run("forget", "Porch").returncode == 0
        finally:
            player.kill()
    finally:
        server.env = kept
        config.unlink()


def _online(server: Server, name: str) -> bool:
    found = json.loads(server.run("devices", "--json").stdout or "[]")
    return any(each["name"] == name and each["is_online"] for each in found)
