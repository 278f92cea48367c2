/**
 * A session kept alive: connects it, reconnects it, runs its timer, and hands out what it tells.
 *
 *     start -> [ (ask) -> connect -> serve -> lost, refused or swapped -> wait ]* -> stop
 */

import type { Action } from "./actions.ts";
import { KEEPALIVE_SECONDS } from "./limits.ts";
import { LinkLost, LinkRefused, type IsThere, type Link, type OpenLink } from "./link.ts";
import { Reconnect } from "./reconnect.ts";
import { Session } from "./session.ts";
import { chance, freshConn, type World } from "./world.ts";

/** For the goodbye (ms). */
const GOODBYE_WITHIN = 1_000;
/** For PUBACK (ms), before the broker is asked whether it is there at all. */
const ACK_WITHIN = 4_000;

/** Where tokens come from. */
export interface TokenSource {
  readonly token: string;
  /** Ask for another one: `refused` where there will be none, `unavailable` where nobody answered. */
  renew(): Promise<"renewed" | "refused" | "unavailable">;
}

export interface LifelineListener {
  /** Every action of the session, after it was done. */
  act(action: Action): void;
  /** Something may have changed. */
  flushed(): void;
  /** The token is not accepted, and there is no other: it has ended. */
  refused(): void;
}

type End = "lost" | "refused" | "left" | "swapped";

export class Lifeline {
  /** Whether there is a connection to the broker at all. */
  connected = false;
  /** Whether the last attempt to make one failed. */
  failing = false;
  readonly #reconnect: Reconnect;
  #link: Link | null = null;
  #life = 0;
  #end: ((end: End, byPeer: boolean) => void) | null = null;
  #hurry: (() => void) | null = null;
  #disarm: (() => void) | null = null;

  constructor(
    readonly session: Session,
    private readonly world: World,
    private readonly open: OpenLink,
    /** Null: nobody can be asked. */
    private readonly isThere: IsThere | null,
    private readonly tokens: TokenSource,
    private readonly listener: LifelineListener,
  ) {
    this.#reconnect = new Reconnect(() => chance(world));
  }

  start(): void {
    this.#life += 1;
    void this.#run(this.#life);
  }

  /** Say goodbye and end. */
  async stop(reason: string): Promise<void> {
    this.#life += 1;
    const link = this.#link;
    const goodbye = this.session.goodbye(reason);
    this.apply(this.session.end());
    if (link !== null && goodbye !== null) {
      await new Promise<void>((resolve) => {
        const cancel = this.world.after(GOODBYE_WITHIN, resolve);
        const done = (): void => {
          cancel();
          resolve();
        };
        link.publish(goodbye.topic, goodbye.payload, 1).then(done, done);
      });
    }
    this.#leave("left");
    this.#hurry?.();
    this.#disarm?.();
    this.#disarm = null;
  }

  /** Connect now instead of later; or see whether the connection is still one. */
  stir(): void {
    this.#hurry?.();
    this.apply(this.session.stirred(this.world.now()));
  }

  /** There is another token: connect with that one, before the old one ends the connection. */
  swap(): void {
    this.#leave("swapped");
  }

  /** Do what the session wants done, and look at the clock again. */
  apply(actions: readonly Action[]): void {
    for (const action of actions) this.#do(action);
    if (actions.length > 0) this.listener.flushed();
    this.#arm();
  }

  #do(action: Action): void {
    if (action.type === "publish") this.#publish(action.topic, action.payload, action.qos);
    else if (action.type === "probe") this.#link?.probe(action.withinMs);
    else if (action.type === "arrived") this.#reconnect.online(this.world.now());
    else if (action.type === "displaced") this.#life += 1;
    this.listener.act(action);
  }

  #publish(topic: string, payload: string, qos: 0 | 1): void {
    const link = this.#link;
    if (link === null) return;
    const cancel =
      qos === 0
        ? null
        : this.world.after(ACK_WITHIN, () => {
            link.probe(ACK_WITHIN / 2);
          });
    const done = (): void => cancel?.();
    link.publish(topic, payload, qos).then(done, done);
  }

  #arm(): void {
    this.#disarm?.();
    const due = this.session.deadline;
    this.#disarm =
      due === null
        ? null
        : this.world.after(Math.max(0, due - this.world.now()), () => {
            this.#disarm = null;
            this.apply(this.session.wake(this.world.now()));
          });
  }

  async #run(life: number): Promise<void> {
    while (life === this.#life) {
      const there = await this.#ask();
      if (life !== this.#life) return;
      const end = there ? await this.#connection(life) : this.#fail();
      if (life !== this.#life) return;
      if (end === "lost") await this.#wait(this.#reconnect.lost(this.world.now()));
      else if (end === "refused" && !(await this.#askToken(life))) return;
    }
  }

  /** Whether to try a connection: not where one has just failed and nobody answers. */
  #ask(): Promise<boolean> {
    const { isThere, world } = this;
    if (!this.#reconnect.asksFirst(world.now()) || isThere === null) return Promise.resolve(true);
    const within = this.#reconnect.patience;
    return new Promise((resolve) => {
      const cancel = world.after(within, () => {
        resolve(false);
      });
      const answered = (there: boolean): void => {
        cancel();
        resolve(there);
      };
      this.#hurry = () => {
        answered(true);
      };
      isThere(within).then(answered, () => {
        answered(false);
      });
    });
  }

  #fail(): "lost" {
    this.failing = true;
    this.apply(this.session.failed());
    this.listener.flushed();
    return "lost";
  }

  /** One connection, from CONNECT to its end. */
  async #connection(life: number): Promise<End> {
    const { session, world } = this;
    const { identity } = session;
    const conn = freshConn(world);
    const ended = new Promise<readonly [End, boolean]>((resolve) => {
      this.#end = (end, byPeer) => {
        resolve([end, byPeer]);
      };
    });
    const end = this.#end;
    this.#reconnect.begin(world.now());
    try {
      const link = await this.open(
        {
          clientId: identity.deviceId,
          user: identity.user,
          token: this.tokens.token,
          will: { topic: identity.topic("will"), payload: Session.will(conn) },
          filters: identity.filters,
          keepaliveSeconds: KEEPALIVE_SECONDS,
          patienceMs: this.#reconnect.patience,
        },
        {
          message: (topic, payload, retained) => {
            if (life === this.#life) this.apply(session.received(topic, payload, world.now(), retained));
          },
          lost: (reason) => end?.("lost", reason.byPeer),
        },
      );
      if (life !== this.#life) {
        link.close();
        return "left";
      }
      this.#link = link;
    } catch (error) {
      const how = this.#fail();
      if (error instanceof LinkRefused) return "refused";
      if (error instanceof LinkLost) return how;
      throw error;
    }
    this.connected = true;
    this.failing = false;
    this.apply(session.connected(conn, world.now()));
    const [how, byPeer] = await ended;
    this.connected = false;
    if (how !== "lost") this.#link.close();
    this.#link = null;
    this.apply(session.disconnected(world.now(), byPeer));
    return how;
  }

  #leave(end: End): void {
    this.#end?.(end, false);
  }

  /** Whether there is another token to go on with. */
  async #askToken(life: number): Promise<boolean> {
    let wait = this.#reconnect.refused();
    while (wait !== null && life === this.#life) {
      await this.#wait(wait);
      if (life !== this.#life) return false;
      const answer = await this.tokens.renew();
      if (answer === "renewed") return true;
      wait = answer === "refused" ? null : this.#reconnect.unanswered();
    }
    if (life === this.#life) {
      this.#life += 1;
      this.listener.refused();
    }
    return false;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.world.after(ms, resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
  }
}
