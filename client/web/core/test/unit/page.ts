/** A whole client on a virtual clock: the test is the broker, the coordinator and the HTTP server. */

import {
  createConnect,
  LinkLost,
  LinkRefused,
  SimulatedEngine,
  type ConnectOptions,
  type Dial,
  type LinkListener,
  type MessageDown,
  type MessageUp,
  type PageConnect,
  type Registered,
} from "../../src/index.ts";
import { ME, registered } from "./samples.ts";
import { placeOf, VirtualWorld } from "./stage.ts";

/** A token that nobody signed; this side of the wire does not look. */
export function token(claims: Readonly<Record<string, unknown>> = {}): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "ES256" })}.${part({ sub: "ann", role: "device", ...claims })}.signature`;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The other end of one connection. */
export class Wire {
  readonly said: (MessageUp & { readonly topic: string })[] = [];
  closed = false;
  probes = 0;

  constructor(
    readonly dial: Dial,
    readonly listener: LinkListener,
  ) {}

  get conn(): string {
    return (JSON.parse(this.dial.will.payload) as { readonly conn: string }).conn;
  }

  /** What was said of a type. */
  of<T extends MessageUp["type"]>(type: T): readonly Extract<MessageUp, { type: T }>[] {
    return this.said.filter((one): one is Extract<typeof one, { type: T }> => one.type === type);
  }

  hear(message: MessageDown): void {
    const place = placeOf(message);
    this.hearText(JSON.stringify(message), place);
  }

  hearText(text: string, place: string): void {
    const down = this.dial.filters[0]?.replace("+", "") ?? "";
    const topic =
      place === "coordinator"
        ? "soul/v1/coordinator"
        : `${place === "execute" || place === "reply" ? down : "soul/v1/ann/all/"}${place}`;
    this.listener.message(topic, text, false);
  }

  lose(byPeer = true): void {
    this.listener.lost(new LinkLost("cut", byPeer));
  }
}

export class House {
  readonly world = new VirtualWorld();
  readonly wires: Wire[] = [];
  readonly engine = new SimulatedEngine(this.world);
  readonly connect: PageConnect;
  /** Whether the broker lets anybody in: else nobody answers, or the token is refused. */
  door: "open" | "shut" | "refuses" = "open";
  /** Connections that were tried. */
  tries = 0;
  /** How long (ms) each of those may take who ask whether the server is there, and what they hear. */
  readonly knocks: number[] = [];
  home: () => Promise<boolean> = () => Promise.resolve(this.door !== "shut");
  kept: string | null;
  readonly asked: { readonly path: string; readonly token: string | null; readonly body: string | null }[] =
    [];
  answer: (path: string) => Answer | null = () => null;
  tabFree = true;
  taken: (() => void) | null = null;

  constructor(kept: string | null = token(), more: Partial<ConnectOptions> = {}) {
    this.kept = kept;
    this.connect = createConnect({
      world: this.world,
      http: (path, { headers, body }) => {
        this.asked.push({ path, token: headers?.Authorization ?? null, body: body ?? null });
        const answer = this.answer(path);
        if (answer === null) return Promise.reject(new TypeError("nobody answers"));
        const { status, body: said, headers: told = {} } = answer;
        return Promise.resolve({
          ok: status < 300,
          status,
          headers: { get: (name: string) => told[name] ?? null },
          json: () => Promise.resolve(said),
        });
      },
      open: (dial, listener) => {
        this.tries += 1;
        if (this.door === "shut") return Promise.reject(new LinkLost("refused"));
        if (this.door === "refuses") return Promise.reject(new LinkRefused(5));
        const wire = new Wire(dial, listener);
        this.wires.push(wire);
        return Promise.resolve({
          publish: (topic, payload) => {
            wire.said.push({ ...(JSON.parse(payload) as MessageUp), topic });
            return Promise.resolve();
          },
          probe: () => {
            wire.probes += 1;
          },
          close: () => {
            wire.closed = true;
          },
        });
      },
      isThere: (withinMs) => {
        this.knocks.push(withinMs);
        return this.home();
      },
      store: {
        load: () => this.kept,
        save: (saved) => {
          this.kept = saved;
        },
      },
      tab: {
        acquire: (taken) => {
          if (this.tabFree) this.taken = taken;
          return Promise.resolve(this.tabFree);
        },
        take: (taken) => {
          this.taken = taken;
        },
        release: () => {
          this.taken = null;
        },
      },
      device: { id: ME, name: "Browser", type: "web" },
      engine: () => this.engine,
      ...more,
    });
  }

  /** The present connection. */
  get wire(): Wire {
    const wire = this.wires.at(-1);
    if (wire === undefined) throw new Error("not connected");
    return wire;
  }

  /** Started, connected and registered. */
  async arrive(changes: Partial<Registered> = {}): Promise<void> {
    this.connect.start();
    await this.world.pass(0);
    await this.register(changes);
  }

  async register(changes: Partial<Registered> = {}): Promise<void> {
    this.wire.hear(registered(this.wire.conn, changes));
    await this.world.pass(0);
  }
}
