/**
 * The port that an audio engine implements. The `Player` does everything else.
 *
 * An engine plays one track at a time. It knows nothing of queues, epochs or the network: it loads, plays, pauses, seeks,
 * and tells what happens to it.
 */

/** A track could not be played, or the engine is gone. */
export class EngineError extends Error {
  constructor(
    /** A short machine-readable word, such as `not_found` or `bad_format`. */
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "EngineError";
  }
}

export type EngineEvent =
  /** The track played to its end, and no next one was set. */
  | { readonly type: "ended"; readonly track: string }
  /** The engine went on to the next track by itself, without a gap. */
  | { readonly type: "advanced"; readonly track: string; readonly durationMs: number | null }
  /** A track stopped playing because of an error. */
  | { readonly type: "broke"; readonly track: string; readonly code: string }
  /** Someone at the engine itself (a headset, the system's media keys) pressed play or pause. */
  | { readonly type: "pressed"; readonly play: boolean }
  /** Someone at the engine itself asked for another track. */
  | { readonly type: "skipped"; readonly by: 1 | -1 }
  /** Someone at the engine itself sought. */
  | { readonly type: "jumped"; readonly positionMs: number }
  /** The duration became known, or better known. */
  | { readonly type: "measured"; readonly track: string; readonly durationMs: number }
  /** The system holds sound back until someone clicks; or does so no more. */
  | { readonly type: "held"; readonly held: boolean };

/** Codes for which the next track would fail as well. */
export const NOT_THE_TRACK: ReadonlySet<string> = new Set(["no_audio_output", "not_allowed", "engine_gone"]);

/** All methods but `release` are called one after the other, each when the one before has ended. */
export interface AudioEngine {
  /** What it plays, in words that others may show, such as `flac`. */
  readonly supportedFormats: readonly string[];
  /** In Hz. */
  readonly maxSampleRate: number;
  /** Start, within the click that allows it. Rejects with `EngineError`. */
  open(tell: (event: EngineEvent) => void): Promise<void>;
  /** End, silently. */
  close(): Promise<void>;
  /** Someone clicked where sound was held back. Called within that click. */
  release(): Promise<void>;
  /**
   * Load a track in place of the current one, at a position, playing or silent. Resolves with its duration in ms (null if
   * unknown) once it is ready to sound; rejects with `EngineError`.
   */
  load(track: string, positionMs: number, play: boolean): Promise<number | null>;
  /** Go on with what is loaded. Rejects with `EngineError` (`not_allowed` where a click is needed first). */
  play(): Promise<void>;
  /** Fall silent and hold the position. */
  pause(): Promise<void>;
  seek(positionMs: number): Promise<void>;
  /** Unload: silent, nothing loaded. */
  stop(): Promise<void>;
  setVolume(volume: number): Promise<void>;
  /** What follows when the current track ends (then `advanced`). Null: nothing; the end is then `ended`. */
  setNext(track: string | null): void;
  /** Where in the loaded track the sound is now; 0 with nothing loaded. */
  positionMs(): number;
}
