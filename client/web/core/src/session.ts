/**
 * A client's session with the coordinator, without I/O.
 *
 * Events come in as method calls, with the local time in ms of a clock that never goes back; what is to be done comes
 * out as actions, in order. The caller:
 *
 * - calls `connected` after CONNACK and SUBACK of `identity.filters`, with the `conn` that the will of that connection
 *   named;
 * - publishes every `publish` in order, and nothing on its own;
 * - calls `received` for each message, `disconnected` when the connection is gone, for whatever reason, and `failed`
 *   when one could not be made;
 * - calls `wake` at `deadline`, connected or not; earlier or later does no harm.
 */

import type { Action, Answer, Failure } from "./actions.ts";
import { Arrival } from "./arrival.ts";
import { ServerClock } from "./clock.ts";
import type {
  ConnectionLost,
  DeviceDescription,
  Disconnect,
  LastKnownState,
  MessageUp,
  PlaybackFailed,
  PlaybackReady,
  PlaybackStarted,
  Refusal,
  Register,
  ReportedState,
  StateUpdate,
} from "./contract/types.ts";
import { channelOf, type Description, type Identity } from "./identity.ts";
import { Inbound } from "./inbound.ts";
import { PROTOCOL_VERSION, REREGISTER_SPREAD } from "./limits.ts";
import { Picture } from "./picture.ts";
import { Pulse } from "./pulse.ts";
import { channelFor, HELD, Requests, type Request, type Wish } from "./requests.ts";
import { View } from "./view.ts";

/** How long (ms) the broker may take to prove that it is there. */
const PROBE_WITHIN = 4_000;
/** How late (ms) a timer may ring on a machine that was awake, if a busy one. */
const OVERSLEPT = 5_000;
/** How long (ms) those who wait for a coordinator may wait once it is there: they have waited. */
const ARRIVING_SPREAD = 1_000;

/**
 * What a renderer brings along when it registers; `is_playing` says that it has gone on playing without us. Without
 * `resume` no music starts by itself: what was done at the device meanwhile stands.
 */
export interface Offer {
  readonly volume: number;
  readonly lastKnown: LastKnownState | null;
  readonly resume: boolean;
}

/** What a renderer says of itself: with `epoch` and `state`, or while idle with its `volume`. */
export interface Report {
  readonly epoch: number | null;
  readonly state?: ReportedState;
  readonly volume?: number;
  readonly applied: readonly string[];
  readonly refused: readonly Refusal[];
  /** Nothing changed but the position: QoS 0. */
  readonly tick: boolean;
}

export class Session {
  readonly clock = new ServerClock();
  readonly picture = new Picture();
  readonly view = new View(this.picture);
  readonly arrival = new Arrival();
  readonly requests = new Requests();
  readonly pulse = new Pulse();
  /** Set by a renderer: what to bring along, at a local moment. */
  offer: ((now: number) => Offer) | null = null;
  /** When the last `register` was sent; null: its answer has come, or it is to be sent. */
  registerSent: number | null = null;
  readonly #inbound = new Inbound(this);
  #seq = 0;
  #out: Action[] = [];

  constructor(
    readonly identity: Identity,
    /** How this device describes itself; another one counts from the next connection on. */
    public description: Description,
    /** Numbers in [0, 1). */
    readonly random: () => number,
  ) {}

  /** The payload of the last will for a connection. */
  static will(conn: string): string {
    return JSON.stringify({ type: "connection_lost", conn } satisfies ConnectionLost);
  }

  // Events

  /** Connected and subscribed; `conn` is 16 hex digits, fresh, as in the will. */
  connected(conn: string, now: number): readonly Action[] {
    this.#seq = 0;
    this.arrival.connected(conn, now);
    this.pulse.start(now);
    return this.wake(now);
  }

  /** A message came. What breaks the contract is ignored: it cannot be answered. */
  received(topic: string, payload: string, now: number, retained = false): readonly Action[] {
    this.#inbound.receive(topic, payload, now, retained);
    return this.#flush();
  }

  /** A connection could not be made. */
  failed(): readonly Action[] {
    this.arrival.failed();
    return this.#flush();
  }

  /** The connection is gone. `byPeer`: the other side closed it. */
  disconnected(now: number, byPeer: boolean): readonly Action[] {
    const wasOnline = this.arrival.phase === "online";
    const giveUp = this.arrival.disconnected(now, byPeer);
    this.pulse.stop();
    this.registerSent = null;
    if (wasOnline) this.tell({ type: "away" });
    if (giveUp) this.tell({ type: "displaced" });
    return this.#flush();
  }

  /** Time has passed. */
  wake(now: number): readonly Action[] {
    const due = this.deadline;
    if (due !== null && now - due > OVERSLEPT && this.arrival.phase !== "away") this.#check(now);
    if (this.arrival.deadline !== null && this.arrival.deadline <= now) this.#register(now);
    const t0 = this.pulse.due(now);
    if (t0 !== null) this.say({ type: "ping", t0 }, 0);
    if (this.pulse.unanswered(now)) this.tell({ type: "probe", withinMs: PROBE_WITHIN });
    for (const request of this.requests.overdue(now)) this.#giveUp(request);
    if (this.view.overlay.passTime(now)) this.redraw();
    return this.#flush();
  }

  /** The page came back to sight, or the network did: the connection may be long dead, or a place be free by now. */
  stirred(now: number): readonly Action[] {
    if (this.arrival.phase === "hindered") this.#register(now);
    else if (this.arrival.phase !== "away") this.#check(now);
    return this.wake(now);
  }

  /** When to call `wake`; null: not before something else happens. */
  get deadline(): number | null {
    const moments = [
      this.arrival.deadline,
      this.pulse.deadline,
      this.requests.deadline,
      this.view.overlay.deadline,
    ].filter((moment) => moment !== null);
    return moments.length === 0 ? null : Math.min(...moments);
  }

  // Requests

  /**
   * Make a request under a fresh UUID: at once if online, else as soon as that comes true. Exactly one `settled` or
   * `failed` with this id follows, now or later.
   */
  request(id: string, wish: Wish, now: number): readonly Action[] {
    const request = this.requests.add(id, wish, now);
    if (!this.identity.mayUse(channelFor(wish))) {
      this.fail(id, "not_authorized", "your invitation does not allow this");
      return this.#flush();
    }
    if (this.requests.size > HELD) {
      this.fail(id, "rate_limited", "too many requests are under way");
      return this.#flush();
    }
    if (wish.type === "command") {
      const { command, target } = wish;
      this.view.overlay.add({ id, command, target, at: this.clock.at(now), until: request.answerBy });
    }
    const old = this.requests.outdatedBy(request);
    if (old !== null) this.fail(old.id, "superseded", "a later one replaces it");
    if (this.arrival.phase === "arriving" && this.arrival.registration > 0 && this.registerSent === null) {
      // Registering again was put off to spread the load; somebody is waiting now.
      this.arrival.registerAgain(now);
    }
    this.sendOpen();
    this.redraw();
    return this.wake(now);
  }

  /** The client ends, or another user signs in: end all that is open. */
  end(): readonly Action[] {
    for (const { id } of this.requests) this.fail(id, "withdrawn", "the client ended");
    return this.#flush();
  }

  /** What to publish, and see acknowledged, before DISCONNECT; null where there is nobody to say it to. */
  goodbye(reason: string): { readonly topic: string; readonly payload: string } | null {
    if (this.arrival.conn === "") return null;
    const message: Disconnect = { type: "disconnect", conn: this.arrival.conn, reason };
    return { topic: this.identity.topic("disconnect"), payload: JSON.stringify(message) };
  }

  // The renderer's side

  /** A renderer's report. Null while not registered: nothing was said, and a full report is due after arrival. */
  report(report: Report): readonly Action[] | null {
    if (this.arrival.phase !== "online") return null;
    this.#seq += 1;
    const { epoch, state, volume, applied, refused, tick } = report;
    const update: StateUpdate = {
      type: "state_update",
      conn: this.arrival.conn,
      seq: this.#seq,
      ...(epoch !== null && { epoch }),
      ...(state !== undefined && { state }),
      ...(volume !== undefined && { volume }),
      ...(applied.length > 0 && { applied: [...applied] }),
      ...(refused.length > 0 && { refused: [...refused] }),
    };
    this.say(update, tick ? 0 : 1);
    return this.#flush();
  }

  /** A report that nobody could be told: what is shown here follows it all the same. */
  keep({ epoch, state }: Report): readonly Action[] {
    if (state !== undefined) this.redraw(this.picture.offerOwn(epoch, state));
    return this.#flush();
  }

  /** How a step of a transfer went; lost while away, for the coordinator asks again. */
  outcome(message: PlaybackReady | PlaybackStarted | PlaybackFailed): readonly Action[] {
    if (this.arrival.phase === "online") this.say(message, 1);
    return this.#flush();
  }

  // For `Inbound`

  /** Append to what comes out of the current event. */
  tell(action: Action): void {
    this.#out.push(action);
  }

  /** Publish a message where it belongs. */
  say(message: MessageUp, qos: 0 | 1): void {
    const topic = this.identity.topic(channelOf(message));
    this.tell({ type: "publish", topic, payload: JSON.stringify(message), qos });
  }

  /** End a request well, unless it has ended already (or was never made). */
  settle(id: string, answer: Answer): Request | null {
    const request = this.requests.take(id);
    if (request === null) return null;
    this.tell({ type: "settled", id, wish: request.wish, answer });
    if (answer.type === "command_result") {
      const place = { epoch: answer.epoch ?? 0, sequence: answer.sequence ?? 0 };
      this.view.overlay.applied(id, place);
      if (this.picture.state !== null) this.view.overlay.sawState(this.picture.state);
    }
    this.redraw();
    return request;
  }

  /** End a request badly, unless it has ended already: what was shown of it is taken back. */
  fail(id: string, code: Failure["code"], message: string, retryAfterMs: number | null = null): void {
    const request = this.requests.take(id);
    if (request === null) return;
    const hidden = this.view.overlay.takeBack(id)?.hidden === true;
    this.tell({ type: "failed", id, wish: request.wish, failure: { code, message, retryAfterMs }, hidden });
    this.redraw();
  }

  /** Send what has not been sent in this registration. */
  sendOpen(): void {
    const { phase, registration } = this.arrival;
    if (phase !== "online" && phase !== "hindered") return;
    for (const request of this.requests) {
      if (request.sentIn === registration || (phase === "hindered" && !worksHindered(request.wish))) continue;
      request.sentIn = registration;
      const topic = this.identity.topic(channelFor(request.wish));
      this.tell({ type: "publish", topic, payload: this.requests.encoded(request, this.clock), qos: 1 });
    }
  }

  /** Tell that something is to be drawn anew, if it is. */
  redraw(changed = false): void {
    if (this.view.refresh() || changed) this.tell({ type: "changed" });
  }

  /**
   * Another coordinator, or ours after it was away: register again, not all at the same moment. While arriving only
   * `live` news count: what was said to an absent coordinator is lost.
   */
  coordinatorStarted(now: number, live: boolean): void {
    if (this.arrival.phase === "online") {
      this.registerSent = null;
      this.arrival.registerAgain(now + this.random() * REREGISTER_SPREAD);
      this.tell({ type: "away" });
    } else if (this.arrival.phase === "arriving" && live) {
      this.arrival.registerAgain(now + this.random() * ARRIVING_SPREAD);
    }
  }

  /** The coordinator does not know us. */
  registerNow(now: number): void {
    if (this.arrival.phase !== "online") return;
    this.arrival.registerAgain(now);
    this.tell({ type: "away" });
    this.#register(now);
  }

  // Inside

  #check(now: number): void {
    this.pulse.soon(now);
    this.tell({ type: "probe", withinMs: PROBE_WITHIN / 2 });
  }

  #register(now: number): void {
    const offer = this.offer?.(now) ?? null;
    const { name, type, capabilities } = this.description;
    const device: DeviceDescription = {
      name,
      device_type: type,
      capabilities,
      ...(offer !== null && { volume: offer.volume }),
    };
    this.registerSent = now;
    this.arrival.sent(now);
    const register: Register = {
      type: "register",
      conn: this.arrival.conn,
      device,
      ...(offer?.resume === true && { resume: true }),
      ...(offer?.lastKnown != null && { last_known_state: offer.lastKnown }),
      protocol: PROTOCOL_VERSION,
    };
    this.say(register, 1);
  }

  #giveUp(request: Request): void {
    if (request.payload === null) this.fail(request.id, "offline", "there was no connection in time");
    else this.fail(request.id, "timeout", "the server did not answer in time");
  }

  #flush(): readonly Action[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }
}

function worksHindered(wish: Wish): boolean {
  return wish.type === "devices" || wish.type === "forget";
}
