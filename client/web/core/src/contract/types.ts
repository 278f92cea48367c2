// Generated from config/schema by `make schema`. Do not edit.

/**
 * Why something was refused; the `code` of `error` and `command_result`.
 */
export type Code =
  | "device_not_found"
  | "device_offline"
  | "not_authorized"
  | "invalid_command"
  | "rate_limited"
  | "no_active_device"
  | "not_active"
  | "not_registered"
  | "unsupported"
  | "timeout"
  | "transfer_failed"
  | "device_limit_reached"
  | "payload_too_large"
  | "unavailable";
/**
 * How a request stands; all but `accepted` are final.
 */
export type ResultStatus = "accepted" | "applied" | "rejected" | "superseded" | "expired";
/**
 * What kind of thing a device is; clients choose an icon by it.
 */
export type DeviceType = "desktop" | "mobile" | "dap" | "web";
/**
 * Why a device went offline.
 */
export type OfflineReason = "disconnect" | "connection_lost" | "timeout" | "deleted" | "token_expired";
/**
 * What follows the last track (`all`) or any track (`one`).
 */
export type RepeatMode = "off" | "one" | "all";
/**
 * How loudly to show a notice.
 */
export type NoticeLevel = "info" | "warning" | "error";
/**
 * Why a device must not play.
 */
export type StopReason = "transferred" | "claimed" | "aborted" | "not_active";
/**
 * Whether the music plays after a transfer.
 */
export type TransferPlay = "keep" | "play" | "pause";

export type MessageDown =
  | ExecuteCommand
  | PreparePlayback
  | StartPlayback
  | StopPlayback
  | Registered
  | Pong
  | CommandResult
  | Error
  | DevicesUpdate
  | PlaybackStateMessage
  | Position
  | DeviceOnline
  | DeviceOffline
  | Notice
  | CoordinatorStatus;

export type MessageUp =
  | Register
  | ConnectionLost
  | Disconnect
  | Ping
  | RequestDevices
  | RequestState
  | PlaybackCommand
  | QueueCommand
  | TransferPlayback
  | ClaimPlayback
  | RenameDevice
  | DeleteDevice
  | StateUpdate
  | PlaybackReady
  | PlaybackStarted
  | PlaybackFailed;

/**
 * What a device can do. `max_payload_bytes` asks for windows of large queues.
 */
export interface Capabilities {
  can_render: boolean;
  can_control: boolean;
  can_host_jam: boolean;
  supported_formats: string[];
  max_sample_rate: number;
  max_payload_bytes?: number | null;
}
/**
 * How a request stands. Every request with an id ends in exactly one final result.
 */
export interface CommandResult {
  type: "command_result";
  id: string;
  status: ResultStatus;
  code?: Code | null;
  message?: string | null;
  sequence?: number | null;
  epoch?: number | null;
}
/**
 * Whether the coordinator is there, and which one.
 */
export interface CoordinatorStatus {
  type: "coordinator_status";
  coordinator: string;
  online: boolean;
  started_at: number;
}
/**
 * A device as the coordinator lists it.
 */
export interface Device {
  id: string;
  name: string;
  device_type: DeviceType;
  capabilities: Capabilities;
  volume?: number | null;
  is_online: boolean;
  is_guest: boolean;
  last_seen: number;
  created_at: number;
}
/**
 * A device went offline.
 */
export interface DeviceOffline {
  type: "device_offline";
  device_id: string;
  reason: OfflineReason;
}
/**
 * A device came online.
 */
export interface DeviceOnline {
  type: "device_online";
  device: Device;
}
/**
 * All listed devices; with `id`, the answer to a query.
 */
export interface DevicesUpdate {
  type: "devices_update";
  devices: Device[];
  id?: string | null;
}
/**
 * A refusal of what has no id; `rate_limited` carries `retry_after_ms`.
 */
export interface Error {
  type: "error";
  code: Code;
  message: string;
  id?: string | null;
  retry_after_ms?: number | null;
}
/**
 * Carry this out, and list its id in `applied` or `refused` of the next report.
 */
export interface ExecuteCommand {
  type: "execute_command";
  id: string;
  command:
    | Play
    | Pause
    | Stop
    | Seek
    | ForwardedStep
    | ForwardedSetQueue
    | SetVolume
    | ForwardedSetShuffle
    | SetRepeat
    | SetWindow;
  from_device: string;
  epoch: number;
  expires_at: number;
}
/**
 * Go on, or start.
 */
export interface Play {
  type: "play";
}
/**
 * Hold the position.
 */
export interface Pause {
  type: "pause";
}
/**
 * Paused at 0; the device stays the active one.
 */
export interface Stop {
  type: "stop";
}
/**
 * Go to a position in the current track.
 */
export interface Seek {
  type: "seek";
  position_ms: number;
}
/**
 * `next` or `previous` as resolved by the coordinator.
 *
 * Go to `queue_position` and stay playing or paused as before, unless `is_playing`
 * says otherwise (false past the end of the queue: pause at 0 of the last track).
 */
export interface ForwardedStep {
  type: "next" | "previous";
  queue_position: number;
  is_playing?: boolean | null;
}
/**
 * `set_queue` in play order, with its new `queue_rev`; a window for a device with a payload limit.
 */
export interface ForwardedSetQueue {
  type: "set_queue";
  tracks: string[];
  start_index: number;
  keep_position?: boolean | null;
  queue_rev: number;
  queue_offset?: number | null;
  queue_length?: number | null;
}
/**
 * The device's own volume.
 */
export interface SetVolume {
  type: "set_volume";
  volume: number;
}
/**
 * `set_shuffle` with the queue in its new play order.
 */
export interface ForwardedSetShuffle {
  type: "set_shuffle";
  enabled: boolean;
  queue: string[];
  queue_position: number;
  queue_rev: number;
  queue_offset?: number | null;
  queue_length?: number | null;
}
/**
 * What follows the last track.
 */
export interface SetRepeat {
  type: "set_repeat";
  mode: RepeatMode;
}
/**
 * The next part of a queue that is too large for the device; nothing else changes.
 */
export interface SetWindow {
  type: "set_window";
  queue: string[];
  queue_offset: number;
  queue_rev: number;
  queue_length?: number | null;
}
/**
 * The limits that `registered` tells a client.
 */
export interface Limits {
  packet_bytes: number;
  queue_tracks: number;
  queue_bytes: number;
  requests_per_minute: number;
  other_per_minute: number;
  states_per_second: number;
  devices: number;
}
/**
 * Something that people of this user should see.
 */
export interface Notice {
  type: "notice";
  level: NoticeLevel;
  code: string;
  message: string;
}
/**
 * The canonical state of a user. With `queue_offset`, `queue` is a window of `queue_length` tracks.
 */
export interface PlaybackState {
  device_id: string | null;
  track_id: string | null;
  position_ms: number;
  position_at: number;
  is_playing: boolean;
  queue: string[];
  queue_position: number;
  volume: number;
  shuffle: boolean;
  repeat_mode: RepeatMode;
  duration_ms: number | null;
  updated_at: number;
  epoch: number;
  sequence: number;
  queue_rev: number;
  paused_reason: string | null;
  error: TrackError | null;
  applied: string[];
  queue_offset?: number | null;
  queue_length?: number | null;
}
/**
 * What could not be played, and why.
 */
export interface TrackError {
  code: string;
  track_id: string;
}
/**
 * The canonical state; with `id`, the answer to a query.
 */
export interface PlaybackStateMessage {
  type: "playback_state";
  state: PlaybackState;
  id?: string | null;
}
/**
 * `t0` as sent; `t1` received and `t2` sent, on the coordinator's clock.
 */
export interface Pong {
  type: "pong";
  t0: number;
  t1: number;
  t2: number;
}
/**
 * The small tick, each second while playing.
 */
export interface Position {
  type: "position";
  epoch: number;
  sequence: number;
  device_id: string;
  position_ms: number;
  position_at: number;
  is_playing: boolean;
}
/**
 * Load this and stay silent; then `playback_ready`.
 */
export interface PreparePlayback {
  type: "prepare_playback";
  transfer_id: string;
  epoch: number;
  state: PlaybackState;
}
/**
 * The full snapshot that answers `register`.
 */
export interface Registered {
  type: "registered";
  conn: string;
  device_id: string;
  device: Device;
  devices: Device[];
  current_state: PlaybackState;
  should_resume: boolean;
  server_time: number;
  coordinator: string;
  limits: Limits;
}
/**
 * You are the renderer of this epoch: take this state; then `playback_started`.
 */
export interface StartPlayback {
  type: "start_playback";
  transfer_id: string;
  epoch: number;
  state: PlaybackState;
}
/**
 * You do not render in this epoch: stop, or drop what is prepared.
 */
export interface StopPlayback {
  type: "stop_playback";
  epoch: number;
  transfer_id?: string | null;
  reason: StopReason;
}
/**
 * Someone pressed play on this device itself.
 */
export interface ClaimPlayback {
  type: "claim_playback";
  id: string;
  state: ReportedState;
  issued_at?: number | null;
}
/**
 * What a renderer says of itself. Absent `queue`: unchanged. Absent `position_at`: time of receipt.
 */
export interface ReportedState {
  track_id?: string | null;
  position_ms: number;
  position_at?: number | null;
  is_playing: boolean;
  queue?: string[] | null;
  queue_position: number;
  volume: number;
  shuffle: boolean;
  repeat_mode: RepeatMode;
  duration_ms?: number | null;
  error?: TrackError | null;
}
/**
 * The last will.
 */
export interface ConnectionLost {
  type: "connection_lost";
  conn: string;
}
/**
 * Forget a device of this user, every byte of it.
 */
export interface DeleteDevice {
  type: "delete_device";
  id: string;
  device_id: string;
}
/**
 * A device as it describes itself in `register`.
 */
export interface DeviceDescription {
  name: string;
  device_type: DeviceType;
  capabilities: Capabilities;
  volume?: number | null;
}
/**
 * The clean goodbye, sent and acknowledged before DISCONNECT.
 */
export interface Disconnect {
  type: "disconnect";
  conn: string;
  reason?: string;
}
/**
 * A renderer's state from before it was cut off, and the epoch it belonged to.
 */
export interface LastKnownState {
  track_id?: string | null;
  position_ms: number;
  position_at?: number | null;
  is_playing: boolean;
  queue?: string[] | null;
  queue_position: number;
  volume: number;
  shuffle: boolean;
  repeat_mode: RepeatMode;
  duration_ms?: number | null;
  error?: TrackError | null;
  epoch: number;
}
/**
 * The next track. With `expect_position`, only if that queue position is the current one.
 */
export interface Next {
  type: "next";
  expect_position?: number | null;
}
/**
 * Still there; and what is the time? `t0` is the sender's own clock, in ms.
 */
export interface Ping {
  type: "ping";
  t0: number;
}
/**
 * A command for the active device, or for `target_device`; all but `set_queue`.
 */
export interface PlaybackCommand {
  type: "playback_command";
  id: string;
  target_device?: string | null;
  issued_at?: number | null;
  expires_at?: number | null;
  command: Play | Pause | Stop | Seek | Next | Previous | SetVolume | SetShuffle | SetRepeat;
}
/**
 * The previous track; after 3 s of a track, its beginning.
 */
export interface Previous {
  type: "previous";
  expect_position?: number | null;
}
/**
 * Permute the queue, or give it its original order again.
 */
export interface SetShuffle {
  type: "set_shuffle";
  enabled: boolean;
}
/**
 * The target could not load or start.
 */
export interface PlaybackFailed {
  type: "playback_failed";
  transfer_id: string;
  reason?: string | null;
}
/**
 * The target has loaded, and stays silent until `start_playback`.
 */
export interface PlaybackReady {
  type: "playback_ready";
  transfer_id: string;
  reason?: string | null;
}
/**
 * The target carried out `start_playback`.
 */
export interface PlaybackStarted {
  type: "playback_started";
  transfer_id: string;
  reason?: string | null;
}
/**
 * A `playback_command` with `set_queue`, on its own topic so that a guest's scope can tell them apart.
 */
export interface QueueCommand {
  type: "playback_command";
  id: string;
  target_device?: string | null;
  issued_at?: number | null;
  expires_at?: number | null;
  command: SetQueue;
}
/**
 * Replace the queue.
 *
 * With `keep_position` and the current track at `start_index` the track goes on.
 * Another `queue_rev` than `expect_rev` is `superseded`.
 */
export interface SetQueue {
  type: "set_queue";
  tracks: string[];
  start_index: number;
  keep_position?: boolean | null;
  expect_rev?: number | null;
}
/**
 * A forwarded command that a device did not carry out.
 */
export interface Refusal {
  id: string;
  code: Code;
}
/**
 * The first message of a connection. `ephemeral` clients are unlisted and cannot render.
 */
export interface Register {
  type: "register";
  conn: string;
  device: DeviceDescription;
  resume?: boolean | null;
  last_known_state?: LastKnownState | null;
  ephemeral?: boolean | null;
  protocol?: 1;
}
/**
 * Give a device of this user another name.
 */
export interface RenameDevice {
  type: "rename_device";
  id: string;
  device_id: string;
  name: string;
}
/**
 * Answered by `devices_update` with the same id.
 */
export interface RequestDevices {
  type: "request_devices";
  id: string;
}
/**
 * Answered by `playback_state` with the same id.
 */
export interface RequestState {
  type: "request_state";
  id: string;
}
/**
 * A renderer's report, or an idle device's volume. `seq` counts from 1 in each `conn`.
 */
export interface StateUpdate {
  type: "state_update";
  conn: string;
  seq: number;
  epoch?: number | null;
  state?: ReportedState | null;
  volume?: number | null;
  applied?: string[] | null;
  refused?: Refusal[] | null;
}
/**
 * How a transfer ends; `keep` is playing-or-not at the commit.
 */
export interface TransferOptions {
  play?: TransferPlay;
  position_ms?: number | null;
}
/**
 * Hand the music to `to_device`.
 */
export interface TransferPlayback {
  type: "transfer_playback";
  id: string;
  to_device: string;
  options?: TransferOptions | null;
}
