/**
 * The coordinator's clock, as seen from here.
 *
 * Each exchange bounds the difference between the two clocks from both sides: an answer cannot arrive
 * before it was sent, and a question cannot be read before it was asked.
 *
 *     question sent (here)  <=  read (there)       difference <= t1 - sent
 *     answer sent (there)   <=  received (here)    difference >= t2 - received
 *
 * The estimate is the middle of all these bounds together; the sample with the least round trip rules, and
 * two that were quick in one direction each are as good. Clocks drift, so the bounds widen with time; a
 * clock that was set (or a machine that slept) contradicts the old bounds, which then are forgotten.
 */

/** How far two clocks may drift apart, as a fraction: worse than any quartz that works. */
const DRIFT = 100e-6;

export class ServerClock {
  #bounds: readonly [low: number, high: number] | null = null;
  #measured = 0;

  /** Learn from one exchange: `sent` and `received` here, `t1` and `t2` there. Impossible ones are ignored. */
  sample(sent: number, received: number, t1: number, t2: number): void {
    // The server's moments are whole ms, rounded down.
    let low = t2 - received;
    let high = t1 + 1 - sent;
    if (received < sent || t2 < t1 || low > high) return;
    if (this.#bounds !== null) {
      const widened = Math.max(0, received - this.#measured) * DRIFT;
      const oldLow = this.#bounds[0] - widened;
      const oldHigh = this.#bounds[1] + widened;
      if (Math.max(low, oldLow) <= Math.min(high, oldHigh)) {
        low = Math.max(low, oldLow);
        high = Math.min(high, oldHigh);
      }
    }
    this.#bounds = [low, high];
    this.#measured = received;
  }

  /** What to add to a local moment; null before the first exchange. */
  get offset(): number | null {
    return this.#bounds === null ? null : (this.#bounds[0] + this.#bounds[1]) / 2;
  }

  /** How wrong `offset` can be at most, in ms; null before the first exchange. */
  uncertainty(now: number): number | null {
    if (this.#bounds === null) return null;
    return (this.#bounds[1] - this.#bounds[0]) / 2 + Math.max(0, now - this.#measured) * DRIFT;
  }

  /** The coordinator's time at a local moment; null before the first exchange. */
  at(now: number): number | null {
    return this.offset === null ? null : Math.max(0, Math.round(now + this.offset));
  }
}
