/** Whether a value that came from the wire is what the contract says: JSON Schema, as much of it as we use. */

import { MESSAGES_DOWN, SCHEMAS } from "./schemas.ts";
import type { MessageDown } from "./types.ts";

/** The words of JSON Schema (2020-12) that the contract's schemas use; `test/unit/contract.test.ts` holds that. */
interface Schema {
  readonly $ref?: string;
  readonly type?: "string" | "integer" | "number" | "boolean" | "object" | "array" | "null";
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
}

export const UNDERSTOOD: ReadonlySet<string> = new Set([
  ...["$ref", "type", "const", "enum", "anyOf", "oneOf", "properties", "required", "items"],
  ...["maxItems", "minLength", "maxLength", "minimum", "maximum", "pattern"],
]);

const patterns = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    compiled = new RegExp(pattern, "u");
    patterns.set(pattern, compiled);
  }
  return compiled.test(text);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOfType(value: unknown, type: NonNullable<Schema["type"]>): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return isRecord(value);
    case "null":
      return value === null;
    case "string":
    case "boolean":
      return typeof value === type;
  }
}

function fits(value: unknown, schema: Schema): boolean {
  if (schema.$ref !== undefined) {
    const named = SCHEMAS[schema.$ref.slice("#/$defs/".length)];
    return named !== undefined && fits(value, named as Schema);
  }
  if (schema.anyOf !== undefined && !schema.anyOf.some((one) => fits(value, one))) return false;
  if (schema.oneOf !== undefined && !schema.oneOf.some((one) => fits(value, one))) return false;
  if (schema.const !== undefined && value !== schema.const) return false;
  if (schema.enum !== undefined && !schema.enum.includes(value)) return false;
  if (schema.type !== undefined && !isOfType(value, schema.type)) return false;
  if (typeof value === "string") {
    if (schema.minLength !== undefined && value.length < schema.minLength) return false;
    // In characters, as the contract counts.
    const { maxLength } = schema;
    if (maxLength !== undefined && value.length > maxLength && Array.from(value).length > maxLength)
      return false;
    return schema.pattern === undefined || matches(schema.pattern, value);
  }
  if (typeof value === "number") {
    return value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity);
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (schema.maxItems !== undefined && value.length > schema.maxItems) return false;
    return items === undefined || value.every((one) => fits(one, items));
  }
  if (isRecord(value)) {
    if (schema.required?.some((name) => !Object.hasOwn(value, name)) === true) return false;
    return Object.entries(schema.properties ?? {}).every(
      ([name, one]) => !Object.hasOwn(value, name) || fits(value[name], one),
    );
  }
  return true;
}

/** The message that a payload is; null if it breaks the contract, or is of a kind not known here. Never throws. */
export function readDown(payload: string): MessageDown | null {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return null;
  }
  if (!isRecord(value) || typeof value.type !== "string") return null;
  if (!Object.hasOwn(MESSAGES_DOWN, value.type)) return null;
  const schema = SCHEMAS[MESSAGES_DOWN[value.type] ?? ""];
  return schema !== undefined && fits(value, schema as Schema) ? (value as unknown as MessageDown) : null;
}
