/** The client that a page holds, on a virtual clock. */

import { afterEach, describe, expect, it } from "vitest";

import type { ConnectError, SignInError } from "../../src/index.ts";
import { House, token } from "./page.ts";
import { device, ME, OTHER, state } from "./samples.ts";

let house: House;

afterEach(() => {
  expect(house.world.bugs).toEqual([]);
});

describe("the phase", () => {
  it("is connecting, then online; a short cut is nobody's business, a longer one is", async () => {
    house = new House();
    expect(house.connect.snapshot.phase).toBe("signed_out");
    house.connect.start();
    expect(house.connect.snapshot.phase).toBe("connecting");
    await house.world.pass(0);
    await house.register();
    expect(house.connect.snapshot).toMatchObject({
      phase: "online",
      reason: null,
      me: { user: "ann", name: "Browser" },
    });
    house.door = "shut";
    house.wire.lose();
    await house.world.pass(900);
    expect(house.connect.snapshot.phase).toBe("online");
    await house.world.pass(200);
    expect(house.connect.snapshot).toMatchObject({ phase: "offline", reason: "unreachable" });
    // The server is back: so is the page within 3 s, whatever its luck.
    house.door = "open";
    const before = house.wires.length;
    await house.world.pass(2_500);
    expect(house.wires.length).toBe(before + 1);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
  });

  it("says that the broker answers and nobody behind it", async () => {
    house = new House();
    house.connect.start();
    await house.world.pass(6_000);
    expect(house.connect.snapshot).toMatchObject({ phase: "connecting", reason: "no_coordinator" });
  });

  it("tries again at once when the network is back, or the page comes to sight", async () => {
    house = new House();
    house.door = "shut";
    house.connect.start();
    await house.world.pass(30_000);
    house.door = "open";
    house.connect.stir();
    await house.world.pass(0);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
    house.connect.stir();
    expect(house.wire.probes).toBe(1);
  });

  it("asks whether the server is there while it is away: hardly a connection fails, and one is made at once", async () => {
    house = new House();
    await house.arrive();
    house.door = "shut";
    house.wire.lose();
    await house.world.pass(120_000);
    expect(house.knocks.length).toBeGreaterThan(60);
    // The first, and one in 30 s in case that it is the asking that does not work.
    expect(house.tries - 1).toBeGreaterThanOrEqual(4);
    expect(house.tries - 1).toBeLessThanOrEqual(6);
    expect(house.connect.snapshot).toMatchObject({ phase: "offline", reason: "unreachable" });
    const tries = house.tries;
    house.door = "open";
    await house.world.pass(1_600);
    expect(house.tries).toBe(tries + 1);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
  });

  it("waits for no answer to that when there is reason to try at once, nor longer than it said", async () => {
    house = new House();
    await house.arrive();
    house.home = () => new Promise(() => undefined);
    house.door = "shut";
    house.wire.lose();
    await house.world.pass(20_000);
    const { tries } = house;
    expect(house.knocks.length).toBeGreaterThan(3);
    expect(Math.max(...house.knocks)).toBeLessThanOrEqual(10_000);
    house.door = "open";
    house.connect.stir();
    await house.world.pass(0);
    expect(house.tries).toBe(tries + 1);
    house.wire.lose();
    // Whoever signs out while it asks is signed out.
    house.door = "shut";
    await house.world.pass(5_000);
    const wires = house.wires.length;
    house.answer = () => ({ status: 200 });
    await house.connect.signOut();
    house.door = "open";
    await house.world.pass(60_000);
    expect(house.wires).toHaveLength(wires);
  });

  it("tries nothing but connections where nobody can be asked", async () => {
    house = new House(token(), { isThere: null });
    house.door = "shut";
    house.connect.start();
    await house.world.pass(20_000);
    expect(house.tries).toBeGreaterThan(10);
    expect(house.knocks).toEqual([]);
  });

  it("is elsewhere while another tab is in use, until this one takes over", async () => {
    house = new House();
    house.tabFree = false;
    house.connect.start();
    await house.world.pass(1_000);
    expect(house.connect.snapshot).toMatchObject({ phase: "elsewhere", reason: "other_tab" });
    expect(house.wires).toEqual([]);
    house.connect.takeOver();
    await house.world.pass(0);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
    // Another tab takes it.
    house.taken?.();
    await house.world.pass(1_000);
    expect(house.wire.of("disconnect")).toHaveLength(1);
    expect(house.connect.snapshot.phase).toBe("elsewhere");
  });

  it("goes on where the other tab is closed before it has left for that", async () => {
    house = new House();
    await house.arrive();
    house.taken?.();
    house.connect.stir();
    await house.world.pass(5_000);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
  });

  it("asks again whether another tab is in use when there is reason to, and goes on where none is", async () => {
    house = new House();
    await house.arrive();
    house.taken?.();
    await house.world.pass(1_000);
    house.tabFree = false;
    house.connect.stir();
    await house.world.pass(1_000);
    expect(house.connect.snapshot).toMatchObject({ phase: "elsewhere", reason: "other_tab" });
    house.tabFree = true;
    house.connect.stir();
    await house.world.pass(0);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
    expect(house.wires).toHaveLength(2);
  });

  it("is elsewhere when another client has this device id", async () => {
    house = new House();
    await house.arrive();
    for (let time = 0; time < 2; time += 1) {
      house.wire.lose();
      await house.world.pass(2_500);
      await house.register();
    }
    house.wire.lose();
    await house.world.pass(60_000);
    expect(house.connect.snapshot).toMatchObject({ phase: "elsewhere", reason: "other_client" });
    expect(house.wires).toHaveLength(3);
    house.connect.takeOver();
    await house.world.pass(0);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
  });
});

describe("what people do", () => {
  it("shows in the very next snapshot, and is taken back with a toast that says why", async () => {
    house = new House();
    await house.arrive({ current_state: state({ is_playing: true }) });
    let told = 0;
    house.connect.subscribe(() => (told += 1));
    const pause = house.connect.pause().catch((error: unknown) => error as ConnectError);
    expect(house.connect.snapshot.state?.is_playing).toBe(false);
    expect(house.connect.snapshot.pending).toEqual(["pause"]);
    expect(told).toBe(1);
    const [message] = house.wire.of("playback_command");
    house.wire.hear({
      type: "command_result",
      id: message?.id ?? "",
      status: "rejected",
      code: "device_offline",
    });
    expect(await pause).toMatchObject({ code: "device_offline" });
    expect(house.connect.snapshot).toMatchObject({ state: { is_playing: true }, pending: [] });
    const [toast] = house.connect.snapshot.toasts;
    expect(toast).toMatchObject({ kind: "rolled_back", code: "device_offline", command: "pause" });
    house.connect.dismiss(toast?.id ?? 0);
    expect(house.connect.snapshot.toasts).toEqual([]);
  });

  it("with a slider sends two values a second and the last one, and draws the finger", async () => {
    house = new House();
    await house.arrive();
    house.connect.holdVolume(null, true);
    for (let step = 1; step <= 20; step += 1) {
      void house.connect.setVolume(step / 20);
      await house.world.pass(50);
      house.wire.hear({ type: "playback_state", state: state({ sequence: 1 + step, volume: 0.01 }) });
      expect(house.connect.snapshot.state?.volume).toBe(step / 20);
    }
    await house.world.pass(500);
    const sent = house.wire
      .of("playback_command")
      .map(({ command }) => command.type === "set_volume" && command.volume);
    expect(sent.length).toBeLessThanOrEqual(4);
    expect(sent.at(-1)).toBe(1);
    const last = house.wire.of("playback_command").at(-1);
    house.connect.holdVolume(null, false);
    house.wire.hear({
      type: "playback_state",
      state: state({ sequence: 90, volume: 0.9, applied: [last?.id ?? ""] }),
    });
    await house.world.pass(10_000);
    expect(house.connect.snapshot.state?.volume).toBe(0.9);
  });

  it("to hand the music over shows where it goes; too soon is asked again, without a word", async () => {
    house = new House();
    await house.arrive();
    const transfer = house.connect.transfer(OTHER);
    expect(house.connect.snapshot.transferring).toMatchObject({ to: OTHER });
    const id = () => house.wire.of("transfer_playback").at(-1)?.id ?? "";
    house.wire.hear({ type: "error", code: "rate_limited", message: "wait", id: id(), retry_after_ms: 800 });
    await house.world.pass(800);
    expect(house.wire.of("transfer_playback")).toHaveLength(2);
    expect(house.connect.snapshot.toasts).toEqual([]);
    house.wire.hear({ type: "command_result", id: id(), status: "applied", epoch: 2, sequence: 2 });
    await transfer;
    await house.world.pass(0);
    expect(house.connect.snapshot.transferring).toBeNull();
  });

  it("as a guest is what the invitation allows", async () => {
    house = new House(token({ role: "guest", scope: ["control"], device: ME }));
    await house.arrive();
    expect(house.connect.snapshot).toMatchObject({
      canControl: true,
      canQueue: false,
      canTransfer: false,
      canManage: false,
    });
    await expect(house.connect.allowPlayback()).rejects.toMatchObject({ code: "unsupported" });
    await expect(house.connect.transfer(OTHER)).rejects.toMatchObject({ code: "not_authorized" });
    expect(house.wire.dial.filters[0]).toBe(`soul/v1/ann/guest/${ME}/down/+`);
  });

  it("keeps a bounded number of toasts, and the same snapshot while nothing changes", async () => {
    house = new House();
    await house.arrive();
    for (let count = 0; count < 100; count += 1) {
      house.wire.hear({ type: "notice", level: "info", code: "x", message: String(count) });
    }
    expect(house.connect.snapshot.toasts.map(({ message }) => message)).toEqual([
      "92",
      "93",
      "94",
      "95",
      "96",
      "97",
      "98",
      "99",
    ]);
    const before = house.connect.snapshot;
    house.wire.hear({ type: "devices_update", devices: [device(ME), device(OTHER)] });
    expect(house.connect.snapshot).toBe(before);
  });
});

describe("the token", () => {
  const second = (house: House, seconds: number) => Math.round(house.world.wall() / 1_000) + seconds;

  it("is refreshed before it ends, and the connection is changed without anybody noticing", async () => {
    house = new House(null);
    house.kept = token({ exp: second(house, 100) });
    house.answer = (path) =>
      path === "api/refresh" ? { status: 200, body: { token: token({ exp: second(house, 10_000) }) } } : null;
    await house.arrive();
    await house.world.pass(90_500);
    expect(house.asked.map(({ path }) => path)).toEqual(["api/refresh"]);
    expect(house.wires).toHaveLength(2);
    expect(house.wires[0]?.closed).toBe(true);
    expect(house.wires[0]?.of("disconnect")).toEqual([]);
    expect(house.connect.snapshot.phase).toBe("online");
    expect(house.wire.dial.token).toBe(house.kept);
    await house.register();
  });

  it("that is refused is replaced silently; where there is no other, it is sign-in", async () => {
    house = new House();
    const fresh = token({ jti: "2" });
    house.answer = () => ({ status: 200, body: { token: fresh } });
    house.door = "refuses";
    house.connect.start();
    await house.world.pass(0);
    house.door = "open";
    await house.world.pass(10_000);
    expect(house.wire.dial.token).toBe(fresh);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");

    house.answer = () => ({ status: 401 });
    house.door = "refuses";
    house.wire.lose();
    await house.world.pass(30_000);
    expect(house.connect.snapshot).toMatchObject({ phase: "signed_out", reason: "refused", me: null });
    expect(house.kept).toBeNull();
  });

  it("of a guest that is refused is the end of the invitation", async () => {
    house = new House(token({ role: "guest", scope: [], device: ME }));
    house.answer = () => ({ status: 401 });
    house.door = "refuses";
    house.connect.start();
    await house.world.pass(10_000);
    expect(house.connect.snapshot).toMatchObject({ phase: "signed_out", reason: "uninvited", me: null });
  });

  it("that nobody can refresh at the moment is kept", async () => {
    house = new House();
    house.door = "refuses";
    house.connect.start();
    await house.world.pass(60_000);
    expect(house.asked.length).toBeGreaterThan(3);
    expect(house.kept).not.toBeNull();
    expect(house.connect.snapshot.phase).toBe("connecting");
  });

  it("comes from signing in, or from an invitation; what goes wrong is said", async () => {
    house = new House(null);
    house.connect.start();
    const wrong = (error: unknown) => (error as SignInError).code;
    house.answer = () => ({ status: 401 });
    expect(await house.connect.signIn("ann", "no").catch(wrong)).toBe("wrong");
    expect(await house.connect.join("used").catch(wrong)).toBe("invitation_over");
    house.answer = () => ({ status: 429, headers: { "Retry-After": "30" } });
    expect(await house.connect.signIn("ann", "no").catch(wrong)).toBe("too_many");
    house.answer = () => null;
    expect(await house.connect.signIn("ann", "no").catch(wrong)).toBe("unreachable");
    house.answer = () => ({ status: 200, body: { token: token() } });
    await house.connect.signIn("ann", "yes");
    expect(JSON.parse(house.asked.at(-1)?.body ?? "")).toEqual({ user: "ann", password: "yes", device: ME });
    await house.world.pass(0);
    await house.register();
    expect(house.connect.snapshot.phase).toBe("online");
    house.answer = () => ({ status: 200, body: {} });
    await house.connect.signOut();
    expect(house.wire.of("disconnect")).toHaveLength(1);
    expect(house.asked.at(-1)?.path).toBe("api/logout");
    expect(house.connect.snapshot).toMatchObject({ phase: "signed_out", reason: "signed_out" });
    expect(house.kept).toBeNull();
  });
});
