/** What a browser keeps for us, where it does: a private window may refuse, and then it lasts as long as the page. */

const PREFIX = "soul-connect.";
const memory = new Map<string, string>();

export const kept = {
  get(name: string): string | null {
    try {
      return localStorage.getItem(PREFIX + name) ?? memory.get(name) ?? null;
    } catch {
      return memory.get(name) ?? null;
    }
  },
  /** Null: no longer. */
  set(name: string, value: string | null): void {
    if (value === null) memory.delete(name);
    else memory.set(name, value);
    try {
      if (value === null) localStorage.removeItem(PREFIX + name);
      else localStorage.setItem(PREFIX + name, value);
    } catch {
      // Full, or refused: the memory has it.
    }
  },
};
