/** Good values of the contract, to be changed a little. */

import type { CoordinatorStatus, Device, MessageDown, PlaybackState, Registered } from "../../src/index.ts";

export const ME = "11111111-1111-4111-8111-111111111111";
export const OTHER = "22222222-2222-4222-8222-222222222222";
export const REQUEST = "33333333-3333-4333-8333-333333333333";
export const TRANSFER = "44444444-4444-4444-8444-444444444444";
export const COORDINATOR = "55555555-5555-4555-8555-555555555555";
export const ANOTHER_COORDINATOR = "66666666-6666-4666-8666-666666666666";

export function status(online: boolean, coordinator = COORDINATOR): CoordinatorStatus {
  return { type: "coordinator_status", coordinator, online, started_at: 1 };
}

export function device(id: string, changes: Partial<Device> = {}): Device {
  return {
    id,
    name: id === ME ? "Browser" : "Kitchen",
    device_type: id === ME ? "web" : "desktop",
    capabilities: {
      can_render: true,
      can_control: true,
      can_host_jam: false,
      supported_formats: ["flac"],
      max_sample_rate: 48_000,
    },
    volume: 1,
    is_online: true,
    is_guest: false,
    last_seen: 1_000,
    created_at: 1_000,
    ...changes,
  };
}

export function state(changes: Partial<PlaybackState> = {}): PlaybackState {
  return {
    device_id: OTHER,
    track_id: "a",
    position_ms: 0,
    position_at: 1_000_000,
    is_playing: true,
    queue: ["a", "b", "c"],
    queue_position: 0,
    volume: 1,
    shuffle: false,
    repeat_mode: "off",
    duration_ms: 60_000,
    updated_at: 1_000_000,
    epoch: 1,
    sequence: 1,
    queue_rev: 1,
    paused_reason: null,
    error: null,
    applied: [],
    ...changes,
  };
}

export function registered(conn: string, changes: Partial<Registered> = {}): Registered {
  return {
    type: "registered",
    conn,
    device_id: ME,
    device: device(ME),
    devices: [device(ME), device(OTHER)],
    current_state: state(),
    should_resume: false,
    server_time: 1_000_000,
    coordinator: COORDINATOR,
    limits: {
      packet_bytes: 524_288,
      queue_tracks: 10_000,
      queue_bytes: 393_216,
      requests_per_minute: 100,
      other_per_minute: 60,
      states_per_second: 10,
      devices: 10,
    },
    ...changes,
  };
}

/** One of each kind. */
export const MESSAGES: readonly MessageDown[] = [
  registered("0123456789abcdef"),
  { type: "pong", t0: 1, t1: 2, t2: 3 },
  { type: "command_result", id: REQUEST, status: "rejected", code: "unsupported", message: "no" },
  { type: "error", code: "rate_limited", message: "too many", retry_after_ms: 10 },
  { type: "devices_update", devices: [device(ME)] },
  { type: "playback_state", state: state() },
  {
    type: "position",
    epoch: 1,
    sequence: 1,
    device_id: OTHER,
    position_ms: 1_000,
    position_at: 1_001_000,
    is_playing: true,
  },
  { type: "device_online", device: device(OTHER) },
  { type: "device_offline", device_id: OTHER, reason: "timeout" },
  { type: "notice", level: "warning", code: "device_offline", message: "Playback paused" },
  status(true),
  {
    type: "execute_command",
    id: REQUEST,
    command: { type: "next", queue_position: 1 },
    from_device: OTHER,
    epoch: 1,
    expires_at: 2,
  },
  { type: "prepare_playback", transfer_id: TRANSFER, epoch: 1, state: state() },
  { type: "start_playback", transfer_id: TRANSFER, epoch: 2, state: state() },
  { type: "stop_playback", epoch: 2, reason: "transferred" },
];
