/**
 * When to try again: exponential backoff with full jitter.
 *
 * The cap is low because a listener waits for the music: everyone is back within seconds of the server's return, spread
 * over `CAP` so that the server is not trampled. A connection that did not last counts as a failure, so that nobody
 * hammers a server which lets in and throws out. While the network is cut, packets vanish, and an attempt takes as long
 * as it is given: so most are given little, and the time that one took counts as waiting.
 *
 * A browser holds WebSockets back for seconds once dozens of them have failed in some minutes (Chromium: 1-5 s,
 * services/network/websocket_throttler.cc; Firefox: longer with each). So while the server is away it is asked by other
 * means whether it is there, and hardly any connection fails.
 */

/** The spread of the first try (ms); doubled with each failure. */
const BASE = 200;
/** The largest spread (ms): the longest wait after the server's return. */
const CAP = 1_500;
/** A connection that stayed for so long (ms) was a good one: the backoff starts over. */
const LASTED = 10_000;
/** How long (ms) most attempts may take: a lost SYN is repeated after 1 s. */
const HASTY = 2_500;
/** How long (ms) every fifth attempt may take, for networks that are but slow. */
const PATIENT = 10_000;
/** After how long (ms) a connection is tried although nobody answers: what asks may be what does not work. */
const BLINDLY_AFTER = 30_000;
/** The wait (ms) before a fresh token that was refused too is replaced by yet another. */
const REFUSED_WAIT = 10_000;
/** How many fresh tokens may be refused in a row. */
const REFUSALS = 3;

/** Moments are local, in ms; `random` gives numbers in [0, 1). */
export class Reconnect {
  readonly #random: () => number;
  #failures = 0;
  #refusals = 0;
  #onlineSince: number | null = null;
  #began: number | null = null;
  /** When a connection was tried last; null: the last one was good. */
  #tried: number | null = null;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** It is time for another try; says whether to ask first if the server is there. */
  asksFirst(now: number): boolean {
    this.#began = now;
    return this.#tried !== null && now - this.#tried < BLINDLY_AFTER;
  }

  /** How long (ms) a try may take, and likewise asking. */
  get patience(): number {
    return this.#failures % 5 === 4 ? PATIENT : HASTY;
  }

  /** A connection is tried. */
  begin(now: number): void {
    this.#tried = now;
  }

  /** Registered: the way works and the token is good. */
  online(now: number): void {
    this.#onlineSince = now;
    this.#tried = null;
    this.#refusals = 0;
  }

  /** A connection ended, or could not be made, or nobody was there: how long to wait. */
  lost(now: number): number {
    const since = this.#onlineSince;
    const began = this.#began;
    this.#onlineSince = this.#began = null;
    if (since !== null && now - since >= LASTED) this.#failures = 0;
    const wait = this.#random() * Math.min(CAP, BASE * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    const waited = began !== null && since === null ? now - began : 0;
    return Math.max(0, wait - waited);
  }

  /** CONNACK 4 or 5: how long to wait before asking for another token; null: there is no use in it. */
  refused(): number | null {
    this.#onlineSince = null;
    this.#refusals += 1;
    if (this.#refusals > REFUSALS) return null;
    return this.#refusals === 1 ? 0 : REFUSED_WAIT;
  }

  /** Whoever was asked for a token did not answer: probably away, like the server. */
  unanswered(): number {
    this.#failures += 1;
    return BASE + this.#random() * CAP;
  }
}
