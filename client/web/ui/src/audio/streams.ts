/** What a track id stands for: where it streams from, and what the system's media controls show of it. */

import { EngineError } from "#core";

export interface Track {
  readonly id: string;
  /** Absolute. */
  readonly stream: string;
  /** Ms since the epoch by this browser's clock; Infinity where it does not expire. */
  readonly expiresAt: number;
  readonly durationMs: number | null;
  readonly title: string | null;
  readonly artist: string | null;
  readonly album: string | null;
  /** Absolute. */
  readonly cover: string | null;
}

/** `fresh`: whatever is remembered is not good. Rejects with `EngineError`. */
export type Resolve = (id: string, fresh?: boolean) => Promise<Track>;

/** How long (ms) before its end an address is not used any more. */
export const MARGIN = 30_000;
/** How many tracks are remembered. */
const REMEMBERED = 50;

type Request = (path: string, init: RequestInit) => Promise<Response>;

/** Resolves by `POST api/tracks`, and remembers while the address is good. */
export function resolveTracks(request: Request): Resolve {
  const known = new Map<string, Track>();
  return async (id, fresh = false) => {
    const old = known.get(id);
    if (old !== undefined && !fresh && old.expiresAt - MARGIN > Date.now()) return old;
    known.delete(id);
    const track = read(id, await ask(request, id));
    known.set(id, track);
    for (const oldest of known.keys()) if (known.size > REMEMBERED) known.delete(oldest);
    return track;
  };
}

async function ask(request: Request, id: string): Promise<unknown> {
  let response: Response;
  try {
    const headers = { "Content-Type": "application/json" };
    response = await request("api/tracks", { method: "POST", headers, body: JSON.stringify({ ids: [id] }) });
  } catch {
    throw new EngineError("network", "the server does not answer");
  }
  if (!response.ok) throw new EngineError("network", `the server answered ${response.status}`);
  const body = (await response.json()) as { readonly tracks?: Readonly<Record<string, unknown>> };
  return body.tracks?.[id];
}

function read(id: string, found: unknown): Track {
  const facts = (typeof found === "object" && found !== null ? found : {}) as Readonly<
    Record<string, unknown>
  >;
  const text = (name: string): string | null => (typeof facts[name] === "string" ? facts[name] : null);
  const count = (name: string): number | null => (typeof facts[name] === "number" ? facts[name] : null);
  const here = (address: string | null): string | null =>
    address === null ? null : new URL(address, document.baseURI).href;
  const stream = here(text("stream"));
  if (stream === null) throw new EngineError("not_found", `nothing is known of ${id}`);
  return {
    id,
    stream,
    expiresAt: count("stream_expires_at") ?? Infinity,
    durationMs: count("duration_ms"),
    title: text("title"),
    artist: text("artist"),
    album: text("album"),
    cover: here(text("cover")),
  };
}
