/**
 * What is known of this user's music and devices.
 *
 * Messages may come late, twice or out of order. The canonical state is ordered by (epoch, sequence), and
 * within one sequence by `position_at`; what is older is dropped.
 */

import type { Device, PlaybackState, Position, ReportedState } from "./contract/types.ts";

export class Picture {
  state: PlaybackState | null = null;
  devices: readonly Device[] = [];
  #heard = 0;

  /**
   * Take `state` if it is not older; says whether anything changed.
   *
   * `anew`: from the snapshot of a coordinator not met before, which may have been restored from a backup. It
   * alone says what is true, even if that is older.
   */
  offerState(state: PlaybackState, now: number, anew = false): boolean {
    const old = this.state;
    if (old !== null && !anew && isOlder(state, old)) return false;
    this.#heard = now;
    if (same(state, old)) return false;
    this.state = state;
    return true;
  }

  /** Take a tick if it belongs to the state that is known and is not older. */
  offerPosition(tick: Position, now: number): boolean {
    const old = this.state;
    if (old?.epoch !== tick.epoch || old.sequence !== tick.sequence || old.device_id !== tick.device_id)
      return false;
    if (tick.position_at < old.position_at) return false;
    this.#heard = now;
    const { position_ms, position_at, is_playing } = tick;
    this.state = { ...old, position_ms, position_at, is_playing };
    return true;
  }

  /** What the active device says, heard by nobody else: it holds until the coordinator says more. */
  offerOwn(epoch: number | null, own: ReportedState): boolean {
    const old = this.state;
    if (old?.epoch !== epoch) return false;
    const { queue, position_at: at, track_id = null, duration_ms = null, error = null, ...rest } = own;
    const position_at = at ?? old.position_at;
    const state = { ...old, ...rest, position_at, track_id, duration_ms, error, paused_reason: null };
    if (same(state, old)) return false;
    this.state = state;
    return true;
  }

  /** All the devices. */
  offerDevices(devices: readonly Device[]): boolean {
    if (same(devices, this.devices)) return false;
    this.devices = devices;
    return true;
  }

  /** One device, new or changed. */
  offerDevice(device: Device): boolean {
    const known = new Map(this.devices.map((old) => [old.id, old]));
    known.set(device.id, device);
    return this.offerDevices([...known.values()]);
  }

  /** One device went offline, or for good. */
  loseDevice(id: string, deleted: boolean): boolean {
    return this.offerDevices(
      this.devices
        .filter((device) => !(deleted && device.id === id))
        .map((device) => (device.id === id ? { ...device, is_online: false } : device)),
    );
  }

  /** Without the coordinator's clock the moment of receipt stands for `position_at`. */
  positionMs(state: PlaybackState, now: number, serverNow: number | null): number {
    return positionAt(state, serverNow ?? state.position_at + Math.round(now - this.#heard));
  }
}

/** Where the music of `state` is at a moment of the coordinator's clock ("Time"). */
export function positionAt(state: PlaybackState, serverNow: number): number {
  const played = state.is_playing ? Math.max(0, serverNow - state.position_at) : 0;
  return Math.min(state.position_ms + played, state.duration_ms ?? Infinity);
}

function isOlder(one: PlaybackState, other: PlaybackState): boolean {
  if (one.epoch !== other.epoch) return one.epoch < other.epoch;
  if (one.sequence !== other.sequence) return one.sequence < other.sequence;
  return one.position_at < other.position_at;
}

/** Whether two values of the wire are the same. */
export function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const left = Object.entries(one);
  const right = other as Readonly<Record<string, unknown>>;
  if (left.length !== Object.keys(right).length) return false;
  return left.every(([key, value]) => Object.hasOwn(right, key) && same(value, right[key]));
}
