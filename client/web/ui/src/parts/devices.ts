/** How a device is called in one line: its kind, and what it does at the moment. */
import type { Device } from "#core";

import { active, clock, here, me, movingTo, playing } from "../model/store.ts";
import { ago, t } from "../texts/index.ts";

/** This device first, then those online, then those seen last; each group by name. */
export function inOrder(devices: readonly Device[], own: string | undefined): Device[] {
  const rank = (device: Device) => (device.id === own ? 0 : device.is_online ? 1 : 2);
  return [...devices].sort(
    (a, b) =>
      rank(a) - rank(b) || (rank(a) === 2 ? b.last_seen - a.last_seen : 0) || a.name.localeCompare(b.name),
  );
}

/** Whether music can be sent there now; this browser can, once its sound is allowed. */
export function canTake(device: Device): boolean {
  if (device.id === me.value?.deviceId) return canBecomePlayer(device);
  return device.is_online && device.capabilities.can_render;
}

export function canBecomePlayer(device: Device): boolean {
  return device.capabilities.can_render || (me.value?.role === "device" && device.id === me.value.deviceId);
}

export function seen(device: Device): string {
  return t("last_seen", { when: ago(device.last_seen, clock.value) });
}

export function doing(device: Device): string {
  const own = device.id === me.value?.deviceId;
  if (movingTo.value === device.id) return t("moving_here");
  if (!device.is_online && !own) return seen(device);
  if (active.value?.id === device.id) {
    const music = t(playing.value ? "plays_here" : "paused_here");
    return own ? `${t("this_browser")} · ${music}` : music;
  }
  if (own) {
    const asleep = !here.value.allowed && canBecomePlayer(device);
    return asleep ? `${t("this_browser")} · ${t("allow_sound")}` : t("this_browser");
  }
  return device.capabilities.can_render ? t("online") : t("only_controls");
}
