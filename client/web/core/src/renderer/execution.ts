/** How a forwarded command is carried out on a turntable. */

import type { Code, ExecuteCommand, ForwardedSetQueue } from "../contract/types.ts";
import { EMPTY, trackOf, type Deck } from "./deck.ts";
import type { Turntable } from "./turntable.ts";

/** A command that cannot be carried out here and now; nothing has changed. */
export class Refused extends Error {
  constructor(readonly code: Code) {
    super(code);
    this.name = "Refused";
  }
}

/** Carry it out. `resumeAt` (ms): where `play` begins with a track that is not loaded yet. */
export async function execute(
  command: ExecuteCommand["command"],
  table: Turntable,
  resumeAt: number,
): Promise<void> {
  switch (command.type) {
    case "play":
      if (table.track !== null) await table.play();
      else if (!(await table.putOn(table.deck, resumeAt, true))) throw new Refused("unsupported");
      return;
    case "pause":
      await table.pause();
      return;
    case "stop":
      await table.pause();
      if (table.track !== null) await table.seek(0);
      return;
    case "seek":
      if (table.track === null && !(await table.putOn(table.deck, command.position_ms, false))) {
        throw new Refused("unsupported");
      }
      await table.seek(command.position_ms);
      return;
    case "next":
    case "previous":
      if (command.queue_position >= table.deck.tracks.length) throw new Refused("invalid_command");
      await table.goTo(command.queue_position, command.is_playing ?? table.playing);
      return;
    case "set_queue":
      await setQueue(table, command);
      return;
    case "set_volume":
      await table.setVolume(command.volume);
      return;
    case "set_shuffle": {
      const { queue: tracks, queue_position: index, enabled: shuffle } = command;
      table.rearrange({ ...table.deck, tracks, index, shuffle });
      return;
    }
    case "set_repeat":
      table.rearrange({ ...table.deck, repeat: command.mode });
      return;
    case "set_window":
      // A page asks for whole queues: it announces no `max_payload_bytes`.
      throw new Refused("unsupported");
  }
}

async function setQueue(table: Turntable, command: ForwardedSetQueue): Promise<void> {
  const deck: Deck = { ...table.deck, tracks: command.tracks, index: command.start_index };
  const { playing } = table;
  if (deck.tracks.length === 0) {
    const { shuffle, repeat } = deck;
    await table.clear();
    table.deck = { ...EMPTY, shuffle, repeat };
  } else if (command.keep_position === true && table.track !== null && trackOf(deck) === table.track) {
    table.rearrange(deck);
  } else await table.putOn(deck, 0, playing);
}
