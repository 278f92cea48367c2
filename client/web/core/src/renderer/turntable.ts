/**
 * An engine and the deck that it plays: what is on, where it is, and what comes next.
 *
 * Knows nothing of epochs or the network. A track that cannot be played is noted in `error` and skipped; if nothing of
 * the queue can be played, it ends silent and paused.
 */

import type { TrackError } from "../contract/types.ts";
import { after, EMPTY, following, trackOf, type Deck } from "./deck.ts";
import { EngineError, NOT_THE_TRACK, type AudioEngine, type EngineEvent } from "./engine.ts";

/** How many bad tracks in a row are tried before giving up: a dead library is not read from end to end. */
const SKIPPED_AT_ONCE = 50;

/** A position (ms in the track) at a moment of the local clock (ms). */
interface Spot {
  readonly positionMs: number;
  readonly at: number;
}

export class Turntable {
  deck: Deck = EMPTY;
  /** What is loaded, null if nothing is. */
  track: string | null = null;
  durationMs: number | null = null;
  playing = false;
  error: TrackError | null = null;
  #spot: Spot = { positionMs: 0, at: 0 };

  constructor(
    private readonly engine: AudioEngine,
    /** The local clock, in ms. */
    private readonly now: () => number,
    public volume: number,
  ) {}

  // Where it is

  /** The position, and the moment for which it holds. */
  where(): Spot {
    const position = this.track === null ? 0 : this.engine.positionMs();
    this.#spot = { positionMs: Math.max(0, Math.round(position)), at: this.now() };
    return this.#spot;
  }

  /** The position at a moment, without asking the engine. */
  guess(now: number): number {
    const played = this.playing ? Math.max(0, Math.round(now - this.#spot.at)) : 0;
    return Math.min(this.#spot.positionMs + played, this.durationMs ?? Infinity);
  }

  // What people do

  /**
   * Load the deck's current track; says whether something is on now. With `skip` false a track that cannot be played
   * rejects with `EngineError`, and nothing is loaded then.
   */
  async putOn(deck: Deck, positionMs: number, play: boolean, skip = true): Promise<boolean> {
    this.error = null;
    this.deck = deck;
    for (let tried = 0; tried < SKIPPED_AT_ONCE; tried += 1) {
      const track = trackOf(this.deck);
      if (track === null) break;
      try {
        await this.#load(track, tried === 0 ? positionMs : 0, play);
        return true;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        this.error = { code: error.code.slice(0, 64), track_id: track };
        await this.#unload();
        if (!skip) throw error;
        if (NOT_THE_TRACK.has(error.code)) return false;
      }
      const follows = after(this.deck, this.deck.index);
      if (follows === null || tried + 1 >= this.deck.tracks.length) return false;
      this.deck = { ...this.deck, index: follows };
    }
    await this.#unload();
    return false;
  }

  /** Go on, loading the current track if need be; false where there is nothing to play. */
  async play(): Promise<boolean> {
    if (this.track === null) return this.putOn(this.deck, 0, true);
    this.where();
    await this.engine.play();
    this.#moved(true);
    return true;
  }

  /** Hold. */
  async pause(): Promise<void> {
    if (this.track !== null) {
      await this.engine.pause();
      this.where();
    }
    this.playing = false;
  }

  /** Go to a position in what is loaded; beyond the end is the end. */
  async seek(positionMs: number): Promise<void> {
    const position = Math.min(positionMs, this.durationMs ?? Infinity);
    await this.engine.seek(position);
    this.#spot = { positionMs: position, at: this.now() };
  }

  /** Another place in the queue, from its start; says whether something is on now. */
  goTo(index: number, play: boolean): Promise<boolean> {
    return this.putOn({ ...this.deck, index }, 0, play);
  }

  /** Silent, and nothing loaded. */
  async clear(): Promise<void> {
    this.deck = EMPTY;
    this.error = null;
    await this.#unload();
  }

  /** The deck around the current track changes; the sound goes on. */
  rearrange(deck: Deck): void {
    this.deck = deck;
    this.#plan();
  }

  /** 0.0-1.0. */
  async setVolume(volume: number): Promise<void> {
    await this.engine.setVolume(volume);
    this.volume = volume;
  }

  // What the engine tells

  /** Something happened at the engine that nobody asked for; says whether it meant anything. */
  async heard(event: EngineEvent): Promise<boolean> {
    switch (event.type) {
      case "ended":
        return this.#ended(event.track);
      case "advanced":
        return this.#advanced(event.track, event.durationMs);
      case "broke":
        return this.#broke(event.track, event.code);
      case "pressed":
        this.playing = event.play && this.track !== null;
        this.where();
        return true;
      case "jumped":
        this.where();
        return true;
      case "measured":
        if (event.track !== this.track || this.durationMs === event.durationMs) return false;
        this.durationMs = event.durationMs;
        return true;
      case "skipped":
      case "held":
        return false;
    }
  }

  /** The track is over. */
  async #ended(track: string): Promise<boolean> {
    if (track !== this.track) return false;
    const follows = following(this.deck);
    if (follows === null) await this.putOn(this.deck, 0, false);
    // Paused it was sought to its end, or pause came as it ended: it stays paused.
    else await this.goTo(follows, this.playing);
    return true;
  }

  /** The engine went on by itself. */
  async #advanced(track: string, durationMs: number | null): Promise<boolean> {
    const follows = following(this.deck);
    // What follows was changed while the engine was already going on.
    if (follows === null || trackOf(this.deck, follows) !== track) return this.#ended(this.track ?? "");
    this.deck = { ...this.deck, index: follows };
    this.track = track;
    this.durationMs = durationMs;
    this.error = null;
    this.#moved(this.playing);
    this.where();
    this.#plan();
    return true;
  }

  /** A track broke: go on after it. */
  async #broke(track: string, code: string): Promise<boolean> {
    const follows = following(this.deck);
    let broken: number;
    if (track === this.track) broken = this.deck.index;
    else if (follows !== null && track === trackOf(this.deck, follows)) broken = follows;
    else return false;
    const play = this.playing;
    await this.#unload();
    const next = NOT_THE_TRACK.has(code) ? null : after(this.deck, broken);
    if (next === null || next === broken) this.deck = { ...this.deck, index: broken };
    else await this.goTo(next, play);
    this.error ??= { code: code.slice(0, 64), track_id: track };
    return true;
  }

  // Inside

  async #load(track: string, positionMs: number, play: boolean): Promise<void> {
    this.playing = false;
    this.track = null;
    this.durationMs = await this.engine.load(track, positionMs, play);
    this.track = track;
    this.playing = play;
    this.#spot = { positionMs, at: this.now() };
    this.#plan();
  }

  async #unload(): Promise<void> {
    this.playing = false;
    this.track = this.durationMs = null;
    this.#spot = { positionMs: 0, at: this.now() };
    await this.engine.stop();
  }

  #plan(): void {
    if (this.track === null) return;
    const follows = following(this.deck);
    this.engine.setNext(follows === null ? null : trackOf(this.deck, follows));
  }

  #moved(playing: boolean): void {
    this.playing = playing;
    this.#spot = { positionMs: this.#spot.positionMs, at: this.now() };
  }
}
