/**
 * When to ping: for the clock, and to notice a connection that only seems to be there.
 *
 * A few quick pings on arrival make the clock good, and ten more where the link jitters; then one every 30 s. A
 * ping that is not answered asks for a probe of the broker: the coordinator may be away while the broker is well,
 * and reconnecting would not bring it back.
 */

import { PING_EVERY } from "./limits.ts";

/** Pings after arrival, in ms from it. */
const QUICK = [0, 150, 400, 900, 1_600, 2_500];
/** And these, while the clock is not good. */
const MORE = Array.from({ length: 10 }, (_, index) => 3_500 + 1_000 * index);
const ENOUGH = 2_500;
/** How wrong (ms) a good clock can be. */
export const GOOD_CLOCK = 20;
/** How long a pong may take (ms) before the broker is probed. */
const ANSWER_WITHIN = 5_000;

export class Pulse {
  #planned: number[] = [];
  #enough = 0;
  readonly #waiting = new Map<number, number>();

  /** A connection: begin with a few quick ones. */
  start(now: number): void {
    this.#planned = [...QUICK, ...MORE].map((after) => now + after);
    this.#enough = now + ENOUGH;
    this.#waiting.clear();
  }

  /** No connection, no pings. */
  stop(): void {
    this.#planned = [];
    this.#waiting.clear();
  }

  /** The few quick ones will do. */
  clockIsGood(now: number): void {
    if (this.#planned.length <= 1) return;
    const few = this.#planned.filter((moment) => moment <= this.#enough);
    this.#planned = few.length > 0 ? few : [now + PING_EVERY];
  }

  /** Ping now, besides what is planned. */
  soon(now: number): void {
    if (this.#planned.length > 0) this.#planned.unshift(now);
  }

  /** When something is due. */
  get deadline(): number | null {
    const ends = [...this.#waiting.values()].map((sent) => sent + ANSWER_WITHIN);
    const moments = [...this.#planned.slice(0, 1), ...ends];
    return moments.length === 0 ? null : Math.min(...moments);
  }

  /** The `t0` of a ping to send now, null if none is due. */
  due(now: number): number | null {
    if ((this.#planned[0] ?? Infinity) > now) return null;
    // What was missed while the machine slept is not made up for.
    const later = this.#planned.filter((moment) => moment > now);
    this.#planned = later.length > 0 ? later : [now + PING_EVERY];
    // Whole ms, rounded up: a ping is never said to have left earlier than it did. Unique, so that a pong finds it.
    let t0 = Math.ceil(now);
    while (this.#waiting.has(t0)) t0 += 1;
    this.#waiting.set(t0, now);
    return t0;
  }

  /** Whether a ping has waited too long; forgets it. */
  unanswered(now: number): boolean {
    const late = [...this.#waiting].filter(([, sent]) => sent + ANSWER_WITHIN <= now);
    for (const [t0] of late) this.#waiting.delete(t0);
    return late.length > 0;
  }

  /** When the ping with this `t0` was sent; null for a pong that nobody waits for. */
  answered(t0: number): number | null {
    const sent = this.#waiting.get(t0) ?? null;
    this.#waiting.delete(t0);
    if (sent !== null) {
      // Whoever answers one is there: earlier ones got lost, which QoS 0 may do.
      for (const [other, at] of this.#waiting) if (at <= sent) this.#waiting.delete(other);
    }
    return sent;
  }
}
