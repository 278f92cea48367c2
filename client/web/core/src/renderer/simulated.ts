/**
 * An engine without sound that keeps perfect time, as the Python one does. A track id may say how it behaves, in the form
 * of a query: `name?duration_ms=2000`; `load_ms` (how long it takes to load), `error` (it cannot be loaded: the code),
 * `break_ms` (it fails with `bad_format` when it has played for so long).
 */

import type { World } from "../world.ts";
import { EngineError, type AudioEngine, type EngineEvent } from "./engine.ts";

/** How long (ms) a track is that does not say so. */
const DURATION = 180_000;

function facts(track: string): ReadonlyMap<string, string> {
  const query = track.includes("?") ? track.slice(track.indexOf("?") + 1) : "";
  return new Map(
    query
      .split("&")
      .filter((pair) => pair !== "")
      .map((pair) => {
        const [name = "", value = ""] = pair.split("=", 2);
        return [name, value];
      }),
  );
}

export class SimulatedEngine implements AudioEngine {
  readonly supportedFormats = ["simulated"];
  readonly maxSampleRate = 192_000;
  volume = 1;
  track: string | null = null;
  #tell: ((event: EngineEvent) => void) | null = null;
  #next: string | null = null;
  #duration = DURATION;
  #position = 0;
  #since: number | null = null;
  #disarm: (() => void) | null = null;

  constructor(private readonly world: World) {}

  get playing(): boolean {
    return this.#since !== null;
  }

  open(tell: (event: EngineEvent) => void): Promise<void> {
    this.#tell = tell;
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#tell = null;
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  async load(track: string, positionMs: number, play: boolean): Promise<number | null> {
    await this.stop();
    const known = facts(track);
    const wait = Number(known.get("load_ms") ?? 0);
    if (wait > 0) await new Promise<void>((resolve) => this.world.after(wait, resolve));
    const error = known.get("error");
    if (error !== undefined) throw new EngineError(error, `${track} cannot be played`);
    this.#putOn(track, positionMs);
    if (play) await this.play();
    return this.#duration;
  }

  play(): Promise<void> {
    if (this.track !== null && this.#since === null) {
      this.#since = this.world.now();
      this.#arm();
    }
    return Promise.resolve();
  }

  pause(): Promise<void> {
    this.#hold();
    return Promise.resolve();
  }

  seek(positionMs: number): Promise<void> {
    this.#position = Math.min(positionMs, this.#duration);
    if (this.#since !== null) {
      this.#since = this.world.now();
      this.#arm();
    }
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#hold();
    this.track = this.#next = null;
    this.#position = 0;
    return Promise.resolve();
  }

  setVolume(volume: number): Promise<void> {
    this.volume = volume;
    return Promise.resolve();
  }

  setNext(track: string | null): void {
    this.#next = track;
  }

  positionMs(): number {
    const played = this.#since === null ? 0 : this.world.now() - this.#since;
    return Math.min(this.#position + played, this.#duration);
  }

  // What someone at the device itself would do

  async pressPlay(): Promise<void> {
    await this.play();
    this.#tell?.({ type: "pressed", play: true });
  }

  async pressPause(): Promise<void> {
    await this.pause();
    this.#tell?.({ type: "pressed", play: false });
  }

  async dragTo(positionMs: number): Promise<void> {
    await this.seek(positionMs);
    this.#tell?.({ type: "jumped", positionMs });
  }

  // Inside

  #putOn(track: string, positionMs: number): void {
    this.track = track;
    this.#duration = Number(facts(track).get("duration_ms") ?? DURATION);
    this.#position = Math.min(positionMs, this.#duration);
  }

  #hold(): void {
    this.#position = this.positionMs();
    this.#since = null;
    this.#disarm?.();
    this.#disarm = null;
  }

  #arm(): void {
    this.#disarm?.();
    const breaks = facts(this.track ?? "").get("break_ms");
    const end = Math.min(Number(breaks ?? Infinity), this.#duration);
    this.#disarm = this.world.after(Math.max(0, end - this.positionMs()), () => {
      this.#atEnd(breaks !== undefined);
    });
  }

  #atEnd(broken: boolean): void {
    const ended = this.track ?? "";
    const follows = this.#next;
    this.#hold();
    const error = facts(follows ?? "").get("error");
    if (broken) this.#tell?.({ type: "broke", track: ended, code: "bad_format" });
    else if (follows === null) this.#tell?.({ type: "ended", track: ended });
    else if (error !== undefined) this.#tell?.({ type: "broke", track: follows, code: error });
    else {
      this.#next = null;
      this.#putOn(follows, 0);
      this.#since = this.world.now();
      this.#arm();
      this.#tell?.({ type: "advanced", track: follows, durationMs: this.#duration });
    }
  }
}
