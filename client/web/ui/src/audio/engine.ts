/**
 * The browser as an audio engine: two `<audio>` elements, one that plays and one that has the next track ready, so that
 * it follows within a frame. They are in the page, so that the browser's own tools see them.
 */

import { EngineError, type AudioEngine, type EngineEvent } from "#core";

import { supportedFormats } from "./formats.ts";
import { SystemControls } from "./media_session.ts";
import silence from "./silence.wav?url";
import { MARGIN, type Resolve, type Track } from "./streams.ts";

/** How long (ms) a track may take to be ready. */
const READY_WITHIN = 8_000;

/** An element and what is in it. */
interface Slot {
  readonly audio: HTMLAudioElement;
  track: Track | null;
}

export class AudioElementEngine implements AudioEngine {
  readonly supportedFormats: readonly string[];
  /** What nearly every output takes; browsers resample what is above. */
  readonly maxSampleRate = 48_000;
  readonly #controls = new SystemControls();
  readonly #resolve: Resolve;
  #tell: ((event: EngineEvent) => void) | null = null;
  #now: Slot;
  #next: Slot;
  /** Whether it should sound: what stops it otherwise was somebody else. */
  #wanted = false;
  #held = false;
  /** While a track is loaded its element's errors are the loader's. */
  #loading = false;
  /** Counts loads, so that what an earlier one finds is dropped. */
  #load = 0;

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
    this.#now = this.#slot();
    this.#next = this.#slot();
    this.supportedFormats = supportedFormats(this.#now.audio);
  }

  async open(tell: (event: EngineEvent) => void): Promise<void> {
    this.#tell = tell;
    for (const { audio } of [this.#now, this.#next]) document.body.append(audio);
    this.#controls.listen({
      play: () => void this.#press(true),
      pause: () => void this.#press(false),
      next: () => {
        tell({ type: "skipped", by: 1 });
      },
      previous: () => {
        tell({ type: "skipped", by: -1 });
      },
      seekTo: (positionMs) => void this.#drag(positionMs),
      seekBy: (ms) => void this.#drag(this.positionMs() + ms),
    });
    await this.release();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#tell = null;
    this.#controls.leave();
    for (const { audio } of [this.#now, this.#next]) audio.remove();
  }

  /** Some browsers allow sound element by element, and only within a click: both play a moment of silence in it. */
  async release(): Promise<void> {
    const idle = [this.#now, this.#next].filter((slot) => slot.track === null);
    const tries = idle.map(async ({ audio }) => {
      audio.src = silence;
      await audio.play();
      audio.pause();
    });
    if (this.#held && this.#now.track !== null)
      tries.push(
        this.#now.audio.play().then(() => {
          this.#now.audio.pause();
        }),
      );
    try {
      await Promise.all(tries);
    } catch (error) {
      throw this.#because(error);
    }
    this.#hold(false);
  }

  async load(id: string, positionMs: number, play: boolean): Promise<number | null> {
    const load = (this.#load += 1);
    this.#silence();
    if (this.#next.track?.id === id && usable(this.#next)) [this.#now, this.#next] = [this.#next, this.#now];
    else {
      this.#empty(this.#now);
      const track = await this.#resolve(id);
      await this.#put(track, false);
    }
    if (load !== this.#load) throw new EngineError("aborted", "another track was loaded");
    await this.#goTo(positionMs);
    const { track } = this.#now;
    this.#controls.show(track);
    if (play) await this.play();
    else this.#placed();
    return this.#durationMs();
  }

  async play(): Promise<void> {
    const { track } = this.#now;
    if (track === null) return;
    if (track.expiresAt - MARGIN <= Date.now() && !this.#wanted) {
      // It was paused for longer than its address lives.
      const position = this.positionMs();
      await this.#put(await this.#resolve(track.id, true), false);
      await this.#goTo(position);
    }
    this.#wanted = true;
    try {
      await this.#now.audio.play();
    } catch (error) {
      // Somebody paused it while it was starting: as asked.
      if (error instanceof DOMException && error.name === "AbortError") return;
      this.#wanted = false;
      throw this.#because(error);
    }
    this.#hold(false);
    this.#placed();
  }

  pause(): Promise<void> {
    this.#silence();
    this.#placed();
    return Promise.resolve();
  }

  async seek(positionMs: number): Promise<void> {
    await this.#goTo(positionMs);
    this.#placed();
  }

  stop(): Promise<void> {
    this.#load += 1;
    this.#silence();
    this.#empty(this.#now);
    this.#empty(this.#next);
    this.#controls.show(null);
    return Promise.resolve();
  }

  setVolume(volume: number): Promise<void> {
    for (const { audio } of [this.#now, this.#next]) audio.volume = volume;
    return Promise.resolve();
  }

  setNext(id: string | null): void {
    if (this.#next.track?.id === id && usable(this.#next)) return;
    this.#empty(this.#next);
    // The same track again is loaded again when its time comes: it is in the browser's cache.
    if (id === null) return;
    const load = this.#load;
    void this.#resolve(id)
      .then((track) => {
        if (load !== this.#load || this.#next.track !== null) return;
        this.#next.track = track;
        this.#next.audio.src = track.stream;
      })
      .catch(() => undefined); // It is told when its turn comes.
  }

  positionMs(): number {
    return this.#now.track === null ? 0 : this.#now.audio.currentTime * 1_000;
  }

  // Someone at the system's controls

  async #press(play: boolean): Promise<void> {
    if (play) await this.play().catch(() => undefined);
    else await this.pause();
    if (play === this.#wanted || !play) this.#tell?.({ type: "pressed", play });
  }

  async #drag(positionMs: number): Promise<void> {
    if (this.#now.track === null) return;
    await this.seek(Math.min(Math.max(0, positionMs), this.#durationMs() ?? Infinity));
    this.#tell?.({ type: "jumped", positionMs: this.positionMs() });
  }

  // What the elements tell

  #slot(): Slot {
    const audio = new Audio();
    audio.preload = "auto";
    audio.hidden = true;
    const slot: Slot = { audio, track: null };
    const mine = (then: () => void) => () => {
      if (slot === this.#now && slot.track !== null && !this.#loading) then();
    };
    audio.addEventListener(
      "ended",
      mine(() => {
        this.#ended();
      }),
    );
    audio.addEventListener(
      "error",
      mine(() => void this.#failed()),
    );
    audio.addEventListener(
      "pause",
      mine(() => {
        // Not by us: the system took the sound away (a call, an unplugged headset).
        if (!this.#wanted || audio.ended) return;
        this.#wanted = false;
        this.#placed();
        this.#tell?.({ type: "pressed", play: false });
      }),
    );
    audio.addEventListener(
      "durationchange",
      mine(() => {
        const durationMs = this.#durationMs();
        if (durationMs !== null) this.#tell?.({ type: "measured", track: slot.track?.id ?? "", durationMs });
      }),
    );
    return slot;
  }

  #ended(): void {
    const ended = this.#now.track?.id ?? "";
    if (!usable(this.#next)) {
      this.#wanted = false;
      this.#tell?.({ type: "ended", track: ended });
      return;
    }
    [this.#now, this.#next] = [this.#next, this.#now];
    this.#empty(this.#next);
    const { audio, track } = this.#now;
    this.#controls.show(track);
    audio.currentTime = 0;
    if (!this.#wanted) {
      // It was sought to its end while it was paused.
      this.#placed();
      this.#tell?.({ type: "advanced", track: track?.id ?? "", durationMs: this.#durationMs() });
      return;
    }
    audio.play().then(
      () => {
        this.#placed();
        this.#tell?.({ type: "advanced", track: track?.id ?? "", durationMs: this.#durationMs() });
      },
      () => {
        this.#tell?.({ type: "broke", track: track?.id ?? "", code: code(audio.error) });
      },
    );
  }

  /** The sound broke off: its address may have run out, so it is tried once more with another one. */
  async #failed(): Promise<void> {
    const { track, audio } = this.#now;
    if (track === null) return;
    const why = code(audio.error);
    const position = this.positionMs();
    const load = this.#load;
    try {
      await this.#put(await this.#resolve(track.id, true), true);
      await this.#goTo(position);
      if (this.#wanted && load === this.#load) await this.#now.audio.play();
    } catch {
      if (load !== this.#load) return;
      this.#wanted = false;
      this.#tell?.({ type: "broke", track: track.id, code: why });
    }
  }

  // Inside

  /** Put a track into the element that plays, and wait until it is ready; once more with a fresh address. */
  async #put(track: Track, isFresh: boolean): Promise<void> {
    const slot = this.#now;
    this.#loading = true;
    try {
      slot.track = track;
      slot.audio.src = track.stream;
      await ready(slot.audio);
    } catch (error) {
      if (isFresh || !(error instanceof EngineError)) throw error;
      const fresh = await this.#resolve(track.id, true);
      slot.track = fresh;
      slot.audio.src = fresh.stream;
      await ready(slot.audio);
    } finally {
      this.#loading = false;
    }
  }

  async #goTo(positionMs: number): Promise<void> {
    const { audio } = this.#now;
    if (Math.abs(audio.currentTime * 1_000 - positionMs) < 1) return;
    const sought = new Promise<void>((resolve) => {
      audio.addEventListener(
        "seeked",
        () => {
          resolve();
        },
        { once: true },
      );
      setTimeout(resolve, READY_WITHIN);
    });
    audio.currentTime = positionMs / 1_000;
    await sought;
  }

  #silence(): void {
    this.#wanted = false;
    this.#now.audio.pause();
  }

  #empty(slot: Slot): void {
    if (slot.track === null) return;
    slot.track = null;
    slot.audio.pause();
    slot.audio.removeAttribute("src");
    slot.audio.load();
  }

  #durationMs(): number | null {
    const { audio, track } = this.#now;
    const measured = audio.duration * 1_000;
    return Number.isFinite(measured) && measured > 0 ? Math.round(measured) : (track?.durationMs ?? null);
  }

  #placed(): void {
    if (this.#now.track !== null) this.#controls.place(this.#wanted, this.positionMs(), this.#durationMs());
  }

  #because(error: unknown): EngineError {
    const notAllowed = error instanceof DOMException && error.name === "NotAllowedError";
    if (notAllowed) this.#hold(true);
    const message = error instanceof Error ? error.message : "it cannot be played";
    return new EngineError(notAllowed ? "not_allowed" : "bad_format", message);
  }

  #hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    this.#tell?.({ type: "held", held });
  }
}

/** Whether what is in it can go on playing from here. */
function usable({ track, audio }: Slot): boolean {
  return (
    track !== null && track.expiresAt - MARGIN > Date.now() && audio.error === null && audio.readyState >= 2
  );
}

function code(error: MediaError | null): string {
  return error?.code === MediaError.MEDIA_ERR_NETWORK ? "network" : "bad_format";
}

/** Resolves when it can sound; rejects with `EngineError`. */
function ready(audio: HTMLAudioElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = (error: EngineError | null): void => {
      clearTimeout(timer);
      audio.removeEventListener("canplay", can);
      audio.removeEventListener("error", cannot);
      if (error === null) resolve();
      else reject(error);
    };
    const can = (): void => {
      over(null);
    };
    const cannot = (): void => {
      over(new EngineError(code(audio.error), audio.error?.message ?? "it cannot be played"));
    };
    const timer = setTimeout(() => {
      over(new EngineError("timeout", "it did not load in time"));
    }, READY_WITHIN);
    audio.addEventListener("canplay", can);
    audio.addEventListener("error", cannot);
  });
}
