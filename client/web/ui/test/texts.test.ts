import { expect, test } from "vitest";

import type { Code } from "#core";
import { de } from "../src/texts/de.ts";
import { en, type TextKey } from "../src/texts/en.ts";
import { ago, count, speak, t } from "../src/texts/index.ts";

const KEYS = Object.keys(en) as TextKey[];

test("each language fills the same gaps in every text", () => {
  const gaps = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const key of KEYS) expect(gaps(de[key]), key).toEqual(gaps(en[key]));
});

test("every code of the contract has words of its own", () => {
  // The type says it: a code without a text does not compile.
  const words = (code: Code): TextKey => code;
  expect(t(words("device_offline"))).toBe("The device is offline.");
});

test("the language changes every text, counts and times with it", async () => {
  await speak("en");
  const now = Date.UTC(2026, 10, 28, 18);
  expect([count("tracks", 1), count("tracks", 5)]).toEqual(["1 track", "5 tracks"]);
  expect(count("tracks", 10_000)).toBe("10,000 tracks");
  expect(ago(now - 3 * 3_600_000 - 59_000, now)).toBe("3 hours ago");
  expect(ago(now - 20_000, now)).toBe("just now");
  expect(ago(now + 5_000, now)).toBe("just now");
  await speak("de");
  expect(count("hours", 4)).toBe("4 Stunden");
  expect(ago(now - 86_400_000, now)).toBe("gestern");
  expect(t("last_seen", { when: "gestern" })).toBe("Zuletzt gesehen gestern");
  await speak("en");
});
