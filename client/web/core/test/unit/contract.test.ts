import { describe, expect, it, test } from "vitest";

import { readDown, UNDERSTOOD } from "../../src/contract/check.ts";
import { MESSAGES_DOWN, SCHEMAS } from "../../src/contract/schemas.ts";
import { MESSAGES, state } from "./samples.ts";

describe("what comes down the wire", () => {
  test.each(MESSAGES.map((message) => [message.type, message] as const))(
    "%s passes unchanged",
    (_, message) => {
      expect(readDown(JSON.stringify(message))).toEqual(message);
    },
  );

  it("is shown here in every kind that there is", () => {
    expect(new Set(MESSAGES.map((message) => message.type))).toEqual(new Set(Object.keys(MESSAGES_DOWN)));
  });

  it("may have fields that are not known yet", () => {
    expect(readDown('{"type":"pong","t0":1,"t1":2,"t2":3,"later":[]}')).not.toBeNull();
  });

  test.each([
    ["", "nothing"],
    ["{", "broken JSON"],
    ["null", "no object"],
    ["[]", "a list"],
    ["{}", "no type"],
    ['{"type":"toString"}', "a type that every object has"],
    ['{"type":"pong","t0":1,"t1":2}', "a missing field"],
    ['{"type":"pong","t0":1,"t1":2,"t2":"3"}', "text for a number"],
    ['{"type":"pong","t0":1,"t1":2,"t2":3.5}', "a fraction of a ms"],
    ['{"type":"pong","t0":1,"t1":-2,"t2":3}', "a negative time"],
    ['{"type":"stop_playback","epoch":1,"reason":"because"}', "a word outside the list"],
    ['{"type":"device_offline","device_id":"A","reason":"timeout"}', "an id that is none"],
    [JSON.stringify({ type: "playback_state", state: state({ volume: 1.5 }) }), "a volume above 1"],
    [JSON.stringify({ type: "playback_state", state: state({ queue: [""] }) }), "a track without a name"],
    [JSON.stringify({ type: "playback_state", state: { ...state(), device_id: 5 } }), "a number for an id"],
    ['{"type":"execute_command","command":{"type":"dance"}}', "an unknown command"],
  ])("%2$s is none", (payload) => {
    expect(readDown(payload)).toBeNull();
  });
});

it("understands every word that the schemas use", () => {
  const words = new Set<string>();
  const look = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(look);
    else if (typeof node === "object" && node !== null) {
      for (const [word, value] of Object.entries(node)) {
        words.add(word);
        if (word === "properties") Object.values(value as object).forEach(look);
        else look(value);
      }
    }
  };
  Object.values(SCHEMAS).forEach(look);
  expect([...words].filter((word) => !UNDERSTOOD.has(word))).toEqual([]);
});
