// Writes the contract's types and checks for TypeScript, from the JSON Schema in config/schema:
//   node tools/contract.mjs [--check]
// With --check nothing is written; it fails where a file is out of date.
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";
import prettier from "prettier";

const schemas = new URL("../../../config/schema/", import.meta.url);
const target = new URL("../core/src/contract/", import.meta.url);
const banner = "// Generated from config/schema by `make schema`. Do not edit.\n";
/** What the types or the checks do not need. */
const WORDS = new Set(["title", "description", "default", "discriminator"]);

async function read(name) {
  return JSON.parse(await readFile(new URL(name, schemas), "utf8"));
}

/** Without titles and descriptions: what a check reads. */
function bare(node) {
  if (Array.isArray(node)) return node.map(bare);
  if (node === null || typeof node !== "object") return node;
  const kept = Object.entries(node).filter(([key]) => !WORDS.has(key));
  return Object.fromEntries(
    kept.map(([key, value]) => [
      key,
      key === "properties"
        ? Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, bare(schema)]))
        : bare(value),
    ]),
  );
}

/** A field that may be absent is not null on the wire: our side leaves it out. */
function absentNotNull(node) {
  if (Array.isArray(node)) return node.map(absentNotNull);
  if (node === null || typeof node !== "object") return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, absentNotNull(value)]));
  delete copy.default;
  return copy;
}

async function types(down, up) {
  const defs = absentNotNull({ ...down.$defs, ...up.$defs });
  const named = (schema) => ({ oneOf: schema.oneOf });
  const contract = {
    type: "object",
    additionalProperties: false,
    $defs: { ...defs, MessageDown: named(down), MessageUp: named(up) },
  };
  const source = await compile(contract, "Contract", {
    additionalProperties: false,
    bannerComment: "",
    declareExternallyReferenced: true,
    enableConstEnums: false,
    format: false,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
  });
  return source
    .replace(/export interface Contract \{\s*\}/, "")
    .replace(/\s+\* @maxItems \d+/g, "")
    .replace(
      /\s+\*\s+\* This interface was referenced by `Contract`'s JSON-Schema\s+\* via the `definition` "\w+"\./g,
      "",
    )
    .replace(
      /\/\*\*\s+\* This interface was referenced by `Contract`'s JSON-Schema\s+\* via the `definition` "\w+"\.\s+\*\//g,
      "",
    )
    .replace(/\/\*\*\s+\*\/\s*/g, "");
}

function checks(down) {
  const messages = Object.fromEntries(
    down.oneOf.map(({ $ref }) => {
      const name = $ref.split("/").at(-1);
      return [down.$defs[name].properties.type.const, name];
    }),
  );
  return [
    "/** Every message down by its `type`: the name of its schema. */",
    `export const MESSAGES_DOWN: Readonly<Record<string, string>> = ${JSON.stringify(messages)};`,
    "/** The schemas, by name: JSON Schema without words. */",
    `export const SCHEMAS: Readonly<Record<string, unknown>> = ${JSON.stringify(bare(down.$defs))};`,
  ].join("\n");
}

const [down, up] = await Promise.all([read("down.schema.json"), read("up.schema.json")]);
const options = { ...(await prettier.resolveConfig(new URL("x.ts", target))), parser: "typescript" };
const files = { "types.ts": await types(down, up), "schemas.ts": checks(down) };
const check = process.argv.includes("--check");
for (const [name, source] of Object.entries(files)) {
  const text = await prettier.format(`${banner}\n${source}\n`, options);
  const file = new URL(name, target);
  if (!check) await writeFile(file, text);
  else if ((await readFile(file, "utf8").catch(() => "")) !== text) {
    console.error(`client/web/core/src/contract/${name} is out of date: run \`make schema\``);
    process.exitCode = 1;
  }
}
