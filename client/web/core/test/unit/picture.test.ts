/** What a session knows of the house, and what time it is there. */

import { describe, expect, it } from "vitest";

import { ANOTHER_COORDINATOR, device, ME, OTHER, registered, state } from "./samples.ts";
import { CONN, Stage } from "./stage.ts";

describe("the picture", () => {
  it("drops what is older: epoch, then sequence, then position_at", () => {
    const stage = new Stage();
    stage.arrive({ current_state: state({ epoch: 3, sequence: 7 }) });
    for (const old of [
      { epoch: 2, sequence: 9 },
      { epoch: 3, sequence: 6 },
      { epoch: 3, sequence: 7, position_at: 999_999 },
    ]) {
      stage.hear({ type: "playback_state", state: state({ ...old, volume: 0 }) });
      expect(stage.session.picture.state?.volume).toBe(1);
    }
    stage.hear({ type: "playback_state", state: state({ epoch: 3, sequence: 8, volume: 0 }) });
    expect(stage.session.picture.state?.volume).toBe(0);
  });

  it("takes ticks of the state that it knows, and of no other", () => {
    const stage = new Stage();
    stage.arrive({ current_state: state() });
    const tick = {
      type: "position",
      epoch: 1,
      sequence: 1,
      device_id: OTHER,
      position_ms: 9,
      position_at: 1_000_001,
      is_playing: true,
    } as const;
    for (const wrong of [{ epoch: 2 }, { sequence: 2 }, { device_id: ME }, { position_at: 999_000 }]) {
      stage.hear({ ...tick, ...wrong });
      expect(stage.session.picture.state?.position_ms).toBe(0);
    }
    stage.hear(tick);
    expect(stage.session.picture.state?.position_ms).toBe(9);
  });

  it("believes the snapshot of a coordinator that it meets for the first time, even an older one", () => {
    const stage = new Stage();
    stage.arrive({ current_state: state({ epoch: 9, sequence: 90 }) });
    stage.lose();
    stage.connect("fedcba9876543210");
    stage.hear(
      registered("fedcba9876543210", {
        coordinator: ANOTHER_COORDINATOR,
        current_state: state({ epoch: 2, sequence: 5 }),
      }),
    );
    expect(stage.session.picture.state).toMatchObject({ epoch: 2, sequence: 5 });
  });

  it("follows who comes, goes, and is forgotten", () => {
    const stage = new Stage();
    stage.arrive();
    const listed = () => stage.session.view.devices.map(({ id, is_online }) => [id, is_online]);
    stage.hear({ type: "device_offline", device_id: OTHER, reason: "timeout" });
    expect(listed()).toEqual([
      [ME, true],
      [OTHER, false],
    ]);
    stage.hear({ type: "device_online", device: device(OTHER) });
    expect(listed()).toEqual([
      [ME, true],
      [OTHER, true],
    ]);
    stage.hear({ type: "device_offline", device_id: OTHER, reason: "deleted" });
    expect(listed()).toEqual([[ME, true]]);
  });

  it("takes nothing that is retained where nothing is, nor what stands on a wrong topic", () => {
    const stage = new Stage();
    stage.connect();
    stage.take();
    stage.hear(registered(CONN), "reply", true);
    stage.hear(registered(CONN), "state");
    stage.hear({ type: "stop_playback", epoch: 9, reason: "transferred" }, "reply");
    stage.do(
      stage.session.received(
        `soul/v1/bob/all/state`,
        JSON.stringify({ type: "playback_state", state: state() }),
        0,
      ),
    );
    expect(stage.take()).toEqual([]);
    expect(stage.session.picture.state).toBeNull();
  });
});

describe("time", () => {
  it("is the coordinator's, learned from pings with the least round trip", () => {
    const stage = new Stage();
    stage.connect();
    stage.hear(registered(CONN, { server_time: 7_000_000 }));
    const answer = (there: number, back: number): void => {
      const ping = stage.said().find((message) => message.type === "ping");
      if (ping === undefined) throw new Error("no ping");
      stage.pass(there);
      const at = 7_000_000 + stage.now;
      stage.pass(back);
      stage.hear({ type: "pong", t0: ping.t0, t1: at, t2: at });
    };
    stage.take();
    stage.pass(150);
    answer(4, 4);
    stage.take();
    stage.pass(250);
    answer(10, 90); // a slow way back says nothing better
    expect(Math.abs((stage.session.clock.at(stage.now) ?? 0) - (7_000_000 + stage.now))).toBeLessThanOrEqual(
      4,
    );
  });

  it("pings every 30 s", () => {
    const stage = new Stage();
    stage.arrive();
    const moments: number[] = [];
    for (let second = 0; second < 120; second += 1) {
      stage.pass(1_000);
      for (const message of stage.said()) {
        if (message.type !== "ping") continue;
        moments.push(stage.now);
        stage.hear({ type: "pong", t0: message.t0, t1: 1_000_000 + stage.now, t2: 1_000_000 + stage.now });
      }
    }
    const late = moments.filter((moment) => moment > 20_000);
    expect(late.length).toBeGreaterThanOrEqual(3);
    expect(new Set(late.slice(1).map((moment, index) => moment - (late[index] ?? 0)))).toEqual(
      new Set([30_000]),
    );
  });

  it("asks the broker whether it is there when a ping is not answered for 5 s", () => {
    const stage = new Stage();
    stage.arrive();
    stage.pass(5_200);
    expect(stage.told("probe").length).toBeGreaterThan(0);
  });

  it("draws a position that goes on by itself, never back, and ends with the track", () => {
    const stage = new Stage();
    stage.arrive({
      server_time: 1_000_000,
      current_state: state({ position_ms: 10_000, position_at: 1_000_000 }),
    });
    const drawn = () => stage.session.view.positionMs(stage.now, stage.session.clock.at(stage.now));
    stage.now += 3_000;
    const before = drawn();
    expect(Math.abs(before - 13_000)).toBeLessThan(2);
    // The renderer is 200 ms behind: it waits there, and does not jump back.
    stage.hear({
      type: "position",
      epoch: 1,
      sequence: 1,
      device_id: OTHER,
      position_ms: 12_800,
      position_at: 1_003_000,
      is_playing: true,
    });
    expect(drawn()).toBe(before);
    stage.now += 300;
    expect(drawn()).toBeGreaterThan(before);
    // A seek is a jump.
    stage.hear({
      type: "playback_state",
      state: state({ sequence: 2, position_ms: 1_000, position_at: 1_003_300 }),
    });
    expect(drawn()).toBeLessThan(1_100);
    stage.now += 3_600_000;
    expect(drawn()).toBe(60_000);
  });
});
