/** The core against a real server, with a real player beside it. */

import { expect, test } from "vitest";

import type { ConnectError } from "../../src/index.ts";
import { until } from "../world.ts";
import { online, server, useServer } from "./setting.ts";

useServer();

test("two pages and a Python player agree; the music goes there and back", async () => {
  const token = await server.cli("token", "ann");
  const [one, two] = await Promise.all([online(token), online(token)]);
  await server.player("ann", "Kitchen");
  const kitchen = await until(
    () => one.connect.snapshot.devices.find(({ name, is_online }) => name === "Kitchen" && is_online),
    "the player",
  );

  await one.connect.setQueue(["a", "b", "c"], 0, { device: kitchen.id });
  await one.connect.play();
  await until(() => two.connect.snapshot.state?.is_playing, "that it plays, at the other page");
  expect(two.connect.snapshot.active?.name).toBe("Kitchen");
  await until(
    () => Math.abs(one.connect.positionNow() - two.connect.positionNow()) < 300,
    "that they agree where",
  );

  await two.connect.allowPlayback();
  await until(
    () => one.connect.snapshot.devices.find(({ id }) => id === two.id)?.capabilities.can_render,
    "that the page can play",
  );
  await one.connect.transfer(two.id);
  expect(one.connect.snapshot.active?.id).toBe(two.id);
  expect(two.engine.playing).toBe(true);
  expect(two.engine.track).toBe("a");

  await one.connect.next();
  await until(() => two.engine.track === "b", "the next track");
  await one.connect.seek(30_000);
  await until(
    () => Math.abs(two.engine.positionMs() - one.connect.positionNow()) < 300,
    "that it is where it sounds",
  );
  await one.connect.setVolume(0.25);
  expect(two.engine.volume).toBe(0.25);

  await two.connect.transfer(kitchen.id);
  expect(two.engine.playing).toBe(false);
  expect(two.connect.snapshot.active?.name).toBe("Kitchen");
  await two.connect.pause();
  await until(() => one.connect.snapshot.state?.is_playing === false, "the pause");
});

test("a command is drawn at once, and taken back with its reason", async () => {
  const token = await server.cli("token", "ann");
  const one = await online(token);
  const error = await one.connect.transfer("99999999-9999-4999-8999-999999999999").then(
    () => null,
    (reason: unknown) => reason as ConnectError,
  );
  expect(error?.code).toBe("device_not_found");
  expect(one.connect.snapshot.transferring).toBeNull();
  expect(one.connect.snapshot.toasts.at(-1)).toMatchObject({ code: "device_not_found", command: "transfer" });
});
