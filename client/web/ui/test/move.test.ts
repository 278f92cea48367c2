/** The queue's arithmetic: where the current track is after a change. */
import { beforeEach, expect, test, vi } from "vitest";

import type { Device, PlaybackState } from "#core";
import { addTracks, jumpTo, move, playTracks, removeAt } from "../src/model/music.ts";
import { type PageConnect, snapshot, use } from "../src/model/store.ts";

const sent: unknown[][] = [];
let started = 0;

/** The seam of the core, noting what it is asked for. */
const client = {
  snapshot: snapshot.value,
  subscribe: () => () => undefined,
  positionNow: () => 0,
  setQueue: (...asked: unknown[]) => {
    sent.push(asked);
    return Promise.resolve();
  },
  play: () => {
    started += 1;
    return Promise.resolve();
  },
  request: () => Promise.resolve(new Response("{}")),
} as unknown as PageConnect;

beforeEach(() => {
  vi.useFakeTimers();
  sent.length = started = 0;
  use(client);
  const state = { queue: ["a", "b", "c", "d"], queue_position: 1, queue_rev: 7 } as unknown as PlaybackState;
  const active = { id: "player", capabilities: { can_render: true } } as Device;
  snapshot.value = { ...snapshot.value, state, active };
  return () => vi.useRealTimers();
});

const kept = { keepPosition: true, expectRev: 7 };

test.each([
  [0, 3, "bcda", 0],
  [3, 0, "dabc", 2],
  [1, 3, "acdb", 3],
  [3, 1, "adbc", 2],
  [2, 1, "acbd", 2],
  [0, 1, "bacd", 0],
  [1, 0, "bacd", 0],
])("moving %i to %i plays on", (from, to, queue, current) => {
  move(from, to);
  expect(sent).toEqual([[Array.from(queue), current, kept]]);
});

test("what is no move asks for nothing", () => {
  move(2, 2);
  move(0, -1);
  move(3, 4);
  expect(sent).toEqual([]);
});

test("removing before or after the current track plays on, removing it goes to the next", () => {
  removeAt(0);
  removeAt(3);
  removeAt(1);
  expect(sent).toEqual([
    [["b", "c", "d"], 0, kept],
    [["a", "b", "c"], 1, kept],
    [["a", "c", "d"], 1, kept],
  ]);
});

test("a change of ours under way makes the next one unconditional", () => {
  snapshot.value = { ...snapshot.value, pending: ["set_queue"] };
  removeAt(0);
  expect(sent).toEqual([[["b", "c", "d"], 0, { keepPosition: true }]]);
  snapshot.value = { ...snapshot.value, pending: [] };
});

test("adding keeps the music on, and says so", () => {
  addTracks(["x", "y"]);
  expect(sent).toEqual([[["a", "b", "c", "d", "x", "y"], 1, kept]]);
});

test.each([true, false])("what is chosen while paused is started where that is allowed: %s", (canControl) => {
  snapshot.value = { ...snapshot.value, canControl };
  jumpTo(2);
  playTracks(["x"], 0);
  expect(sent).toHaveLength(2);
  expect(started).toBe(canControl ? 2 : 0);
});
