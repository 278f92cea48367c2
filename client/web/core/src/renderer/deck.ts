/** What is to be played, and where in it we are: a queue in play order, and the rules around it. Immutable. */

import type { PlaybackState, RepeatMode } from "../contract/types.ts";

export interface Deck {
  readonly tracks: readonly string[];
  readonly index: number;
  readonly shuffle: boolean;
  readonly repeat: RepeatMode;
}

export const EMPTY: Deck = { tracks: [], index: 0, shuffle: false, repeat: "off" };

/** The deck that a canonical state describes. */
export function deckOf(state: PlaybackState): Deck {
  return {
    tracks: state.queue,
    index: state.queue_position,
    shuffle: state.shuffle,
    repeat: state.repeat_mode,
  };
}

/** The current track; null if there is none. */
export function trackOf(deck: Deck, index = deck.index): string | null {
  return deck.tracks[index] ?? null;
}

/** The index that follows when the current track has played to its end; null: stop there. */
export function following(deck: Deck): number | null {
  if (deck.tracks.length === 0) return null;
  return deck.repeat === "one" ? deck.index : after(deck, deck.index);
}

/** The index that follows another, leaving the repetition of one track aside. */
export function after(deck: Deck, index: number): number | null {
  if (index + 1 < deck.tracks.length) return index + 1;
  return deck.repeat === "all" && deck.tracks.length > 0 ? 0 : null;
}
