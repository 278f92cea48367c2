/** The server's library, read page by page: all of it, or what matches a search. */
import { computed, signal } from "@preact/signals";

import { connect } from "./store.ts";
import { learn, type Told, type Track, trackFrom } from "./tracks.ts";

export interface Album {
  readonly title: string;
  readonly artist: string;
  readonly tracks: Track[];
}

interface Shelf {
  readonly status: "unread" | "read" | "failed";
  readonly search: string;
  readonly tracks: readonly Track[];
  /** Where the next page begins; null after the last. */
  readonly next: number | null;
  /** Of everything, whatever the search. */
  readonly total: number;
}

const PAGE = 200;

export const shelf = signal<Shelf>({ status: "unread", search: "", tracks: [], next: null, total: 0 });

/** The tracks that were read, as albums in the server's order. */
export const albums = computed<Album[]>(() => {
  const found: Album[] = [];
  for (const track of shelf.value.tracks) {
    const last = found.at(-1);
    if (last?.title === track.album) last.tracks.push(track);
    else found.push({ title: track.album, artist: track.artist, tracks: [track] });
  }
  return found;
});

/** Read the first page of what matches `search`. */
export async function readLibrary(search = shelf.value.search): Promise<void> {
  shelf.value = { ...shelf.value, search };
  await read(search, 0);
}

export async function readMore(): Promise<void> {
  const { search, next } = shelf.value;
  if (next !== null) await read(search, next);
}

async function read(search: string, offset: number): Promise<void> {
  const query = new URLSearchParams({ offset: String(offset), limit: String(PAGE), search });
  let page: { tracks: (Told & { id: string })[]; next_offset: number | null; total: number };
  try {
    const answer = await connect().request(`api/library?${query}`);
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    page = (await answer.json()) as typeof page;
  } catch {
    if (shelf.value.search === search && shelf.value.tracks.length === 0) {
      shelf.value = { ...shelf.value, status: "failed" };
    }
    return;
  }
  if (shelf.value.search !== search) return; // Typed on in the meantime.
  const tracks = page.tracks.map((told) => trackFrom(told.id, told));
  learn(tracks);
  shelf.value = {
    status: "read",
    search,
    tracks: offset === 0 ? tracks : [...shelf.value.tracks, ...tracks],
    next: page.next_offset,
    total: search === "" ? page.total : shelf.value.total,
  };
}
