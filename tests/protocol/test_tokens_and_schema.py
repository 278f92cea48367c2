"""Token claims, and the schemas that other people's clients are made from."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from protocol.samples import DEVICE
from soul_protocol import schema
from soul_protocol.roles import Role, Scope
from soul_protocol.tokens import AUDIENCE, TokenClaims

CLAIMS: dict[str, Any] = {"sub": "ann", "iat": 1, "exp": 2, "jti": "t1", "aud": AUDIENCE}
SCHEMAS = Path(__file__).parents[2] / "config" / "schema"


def test_a_plain_token_is_a_devices() -> None:
    claims = TokenClaims.model_validate(CLAIMS | {"name": "ignored"})
    assert (claims.role, claims.device, claims.scope) == (Role.DEVICE, None, frozenset())


def test_a_guests_token() -> None:
    claims = TokenClaims.model_validate(
        CLAIMS | {"role": "guest", "device": DEVICE, "scope": ["control", "queue"]}
    )
    assert claims.scope == {Scope.CONTROL, Scope.QUEUE}


def test_a_refreshed_token_is_as_old_as_the_first_one() -> None:
    plain = TokenClaims.model_validate(CLAIMS | {"iat": 9.125})
    refreshed = TokenClaims.model_validate(CLAIMS | {"iat": 9.125, "auth_time": 5})
    assert (plain.proved_at, refreshed.proved_at) == (9.125, 5)
    # Nobody makes a token younger than it is.
    assert TokenClaims.model_validate(CLAIMS | {"iat": 5, "auth_time": 9}).proved_at == 5


def test_the_coordinators_token() -> None:
    assert TokenClaims.model_validate(CLAIMS | {"role": "service", "sub": "coordinator"}).role is Role.SERVICE


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "a b"},
        {"sub": "coordinator"},
        {"sub": "broker"},
        {"role": "service"},
        {"role": "king"},
        {"role": "guest"},
        {"aud": "other"},
        {"jti": ""},
        {"exp": -1},
        {"device": "kitchen"},
        {"scope": ["everything"]},
    ],
)
def test_bad_claims_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TokenClaims.model_validate(CLAIMS | change)


@pytest.mark.parametrize("missing", list(CLAIMS))
def test_no_claim_may_miss(missing: str) -> None:
    with pytest.raises(ValidationError):
        TokenClaims.model_validate({name: value for name, value in CLAIMS.items() if name != missing})


def test_the_committed_schemas_are_up_to_date() -> None:
    assert schema.main(["--check", str(SCHEMAS)]) == 0


def test_schemas_are_written_and_a_drift_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--check", str(tmp_path)]) == 1
    assert schema.main([str(tmp_path)]) == 0
    assert schema.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "up.schema.json").write_text("{}")
    capsys.readouterr()
    assert schema.main(["--check", str(tmp_path)]) == 1
    assert "up.schema.json is out of date" in capsys.readouterr().err


def test_the_module_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["schema", "--check", str(SCHEMAS)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(Path(schema.__file__)), run_name="__main__")
    assert ended.value.code == 0


def test_every_message_requires_its_type() -> None:
    for name in ("up.schema.json", "down.schema.json"):
        document = schema.documents()[name]
        for reference in document["oneOf"]:
            model = document["$defs"][reference["$ref"].rsplit("/", 1)[1]]
            assert "type" in model["required"]
