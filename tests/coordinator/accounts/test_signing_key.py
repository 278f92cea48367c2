import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from soul_coordinator.accounts_key import DataDirectoryError, prepare_data_dir, public_pem, signing_key
from soul_coordinator.tokens import TokenSigner, service_token


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_directory_and_keys_are_made_on_first_use(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    first = TokenSigner.of_data_dir(data)
    assert mode(data) == 0o700
    assert mode(data / "signing-key.pem") == 0o600
    assert sorted(file.name for file in data.iterdir()) == ["signing-key.pem", "signing-key.pub.pem"]
    load_pem_public_key((data / "signing-key.pub.pem").read_bytes())
    token = service_token(first, now=1, ttl=60).token
    assert TokenSigner.of_data_dir(data).read(token).jti


def test_the_public_half_is_made_again_from_the_private_one(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    (tmp_path / "signing-key.pub.pem").write_text("old")
    assert public_pem(signing_key(tmp_path)) == public_pem(key)
    assert (tmp_path / "signing-key.pub.pem").read_bytes() == public_pem(key)


@pytest.mark.parametrize("content", ["", "nonsense"])
def test_a_damaged_key_is_said_and_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "signing-key.pem").write_text(content)
    with pytest.raises(DataDirectoryError, match=r"signing-key\.pem is not a P-256 private key"):
        signing_key(tmp_path)
    assert (tmp_path / "signing-key.pem").read_text() == content


def test_a_data_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError, match="cannot be made"):
        prepare_data_dir(tmp_path / "file" / "data")


def test_a_directory_of_someone_elses_choice_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    prepare_data_dir(tmp_path)
    assert mode(tmp_path) == 0o755


RACER = """
import sys
from pathlib import Path
from soul_coordinator.accounts_key import prepare_data_dir, public_pem, signing_key
data = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
sys.stdout.write(public_pem(signing_key(prepare_data_dir(data))).decode())
"""


def test_processes_that_start_at_once_end_with_the_same_pair(tmp_path: Path) -> None:
    data = tmp_path / "data"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    keys = {racer.communicate(timeout=30)[0] for racer in racers}
    assert keys == {(data / "signing-key.pub.pem").read_text()}
    assert len(list(data.iterdir())) == 2
