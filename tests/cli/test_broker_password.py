"""A coordinator's password at a broker that knows no tokens: what is wrong with it is said in a sentence."""

from pathlib import Path

import pytest

from serving import Server


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read from"), (b"\n", "There is no password in"), (b"\xff", "cannot")],
)
def test_a_password_that_is_none(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "broker-password"
    if content is not None:
        file.write_bytes(content)
    settings = tmp_path / "settings.toml"
    settings.write_text(f'broker_password_file = "{file}"\n')
    done = Server(tmp_path).run("coordinator", "--config", str(settings), "--http-port", "0")
    assert done.returncode == 2
    assert said in done.stderr
    assert str(file) in done.stderr
    assert done.stderr.count("\n") == 1
