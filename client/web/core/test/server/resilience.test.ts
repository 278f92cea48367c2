/** The core against a real server that dies, and tokens that end. */

import { expect, test } from "vitest";

import { readToken } from "../../src/identity.ts";
import { until } from "../world.ts";
import { online, server, useServer } from "./setting.ts";

useServer();

test("the server is killed and comes back: offline, then online again, with the music where it was", async () => {
  const one = await online(await server.cli("token", "ann"));
  await one.connect.allowPlayback();
  await one.connect.setQueue(["a", "b", "c"], 1);
  await one.connect.play();
  await until(() => one.engine.playing, "the music");
  const before = one.connect.snapshot.state?.sequence ?? 0;
  await server.kill();
  await until(() => one.connect.snapshot.phase === "offline", "that it shows");
  // A player plays on, whether or not anybody looks.
  expect(one.engine.playing).toBe(true);
  await server.run();
  await until(() => one.connect.snapshot.phase === "online", "online again");
  expect(one.engine.track).toBe("b");
  await one.connect.pause();
  expect(one.connect.snapshot.state).toMatchObject({ track_id: "b", is_playing: false, device_id: one.id });
  expect(one.connect.snapshot.state?.sequence).toBeGreaterThan(before);
  expect(one.phases.filter((phase) => phase !== "online" && phase !== "offline")).toEqual([]);
});

test("a token that ends is replaced, and nobody sees it", async () => {
  const token = await server.cli("token", "ann", "--ttl", "12s");
  const end = readToken(token)?.expiresAt ?? 0;
  const one = await online(token);
  await until(
    () => one.token !== token && Date.now() > end + 500,
    "another token, and the end of the first",
    30,
  );
  await until(() => one.connect.snapshot.phase === "online", "online");
  await one.connect.rename(one.id, "Study");
  await until(() => one.connect.snapshot.me?.name === "Study", "the name");
  expect(one.phases.filter((phase) => phase !== "online")).toEqual([]);
});

test("a token that is revoked leads to sign-in", async () => {
  const token = await server.cli("token", "ann");
  const one = await online(token);
  await server.cli("token", "revoke", token);
  await until(() => one.connect.snapshot.phase === "signed_out", "signed out");
  expect(one.connect.snapshot.reason).toBe("refused");
  expect(one.token).toBeNull();
});
