/**
 * Getting registered, and staying so.
 *
 *     away --connected--> arriving --registered--> online
 *                           ^  |                     |
 *                           |  +--device limit--> hindered
 *                           +--not_registered, another coordinator--+
 *     any --connection lost--> away
 *
 * While arriving, `register` is repeated after 5, 10, 20, 30, 30... seconds. A connection that the other side closes
 * within 10 s of `registered`, three times running, means that another client has this device id: each throws the
 * other out.
 */

import { DISPLACED_TIMES, DISPLACED_WITHIN, REGISTER_REPEAT, REGISTER_REPEAT_MAX } from "./limits.ts";

export class Arrival {
  phase: "away" | "arriving" | "online" | "hindered" = "away";
  /** Of the present connection; empty while there is none. */
  conn = "";
  coordinator: string | null = null;
  /** Counts registrations, so that each request goes out once in each. */
  registration = 0;
  /** When to send `register` (again). */
  deadline: number | null = null;
  #repeat = REGISTER_REPEAT;
  #registeredAt: number | null = null;
  #displaced = 0;

  /** A connection, with its fresh `conn`: register at once. */
  connected(conn: string, now: number): void {
    this.conn = conn;
    this.#registeredAt = null;
    this.registerAgain(now);
  }

  /** Register at a moment, unless that is to happen earlier anyway. */
  registerAgain(at: number): void {
    if (this.phase === "arriving" && this.deadline !== null) {
      this.deadline = Math.min(this.deadline, at);
      return;
    }
    this.phase = "arriving";
    this.deadline = at;
    this.#repeat = REGISTER_REPEAT;
  }

  /** Whether nobody has answered the first `register`. */
  get unheard(): boolean {
    return this.phase === "arriving" && this.#repeat > 2 * REGISTER_REPEAT;
  }

  /** `register` was sent. */
  sent(now: number): void {
    this.deadline = now + this.#repeat;
    this.#repeat = Math.min(2 * this.#repeat, REGISTER_REPEAT_MAX);
  }

  /**
   * The snapshot came; false if it is another connection's, or a late one of an earlier coordinator. A second one for
   * this connection is the answer to a repetition: its snapshot counts, and nothing else.
   */
  registered(conn: string, coordinator: string, now: number): boolean {
    if (conn !== this.conn || this.phase === "away") return false;
    if (coordinator !== this.coordinator) {
      if (this.phase === "online") return false;
      this.#displaced = 0; // a server that starts again closes connections, too
    }
    this.coordinator = coordinator;
    this.phase = "online";
    this.registration += 1;
    this.deadline = null;
    this.#registeredAt ??= now;
    return true;
  }

  /** The coordinator has no place for us, or still none; says whether we were asking for one. */
  hindered(): boolean {
    if (this.phase !== "arriving" && this.phase !== "hindered") return false;
    this.phase = "hindered";
    this.deadline = null;
    return true;
  }

  /** A connection could not be made: so it was the network, not another client. */
  failed(): void {
    this.#displaced = 0;
  }

  /** The connection is gone; says whether it is time to give up, being displaced. */
  disconnected(now: number, byPeer: boolean): boolean {
    const displaced = byPeer && this.#registeredAt !== null && now - this.#registeredAt <= DISPLACED_WITHIN;
    this.#displaced = displaced ? this.#displaced + 1 : 0;
    this.phase = "away";
    this.conn = "";
    this.deadline = null;
    this.#registeredAt = null;
    return this.#displaced >= DISPLACED_TIMES;
  }
}
