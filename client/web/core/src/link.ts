/** What a session needs of a connection, and how it may end. `mqtt/transport.ts` makes real ones. */

/** The connection is gone, or could not be made. */
export class LinkLost extends Error {
  constructor(
    message: string,
    /** The other side closed it. */
    readonly byPeer = false,
  ) {
    super(message);
    this.name = "LinkLost";
  }
}

/** CONNACK 4 or 5: the token (or the client id with it) is not accepted. */
export class LinkRefused extends Error {
  constructor(readonly reason: number) {
    super(`the server refused the token (CONNACK ${reason})`);
    this.name = "LinkRefused";
  }
}

/** All that a CONNECT and the SUBSCRIBE after it need. */
export interface Dial {
  readonly clientId: string;
  readonly user: string;
  readonly token: string;
  readonly will: { readonly topic: string; readonly payload: string };
  readonly filters: readonly string[];
  readonly keepaliveSeconds: number;
  /** How long (ms) all of it may take. */
  readonly patienceMs: number;
}

/** What comes of a connection. Nothing is called after `lost`, nor after `close` was called. */
export interface LinkListener {
  message(topic: string, payload: string, retained: boolean): void;
  /** The connection is gone. */
  lost(reason: LinkLost): void;
}

/** An open connection, subscribed. */
export interface Link {
  /** Publish unretained, in the order of the calls. With QoS 1 it resolves when acknowledged; rejects with `LinkLost`. */
  publish(topic: string, payload: string, qos: 0 | 1): Promise<void>;
  /** Ask the broker for any answer; without one the connection is lost. */
  probe(withinMs: number): void;
  /** DISCONNECT: the last will is not sent. */
  close(): void;
}

/** Connects and subscribes; rejects with `LinkLost` or `LinkRefused`. */
export type OpenLink = (dial: Dial, listener: LinkListener) => Promise<Link>;

/**
 * Whether the server answers at all, asked in another way than by a connection: over HTTP, say. It should give up after
 * `withinMs`; nobody waits any longer for what it says. Where it cannot tell, it says yes.
 */
export type IsThere = (withinMs: number) => Promise<boolean>;
