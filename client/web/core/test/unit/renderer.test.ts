/** A renderer's conduct, on a virtual clock, with an engine that keeps time in silence. */

import { beforeEach, describe, expect, it } from "vitest";

import type { Order } from "../../src/actions.ts";
import type { MessageUp, PlaybackState, ReportedState } from "../../src/index.ts";
import { SimulatedEngine } from "../../src/index.ts";
import { Renderer, START_AFTER, type Station } from "../../src/renderer/renderer.ts";
import type { Report } from "../../src/session.ts";
import { ME, OTHER, registered, state, TRANSFER } from "./samples.ts";
import { VirtualWorld } from "./stage.ts";

/** The coordinator's clock is this much ahead of ours. */
const AHEAD = 1_000_000;

let world: VirtualWorld;
let engine: SimulatedEngine;
let renderer: Renderer;
let reports: Report[];
let outcomes: MessageUp[];
let claims: ReportedState[];
let canonical: PlaybackState | null;
let online: boolean;
let count = 0;
/** What is under way, one after the other, as `Player` does it. */
let last: Promise<unknown>;

beforeEach(async () => {
  world = new VirtualWorld();
  engine = new SimulatedEngine(world);
  reports = [];
  outcomes = [];
  claims = [];
  canonical = null;
  online = true;
  last = Promise.resolve();
  const station: Station = {
    deviceId: ME,
    get canonical() {
      return canonical;
    },
    now: () => world.now(),
    serverTime: (moment) => Math.round(moment) + AHEAD,
    report: (report) => {
      if (online) reports.push(report);
      return online;
    },
    outcome: (message) => outcomes.push(message),
    claim: (claim) => claims.push(claim),
    sleep: (ms) => new Promise((resolve) => world.after(ms, resolve)),
  };
  renderer = new Renderer(station, engine, 0.8);
  await engine.open((event) => {
    then(() => renderer.heard(event));
  });
});

function then(step: () => Promise<unknown>): void {
  last = last.then(step);
}

/** Let time pass, waking the renderer as it asks for. */
async function pass(ms: number): Promise<void> {
  const end = world.now() + ms;
  await world.pass(0);
  while (renderer.deadline !== null && renderer.deadline <= end) {
    await world.pass(Math.max(0, renderer.deadline - world.now()));
    then(() => renderer.wake());
    await world.pass(0);
  }
  await world.pass(end - world.now());
}

async function order(given: Order, ms = 0): Promise<void> {
  then(() => renderer.order(given));
  await pass(ms);
}

function id(): string {
  count += 1;
  return `00000000-0000-4000-8000-${String(count).padStart(12, "0")}`;
}

type Forwarded = Extract<Order, { type: "execute_command" }>["command"];

function command(forwarded: Forwarded, epoch = 1, name = id()): Order {
  const expires_at = AHEAD + world.now() + 5_000;
  return { type: "execute_command", id: name, command: forwarded, from_device: OTHER, epoch, expires_at };
}

function prepare(changes: Partial<PlaybackState> = {}, epoch = 1): Order {
  return { type: "prepare_playback", transfer_id: TRANSFER, epoch, state: now(changes) };
}

function start(changes: Partial<PlaybackState> = {}, epoch = 2): Order {
  return { type: "start_playback", transfer_id: TRANSFER, epoch, state: now(changes) };
}

/** A state of this moment. */
function now(changes: Partial<PlaybackState> = {}): PlaybackState {
  return state({ position_at: AHEAD + world.now(), ...changes });
}

/** Active in epoch 1, playing the first of three. */
async function playing(tracks = ["a", "b", "c"], changes: Partial<PlaybackState> = {}): Promise<void> {
  canonical = now({
    device_id: ME,
    queue: tracks,
    track_id: tracks[0] ?? null,
    is_playing: false,
    ...changes,
  });
  then(() => renderer.arrived(registered("", { current_state: canonical ?? now(), should_resume: true })));
  await pass(0);
  await order(command({ type: "play" }));
  reports.length = 0;
}

const latest = () => reports.at(-1);

describe("commands", () => {
  it("are carried out, and reported at once", async () => {
    await playing();
    const name = id();
    await order(command({ type: "pause" }, 1, name));
    expect(engine.playing).toBe(false);
    expect(latest()).toMatchObject({
      epoch: 1,
      applied: [name],
      tick: false,
      state: { is_playing: false, track_id: "a" },
    });
  });

  it("with an id that was executed are answered and not done twice; of 64 it remembers", async () => {
    await playing(["a", "b", "c", "d"]);
    const name = id();
    await order(command({ type: "next", queue_position: 1 }, 1, name));
    await order(command({ type: "next", queue_position: 2 }));
    await order(command({ type: "next", queue_position: 1 }, 1, name));
    expect(engine.track).toBe("c");
    expect(latest()).toMatchObject({ applied: [name], state: { queue_position: 2 } });
    for (let other = 0; other < 64; other += 1) await order(command({ type: "set_volume", volume: 0.5 }));
    await order(command({ type: "next", queue_position: 1 }, 1, name));
    expect(engine.track).toBe("b");
  });

  it("that come too late, from an older epoch, or with nothing to play, are refused with the reason", async () => {
    await playing();
    const late = { ...command({ type: "pause" }), expires_at: AHEAD + world.now() - 1 } as Order;
    await order(late);
    expect(latest()).toMatchObject({ refused: [{ code: "timeout" }] });
    await order(command({ type: "pause" }, 0));
    expect(latest()).toMatchObject({ refused: [{ code: "not_active" }] });
    expect(engine.playing).toBe(true);
    await order(command({ type: "set_queue", tracks: [], start_index: 0, queue_rev: 2 }));
    canonical = now({ device_id: ME, queue: [], track_id: null });
    await order(command({ type: "play" }));
    expect(latest()).toMatchObject({ refused: [{ code: "unsupported" }] });
  });

  it("seek, stop, volume, shuffle, repeat and queue do what they say", async () => {
    await playing();
    await order(command({ type: "seek", position_ms: 30_000 }));
    expect(engine.positionMs()).toBe(30_000);
    await order(
      command({
        type: "set_shuffle",
        enabled: true,
        queue: ["a", "c", "b"],
        queue_position: 0,
        queue_rev: 2,
      }),
    );
    expect(latest()?.state).toMatchObject({
      shuffle: true,
      is_playing: true,
      track_id: "a",
      position_ms: 30_000,
    });
    await order(command({ type: "set_repeat", mode: "one" }));
    expect(latest()?.state?.repeat_mode).toBe("one");
    await order(command({ type: "set_volume", volume: 0.3 }));
    expect(engine.volume).toBe(0.3);
    await order(
      command({ type: "set_queue", tracks: ["x", "a"], start_index: 1, keep_position: true, queue_rev: 3 }),
    );
    expect(latest()?.state).toMatchObject({
      queue_position: 1,
      track_id: "a",
      position_ms: 30_000,
      is_playing: true,
    });
    await order(command({ type: "set_queue", tracks: ["y", "z"], start_index: 1, queue_rev: 4 }));
    expect(latest()?.state).toMatchObject({ track_id: "z", position_ms: 0, is_playing: true });
    await order(command({ type: "stop" }));
    expect(latest()?.state).toMatchObject({ track_id: "z", position_ms: 0, is_playing: false });
  });

  it("in an epoch that was not its own say that it is its own now", async () => {
    canonical = now({ device_id: null, queue: ["a"], track_id: "a", is_playing: false });
    await order(command({ type: "play" }, 4));
    expect(renderer.epoch).toBe(4);
    expect(engine.playing).toBe(true);
  });
});

describe("reports", () => {
  it("tell the position each second at QoS 0 while it plays, and nothing while it does not", async () => {
    await playing();
    await pass(3_500);
    expect(reports.map(({ tick, state }) => [tick, state?.position_ms])).toEqual([
      [true, 1_000],
      [true, 2_000],
      [true, 3_000],
    ]);
    await order(command({ type: "pause" }));
    reports.length = 0;
    await pass(10_000);
    expect(reports).toEqual([]);
  });

  it("of what was done while nobody could be told come with the next one", async () => {
    await playing();
    const name = id();
    online = false;
    await order(command({ type: "pause" }, 1, name));
    online = true;
    const other = id();
    await order(command({ type: "play" }, 1, other));
    expect(latest()).toMatchObject({ applied: [name, other] });
  });

  it("while idle say only how loud it would be", async () => {
    const name = id();
    await order(command({ type: "set_volume", volume: 0.4 }, 1, name));
    expect(latest()).toEqual({ epoch: null, volume: 0.4, applied: [name], refused: [], tick: false });
  });
});

describe("the end of a track", () => {
  const short = (name: string) => `${name}?duration_ms=2000`;

  it("goes on with the next one, at once and reported at once", async () => {
    await playing([short("a"), short("b")]);
    await pass(2_000);
    expect(engine.track).toBe(short("b"));
    expect(latest()).toMatchObject({ tick: false, state: { queue_position: 1, is_playing: true } });
  });

  it.each([
    ["off", "b", false, 1],
    ["all", "a", true, 0],
  ] as const)("of the queue, with repeat %s, leads to %s", async (repeat, track, plays, place) => {
    await playing([short("a"), short("b")], { repeat_mode: repeat });
    await pass(4_000);
    expect(engine.track).toBe(short(track));
    expect(engine.playing).toBe(plays);
    expect(latest()?.state).toMatchObject({ queue_position: place, position_ms: 0, is_playing: plays });
  });

  it("with repeat one begins it again", async () => {
    await playing([short("a"), short("b")], { repeat_mode: "one" });
    await pass(2_100);
    expect(engine.track).toBe(short("a"));
    expect(engine.positionMs()).toBe(100);
  });

  it("that cannot be played is told, and the next one plays", async () => {
    await playing(["a?break_ms=1000", "b"]);
    await pass(1_500);
    expect(engine.track).toBe("b");
    expect(
      reports.some(
        ({ state }) => state?.error?.track_id === "a?break_ms=1000" && state.error.code === "bad_format",
      ),
    ).toBe(true);
  });

  it("after nothing but tracks that cannot be played is silence, not a race through the queue", async () => {
    await playing(["x?error=not_found", "y?error=not_found"]);
    expect(engine.playing).toBe(false);
    await pass(10_000);
    expect(reports).toEqual([]);
  });
});

describe("a transfer", () => {
  it("here loads in silence, then plays where the music is by then", async () => {
    await order(
      prepare({ track_id: "b", queue_position: 1, position_ms: 5_000, queue: ["a", "b?load_ms=300", "c"] }),
      400,
    );
    expect(engine.playing).toBe(false);
    expect(outcomes).toEqual([{ type: "playback_ready", transfer_id: TRANSFER }]);
    await order(
      start({ device_id: ME, queue: ["a", "b?load_ms=300", "c"], queue_position: 1, position_ms: 5_400 }),
      START_AFTER,
    );
    expect(engine.playing).toBe(true);
    expect(engine.positionMs()).toBe(5_400 + START_AFTER);
    expect(outcomes.at(-1)).toEqual({ type: "playback_started", transfer_id: TRANSFER });
    expect(latest()).toMatchObject({ epoch: 2, state: { is_playing: true } });
  });

  it("that comes twice is answered twice and begun once", async () => {
    await order(prepare());
    await order(start({ device_id: ME }), START_AFTER);
    await pass(1_000);
    await order(start({ device_id: ME }));
    expect(outcomes.filter(({ type }) => type === "playback_started")).toHaveLength(2);
    expect(engine.positionMs()).toBe(1_000 + START_AFTER);
  });

  it("of a track that cannot be played fails, and nothing plays", async () => {
    await order(prepare({ queue: ["a?error=not_found"] }));
    expect(outcomes).toMatchObject([
      {
        type: "playback_failed",
        transfer_id: TRANSFER,
        reason: expect.stringContaining("not_found") as string,
      },
    ]);
    expect(engine.track).toBeNull();
  });

  it("that is called off, or forgotten for 10 s, is dropped", async () => {
    await order(prepare());
    await order({ type: "stop_playback", epoch: 1, transfer_id: TRANSFER, reason: "aborted" });
    expect(engine.track).toBeNull();
    await order(prepare());
    await pass(9_999);
    expect(engine.track).toBe("a");
    await pass(1);
    expect(engine.track).toBeNull();
  });

  it("away stops the music here at once", async () => {
    await playing();
    await order({ type: "stop_playback", epoch: 2, transfer_id: TRANSFER, reason: "transferred" });
    expect(engine.track).toBeNull();
    expect(renderer.epoch).toBeNull();
  });
});

describe("one renderer at a time", () => {
  it("stops as soon as a higher epoch is somebody else's, wherever it hears of it", async () => {
    await playing();
    then(() => renderer.saw(now({ epoch: 2, device_id: OTHER })));
    await pass(0);
    expect(engine.playing).toBe(false);
    await playing();
    then(() => renderer.arrived(registered("", { current_state: now({ epoch: 5, device_id: OTHER }) })));
    await pass(0);
    expect(engine.playing).toBe(false);
  });

  it("plays on through a cut, without a jump", async () => {
    await playing();
    await pass(5_000);
    expect(renderer.offer(world.now()).lastKnown).toMatchObject({
      epoch: 1,
      is_playing: true,
      position_ms: 5_000,
    });
    then(() =>
      renderer.arrived(registered("", { current_state: now({ device_id: ME }), should_resume: false })),
    );
    await pass(0);
    expect(engine.playing).toBe(true);
    expect(engine.positionMs()).toBe(5_000);
  });

  it("loads in silence what it played before, and forgets what it executed since", async () => {
    await playing();
    const name = id();
    await order(command({ type: "next", queue_position: 1 }, 1, name));
    then(() =>
      renderer.arrived(
        registered("", {
          current_state: now({ device_id: ME, is_playing: false, position_ms: 7_000 }),
          should_resume: true,
        }),
      ),
    );
    await pass(0);
    expect([engine.track, engine.playing, engine.positionMs()]).toEqual(["a", false, 7_000]);
    await order(command({ type: "next", queue_position: 1 }, 1, name));
    expect(engine.track).toBe("b");
  });
});

describe("someone at the device itself", () => {
  it("who presses play claims the music, and gets its epoch", async () => {
    canonical = now({ queue: ["a", "b"], position_ms: 2_000 });
    await engine.pressPlay();
    then(() => renderer.heard({ type: "pressed", play: true }));
    await pass(0);
    expect(claims).toMatchObject([{ track_id: "a", queue: ["a", "b"], is_playing: true }]);
    expect(reports).toEqual([]);
    then(() => renderer.claimed(2, false));
    await pass(0);
    expect(renderer.epoch).toBe(2);
    expect(latest()).toMatchObject({ epoch: 2, state: { is_playing: true } });
  });

  it("whose claim is refused is silent again; one that nobody heard is made again on arrival", async () => {
    canonical = now({ queue: ["a"] });
    then(() => renderer.playHere());
    await pass(0);
    then(() => renderer.claimed(null, true));
    await pass(0);
    expect(engine.playing).toBe(false);
    then(() => renderer.playHere());
    await pass(0);
    then(() => renderer.claimed(null, false));
    await pass(0);
    expect(engine.playing).toBe(true);
    then(() => renderer.arrived(registered("", { current_state: now({ device_id: OTHER }) })));
    await pass(0);
    expect(claims).toHaveLength(3);
  });

  it("while active is reported as it is: pause, play, a drag", async () => {
    await playing();
    await engine.pressPause();
    await pass(0);
    expect(latest()).toMatchObject({ tick: false, state: { is_playing: false } });
    await engine.dragTo(40_000);
    await pass(0);
    expect(latest()?.state?.position_ms).toBe(40_000);
    expect(claims).toEqual([]);
  });
});
