/** The worker behind `timers.ts`: rings when it was asked to. */

import type { Ring } from "./timers.ts";

const running = new Map<number, ReturnType<typeof setTimeout>>();

self.addEventListener("message", ({ data: { id, ms } }: MessageEvent<Ring>) => {
  clearTimeout(running.get(id));
  running.delete(id);
  if (ms === null) return;
  running.set(
    id,
    setTimeout(() => {
      running.delete(id);
      self.postMessage(id);
    }, ms),
  );
});
