/** A session on a virtual clock, rule by rule (docs/protocol.md, "Behaviour"). */

import { describe, expect, it } from "vitest";

import { Identity } from "../../src/identity.ts";
import type { Wish } from "../../src/requests.ts";
import { COORDINATOR, device, ME, OTHER, registered, state } from "./samples.ts";
import { CONN, Stage } from "./stage.ts";

const status = (online: boolean, coordinator = COORDINATOR) =>
  ({ type: "coordinator_status", coordinator, online, started_at: 1 }) as const;
const ANOTHER = "66666666-6666-4666-8666-666666666666";

describe("arrival", () => {
  it("registers at once, and repeats after 5, 10, 20, 30 and 30 s until it is heard", () => {
    const stage = new Stage();
    stage.connect();
    const moments: number[] = [];
    for (let second = 0; second <= 100; second += 1) {
      if (stage.said().some((message) => message.type === "register")) moments.push(stage.now);
      stage.pass(1_000);
    }
    expect(moments).toEqual([0, 5_000, 15_000, 35_000, 65_000, 95_000]);
  });

  it("takes no snapshot that was made for another connection", () => {
    const stage = new Stage();
    stage.connect();
    stage.hear(registered("ffffffffffffffff"));
    expect(stage.told("arrived")).toEqual([]);
    stage.hear(registered(CONN));
    expect(stage.told("arrived")).toHaveLength(1);
  });

  it("registers again at once when the coordinator does not know it, and sends what is open again, as it was", () => {
    const stage = new Stage();
    stage.arrive();
    const id = stage.command({ type: "pause" });
    const [first] = stage.said();
    stage.hear({ type: "error", code: "not_registered", message: "register first" });
    expect(stage.said().map(({ type }) => type)).toContain("register");
    stage.hear(registered(CONN));
    const again = stage.said().filter((message) => message.type === "playback_command");
    expect(again).toEqual([first]);
    expect(again[0]?.id).toBe(id);
  });

  it("registers within 3 s with another coordinator, at a moment of its own", () => {
    for (const [random, moment] of [
      [0, 0],
      [0.99, 2_970],
    ] as const) {
      const stage = new Stage(undefined, () => random);
      stage.arrive();
      stage.pass(2_600); // the quick pings
      const before = stage.now;
      stage.take();
      stage.hear(status(true, ANOTHER));
      expect(stage.told("away")).toHaveLength(1);
      stage.pass(moment);
      expect(stage.said().some(({ type }) => type === "register")).toBe(true);
      expect(stage.now - before).toBe(moment);
    }
  });

  it("registers again when its coordinator was away and is back", () => {
    const stage = new Stage();
    stage.arrive();
    stage.hear(status(true));
    stage.pass(4_000);
    expect(stage.said().some(({ type }) => type === "register")).toBe(false);
    stage.hear(status(false));
    stage.hear(status(true));
    stage.pass(3_000);
    expect(stage.said().some(({ type }) => type === "register")).toBe(true);
  });

  it("gives up when another client throws it out three times running, within 10 s each", () => {
    const stage = new Stage();
    for (let time = 0; time < 3; time += 1) {
      stage.arrive();
      stage.pass(9_000);
      stage.take();
      stage.lose(true);
      expect(stage.told("displaced")).toHaveLength(time === 2 ? 1 : 0);
    }
  });

  it("takes nothing for that: a longer stay, a network that broke, a server that started again", () => {
    const stage = new Stage();
    const loses = [
      () => {
        stage.pass(10_001);
        stage.lose(true);
      },
      () => {
        stage.lose(false);
      },
      () => {
        stage.lose(true);
        stage.do(stage.session.failed());
      },
    ];
    for (const lose of loses) {
      for (let time = 0; time < 4; time += 1) {
        stage.arrive();
        lose();
        expect(stage.told("displaced")).toEqual([]);
      }
    }
  });

  it("with no place left only lists and forgets; once one is free it registers", () => {
    const stage = new Stage();
    stage.connect();
    stage.take();
    stage.hear({ type: "error", code: "device_limit_reached", message: "full" });
    expect(stage.told("hindered")).toHaveLength(1);
    stage.pass(60_000);
    expect(stage.said().some(({ type }) => type === "register")).toBe(false);
    stage.command({ type: "pause" });
    expect(stage.said()).toEqual([]);
    const id = stage.request({ type: "forget", device: OTHER });
    expect(stage.said()).toMatchObject([{ type: "delete_device", topic: "manage" }]);
    stage.hear({ type: "command_result", id, status: "applied" });
    stage.pass(0);
    expect(stage.said().some(({ type }) => type === "register")).toBe(true);
  });
});

describe("requests", () => {
  it("carry the coordinator's time, 5 s to live, and end exactly once", () => {
    const stage = new Stage();
    stage.arrive({ server_time: 5_000_000 });
    stage.pass(200);
    stage.take();
    const id = stage.command({ type: "seek", position_ms: 1_000 });
    const [message] = stage.said();
    expect(message).toMatchObject({ type: "playback_command", id, topic: "command", qos: 1 });
    const { issued_at = 0, expires_at = 0 } = message as { issued_at?: number; expires_at?: number };
    expect(Math.abs(issued_at - 5_000_200)).toBeLessThan(2);
    expect(expires_at - issued_at).toBe(5_000);
    stage.hear({ type: "command_result", id, status: "accepted" });
    expect(stage.take().filter(({ type }) => type === "settled" || type === "failed")).toEqual([]);
    stage.hear({ type: "command_result", id, status: "applied", sequence: 2, epoch: 1 });
    stage.hear({ type: "command_result", id, status: "rejected", code: "timeout" });
    stage.pass(20_000);
    expect(stage.take().filter(({ type }) => type === "settled" || type === "failed")).toMatchObject([
      { type: "settled", id },
    ]);
  });

  it("go where they belong", () => {
    const stage = new Stage();
    stage.arrive();
    stage.command({ type: "play" });
    stage.command({ type: "set_queue", tracks: ["a"], start_index: 0 });
    stage.request({ type: "transfer", device: OTHER, options: null });
    stage.request({ type: "rename", device: OTHER, name: "Hall" });
    stage.request({ type: "devices" });
    expect(stage.said().map(({ topic }) => topic)).toEqual([
      "command",
      "queue",
      "transfer",
      "manage",
      "query",
    ]);
  });

  it("made offline are held for 5 s, with their own time, and sent on arrival", () => {
    const stage = new Stage();
    stage.arrive({ server_time: 1_000_000 });
    stage.lose();
    const id = stage.command({ type: "pause" });
    stage.pass(4_000);
    expect(stage.said()).toEqual([]);
    stage.connect("fedcba9876543210");
    stage.hear(registered("fedcba9876543210", { server_time: 1_004_000 }));
    const sent = stage.said().filter((message) => message.type === "playback_command");
    expect(sent).toMatchObject([{ id }]);
    expect(Math.abs((sent[0]?.issued_at ?? 0) - 1_000_000)).toBeLessThan(5);
  });

  it("that nobody could be told in time are over, and are not sent later", () => {
    const stage = new Stage();
    stage.arrive();
    stage.lose();
    const id = stage.command({ type: "pause" });
    stage.pass(5_000);
    expect(stage.told("failed")).toMatchObject([{ id, failure: { code: "expired" } }]);
    stage.arrive();
    expect(stage.said()).toEqual([]);
  });

  it("made offline collapse where only the last matters", () => {
    const stage = new Stage();
    stage.arrive();
    stage.lose();
    const first = stage.command({ type: "set_volume", volume: 0.1 });
    const other = stage.command({ type: "set_volume", volume: 0.5 }, OTHER);
    stage.command({ type: "next" });
    stage.command({ type: "next" });
    const last = stage.command({ type: "set_volume", volume: 0.9 });
    expect(stage.told("failed")).toMatchObject([
      { id: first, failure: { code: "superseded" }, hidden: true },
    ]);
    stage.connect();
    stage.take();
    stage.hear(registered(CONN));
    const sent = stage.said().filter((message) => message.type === "playback_command");
    expect(sent.map(({ command }) => command.type)).toEqual(["set_volume", "next", "next", "set_volume"]);
    expect([sent[0]?.id, sent[3]?.id]).toEqual([other, last]);
  });

  it("that nobody answers are over after 5 s, a transfer after 10 s", () => {
    const stage = new Stage();
    stage.arrive();
    stage.pass(30_000);
    stage.take();
    const pause = stage.command({ type: "pause" });
    const transfer = stage.request({ type: "transfer", device: OTHER, options: null });
    stage.pass(4_999);
    expect(stage.told("failed")).toEqual([]);
    stage.pass(1);
    expect(stage.told("failed")).toMatchObject([{ id: pause, failure: { code: "timeout" } }]);
    stage.pass(5_000);
    expect(stage.told("failed")).toMatchObject([{ id: transfer, failure: { code: "timeout" } }]);
  });

  it("end with the reason that the coordinator gives", () => {
    const stage = new Stage();
    stage.arrive();
    for (const [status, code, expected] of [
      ["rejected", "device_offline", "device_offline"],
      ["superseded", undefined, "superseded"],
      ["expired", undefined, "expired"],
    ] as const) {
      const id = stage.command({ type: "pause" });
      stage.take();
      stage.hear({ type: "command_result", id, status, ...(code !== undefined && { code }) });
      expect(stage.told("failed")).toMatchObject([{ id, failure: { code: expected } }]);
    }
    const id = stage.command({ type: "pause" });
    stage.take();
    stage.hear({ type: "error", code: "rate_limited", message: "slow", id, retry_after_ms: 700 });
    expect(stage.told("failed")).toMatchObject([
      { id, failure: { code: "rate_limited", retryAfterMs: 700 } },
    ]);
  });

  it("are bounded: more than 200 at a time are refused here", () => {
    const stage = new Stage();
    for (let count = 0; count < 201; count += 1) stage.command({ type: "next" });
    expect(stage.told("failed")).toMatchObject([{ failure: { code: "rate_limited" } }]);
  });

  it("of a guest go as far as its scope", () => {
    const stage = new Stage(new Identity("ann", "guest", ME, ["control"]));
    stage.arrive();
    stage.command({ type: "pause" });
    expect(stage.said()).toMatchObject([{ topic: "command" }]);
    const wishes: readonly Wish[] = [
      { type: "command", command: { type: "set_queue", tracks: [], start_index: 0 }, target: null },
      { type: "transfer", device: OTHER, options: null },
      { type: "forget", device: OTHER },
    ];
    for (const wish of wishes) {
      stage.request(wish);
      const actions = stage.take();
      expect(actions).toMatchObject([{ type: "failed", failure: { code: "not_authorized" } }]);
    }
  });
});

describe("the optimistic overlay", () => {
  it("draws at once, and holds until the state lists the id", () => {
    const stage = new Stage();
    stage.arrive({ current_state: state({ is_playing: true }) });
    const id = stage.command({ type: "pause" });
    expect(stage.told("changed")).toHaveLength(1);
    expect(stage.session.view.state?.is_playing).toBe(false);
    expect(stage.session.picture.state?.is_playing).toBe(true);
    stage.hear({ type: "playback_state", state: state({ sequence: 2, volume: 0.5 }) });
    expect(stage.session.view.state).toMatchObject({ is_playing: false, volume: 0.5 });
    const applied = state({ sequence: 3, is_playing: false, applied: [id] });
    stage.hear({ type: "playback_state", state: applied });
    expect(stage.session.view.state).toEqual(applied);
    expect(stage.session.view.overlay.size).toBe(0);
  });

  it("takes back what was refused, and says why", () => {
    const stage = new Stage();
    stage.arrive({ current_state: state({ is_playing: true }) });
    const id = stage.command({ type: "pause" });
    stage.take();
    stage.hear({
      type: "command_result",
      id,
      status: "rejected",
      code: "device_offline",
      message: "it is offline",
    });
    expect(stage.session.view.state?.is_playing).toBe(true);
    expect(stage.told("failed")).toMatchObject([{ id, hidden: false, failure: { code: "device_offline" } }]);
  });

  it("keeps what was applied until the state that shows it comes, but not for ever", () => {
    const stage = new Stage();
    stage.arrive({ current_state: state({ is_playing: true }) });
    const id = stage.command({ type: "pause" });
    stage.hear({ type: "command_result", id, status: "applied", epoch: 1, sequence: 2 });
    expect(stage.session.view.state?.is_playing).toBe(false);
    stage.pass(5_000);
    expect(stage.session.view.state?.is_playing).toBe(true);
  });

  it("draws the volume of an idle device until a list shows it", () => {
    const stage = new Stage();
    stage.arrive({ current_state: state({ device_id: ME }) });
    const id = stage.command({ type: "set_volume", volume: 0.2 }, OTHER);
    const drawn = () => stage.session.view.devices.find(({ id }) => id === OTHER)?.volume;
    expect(drawn()).toBe(0.2);
    expect(stage.session.view.state?.volume).toBe(1);
    stage.hear({ type: "command_result", id, status: "applied" });
    expect(drawn()).toBe(0.2);
    stage.hear({ type: "devices_update", devices: [device(ME), device(OTHER, { volume: 0.25 })] });
    expect(drawn()).toBe(0.25);
  });

  it("says of a rollback that a later one hides it", () => {
    const stage = new Stage();
    stage.arrive();
    const first = stage.command({ type: "set_repeat", mode: "one" });
    stage.command({ type: "set_repeat", mode: "all" });
    stage.take();
    stage.hear({ type: "command_result", id: first, status: "superseded" });
    expect(stage.told("failed")).toMatchObject([{ id: first, hidden: true }]);
    expect(stage.session.view.state?.repeat_mode).toBe("all");
  });
});

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
        coordinator: ANOTHER,
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
