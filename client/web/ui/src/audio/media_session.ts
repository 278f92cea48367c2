/** The system's media controls: the keyboard's keys, a headset, the lock screen. */

import type { Track } from "./streams.ts";

export interface MediaKeys {
  play(): void;
  pause(): void;
  next(): void;
  previous(): void;
  seekTo(positionMs: number): void;
  /** By so many ms, which may be negative. */
  seekBy(ms: number): void;
}

/** How far (ms) a key goes that does not say. */
const STEP = 10_000;

export class SystemControls {
  readonly #session: MediaSession | null = "mediaSession" in navigator ? navigator.mediaSession : null;

  /** Be there for the keys. Those that a browser does not know are left out. */
  listen(keys: MediaKeys): void {
    const handlers: readonly (readonly [MediaSessionAction, MediaSessionActionHandler])[] = [
      [
        "play",
        () => {
          keys.play();
        },
      ],
      [
        "pause",
        () => {
          keys.pause();
        },
      ],
      [
        "stop",
        () => {
          keys.pause();
        },
      ],
      [
        "nexttrack",
        () => {
          keys.next();
        },
      ],
      [
        "previoustrack",
        () => {
          keys.previous();
        },
      ],
      [
        "seekto",
        ({ seekTime }) => {
          if (seekTime !== undefined) keys.seekTo(seekTime * 1_000);
        },
      ],
      [
        "seekforward",
        ({ seekOffset }) => {
          keys.seekBy(offset(seekOffset));
        },
      ],
      [
        "seekbackward",
        ({ seekOffset }) => {
          keys.seekBy(-offset(seekOffset));
        },
      ],
    ];
    for (const [action, handler] of handlers) this.#handle(action, handler);
  }

  /** Show a track; null: nothing is on. */
  show(track: Track | null): void {
    if (this.#session === null) return;
    this.#session.metadata =
      track === null
        ? null
        : new MediaMetadata({
            title: track.title ?? track.id,
            artist: track.artist ?? "",
            album: track.album ?? "",
            artwork: track.cover === null ? [] : [{ src: track.cover }],
          });
    if (track === null) this.#session.playbackState = "none";
  }

  /** Whether it plays, and where it is; null where there is no duration to draw it in. */
  place(playing: boolean, positionMs: number, durationMs: number | null): void {
    if (this.#session === null) return;
    this.#session.playbackState = playing ? "playing" : "paused";
    if (durationMs === null || durationMs <= 0) return;
    const position = Math.min(Math.max(0, positionMs), durationMs) / 1_000;
    this.#session.setPositionState({ duration: durationMs / 1_000, position, playbackRate: 1 });
  }

  /** Be there no more. */
  leave(): void {
    this.show(null);
    const actions: readonly MediaSessionAction[] = [
      ...(["play", "pause", "stop", "nexttrack", "previoustrack"] as const),
      ...(["seekto", "seekforward", "seekbackward"] as const),
    ];
    for (const action of actions) this.#handle(action, null);
  }

  #handle(action: MediaSessionAction, handler: MediaSessionActionHandler | null): void {
    try {
      this.#session?.setActionHandler(action, handler);
    } catch {
      // This browser does not know that action.
    }
  }
}

function offset(seconds: number | undefined): number {
  return seconds === undefined ? STEP : seconds * 1_000;
}
