import json
from pathlib import Path

from cli.conftest import House


def findings(house: House, *arguments: str, token: str | None = None) -> tuple[int, dict[str, bool]]:
    code, out, _ = house.run("doctor", "--json", *arguments, token=token)
    return code, {each["check"]: each["ok"] for each in json.loads(out)}


def test_all_is_well(house: House) -> None:
    code, found = findings(house)
    assert code == 0
    assert found == dict.fromkeys(("port", "token", "login", "coordinator", "clock", "devices"), True)
    code, found = findings(house, "--url", house.server.tls_url, "--ca", str(house.server.authority))
    assert code == 0 and found["certificate"]
    assert "ok  " in house.say("doctor")


def test_an_unknown_authority(house: House) -> None:
    code, found = findings(house, "--url", house.server.tls_url)
    assert (code, found) == (3, {"port": True, "certificate": False})


def test_no_tls_there(house: House) -> None:
    url = house.server.url.replace("mqtt://", "mqtts://")
    code, found = findings(house, "--url", url, "--ca", str(house.server.authority))
    assert (code, found["certificate"]) == (3, False)


def test_a_bad_authority_file(house: House, tmp_path: Path) -> None:
    code, found = findings(house, "--url", house.server.tls_url, "--ca", str(tmp_path / "none.pem"))
    assert (code, found["certificate"]) == (2, False)


def test_a_refused_token(house: House) -> None:
    head, body, _ = house.token.split(".")
    code, found = findings(house, token=f"{head}.{body}.{'A' * 86}")
    assert (code, found) == (4, {"port": True, "token": True, "login": False})


def test_an_expired_token(house: House) -> None:
    expired = house.server.token("alice", "--ttl", "1s")
    while findings(house, token=expired)[0] == 0:
        pass
    assert findings(house, token=expired) == (4, {"port": True, "token": False})


def test_nobody_there(house: House) -> None:
    code, found = findings(house, "--url", "mqtt://127.0.0.1:9")
    assert (code, found) == (3, {"port": False})
