/**
 * Commands under way, laid over the canonical state: what a user sees at once.
 *
 *     made --applied--> confirmed --the state that shows it--> gone
 *       |                   +------ no such state in time ---> gone
 *       +--anything else (rejected, superseded, expired...)--> taken back
 *
 * What is shown is the canonical state with each command's expected effect upon it, in the order in which they
 * were made. Nothing is ever written into the canonical state: when no command is left, what is shown is that
 * state, the same object.
 */

import type { Device, PlaybackState } from "./contract/types.ts";
import { expected } from "./expectation.ts";
import type { Command } from "./snapshot.ts";

/** A command whose effect is shown before it is known. */
export interface Guess {
  readonly id: string;
  readonly command: Command;
  readonly target: string | null;
  /** When it was made, on the coordinator's clock; null if that was not known yet. */
  readonly at: number | null;
  /** The local moment (ms) up to which it is shown once it was applied. */
  readonly until: number;
  /** Once it was applied: the place of the state that shows it. */
  readonly shownBy: Place | null;
}

/** Where in the canonical order a state stands. */
export interface Place {
  readonly epoch: number;
  readonly sequence: number;
}

export class Overlay {
  readonly #guesses = new Map<string, Guess>();

  get size(): number {
    return this.#guesses.size;
  }

  /** A command was made. */
  add(guess: Omit<Guess, "shownBy">): void {
    this.#guesses.set(guess.id, { ...guess, shownBy: null });
  }

  /** A command was carried out; the state at `place` shows it. */
  applied(id: string, place: Place): void {
    const guess = this.#guesses.get(id);
    if (guess !== undefined) this.#guesses.set(id, { ...guess, shownBy: place });
  }

  /**
   * A command was not carried out: forget it. Null if nothing was shown of it; `hidden` where a later one of the
   * same kind is shown in its place.
   */
  takeBack(id: string): { readonly guess: Guess; readonly hidden: boolean } | null {
    const guess = this.#guesses.get(id);
    if (guess === undefined) return null;
    this.#guesses.delete(id);
    const later = [...this.#guesses.values()];
    const hidden = later.some(
      (one) => one.command.type === guess.command.type && one.target === guess.target,
    );
    return { guess, hidden };
  }

  /** Forget what a canonical state shows by itself. `complete`: it is a snapshot, later than all answers before it. */
  sawState(state: PlaybackState, complete = false): void {
    for (const guess of this.#guesses.values()) {
      const place = guess.shownBy;
      const shown = place !== null && (complete || (!isAfter(place, state) && !isForIdle(guess, state)));
      if (shown || state.applied.includes(guess.id)) this.#guesses.delete(guess.id);
    }
  }

  /** Forget the volumes of idle devices that a list of the devices shows. */
  sawDevices(state: PlaybackState | null): void {
    for (const guess of this.#guesses.values()) {
      if (guess.shownBy !== null && (state === null || isForIdle(guess, state)))
        this.#guesses.delete(guess.id);
    }
  }

  /** When something confirmed has been shown for long enough. */
  get deadline(): number | null {
    const ends = [...this.#guesses.values()]
      .filter((guess) => guess.shownBy !== null)
      .map((guess) => guess.until);
    return ends.length === 0 ? null : Math.min(...ends);
  }

  /** Forget what was confirmed and never seen; says whether there was anything. */
  passTime(now: number): boolean {
    const late = [...this.#guesses.values()].filter((guess) => guess.shownBy !== null && guess.until <= now);
    for (const guess of late) this.#guesses.delete(guess.id);
    return late.length > 0;
  }

  /** What to show. */
  state(canonical: PlaybackState): PlaybackState {
    let shown = canonical;
    for (const guess of this.#guesses.values()) {
      if (concerns(guess, canonical)) shown = expected(shown, guess.command, guess.at ?? shown.position_at);
    }
    return shown;
  }

  /** The devices, with the volumes that were asked for. */
  devices(canonical: readonly Device[], state: PlaybackState | null): readonly Device[] {
    const volumes = new Map<string, number>();
    for (const { command, target } of this.#guesses.values()) {
      const device = target ?? state?.device_id ?? null;
      if (command.type === "set_volume" && device !== null) volumes.set(device, command.volume);
    }
    if (volumes.size === 0) return canonical;
    return canonical.map((device) => {
      const volume = volumes.get(device.id);
      return volume === undefined ? device : { ...device, volume };
    });
  }
}

/** Whether it is a command for the device that plays. */
function concerns(guess: Guess, state: PlaybackState): boolean {
  return state.device_id !== null && (guess.target ?? state.device_id) === state.device_id;
}

/** Whether it is the volume of a device that does not play: the state never shows that. */
function isForIdle(guess: Guess, state: PlaybackState): boolean {
  return guess.command.type === "set_volume" && !concerns(guess, state);
}

function isAfter(place: Place, state: Place): boolean {
  return place.epoch === state.epoch ? place.sequence > state.sequence : place.epoch > state.epoch;
}
