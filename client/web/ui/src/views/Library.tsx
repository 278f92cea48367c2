import { useRef } from "preact/hooks";

import { type Album, albums, readLibrary, readMore, shelf } from "../model/library.ts";
import { addTracks, playTracks } from "../model/music.ts";
import { view } from "../model/route.ts";
import { state } from "../model/store.ts";
import type { Track } from "../model/tracks.ts";
import { Cover } from "../parts/Cover.tsx";
import { Empty } from "../parts/Empty.tsx";
import { Icon } from "../parts/icons.tsx";
import { clockText } from "../parts/time.ts";
import { t } from "../texts/index.ts";

const WORTH_SEARCHING = 12;

/** What the server can play; only for those who may choose the music. */
export function Library() {
  const { status, search, tracks, total, next } = shelf.value;
  const Title = view.value === "library" ? "h1" : "h2";
  return (
    <section class="pane library" aria-labelledby="library-title">
      <div class="pane-head">
        <Title id="library-title">{t("library")}</Title>
      </div>
      {total > WORTH_SEARCHING && <Search />}
      {status === "failed" && (
        <Empty icon="library" title={t("library_failed")}>
          <button type="button" class="pill" onClick={() => void readLibrary()}>
            {t("retry")}
          </button>
        </Empty>
      )}
      {status === "read" && tracks.length === 0 && search === "" && (
        <Empty icon="library" title={t("library_empty_title")} words={t("library_empty_words")} />
      )}
      {tracks.length === 0 && search !== "" && <Empty icon="library" title={t("nothing_found")} />}
      {tracks.length > 0 && (
        <div class="scroll" tabIndex={-1}>
          {albums.value.map((album, at) => (
            <AlbumTracks key={`${at} ${album.title}`} album={album} />
          ))}
          {next !== null && (
            <button type="button" class="pill plain more" onClick={() => void readMore()}>
              {t("show_more")}
            </button>
          )}
        </div>
      )}
    </section>
  );
}

const TYPING_RESTS_MS = 200;

function Search() {
  const rest = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  return (
    <div class="search">
      <Icon name="search" />
      <input
        type="search"
        aria-label={t("search")}
        placeholder={t("search")}
        defaultValue={shelf.value.search}
        onInput={(event) => {
          const wanted = event.currentTarget.value.trim();
          clearTimeout(rest.current);
          rest.current = setTimeout(() => void readLibrary(wanted), TYPING_RESTS_MS);
        }}
      />
    </div>
  );
}

function AlbumTracks({ album }: { album: Album }) {
  const ids = album.tracks.map((track) => track.id);
  const [first] = album.tracks;
  const Title = view.value === "library" ? "h2" : "h3";
  const title = album.title || t("no_album");
  return (
    <section aria-label={title}>
      <div class="list-head">
        {first && <Cover of={first} thumb />}
        <div class="words">
          <Title class="cut">{title}</Title>
          <p class="soft cut">{album.artist}</p>
        </div>
        <button
          type="button"
          class="round"
          aria-label={t("add_album", { title })}
          onClick={() => {
            addTracks(ids);
          }}
        >
          <Icon name="plus" />
        </button>
        <button
          type="button"
          class="round filled"
          aria-label={t("play_album", { title })}
          onClick={() => {
            playTracks(ids, 0);
          }}
        >
          <Icon name="play" />
        </button>
      </div>
      <ol class="tracks">
        {album.tracks.map((track, index) => (
          <Row key={track.id} track={track} index={index} ids={ids} />
        ))}
      </ol>
    </section>
  );
}

function Row({ track, index, ids }: { track: Track; index: number; ids: readonly string[] }) {
  return (
    <li class="row" data-current={state.value?.track_id === track.id}>
      <button
        type="button"
        class="pick"
        onClick={() => {
          playTracks(ids, index);
        }}
      >
        <span class="number">{index + 1}</span>
        <span class="name cut">{track.title}</span>
        {track.duration_ms !== null && <span class="end">{clockText(track.duration_ms)}</span>}
      </button>
      <span class="tools">
        <button
          type="button"
          class="round"
          aria-label={t("add_track", { title: track.title })}
          onClick={() => {
            addTracks([track.id]);
          }}
        >
          <Icon name="plus" />
        </button>
      </span>
    </li>
  );
}
