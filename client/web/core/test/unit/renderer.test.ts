/** What a renderer does that is the active one: commands, reports, the end of a track. */

import { beforeEach, describe, expect, it } from "vitest";

import type { Order } from "../../src/actions.ts";
import { AHEAD, RendererStage } from "./renderer_stage.ts";
import { ME, registered } from "./samples.ts";

let stage: RendererStage;

beforeEach(async () => {
  stage = await RendererStage.open();
});

describe("commands", () => {
  it("are carried out, and reported at once", async () => {
    await stage.playing();
    const name = stage.id();
    await stage.order(stage.command({ type: "pause" }, 1, name));
    expect(stage.engine.playing).toBe(false);
    expect(stage.latest).toMatchObject({
      epoch: 1,
      applied: [name],
      tick: false,
      state: { is_playing: false, track_id: "a" },
    });
  });

  it("with an id that was executed are answered and not done twice; of 64 it remembers", async () => {
    await stage.playing(["a", "b", "c", "d"]);
    const name = stage.id();
    await stage.order(stage.command({ type: "next", queue_position: 1 }, 1, name));
    await stage.order(stage.command({ type: "next", queue_position: 2 }));
    await stage.order(stage.command({ type: "next", queue_position: 1 }, 1, name));
    expect(stage.engine.track).toBe("c");
    expect(stage.latest).toMatchObject({ applied: [name], state: { queue_position: 2 } });
    for (let other = 0; other < 64; other += 1)
      await stage.order(stage.command({ type: "set_volume", volume: 0.5 }));
    await stage.order(stage.command({ type: "next", queue_position: 1 }, 1, name));
    expect(stage.engine.track).toBe("b");
  });

  it("that come too late, from an older epoch, or with nothing to play, are refused with the reason", async () => {
    await stage.playing();
    const late = { ...stage.command({ type: "pause" }), expires_at: AHEAD + stage.world.now() - 1 } as Order;
    await stage.order(late);
    expect(stage.latest).toMatchObject({ refused: [{ code: "timeout" }] });
    await stage.order(stage.command({ type: "pause" }, 0));
    expect(stage.latest).toMatchObject({ refused: [{ code: "not_active" }] });
    expect(stage.engine.playing).toBe(true);
    await stage.order(stage.command({ type: "set_queue", tracks: [], start_index: 0, queue_rev: 2 }));
    stage.canonical = stage.now({ device_id: ME, queue: [], track_id: null });
    await stage.order(stage.command({ type: "play" }));
    expect(stage.latest).toMatchObject({ refused: [{ code: "unsupported" }] });
  });

  it("seek, stop, volume, shuffle, repeat and queue do what they say", async () => {
    await stage.playing();
    await stage.order(stage.command({ type: "seek", position_ms: 30_000 }));
    expect(stage.engine.positionMs()).toBe(30_000);
    await stage.order(
      stage.command({
        type: "set_shuffle",
        enabled: true,
        queue: ["a", "c", "b"],
        queue_position: 0,
        queue_rev: 2,
      }),
    );
    expect(stage.latest?.state).toMatchObject({
      shuffle: true,
      is_playing: true,
      track_id: "a",
      position_ms: 30_000,
    });
    await stage.order(stage.command({ type: "set_repeat", mode: "one" }));
    expect(stage.latest?.state?.repeat_mode).toBe("one");
    await stage.order(stage.command({ type: "set_volume", volume: 0.3 }));
    expect(stage.engine.volume).toBe(0.3);
    await stage.order(
      stage.command({
        type: "set_queue",
        tracks: ["x", "a"],
        start_index: 1,
        keep_position: true,
        queue_rev: 3,
      }),
    );
    expect(stage.latest?.state).toMatchObject({
      queue_position: 1,
      track_id: "a",
      position_ms: 30_000,
      is_playing: true,
    });
    await stage.order(stage.command({ type: "set_queue", tracks: ["y", "z"], start_index: 1, queue_rev: 4 }));
    expect(stage.latest?.state).toMatchObject({ track_id: "z", position_ms: 0, is_playing: true });
    await stage.order(stage.command({ type: "stop" }));
    expect(stage.latest?.state).toMatchObject({ track_id: "z", position_ms: 0, is_playing: false });
  });

  it("play nothing of a queue that was cleared a moment ago", async () => {
    await stage.playing();
    await stage.order(stage.command({ type: "set_queue", tracks: [], start_index: 0, queue_rev: 2 }));
    await stage.order(stage.command({ type: "play" }));
    expect(stage.latest).toMatchObject({ refused: [{ code: "unsupported" }], state: { is_playing: false } });
  });

  it("in an epoch that was not its own say that it is its own now", async () => {
    stage.canonical = stage.now({ device_id: null, queue: ["a"], track_id: "a", is_playing: false });
    await stage.order(stage.command({ type: "play" }, 4));
    expect(stage.renderer.epoch).toBe(4);
    expect(stage.engine.playing).toBe(true);
  });
});

describe("reports", () => {
  it("tell the position each second at QoS 0 while it plays, and nothing while it does not", async () => {
    await stage.playing();
    await stage.pass(3_500);
    expect(stage.reports.map(({ tick, state }) => [tick, state?.position_ms])).toEqual([
      [true, 1_000],
      [true, 2_000],
      [true, 3_000],
    ]);
    await stage.order(stage.command({ type: "pause" }));
    stage.reports.length = 0;
    await stage.pass(10_000);
    expect(stage.reports).toEqual([]);
  });

  it("of what was done while nobody could be told come with the next one", async () => {
    await stage.playing();
    const name = stage.id();
    stage.online = false;
    await stage.order(stage.command({ type: "pause" }, 1, name));
    stage.online = true;
    const other = stage.id();
    await stage.order(stage.command({ type: "play" }, 1, other));
    expect(stage.latest).toMatchObject({ applied: [name, other] });
  });

  it("while idle say only how loud it would be", async () => {
    const name = stage.id();
    await stage.order(stage.command({ type: "set_volume", volume: 0.4 }, 1, name));
    expect(stage.latest).toEqual({ epoch: null, volume: 0.4, applied: [name], refused: [], tick: false });
  });
});

describe("what is done here while nobody can be told", () => {
  it.each([
    ["nothing", [], true],
    ["a pause", ["pause"], false],
    ["a pause, and a seek", ["pause", "drag"], false],
    ["a pause, and play again", ["pause", "play"], true],
  ] as const)("stands: %s, and music may start by itself: %s", async (_, doings, resumes) => {
    await stage.playing();
    stage.online = false;
    for (const doing of doings) {
      if (doing === "pause") await stage.engine.pressPause();
      else if (doing === "play") await stage.engine.pressPlay();
      else await stage.engine.dragTo(90_000);
      await stage.pass(0);
    }
    expect(stage.renderer.offer(stage.world.now()).resume).toBe(resumes);
    stage.online = true;
    const arrival = registered("", { current_state: stage.now({ device_id: ME, is_playing: false }) });
    stage.do(() => stage.renderer.arrived(arrival));
    await stage.pass(0);
    expect(stage.renderer.offer(stage.world.now()).resume).toBe(true);
  });

  it("stands, a queue that came to its end as well; one that broke off does not", async () => {
    for (const [track, resumes] of [
      ["a?duration_ms=2000", false],
      ["a?break_ms=2000", true],
    ] as const) {
      stage = await RendererStage.open();
      await stage.playing([track]);
      stage.online = false;
      await stage.pass(3_000);
      expect(stage.engine.playing).toBe(false);
      expect(stage.renderer.offer(stage.world.now()).resume).toBe(resumes);
    }
  });
});

describe("the end of a track", () => {
  it("that comes while it is paused, as where it is sought there, leads to the next one in silence", async () => {
    await stage.playing();
    await stage.order(stage.command({ type: "pause" }));
    stage.do(() => stage.renderer.heard({ type: "ended", track: "a" }));
    await stage.pass(0);
    expect(stage.latest?.state).toMatchObject({ track_id: "b", is_playing: false });
    stage.do(() => stage.renderer.heard({ type: "advanced", track: "c", durationMs: 1_000 }));
    await stage.pass(0);
    expect(stage.latest?.state).toMatchObject({ track_id: "c", is_playing: false });
    expect(stage.engine.playing).toBe(false);
  });

  const short = (name: string) => `${name}?duration_ms=2000`;

  it("goes on with the next one, at once and reported at once", async () => {
    await stage.playing([short("a"), short("b")]);
    await stage.pass(2_000);
    expect(stage.engine.track).toBe(short("b"));
    expect(stage.latest).toMatchObject({ tick: false, state: { queue_position: 1, is_playing: true } });
  });

  it.each([
    ["off", "b", false, 1],
    ["all", "a", true, 0],
  ] as const)("of the queue, with repeat %s, leads to %s", async (repeat, track, plays, place) => {
    await stage.playing([short("a"), short("b")], { repeat_mode: repeat });
    await stage.pass(4_000);
    expect(stage.engine.track).toBe(short(track));
    expect(stage.engine.playing).toBe(plays);
    expect(stage.latest?.state).toMatchObject({ queue_position: place, position_ms: 0, is_playing: plays });
  });

  it("with repeat one begins it again", async () => {
    await stage.playing([short("a"), short("b")], { repeat_mode: "one" });
    await stage.pass(2_100);
    expect(stage.engine.track).toBe(short("a"));
    expect(stage.engine.positionMs()).toBe(100);
  });

  it("that cannot be played is told, and the next one plays", async () => {
    await stage.playing(["a?break_ms=1000", "b"]);
    await stage.pass(1_500);
    expect(stage.engine.track).toBe("b");
    expect(
      stage.reports.some(
        ({ state }) => state?.error?.track_id === "a?break_ms=1000" && state.error.code === "bad_format",
      ),
    ).toBe(true);
  });

  it("after nothing but tracks that cannot be played is silence, not a race through the queue", async () => {
    await stage.playing(["x?error=not_found", "y?error=not_found"]);
    expect(stage.engine.playing).toBe(false);
    await stage.pass(10_000);
    expect(stage.reports).toEqual([]);
  });
});
