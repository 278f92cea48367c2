"""The contract as JSON Schema: `python -m soul_protocol.schema DIR` writes it, `--check DIR` compares.

One file for each direction. The web client's types and other people's clients are made from these.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from soul_protocol import down, tokens, up
from soul_protocol.limits import PROTOCOL_VERSION
from soul_protocol.wire import Wire

JsonSchema = dict[str, Any]


class _TypeRequired(GenerateJsonSchema):
    """Our models fill in `type`; on the wire it is required, and generated types narrow by it."""

    def model_schema(self, schema: Any) -> JsonSchema:
        made = super().model_schema(schema)
        properties = made.get("properties", {})
        for field in properties.values():
            field.pop("title", None)
        if "type" in properties and "type" not in made.get("required", []):
            made["required"] = ["type", *made.get("required", [])]
        return made


def _schema(title: str, models: tuple[type[Wire], ...]) -> JsonSchema:
    # Validation mode for both: it is what a receiver may rely on, and `?` stays optional.
    references, definitions = models_json_schema(
        [(model, "validation") for model in models], schema_generator=_TypeRequired
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{title}, version {PROTOCOL_VERSION}",
        "oneOf": [references[(model, "validation")] for model in models],
        **definitions,
    }


def documents() -> dict[str, JsonSchema]:
    """File name to schema."""
    upward = tuple(model for models in up.MESSAGES.values() for model in models)
    downward = tuple(dict.fromkeys(model for models in down.MESSAGES.values() for model in models))
    return {
        "up.schema.json": _schema("Soul Connect: device to coordinator", upward),
        "down.schema.json": _schema(
            "Soul Connect: coordinator to device", (*downward, down.CoordinatorStatus)
        ),
        "close.schema.json": _schema("Soul Connect: coordinator to broker", down.TO_BROKER),
        "token.schema.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **tokens.TokenClaims.model_json_schema(schema_generator=_TypeRequired),
        },
    }


def render(document: JsonSchema) -> str:
    """A schema as the text of its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schemas, or with `--check` name the files that differ. Returns the exit code."""
    check = "--check" in arguments
    folder = Path(next((a for a in arguments if not a.startswith("-")), "config/schema"))
    stale = [
        name
        for name, document in documents().items()
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != render(document)
    ]
    if check:
        for name in stale:
            sys.stderr.write(f"{folder / name} is out of date: run `make schema`\n")
        return 1 if stale else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents().items():
        (folder / name).write_text(render(document), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
