/** What the views ask for that takes more than one request, or a choice first. */
import { signal } from "@preact/signals";

import { count, t } from "../texts/index.ts";
import { trackOf } from "./tracks.ts";
import { dialog } from "./route.ts";
import { active, connect, here, me, playing, snapshot, state } from "./store.ts";
import { say } from "./toasts.ts";

const SKIP_MS = 10_000;
const LOUDER = 0.05;

/** What was asked to play while no player was chosen: it plays on the one chosen next. */
const waiting = signal<{ tracks: readonly string[]; first: number } | null>(null);

/** Whether a place has to be chosen first: there is none, or it is another page that may not sound any more. */
function nowhere(): boolean {
  const device = active.value;
  return device === null || (device.id !== me.value?.deviceId && !device.capabilities.can_render);
}

/**
 * Do what makes the music play. Where it would play here and may not yet - the page was loaded again, or was told to be
 * a remote control only - the click that asks for it is the one that allows sound.
 */
function sound(then: () => void): void {
  const asleep = active.value?.id === me.value?.deviceId && !here.value.allowed;
  if (asleep) void connect().allowPlayback().then(then);
  else then();
}

/** Have it play as well, where that may be asked for: a guest may choose the music and yet not start it. */
function start(): void {
  if (!playing.value && snapshot.value.canControl) void connect().play();
}

export function playTracks(tracks: readonly string[], first: number): void {
  if (nowhere()) {
    waiting.value = { tracks, first };
    dialog.value = "where";
    return;
  }
  sound(() => {
    void connect().setQueue(tracks, first);
    start();
  });
}

/** A device was picked in the list: the music goes there, or what was asked for begins there. */
export async function pickDevice(device: string): Promise<void> {
  if (device === me.value?.deviceId && !here.value.allowed) await connect().allowPlayback();
  const asked = waiting.value;
  waiting.value = null;
  if (asked) {
    await connect().setQueue(asked.tracks, asked.first, { device });
    if (snapshot.value.canControl) await connect().play();
  } else if (device !== active.value?.id) {
    await connect().transfer(device);
  }
}

export function forgetWaiting(): void {
  waiting.value = null;
}

/** Add to the end of the queue, the current track playing on. */
export function addTracks(tracks: readonly string[]): void {
  const now = state.value;
  if (now === null || now.queue.length === 0) {
    playTracks(tracks, 0);
    return;
  }
  setQueue([...now.queue, ...tracks], now.queue_position);
  const [first] = tracks;
  if (first !== undefined) {
    say(t("added", { title: tracks.length === 1 ? trackOf(first).title : count("tracks", tracks.length) }));
  }
}

export function jumpTo(index: number): void {
  const now = state.value;
  if (now === null) return;
  sound(() => {
    goTo(now.queue, index);
    start();
  });
}

export function removeAt(index: number): void {
  const now = state.value;
  if (now === null) return;
  const rest = now.queue.filter((_, at) => at !== index);
  if (index !== now.queue_position) {
    setQueue(rest, now.queue_position - (index < now.queue_position ? 1 : 0));
  } else {
    goTo(rest, Math.max(0, Math.min(index, rest.length - 1)));
  }
}

/** Move a track to another place; the current one plays on wherever it is now. */
export function move(from: number, to: number): void {
  const now = state.value;
  const track = now?.queue[from];
  if (!now || track === undefined || from === to || to < 0 || to >= now.queue.length) return;
  const queue = now.queue.filter((_, at) => at !== from);
  queue.splice(to, 0, track);
  const without = now.queue_position - (from < now.queue_position ? 1 : 0);
  const current = from === now.queue_position ? to : without + (to <= without ? 1 : 0);
  setQueue(queue, current);
}

/** Another track of the queue, from its start. The order stays as it is drawn, shuffled or not. */
function goTo(tracks: readonly string[], index: number): void {
  const goesOn = tracks[index] === state.value?.track_id;
  setQueue(tracks, index);
  if (goesOn && snapshot.value.canControl) void connect().seek(0);
}

export function clearQueue(): void {
  void connect().setQueue([], 0);
}

/**
 * Change the queue, under the music where the current track stays. Somebody else's change in the meantime wins, unless
 * one of ours is under way: then the number we know is not the newest anyway.
 */
function setQueue(tracks: readonly string[], current: number): void {
  const now = state.value;
  const mine = snapshot.value.pending.includes("set_queue");
  void connect().setQueue(tracks, current, {
    keepPosition: true,
    ...(now && !mine ? { expectRev: now.queue_rev } : {}),
  });
}

export function playOrPause(): void {
  if (nowhere()) dialog.value = "where";
  else if (playing.value) void connect().pause();
  else sound(() => void connect().play());
}

export function skip(direction: -1 | 1): void {
  const to = Math.max(0, connect().positionNow() + direction * SKIP_MS);
  void connect().seek(Math.min(to, state.value?.duration_ms ?? to));
}

export function louder(direction: -1 | 1): void {
  const volume = state.value?.volume ?? 0;
  void connect().setVolume(Math.min(1, Math.max(0, Math.round((volume + direction * LOUDER) * 100) / 100)));
}

let before = 0.5;

export function mute(): void {
  const volume = state.value?.volume ?? 0;
  if (volume > 0) before = volume;
  void connect().setVolume(volume > 0 ? 0 : before);
}

export function nextRepeat(): void {
  const next = { off: "all", all: "one", one: "off" } as const;
  void connect().setRepeat(next[state.value?.repeat_mode ?? "off"]);
}
