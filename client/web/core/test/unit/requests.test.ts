/** What people ask for: held, sent, answered, and drawn before it is confirmed. */

import { describe, expect, it } from "vitest";

import { Identity } from "../../src/identity.ts";
import type { Wish } from "../../src/requests.ts";
import { device, ME, OTHER, registered, state } from "./samples.ts";
import { CONN, Stage } from "./stage.ts";

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
    expect(stage.told("failed")).toMatchObject([{ id, failure: { code: "offline" } }]);
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
