/**
 * One live tab for each browser: a new one asks whether another is in use, and takes over only when told to. By
 * BroadcastChannel, which works on plain http, where there are no locks. A tab that is frozen or gone does not answer;
 * one that is closed says so, and `freed` may ask again.
 */

import type { TabLock } from "#core";

/** How long (ms) another tab may take to answer. */
const ANSWER_WITHIN = 250;

interface Word {
  readonly type: "anyone" | "me" | "mine" | "gone";
  readonly tab: string;
}

export function tabLock(name: string, tab: string, freed: () => void): TabLock {
  const channel = new BroadcastChannel(`soul-connect ${name}`);
  let held: (() => void) | null = null;
  let asking: (() => void) | null = null;

  const say = (type: Word["type"]): void => {
    channel.postMessage({ type, tab } satisfies Word);
  };

  channel.onmessage = ({ data }: MessageEvent<Word>) => {
    if (data.tab === tab) return;
    if (data.type === "anyone") {
      // Of two that ask at the same time, the smaller id goes first.
      if (held !== null || (asking !== null && tab < data.tab)) say("me");
    } else if (data.type === "me") asking?.();
    else if (data.type === "gone") freed();
    else if (held !== null) {
      const taken = held;
      held = null;
      taken();
    }
  };

  addEventListener("pagehide", ({ persisted }) => {
    if (held === null || persisted) return;
    held = null; // who asks now is not told that somebody is here
    say("gone");
  });

  return {
    acquire: (taken) =>
      new Promise((resolve) => {
        const over = (free: boolean): void => {
          clearTimeout(timer);
          asking = null;
          if (free) held = taken;
          resolve(free);
        };
        const timer = setTimeout(over, ANSWER_WITHIN, true);
        asking = () => {
          over(false);
        };
        say("anyone");
      }),
    take: (taken) => {
      held = taken;
      say("mine");
    },
    release: () => {
      held = null;
    },
  };
}
