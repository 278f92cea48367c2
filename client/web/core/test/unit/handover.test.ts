/** How the music comes to a renderer and leaves it: transfers, cuts, and someone at the device itself. */

import { beforeEach, describe, expect, it } from "vitest";

import { START_AFTER } from "../../src/renderer/renderer.ts";
import { RendererStage } from "./renderer_stage.ts";
import { ME, OTHER, registered, TRANSFER } from "./samples.ts";

let stage: RendererStage;

beforeEach(async () => {
  stage = await RendererStage.open();
});

describe("a transfer", () => {
  it("here loads in silence, then plays where the music is by then", async () => {
    await stage.order(
      stage.prepare({
        track_id: "b",
        queue_position: 1,
        position_ms: 5_000,
        queue: ["a", "b?load_ms=300", "c"],
      }),
      400,
    );
    expect(stage.engine.playing).toBe(false);
    expect(stage.outcomes).toEqual([{ type: "playback_ready", transfer_id: TRANSFER }]);
    await stage.order(
      stage.start({
        device_id: ME,
        queue: ["a", "b?load_ms=300", "c"],
        queue_position: 1,
        position_ms: 5_400,
      }),
      START_AFTER,
    );
    expect(stage.engine.playing).toBe(true);
    expect(stage.engine.positionMs()).toBe(5_400 + START_AFTER);
    expect(stage.outcomes.at(-1)).toEqual({ type: "playback_started", transfer_id: TRANSFER });
    expect(stage.latest).toMatchObject({ epoch: 2, state: { is_playing: true } });
  });

  it("that comes twice is answered twice and begun once", async () => {
    await stage.order(stage.prepare());
    await stage.order(stage.start({ device_id: ME }), START_AFTER);
    await stage.pass(1_000);
    await stage.order(stage.start({ device_id: ME }));
    expect(stage.outcomes.filter(({ type }) => type === "playback_started")).toHaveLength(2);
    expect(stage.engine.positionMs()).toBe(1_000 + START_AFTER);
  });

  it("of a track that cannot be played fails, and nothing plays", async () => {
    await stage.order(stage.prepare({ queue: ["a?error=not_found"] }));
    expect(stage.outcomes).toMatchObject([
      {
        type: "playback_failed",
        transfer_id: TRANSFER,
        reason: expect.stringContaining("not_found") as string,
      },
    ]);
    expect(stage.engine.track).toBeNull();
  });

  it("that is called off, or forgotten for 10 s, is dropped", async () => {
    await stage.order(stage.prepare());
    await stage.order({ type: "stop_playback", epoch: 1, transfer_id: TRANSFER, reason: "aborted" });
    expect(stage.engine.track).toBeNull();
    await stage.order(stage.prepare());
    await stage.pass(9_999);
    expect(stage.engine.track).toBe("a");
    await stage.pass(1);
    expect(stage.engine.track).toBeNull();
  });

  it("away stops the music here at once", async () => {
    await stage.playing();
    await stage.order({ type: "stop_playback", epoch: 2, transfer_id: TRANSFER, reason: "transferred" });
    expect(stage.engine.track).toBeNull();
    expect(stage.renderer.epoch).toBeNull();
  });
});

describe("one renderer at a time", () => {
  it("stops as soon as a higher epoch is somebody else's, wherever it hears of it", async () => {
    await stage.playing();
    stage.do(() => stage.renderer.saw(stage.now({ epoch: 2, device_id: OTHER })));
    await stage.pass(0);
    expect(stage.engine.playing).toBe(false);
    await stage.playing();
    stage.do(() =>
      stage.renderer.arrived(registered("", { current_state: stage.now({ epoch: 5, device_id: OTHER }) })),
    );
    await stage.pass(0);
    expect(stage.engine.playing).toBe(false);
  });

  it("plays on through a cut, without a jump", async () => {
    await stage.playing();
    await stage.pass(5_000);
    expect(stage.renderer.offer(stage.world.now()).lastKnown).toMatchObject({
      epoch: 1,
      is_playing: true,
      position_ms: 5_000,
    });
    stage.do(() =>
      stage.renderer.arrived(
        registered("", { current_state: stage.now({ device_id: ME }), should_resume: false }),
      ),
    );
    await stage.pass(0);
    expect(stage.engine.playing).toBe(true);
    expect(stage.engine.positionMs()).toBe(5_000);
  });

  it("loads in silence what it played before, and forgets what it executed since", async () => {
    await stage.playing();
    const name = stage.id();
    await stage.order(stage.command({ type: "next", queue_position: 1 }, 1, name));
    stage.do(() =>
      stage.renderer.arrived(
        registered("", {
          current_state: stage.now({ device_id: ME, is_playing: false, position_ms: 7_000 }),
          should_resume: true,
        }),
      ),
    );
    await stage.pass(0);
    expect([stage.engine.track, stage.engine.playing, stage.engine.positionMs()]).toEqual([
      "a",
      false,
      7_000,
    ]);
    await stage.order(stage.command({ type: "next", queue_position: 1 }, 1, name));
    expect(stage.engine.track).toBe("b");
  });
});

describe("someone at the device itself", () => {
  it("who presses play claims the music, and gets its epoch", async () => {
    stage.canonical = stage.now({ queue: ["a", "b"], position_ms: 2_000 });
    await stage.engine.pressPlay();
    stage.do(() => stage.renderer.heard({ type: "pressed", play: true }));
    await stage.pass(0);
    expect(stage.claims).toMatchObject([{ track_id: "a", queue: ["a", "b"], is_playing: true }]);
    expect(stage.reports).toEqual([]);
    stage.do(() => stage.renderer.claimed(2, false));
    await stage.pass(0);
    expect(stage.renderer.epoch).toBe(2);
    expect(stage.latest).toMatchObject({ epoch: 2, state: { is_playing: true } });
  });

  it("whose claim is refused is silent again; one that nobody heard is made again on arrival", async () => {
    stage.canonical = stage.now({ queue: ["a"] });
    stage.do(() => stage.renderer.playHere());
    await stage.pass(0);
    stage.do(() => stage.renderer.claimed(null, true));
    await stage.pass(0);
    expect(stage.engine.playing).toBe(false);
    stage.do(() => stage.renderer.playHere());
    await stage.pass(0);
    stage.do(() => stage.renderer.claimed(null, false));
    await stage.pass(0);
    expect(stage.engine.playing).toBe(true);
    stage.do(() =>
      stage.renderer.arrived(registered("", { current_state: stage.now({ device_id: OTHER }) })),
    );
    await stage.pass(0);
    expect(stage.claims).toHaveLength(3);
  });

  it("while active is reported as it is: pause, play, a drag", async () => {
    await stage.playing();
    await stage.engine.pressPause();
    await stage.pass(0);
    expect(stage.latest).toMatchObject({ tick: false, state: { is_playing: false } });
    await stage.engine.dragTo(40_000);
    await stage.pass(0);
    expect(stage.latest?.state?.position_ms).toBe(40_000);
    expect(stage.claims).toEqual([]);
  });
});
