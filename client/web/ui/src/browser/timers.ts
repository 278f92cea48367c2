/**
 * Timers that ring in a hidden tab as well. Browsers let the timers of a page that has been hidden for some minutes ring
 * once a minute, and the server would take it for dead; those of a worker ring on time. Where there are no workers, the
 * page's own have to do.
 */

/** From here on (ms) a timer may outlast the page's being seen, and is the worker's. */
const LONG = 5_000;

export interface Ring {
  readonly id: number;
  /** Null: not any more. */
  readonly ms: number | null;
}

export function timers(make: () => Worker | null): (ms: number, then: () => void) => () => void {
  let worker: Worker | null | undefined;
  let last = 0;
  const waiting = new Map<number, () => void>();

  const open = (): Worker | null => {
    if (worker !== undefined) return worker;
    worker = make();
    worker?.addEventListener("message", ({ data }: MessageEvent<number>) => {
      const then = waiting.get(data);
      waiting.delete(data);
      then?.();
    });
    worker?.addEventListener("error", () => {
      // It could not be loaded: what waits for it rings late rather than never.
      worker = null;
      for (const then of waiting.values()) setTimeout(then, LONG);
      waiting.clear();
    });
    return worker;
  };

  return (ms, then) => {
    const far = ms >= LONG || document.visibilityState === "hidden";
    const ticker = far ? open() : null;
    if (ticker === null) {
      const timer = setTimeout(then, ms);
      return () => {
        clearTimeout(timer);
      };
    }
    last += 1;
    const id = last;
    waiting.set(id, then);
    ticker.postMessage({ id, ms } satisfies Ring);
    return () => {
      if (waiting.delete(id)) ticker.postMessage({ id, ms: null } satisfies Ring);
    };
  };
}
