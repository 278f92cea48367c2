/** A snapshot, from all that a client knows. Pure. */

import type { Device, PlaybackState } from "./contract/types.ts";
import type { TokenFacts } from "./identity.ts";
import { same } from "./picture.ts";
import type { CommandType, Me, Phase, Reason, Snapshot, Toast } from "./snapshot.ts";

export interface Drawing {
  readonly facts: TokenFacts | null;
  /** Of this browser; a token may name another. */
  readonly deviceId: string;
  readonly state: PlaybackState | null;
  readonly devices: readonly Device[];
  readonly arrival: "away" | "arriving" | "online" | "hindered";
  /** Whether it ever was. */
  readonly registered: boolean;
  /** Away for so short a time that nobody needs to know. */
  readonly unnoticed: boolean;
  /** The broker is there, the coordinator does not answer. */
  readonly unheard: boolean;
  /** No connection could be made. */
  readonly failing: boolean;
  readonly elsewhere: boolean;
  readonly reason: Reason | null;
  readonly volumes: ReadonlyMap<string, number>;
  readonly transferring: Snapshot["transferring"];
  readonly pending: readonly CommandType[];
  readonly toasts: readonly Toast[];
  readonly here: Snapshot["here"];
}

/** Parts that are as they were keep being the same objects; where all are, so is the snapshot. */
export function draw(drawing: Drawing, before: Snapshot | null): Snapshot {
  const { facts } = drawing;
  const phase = phaseOf(drawing);
  const devices = drawing.devices.map((device) => {
    const volume = drawing.volumes.get(device.id);
    return volume === undefined ? device : { ...device, volume };
  });
  const volume = drawing.volumes.get(drawing.state?.device_id ?? "");
  const state = drawing.state !== null && volume !== undefined ? { ...drawing.state, volume } : drawing.state;
  const may = (scope: string): boolean =>
    facts !== null && (facts.role === "device" || facts.scope.includes(scope));
  const after: Snapshot = {
    phase,
    reason: reasonOf(drawing, phase),
    me: meOf(drawing),
    devices,
    state,
    active: devices.find((device) => device.id === state?.device_id) ?? null,
    canControl: may("control"),
    canQueue: may("queue"),
    canTransfer: may("transfer"),
    canManage: facts?.role === "device",
    transferring: drawing.transferring,
    pending: drawing.pending,
    toasts: drawing.toasts,
    here: drawing.here,
  };
  return before === null ? after : keep(before, after);
}

function keep(before: Snapshot, after: Snapshot): Snapshot {
  const kept: Record<string, unknown> = { ...after };
  const names = Object.keys(after) as (keyof Snapshot)[];
  const old = names.filter((name) => same(before[name], after[name]));
  for (const name of old) kept[name] = before[name];
  return old.length === names.length ? before : (kept as unknown as Snapshot);
}

function phaseOf(drawing: Drawing): Phase {
  if (drawing.facts === null) return "signed_out";
  if (drawing.elsewhere) return "elsewhere";
  if (drawing.arrival === "hindered") return "full";
  if (drawing.arrival === "online") return "online";
  if (!drawing.registered) return "connecting";
  return drawing.unnoticed ? "online" : "offline";
}

function reasonOf(drawing: Drawing, phase: Phase): Reason | null {
  switch (phase) {
    case "signed_out":
    case "elsewhere":
      return drawing.reason;
    case "connecting":
    case "offline":
      if (drawing.unheard) return "no_coordinator";
      return drawing.failing || phase === "offline" ? "unreachable" : null;
    case "online":
    case "full":
      return null;
  }
}

function meOf(drawing: Drawing): Me | null {
  const { facts } = drawing;
  if (facts === null) return null;
  const deviceId = facts.device ?? drawing.deviceId;
  const name = drawing.devices.find((device) => device.id === deviceId)?.name ?? "";
  const { user, role, scope, expiresAt } = facts;
  return { user, deviceId, name, role, scope, expiresAt };
}
