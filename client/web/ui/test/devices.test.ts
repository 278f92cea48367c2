import { expect, test } from "vitest";

import type { Device } from "#core";
import { inOrder } from "../src/parts/devices.ts";
import { clockText } from "../src/parts/time.ts";

function device(id: string, online: boolean, seen = 0): Device {
  return {
    id,
    name: id,
    device_type: "desktop",
    capabilities: {
      can_render: true,
      can_control: true,
      can_host_jam: false,
      supported_formats: [],
      max_sample_rate: 0,
    },
    is_online: online,
    is_guest: false,
    last_seen: seen,
    created_at: 0,
  };
}

test("this device first, then those online by name, then the others by when they were seen", () => {
  const listed = [
    device("old", false, 1),
    device("new", false, 9),
    device("b", true),
    device("a", true),
    device("me", true),
  ];
  expect(inOrder(listed, "me").map(({ id }) => id)).toEqual(["me", "a", "b", "new", "old"]);
});

test("times are read as a clock", () => {
  expect([0, 999, 61_000, 225_500, 3_723_000].map(clockText)).toEqual([
    "0:00",
    "0:00",
    "1:01",
    "3:45",
    "1:02:03",
  ]);
});
