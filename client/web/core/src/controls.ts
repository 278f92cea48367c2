/** The buttons: one method for each command. */

import type { RepeatMode, TransferOptions } from "./contract/types.ts";
import type { Wish } from "./requests.ts";
import type { Command, OnDevice, QueueOptions, Snapshot } from "./snapshot.ts";

/** See `Connect` for what each does. */
export abstract class Controls {
  abstract readonly snapshot: Snapshot;

  /** Resolves when the wish was carried out. */
  protected abstract done(wish: Wish): Promise<void>;

  /** The same; meanwhile a device is shown as the one that the music goes to. */
  protected abstract whileTransferring(to: string, wish: Wish): Promise<void>;

  play(options: OnDevice = {}): Promise<void> {
    return this.#maybeTransfer({ type: "play" }, options.device ?? null);
  }

  pause(): Promise<void> {
    return this.command({ type: "pause" });
  }

  stopPlayback(): Promise<void> {
    return this.command({ type: "stop" });
  }

  seek(positionMs: number): Promise<void> {
    return this.command({ type: "seek", position_ms: Math.max(0, Math.round(positionMs)) });
  }

  next(): Promise<void> {
    return this.command({ type: "next", ...this.#drawnPlace() });
  }

  previous(): Promise<void> {
    return this.command({ type: "previous", ...this.#drawnPlace() });
  }

  setShuffle(enabled: boolean): Promise<void> {
    return this.command({ type: "set_shuffle", enabled });
  }

  setRepeat(mode: RepeatMode): Promise<void> {
    return this.command({ type: "set_repeat", mode });
  }

  setQueue(tracks: readonly string[], startIndex: number, options: QueueOptions = {}): Promise<void> {
    const command: Command = {
      type: "set_queue",
      tracks: [...tracks],
      start_index: startIndex,
      ...(options.keepPosition === true && { keep_position: true }),
      ...(options.expectRev !== undefined && { expect_rev: options.expectRev }),
    };
    return this.#maybeTransfer(command, options.device ?? null);
  }

  transfer(device: string, options?: TransferOptions): Promise<void> {
    return this.whileTransferring(device, { type: "transfer", device, options: options ?? null });
  }

  rename(device: string, name: string): Promise<void> {
    return this.done({ type: "rename", device, name });
  }

  forget(device: string): Promise<void> {
    return this.done({ type: "forget", device });
  }

  protected command(command: Command, target: string | null = null): Promise<void> {
    return this.done({ type: "command", command, target });
  }

  /** A double tap skips once: it goes from the place in the queue that is drawn. */
  #drawnPlace(): { readonly expect_position?: number } {
    const { state } = this.snapshot;
    return state !== null && state.queue.length > 0 ? { expect_position: state.queue_position } : {};
  }

  /** A command that names a device which does not play brings the music there. */
  #maybeTransfer(command: Command, target: string | null): Promise<void> {
    const wish: Wish = { type: "command", command, target };
    const active = this.snapshot.state?.device_id ?? null;
    return target === null || target === active ? this.done(wish) : this.whileTransferring(target, wish);
  }
}

/** A promise whose rejection nobody has to hear. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** How soon (ms) is soon enough to ask again, unasked. */
const SOON = 1_500;

/** Whether the server would take it a moment later: then it is asked again, without a word. */
export function isTooSoon(code: string, retryAfterMs: number | null): boolean {
  return code === "rate_limited" && retryAfterMs !== null && retryAfterMs <= SOON;
}
