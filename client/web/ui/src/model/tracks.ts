/** The names behind track ids, asked of the server when a view first needs them. */
import { signal } from "@preact/signals";

import { connect } from "./store.ts";

export interface Track {
  readonly id: string;
  readonly title: string;
  readonly artist: string;
  readonly album: string;
  readonly duration_ms: number | null;
  /** Address of a square picture, relative to the page. */
  readonly cover: string | null;
}

/** A track as the server tells it: what it does not know is absent. */
export type Told = Partial<Omit<Track, "id">> & { readonly album_artist?: string };

const AT_ONCE = 100;

const known = signal<ReadonlyMap<string, Track>>(new Map());
const asked = new Set<string>();
const answered = new Set<string>();
let wanted: string[] = [];

/** The track with this id. One that nothing is known of (yet) is called after the last part of its id. */
export function trackOf(id: string): Track {
  const track = known.value.get(id);
  if (track) return track;
  if (!asked.has(id)) {
    asked.add(id);
    if (wanted.push(id) === 1) setTimeout(() => void ask());
  }
  // Blank while the server is asked: a name that changes under the eye is worse than one that comes.
  return trackFrom(id, answered.has(id) ? {} : { title: "\u00a0" });
}

export function trackFrom(id: string, told: Told): Track {
  return {
    id,
    title: told.title ?? nameFrom(id),
    artist: told.artist ?? told.album_artist ?? "",
    album: told.album ?? "",
    duration_ms: told.duration_ms ?? null,
    cover: told.cover ?? null,
  };
}

export function learn(tracks: Iterable<Track>): void {
  const more = new Map(known.value);
  for (const track of tracks) more.set(track.id, track);
  known.value = more;
}

/** Forget what was asked without an answer, so that it is asked again: after the connection came back. */
export function askAgain(): void {
  for (const id of asked) if (!known.value.has(id)) asked.delete(id);
  known.value = new Map(known.value);
}

async function ask(): Promise<void> {
  if (wanted.length === 0) return; // Another asked for them already.
  const ids = wanted.slice(0, AT_ONCE);
  wanted = wanted.slice(AT_ONCE);
  try {
    const answer = await connect().request("api/tracks", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ids }),
    });
    if (answer.ok) {
      const { tracks } = (await answer.json()) as { tracks: Record<string, Told> };
      learn(Object.entries(tracks).map(([id, told]) => trackFrom(id, told)));
    }
  } catch {
    // Offline; the ids stand for the titles until `askAgain`.
  }
  for (const id of ids) answered.add(id);
  known.value = new Map(known.value);
  await ask();
}

function nameFrom(id: string): string {
  const path = id.replace(/[?#].*$/, "").replace(/\/+$/, "");
  let name = path.slice(path.lastIndexOf("/") + 1).replace(/\.[a-z0-9]{2,4}$/i, "");
  try {
    name = decodeURIComponent(name);
  } catch {
    // Not percent-encoded after all.
  }
  name = name.replace(/_+/g, " ").trim();
  return name === "" ? id : name.charAt(0).toUpperCase() + name.slice(1);
}
