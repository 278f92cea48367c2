/** The keys: space, arrows, N, P, M, D. Never where they mean something already. */
import { louder, mute, playOrPause, skip } from "./music.ts";
import { dialog } from "./route.ts";
import { connect, phase, snapshot } from "./store.ts";

const KEYS: Record<string, () => void> = {
  " ": playOrPause,
  ArrowLeft: () => {
    skip(-1);
  },
  ArrowRight: () => {
    skip(1);
  },
  ArrowUp: () => {
    louder(1);
  },
  ArrowDown: () => {
    louder(-1);
  },
  n: () => void connect().next(),
  p: () => void connect().previous(),
  m: mute,
};

/** Whether the element under the focus uses the key itself. */
function taken(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest("input, textarea, select, [contenteditable], [data-keys]")) return true;
  return key === " " && target.closest("button, a, summary") !== null;
}

export function listenToKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    // Offline as well: what sounds here is still to be paused.
    if (!["online", "offline"].includes(phase.value) || document.querySelector("dialog[open]")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (taken(event.target, key)) return;
    if (key === "d") {
      event.preventDefault();
      dialog.value = "where";
      return;
    }
    const action = KEYS[key];
    if (!action || !snapshot.value.canControl) return;
    event.preventDefault();
    action();
  });
}
