"""Where the device lives: our own server, or mosquitto with our coordinator attached to it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from serving import PROGRAM, Process, Server, listens
from soul_broker.certificates import own_certificates
from soul_coordinator.accounts import Accounts
from soul_protocol.tokens import SERVICE_USER
from waiting import until

ROOT = Path(__file__).resolve().parents[2]


class House(Server):
    """Our server, whose broker can go away and come back."""

    host = "localhost"

    @property
    def port(self) -> int:
        """Of the broker's TLS listener."""
        return self.tls_port

    @property
    def ca(self) -> Path:
        return self.authority

    def open(self) -> None:
        """Start all of it."""
        self.start()

    def account(self, name: str) -> str:
        """A new account; returns the token that its devices show."""
        accounts = Accounts.of_data_dir(self.data_dir)
        accounts.add(name, None)
        return accounts.issue(name).token

    def service_token(self) -> str:
        """What the user `coordinator` shows: it may say anything."""
        return self.token(SERVICE_USER, "--role", "service")

    def kill_broker(self) -> None:
        """kill -9."""
        self.kill()

    def start_broker(self) -> None:
        """Return when it accepts connections."""
        self.start()


class MosquittoHouse(House):
    """mosquitto and `soul-connect coordinator`, set up as docs/mosquitto.md says, in a folder.

    An account's password is its token: so whoever shows a token needs not know which broker it is.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, command="coordinator")
        self._broker: Process | None = None
        self._mosquitto = folder / "mosquitto"
        self._own = folder / "soul-connect"

    def open(self) -> None:
        files = own_certificates(self.data_dir)
        (self._mosquitto / "conf.d").mkdir(parents=True)
        (self._mosquitto / "certs").mkdir()
        self._own.mkdir()
        shutil.copy(files.certificate, self._mosquitto / "certs/server.pem")
        shutil.copy(files.key, self._mosquitto / "certs/server-key.pem")
        setting_up, _, _ = self._blocks("sh")
        self._run(setting_up)
        settings = self._moved(self._blocks("toml")[0].replace(":8883", f":{self.tls_port}"))
        (self._own / "soul-connect.toml").write_text(settings)
        conf = self._mosquitto / "conf.d/soul-connect.conf"
        text = self._moved(conf.read_text())
        text = _replaced(text, "listener 8883", f"listener {self.tls_port} 127.0.0.1")
        text = _replaced(text, "listener 1883 127.0.0.1", f"listener {self.mqtt_port} 127.0.0.1")
        # Started as root it would become a user who may not read this folder.
        conf.write_text(f"user root\n{text}")
        self.start_broker()
        self.start()

    def start(self, *more: str) -> str:
        """Start the coordinator."""
        command = self._moved(self._blocks("sh")[1]).split()[1:]
        self._process = Process([*PROGRAM, *command, "--http-port", str(self.http_port), *more], env=self.env)
        return self._process.line("ready", seconds=30)

    def account(self, name: str) -> str:
        self._run(self._blocks("sh")[2].replace("alice", name))
        assert self._broker is not None
        self._broker.signal(signal.SIGHUP)
        token = (self.folder / f"{name}.token").read_text().strip()
        until(lambda: self._lets_in(name, token), what=f"mosquitto knows {name}")
        return token

    def _lets_in(self, name: str, token: str) -> bool:
        program = shutil.which("mosquitto_pub")
        assert program, "mosquitto_pub is not installed; see tests/system-packages.sh"
        where = ["-h", "127.0.0.1", "-p", str(self.mqtt_port), "-u", name, "-P", token]
        said = [program, *where, "-t", f"soul/v1/{name}/device/nobody/up/ping", "-n"]
        return subprocess.run(said, capture_output=True, timeout=10, check=False).returncode == 0

    def service_token(self) -> str:
        return (self._own / "broker-password").read_text().strip()

    def kill_broker(self) -> None:
        assert self._broker is not None
        self._broker.kill()

    def start_broker(self) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        assert program, "mosquitto is not installed; see tests/system-packages.sh"
        self._broker = Process([program, "-c", str(self._mosquitto / "conf.d/soul-connect.conf")])
        until(lambda: listens(self.tls_port) and listens(self.mqtt_port), what=lambda: self._broker_says)

    @property
    def _broker_says(self) -> str:
        return self._broker.output if self._broker is not None else ""

    def kill(self) -> None:
        super().kill()
        if self._broker is not None:
            self._broker.kill()

    @staticmethod
    def _blocks(language: str) -> list[str]:
        """What docs/mosquitto.md shows, in order."""
        page = (ROOT / "docs" / "mosquitto.md").read_text()
        return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page)

    def _moved(self, text: str) -> str:
        """`text` with this house's folder in the place of /etc."""
        return text.replace("/etc/mosquitto", str(self._mosquitto)).replace(
            "/etc/soul-connect", str(self._own)
        )

    def _run(self, script: str) -> None:
        """As somebody would type it, in a copy of the repository's `config`."""
        if not (self.folder / "config").exists():
            shutil.copytree(ROOT / "config", self.folder / "config")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run(
            ["sh", "-eu", "-c", self._moved(script)],
            cwd=self.folder,
            env={**os.environ, **self.env, "PATH": path},
            check=True,
            timeout=60,
        )


def _replaced(text: str, line: str, new: str) -> str:
    lines = text.splitlines()
    lines[lines.index(line)] = new
    return "\n".join([*lines, ""])


HOUSES = {"embedded": House, "mosquitto": MosquittoHouse}
