"""The samples of config/ in front of a server: real Caddy and nginx, at the root and under a prefix."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Self

from serving import Server, free_ports
from waiting import until

CONFIG = Path(__file__).parents[2] / "config"


class Front:
    """A proxy before `server`, configured as the sample says but for addresses, ports and certificates."""

    def __init__(self, name: str, server: Server, folder: Path, *, prefix: bool) -> None:
        (self.port,) = free_ports(1)
        self.base = f"https://localhost:{self.port}/{'music/' if prefix else ''}"
        self._name = name
        self._folder = folder
        self._server = server
        self._prefix = prefix
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def mqtt(self) -> str:
        return f"wss://{self.base.removeprefix('https://')}mqtt"

    def __enter__(self) -> Self:
        command = self._caddy() if self._name == "caddy" else self._nginx()
        log = (self._folder / f"{self._name}.log").open("wb")
        home = {"HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder)}
        self._popen = subprocess.Popen(
            command, env={**os.environ, **home}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        until(self._answers, seconds=20, what=lambda: self.log)
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen is not None:
            self._popen.send_signal(signal.SIGTERM)
            self._popen.wait(10)

    @property
    def log(self) -> str:
        return (self._folder / f"{self._name}.log").read_text("utf-8", "replace")

    def _answers(self) -> bool:
        assert self._popen is not None
        assert self._popen.poll() is None, self.log
        done = subprocess.run(["curl", "-sk", "-o", "/dev/null", self.base], check=False)
        return done.returncode == 0

    def _caddy(self) -> list[str]:
        text = (CONFIG / "Caddyfile").read_text()
        site = "example.org"
        if self._prefix:
            # What stands there as a comment: everything below "Under a path".
            lines = text.partition("# Under a path")[2].splitlines()
            block = "\n".join(
                line.removeprefix("# ") for line in lines if re.match(r"# (\t|\}|example)", line)
            )
            text = block.replace("# ", "")
        else:
            site = "music.example.org"
            text = text.partition("# Under a path")[0]
        certificate = f"tls {self._server.data_dir}/server.pem {self._server.data_dir}/server-key.pem"
        assert f"{site} {{" in text
        text = text.replace(
            f"{site} {{", f"https://localhost:{self.port} {{\n\tbind 127.0.0.1\n\t{certificate}", 1
        )
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self._server.http_port}")
        options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
        (self._folder / "Caddyfile").write_text(options + text)
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(self._folder / "Caddyfile")]

    def _nginx(self) -> list[str]:
        text = (CONFIG / "nginx.conf").read_text()
        # The second server only sends people from port 80 to 443.
        text = text[: text.rindex("server {")]
        data = self._server.data_dir
        for pattern, instead in (
            (r"listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            (r"\n +listen \[::\]:443 ssl;", ""),
            (r"ssl_certificate +\S+;", f"ssl_certificate {data}/server.pem;"),
            (r"ssl_certificate_key +\S+;", f"ssl_certificate_key {data}/server-key.pem;"),
            (r"127\.0\.0\.1:8080", f"127.0.0.1:{self._server.http_port}"),
        ):
            text, count = re.subn(pattern, instead, text)
            assert count == 1, pattern
        if self._prefix:
            # As its comment says.
            text = text.replace("location = /metrics {", "location = /music/metrics {")
            text = text.replace("location / {", "location /music/ {")
            text = text.replace("proxy_pass http://soul_connect;", "proxy_pass http://soul_connect/;")
        (self._folder / "site.conf").write_text(text)
        temporary = "".join(
            f"{kind}_temp_path {self._folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self._folder / "nginx.conf").write_text(
            f"daemon off;\npid {self._folder}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temporary}include {self._folder}/site.conf;\n}}\n"
        )
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        return [program, "-e", "stderr", "-c", str(self._folder / "nginx.conf")]
