/** Whatever comes down the wire, nothing is thrown, nothing grows, and the client goes on. Seeded: a failure comes again. */

import { expect, it } from "vitest";

import { House } from "./page.ts";
import { MESSAGES, ME, OTHER, registered, state } from "./samples.ts";

const PLACES = ["execute", "reply", "state", "position", "devices", "event", "coordinator"];
const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1e308,
  2 ** 53,
  "",
  "\u0000",
  "a".repeat(300),
  "🎵",
  [],
  {},
  [[]],
  ME,
  OTHER,
  "__proto__",
];

/** mulberry32: small, and the same everywhere. */
function random(seed: number): () => number {
  let now = seed;
  return () => {
    now = (now + 0x6d2b79f5) | 0;
    let mixed = Math.imul(now ^ (now >>> 15), 1 | now);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pick<T>(from: readonly T[], next: () => number): T {
  return from[Math.floor(next() * from.length)] as T;
}

/** A value with a few of its leaves, or branches, made odd. */
function spoil(value: unknown, next: () => number, rate: number): unknown {
  if (next() < rate) return pick(ODD, next);
  if (Array.isArray(value)) return value.map((one) => spoil(one, next, rate));
  if (typeof value !== "object" || value === null) return value;
  const parts = Object.entries(value).filter(() => next() > rate / 3);
  return Object.fromEntries(parts.map(([key, one]) => [key, spoil(one, next, rate)]));
}

function cut(text: string, next: () => number): string {
  const at = Math.floor(next() * text.length);
  return (
    text.slice(0, at) +
    pick(["", "}", "]", '"', "\\u12", "NaN", "\uD800"], next) +
    text.slice(at + Math.floor(next() * 4))
  );
}

it.each([1, 2, 3, 4, 5])(
  "seed %i: a storm of broken messages leaves the client as it should be",
  async (seed) => {
    const next = random(seed);
    const house = new House();
    await house.arrive({ current_state: state({ device_id: ME, is_playing: false }) });
    const allowed = house.connect.allowPlayback();
    await house.world.pass(0);
    await house.register({ current_state: state({ device_id: ME, is_playing: false }) });
    await allowed;
    for (let count = 0; count < 2_000; count += 1) {
      const message = pick(MESSAGES, next);
      const good = message.type === "registered" ? registered(house.wire.conn) : message;
      const whole = JSON.stringify(next() < 0.8 ? spoil(good, next, pick([0, 0.02, 0.2], next)) : good);
      house.wire.hearText(next() < 0.2 ? cut(whole, next) : whole, pick(PLACES, next));
      if (next() < 0.1) await house.world.pass(next() * 2_000);
      if (next() < 0.05) house.connect.setVolume(next()).catch(() => undefined);
    }
    expect(house.world.bugs).toEqual([]);
    expect(house.connect.snapshot.toasts.length).toBeLessThanOrEqual(8);
    // It goes on: another connection, and a command that is carried out.
    house.wire.lose();
    await house.world.pass(10_000);
    await house.register({ current_state: state({ epoch: 90, sequence: 9_000, is_playing: true }) });
    expect(house.connect.snapshot.phase).toBe("online");
    void house.connect.pause();
    expect(house.connect.snapshot.state?.is_playing).toBe(false);
    expect(house.wire.of("playback_command").at(-1)?.command.type).toBe("pause");
  },
);
