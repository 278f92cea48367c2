/** What became of forwarded commands: the last 64, and those that no report has named yet. */

import type { Code, Refusal } from "../contract/types.ts";
import { REPORTED_IDS } from "../limits.ts";

/** Remembers executed ids, so that a repeated command is answered and not done twice. */
export class Ledger {
  readonly #done = new Map<string, Code | null>();
  readonly #untold = new Map<string, Code | null>();

  has(id: string): boolean {
    return this.#done.has(id);
  }

  /** A command was carried out, or refused; its id goes into the next report. */
  note(id: string, refused: Code | null = null): void {
    this.#done.delete(id);
    put(this.#done, id, refused);
    put(this.#untold, id, refused);
  }

  /** A command was repeated: tell its end once more. */
  again(id: string): void {
    put(this.#untold, id, this.#done.get(id) ?? null);
  }

  /** For the next report. */
  get applied(): readonly string[] {
    return [...this.#untold].filter(([, refused]) => refused === null).map(([id]) => id);
  }

  /** For the next report. */
  get refused(): readonly Refusal[] {
    return [...this.#untold].flatMap(([id, code]) => (code === null ? [] : [{ id, code }]));
  }

  /** The report went out. */
  told(): void {
    this.#untold.clear();
  }

  /** The canonical state is loaded: what was done since is undone, and may be asked for again. */
  forget(): void {
    this.#done.clear();
    this.#untold.clear();
  }
}

function put(map: Map<string, Code | null>, id: string, refused: Code | null): void {
  map.set(id, refused);
  for (const oldest of map.keys()) {
    if (map.size <= REPORTED_IDS) return;
    map.delete(oldest);
  }
}
