/**
 * What a command will make of a playback state, as far as that can be known beforehand.
 *
 * The rules are the coordinator's ("Who renders" of the contract). Where only the coordinator can know the
 * outcome (the order that a shuffle makes, what a transfer leads to), the state is left as it is in that respect.
 */

import type { PlaybackState, SetQueue } from "./contract/types.ts";
import { PREVIOUS_RESTARTS_AFTER } from "./limits.ts";
import type { Command } from "./snapshot.ts";

/**
 * `state` once the active device has carried out `command`, given at a moment of the coordinator's clock (ms).
 * A command that would be refused, or change nothing, leaves the very same object.
 */
export function expected(state: PlaybackState, command: Command, at: number): PlaybackState {
  switch (command.type) {
    case "play":
      if (state.is_playing || length(state) === 0) return state;
      return { ...state, is_playing: true, position_at: at, paused_reason: null };
    case "pause":
      return state.is_playing ? paused(state, position(state, at), at) : state;
    case "stop":
      return paused(state, 0, at);
    case "seek": {
      const end = state.duration_ms ?? Infinity;
      return { ...state, position_ms: Math.min(command.position_ms, end), position_at: at };
    }
    case "next":
      return meant(state, command.expect_position) ? next(state, at) : state;
    case "previous":
      return meant(state, command.expect_position) ? previous(state, at) : state;
    case "set_queue":
      return setQueue(state, command, at);
    case "set_volume":
      return { ...state, volume: command.volume };
    case "set_shuffle":
      return { ...state, shuffle: command.enabled };
    case "set_repeat":
      return { ...state, repeat_mode: command.mode };
  }
}

function meant(state: PlaybackState, place: number | null | undefined): boolean {
  return (place ?? state.queue_position) === state.queue_position;
}

function length(state: PlaybackState): number {
  return state.queue_length ?? state.queue.length;
}

/** Where the music was at a moment, which may lie before what the state tells of. */
function position(state: PlaybackState, at: number): number {
  if (!state.is_playing) return state.position_ms;
  return Math.min(Math.max(0, state.position_ms + at - state.position_at), state.duration_ms ?? Infinity);
}

function paused(state: PlaybackState, positionMs: number, at: number): PlaybackState {
  return { ...state, is_playing: false, position_ms: positionMs, position_at: at };
}

/** The beginning of a track. Its duration is not known yet, nor its id if it is outside the window. */
function atTrack(state: PlaybackState, place: number, at: number): PlaybackState {
  return {
    ...state,
    queue_position: place,
    track_id: state.queue[place - (state.queue_offset ?? 0)] ?? null,
    position_ms: 0,
    position_at: at,
    duration_ms: place === state.queue_position ? state.duration_ms : null,
    error: null,
  };
}

function next(state: PlaybackState, at: number): PlaybackState {
  const tracks = length(state);
  if (tracks === 0) return state;
  if (state.queue_position + 1 < tracks) return atTrack(state, state.queue_position + 1, at);
  if (state.repeat_mode === "all") return atTrack(state, 0, at);
  return { ...atTrack(state, tracks - 1, at), is_playing: false };
}

function previous(state: PlaybackState, at: number): PlaybackState {
  if (length(state) === 0) return state;
  const restarts = position(state, at) > PREVIOUS_RESTARTS_AFTER;
  return atTrack(state, restarts ? state.queue_position : Math.max(0, state.queue_position - 1), at);
}

function setQueue(state: PlaybackState, command: SetQueue, at: number): PlaybackState {
  if ((command.expect_rev ?? state.queue_rev) !== state.queue_rev) return state;
  const { tracks, start_index: start } = command;
  const track = tracks[start] ?? null;
  const { queue_offset, queue_length, ...rest } = state;
  const queued = { ...rest, queue: tracks, queue_position: start, queue_rev: state.queue_rev + 1 };
  if (tracks.length === 0)
    return { ...paused(queued, 0, at), track_id: null, duration_ms: null, error: null };
  if (command.keep_position === true && track === state.track_id) return queued;
  return { ...queued, track_id: track, position_ms: 0, position_at: at, duration_ms: null, error: null };
}
