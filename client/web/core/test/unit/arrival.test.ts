/** Getting registered and staying so, on a virtual clock (docs/protocol.md, "Arrival" and "Presence"). */

import { describe, expect, it } from "vitest";

import { ANOTHER_COORDINATOR, ME, OTHER, registered, status } from "./samples.ts";
import { CONN, Stage } from "./stage.ts";

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

  it("takes the answer to a repetition for a snapshot, and for no second arrival", () => {
    const stage = new Stage();
    stage.connect();
    stage.hear(registered(CONN));
    stage.hear(registered(CONN));
    expect(stage.told("arrived")).toHaveLength(1);
    stage.hear({ type: "error", code: "not_registered", message: "register first" });
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
      stage.hear(status(true, ANOTHER_COORDINATOR));
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

  it("registers again when it hears that it fell silent: what it said was lost, and it is there", () => {
    const stage = new Stage();
    stage.arrive();
    stage.take();
    stage.hear({ type: "device_offline", device_id: OTHER, reason: "timeout" });
    stage.hear({ type: "device_offline", device_id: ME, reason: "connection_lost" });
    expect(stage.said()).toEqual([]);
    stage.hear({ type: "device_offline", device_id: ME, reason: "timeout" });
    expect(stage.said()).toMatchObject([{ type: "register", conn: CONN }]);
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

  it("with no place left tries again when asked to, and stays without one or is there", () => {
    const stage = new Stage();
    const full = () => {
      stage.hear({ type: "error", code: "device_limit_reached", message: "full" });
      expect(stage.told("hindered")).toHaveLength(1);
    };
    stage.connect();
    full();
    stage.do(stage.session.stirred(stage.now));
    expect(stage.said().map(({ type }) => type)).toEqual(["register"]);
    expect(stage.session.arrival.phase).toBe("hindered");
    full();
    stage.pass(60_000);
    expect(stage.said().some(({ type }) => type === "register")).toBe(false);
    stage.do(stage.session.stirred(stage.now));
    stage.hear(registered(CONN));
    expect(stage.session.arrival.phase).toBe("online");
  });
});
