/** What the core needs of the world around it: time, chance, and a way to ask an HTTP server. */

export interface World {
  /** Ms of a clock that never goes back and runs while a page is hidden: `performance.now`. */
  now(): number;
  /** Ms since the epoch, of a clock that may be wrong and may be set: `Date.now`. */
  wall(): number;
  /** Calls `then` once, `ms` from now or later; what is returned cancels that. */
  after(ms: number, then: () => void): () => void;
  /** So many bytes that nobody can guess: `crypto.getRandomValues`, which works on plain http as well. */
  bytes(count: number): Uint8Array;
  /** Something that must not happen has happened; it is told to whoever looks after the page. */
  bug(error: unknown): void;
}

/** A number in [0, 1). */
export function chance(world: World): number {
  const [a = 0, b = 0, c = 0, d = 0] = world.bytes(4);
  return (((a * 256 + b) * 256 + c) * 256 + d) / 2 ** 32;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A random UUID (RFC 9562, version 4), in lower case. */
export function uuid(world: World): string {
  const bytes = world.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const text = hex(bytes);
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join(
    "-",
  );
}

/** A fresh `conn`: 16 hex digits. */
export function freshConn(world: World): string {
  return hex(world.bytes(8));
}

/** As much of `fetch` as is used. */
export interface HttpAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  json(): Promise<unknown>;
}

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** `path` is relative to the page (`api/login`). Rejects where no server answers. */
export type Http = (path: string, request: HttpRequest) => Promise<HttpAnswer>;
