/** A session on a virtual clock, and the coordinator as a test plays it. */

import type { Action } from "../../src/actions.ts";
import type { MessageDown, MessageUp, Registered } from "../../src/index.ts";
import { CONTROLLER, Identity } from "../../src/identity.ts";
import type { Wish } from "../../src/requests.ts";
import { Session } from "../../src/session.ts";
import type { Command } from "../../src/snapshot.ts";
import type { World } from "../../src/world.ts";
import { ME, registered, state } from "./samples.ts";

export const CONN = "0123456789abcdef";

/** A clock that goes on only when told to, and timers that ring by it. */
export class VirtualWorld implements World {
  #now = 0;
  #last = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly then: () => void }>();
  readonly bugs: unknown[] = [];

  now(): number {
    return this.#now;
  }

  wall(): number {
    return 1_000_000_000 + this.#now;
  }

  after(ms: number, then: () => void): () => void {
    this.#last += 1;
    const id = this.#last;
    this.#timers.set(id, { at: this.#now + ms, then });
    return () => this.#timers.delete(id);
  }

  /** The same ones every time, and never the same twice. */
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, (_, index) => {
      this.#last += 1;
      return (this.#last * 7 + index * 13) % 256;
    });
  }

  bug(error: unknown): void {
    this.bugs.push(error);
  }

  /** Let time pass; after each timer, whatever waits for a promise goes on. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers]
        .filter(([, { at }]) => at <= end)
        .sort(([a, one], [b, two]) => one.at - two.at || a - b);
      const first = due[0];
      if (first === undefined) break;
      this.#timers.delete(first[0]);
      this.#now = Math.max(this.#now, first[1].at);
      first[1].then();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Everything that only waits for a promise goes on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}

/** A session, without timers: the test says when it is. */
export class Stage {
  now = 0;
  readonly session: Session;
  /** What it has said and told since `take`. */
  #actions: Action[] = [];
  #last = 0;

  constructor(
    readonly identity = new Identity("ann", "device", ME, []),
    random = () => 0.5,
  ) {
    this.session = new Session(identity, { name: "Browser", type: "web", capabilities: CONTROLLER }, random);
  }

  do(actions: readonly Action[] | null): void {
    this.#actions.push(...(actions ?? []));
  }

  take(): readonly Action[] {
    return this.#actions.splice(0);
  }

  /** The messages that it has said since `take`, with their topics. */
  said(): readonly (MessageUp & { readonly topic: string; readonly qos: number })[] {
    return this.take().flatMap((action) =>
      action.type === "publish"
        ? [
            {
              ...(JSON.parse(action.payload) as MessageUp),
              topic: action.topic.split("/").at(-1) ?? "",
              qos: action.qos,
            },
          ]
        : [],
    );
  }

  /** Facts of a kind that it has told since `take`. */
  told<T extends Action["type"]>(type: T): readonly Extract<Action, { type: T }>[] {
    return this.take().filter((action): action is Extract<Action, { type: T }> => action.type === type);
  }

  /** Time passes, wake by wake. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.session.deadline;
      if (due === null || due > end) break;
      this.now = Math.max(this.now, due);
      this.do(this.session.wake(this.now));
    }
    this.now = end;
  }

  connect(conn = CONN): void {
    this.do(this.session.connected(conn, this.now));
  }

  hear(message: MessageDown, place = placeOf(message), retained = false): void {
    this.hearText(JSON.stringify(message), place, retained);
  }

  hearText(text: string, place: string, retained = false): void {
    const topic =
      place === "coordinator" ? "soul/v1/coordinator" : `soul/v1/ann/${this.#prefix(place)}${place}`;
    this.do(this.session.received(topic, text, this.now, retained));
  }

  /** Connected and registered. */
  arrive(changes: Partial<Registered> = {}, conn = CONN): void {
    this.connect(conn);
    this.hear(registered(conn, changes));
    this.take();
  }

  request(wish: Wish): string {
    this.#last += 1;
    const id = `00000000-0000-4000-8000-${String(this.#last).padStart(12, "0")}`;
    this.do(this.session.request(id, wish, this.now));
    return id;
  }

  command(command: Command, target: string | null = null): string {
    return this.request({ type: "command", command, target });
  }

  lose(byPeer = false): void {
    this.do(this.session.disconnected(this.now, byPeer));
  }

  #prefix(place: string): string {
    const { role, deviceId } = this.identity;
    return ["execute", "reply"].includes(place) ? `${role}/${deviceId}/down/` : "all/";
  }
}

export function placeOf(message: MessageDown): string {
  switch (message.type) {
    case "execute_command":
    case "prepare_playback":
    case "start_playback":
    case "stop_playback":
      return "execute";
    case "playback_state":
      return message.id == null ? "state" : "reply";
    case "devices_update":
      return message.id == null ? "devices" : "reply";
    case "position":
      return "position";
    case "device_online":
    case "device_offline":
    case "notice":
      return "event";
    case "coordinator_status":
      return "coordinator";
    case "registered":
    case "pong":
    case "command_result":
    case "error":
      return "reply";
  }
}

export { state };
