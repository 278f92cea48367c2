/** The world as Node gives it, and as a virtual clock does. */

import { webcrypto } from "node:crypto";

import type { World } from "../src/world.ts";

/** Bugs that a real world heard of; a test that ends with one fails. */
export const bugs: unknown[] = [];

export const nodeWorld: World = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  bytes: (count) => webcrypto.getRandomValues(new Uint8Array(count)),
  bug: (error) => {
    bugs.push(error);
  },
};

/** Waits until `look` gives something but null, undefined or false, for `seconds` at most. */
export async function until<T>(
  look: () => T | null | undefined | false,
  what: string,
  seconds = 15,
): Promise<T> {
  const end = performance.now() + seconds * 1_000;
  for (;;) {
    const found = look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
