/** A page that plays itself: allowed by a click, and forbidden again. */

import { afterEach, describe, expect, it } from "vitest";

import { EngineError, type ExecuteCommand } from "../../src/index.ts";
import { House } from "./page.ts";
import { ME, OTHER, REQUEST, state } from "./samples.ts";

let house: House;

afterEach(() => {
  expect(house.world.bugs).toEqual([]);
});

function forwarded(command: ExecuteCommand["command"]): ExecuteCommand {
  return {
    type: "execute_command",
    id: REQUEST,
    command,
    from_device: OTHER,
    epoch: 2,
    expires_at: 9_000_000_000,
  };
}

/** The music is this page's, and was paused. */
const MINE = state({ device_id: ME, is_playing: false, epoch: 2 });

/** A page that was allowed to play, and does. */
async function playing(): Promise<House> {
  const page = new House();
  await page.arrive({ current_state: MINE });
  const allowed = page.connect.allowPlayback();
  await page.world.pass(0);
  await page.register({ current_state: MINE, should_resume: true });
  await allowed;
  page.wire.hear(forwarded({ type: "play" }));
  return page;
}

describe("playing here", () => {
  it("is told to the server on a connection of its own, and then done", async () => {
    house = new House();
    await house.arrive({ current_state: state({ device_id: null }) });
    expect(house.wire.of("register")[0]?.device.capabilities.can_render).toBe(false);
    const allowed = house.connect.allowPlayback();
    await house.world.pass(0);
    expect(house.wires).toHaveLength(2);
    expect(house.wire.of("register")[0]).toMatchObject({
      resume: true,
      device: { capabilities: { can_render: true } },
    });
    await house.register({ current_state: state({ device_id: null, is_playing: false }) });
    await allowed;
    expect(house.connect.snapshot).toMatchObject({ phase: "online", here: { allowed: true, held: false } });
    house.wire.hear(forwarded({ type: "play" }));
    await house.world.pass(1_100);
    expect(house.engine.playing).toBe(true);
    const reports = house.wire.of("state_update");
    expect(reports.map(({ seq }) => seq)).toEqual(reports.map((_, index) => index + 1));
    expect(reports.at(-1)).toMatchObject({ epoch: 2, state: { is_playing: true } });
    await house.connect.signOut();
    expect(house.engine.playing).toBe(false);
  });

  it("that is no longer wanted is paused, said to be, and then no more what this device can do", async () => {
    house = await playing();
    await house.world.pass(1_100);
    expect(house.engine.playing).toBe(true);
    const played = house.wire;

    const forbidden = house.connect.forbidPlayback();
    await house.world.pass(0);
    expect(house.engine.playing).toBe(false);
    expect(played.of("state_update").at(-1)).toMatchObject({
      epoch: 2,
      state: { is_playing: false, track_id: "a", position_ms: 1_100 },
    });
    // On a connection of its own, after that: nothing to go on with, and nothing that could.
    expect(played.closed).toBe(true);
    expect(house.wires).toHaveLength(3);
    const [register] = house.wire.of("register");
    expect(register).toMatchObject({ device: { capabilities: { can_render: false } } });
    expect(register).not.toHaveProperty("resume");
    expect(register).not.toHaveProperty("last_known_state");
    await house.register({ current_state: MINE });
    await forbidden;
    expect(house.connect.snapshot.here).toEqual({ allowed: false, held: false });
    house.wire.hear(forwarded({ type: "play" }));
    await house.world.pass(5_000);
    expect(house.engine.playing).toBe(false);
    expect(house.wire.of("state_update")).toEqual([]);
  });

  it("that is no longer wanted while nobody can be told is silent at once, and told on arrival", async () => {
    house = await playing();
    await house.world.pass(100);
    house.door = "shut";
    house.wire.lose();
    await house.world.pass(2_000);
    const forbidden = house.connect.forbidPlayback();
    await house.world.pass(0);
    expect(house.engine.playing).toBe(false);
    await house.world.pass(5_000);
    await forbidden;
    house.door = "open";
    await house.world.pass(2_000);
    expect(house.wire.of("register")[0]).toMatchObject({ device: { capabilities: { can_render: false } } });
  });

  it("while the server is away is paused and goes on as asked, is drawn so, and is told on arrival", async () => {
    house = await playing();
    await house.world.pass(1_000);
    house.wire.hear({ type: "playback_state", state: state({ ...MINE, is_playing: true, sequence: 2 }) });
    house.door = "shut";
    house.wire.lose();
    await house.world.pass(10_000);
    const shown = (): unknown => [
      house.engine.playing,
      house.connect.snapshot.state?.is_playing,
      Math.round(house.connect.positionNow() / 1_000),
    ];
    expect(shown()).toEqual([true, true, 11]);
    await house.connect.pause();
    expect(shown()).toEqual([false, false, 11]);
    await house.world.pass(20_000); // by when a request would have been given up
    expect(shown()).toEqual([false, false, 11]);
    await house.connect.play();
    await house.world.pass(2_000);
    expect(shown()).toEqual([true, true, 13]);
    await house.connect.pause();
    expect(house.connect.snapshot).toMatchObject({ phase: "offline", pending: [], toasts: [] });

    house.door = "open";
    await house.world.pass(2_000);
    const [register] = house.wire.of("register");
    expect(register).toMatchObject({
      last_known_state: { epoch: 2, is_playing: false, track_id: "a", position_ms: 13_000 },
    });
    expect(register).not.toHaveProperty("resume");
    // What was done here stands against a server that has not heard of it, until it has.
    await house.register({ current_state: state({ ...MINE, is_playing: true, sequence: 2 }) });
    expect(shown()).toEqual([false, false, 13]);
    expect(house.wire.of("state_update").at(-1)).toMatchObject({ state: { is_playing: false } });
    expect(house.wire.of("playback_command")).toEqual([]);
  });

  it("while the server is away stays silent where the sound is gone, and the rest waits for the server", async () => {
    house = await playing();
    await house.world.pass(100);
    house.door = "shut";
    house.wire.lose();
    await house.world.pass(2_000);
    await house.connect.pause();
    house.engine.play = () => Promise.reject(new EngineError("not_found", "its address has run out"));
    await house.connect.play();
    expect(house.connect.snapshot.state?.is_playing).toBe(false);
    void house.connect.next();
    expect(house.connect.snapshot.pending).toEqual(["next"]);
  });
});
