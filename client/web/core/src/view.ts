/** What to draw: the canonical picture, with the commands under way laid over it. */

import type { Device, PlaybackState } from "./contract/types.ts";
import { Overlay } from "./overlay.ts";
import { same, type Picture } from "./picture.ts";

/** How far (ms) a position may lie behind the one drawn before and still be the same music going on. */
const CONTINUOUS = 500;

interface Drawn {
  /** Which music, playing; null while it is not. */
  readonly music: string | null;
  readonly position: number;
  readonly at: number;
}

export class View {
  readonly overlay = new Overlay();
  /** What to show of the state; the canonical one where nothing is under way. */
  state: PlaybackState | null = null;
  devices: readonly Device[] = [];
  readonly #picture: Picture;
  #drawn: Drawn = { music: null, position: 0, at: 0 };

  constructor(picture: Picture) {
    this.#picture = picture;
  }

  /** Look at the picture and the overlay again; says whether anything is to be redrawn. */
  refresh(): boolean {
    const { state, devices } = this;
    const canonical = this.#picture.state;
    this.state = canonical === null ? null : this.overlay.state(canonical);
    this.devices = this.overlay.devices(this.#picture.devices, canonical);
    return !same(this.state, state) || !same(this.devices, devices);
  }

  /**
   * Where the music is, in ms: extrapolated while playing, clamped to a known duration.
   *
   * While one track plays on, it never goes back: where a report or a better knowledge of the clock puts it a
   * little behind what was drawn, it waits there. Only what people would call a jump is one.
   */
  positionMs(now: number, serverNow: number | null): number {
    const { state } = this;
    if (state === null) return 0;
    const position = this.#picture.positionMs(state, now, serverNow);
    const music = state.is_playing
      ? JSON.stringify([state.device_id, state.track_id, state.queue_position])
      : null;
    const { music: known, position: drawn, at } = this.#drawn;
    const goesOn = music !== null && music === known && drawn + (now - at) <= position + CONTINUOUS;
    this.#drawn = { music, position: goesOn ? Math.max(position, drawn) : position, at: now };
    return this.#drawn.position;
  }
}
