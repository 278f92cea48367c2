import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { clearQueue, jumpTo, move, removeAt } from "../model/music.ts";
import { view } from "../model/route.ts";
import { playing, snapshot, state } from "../model/store.ts";
import { trackOf } from "../model/tracks.ts";
import { Cover } from "../parts/Cover.tsx";
import { Empty } from "../parts/Empty.tsx";
import { Handle } from "../parts/Handle.tsx";
import { Icon } from "../parts/icons.tsx";
import { clockText } from "../parts/time.ts";
import { count, t } from "../texts/index.ts";

const BEFORE = 20;
const AFTER = 100;

export function Queue() {
  const queue = state.value?.queue ?? [];
  const { canQueue } = snapshot.value;
  // On a phone it is the page, and a page has a first heading.
  const Title = view.value === "queue" ? "h1" : "h2";
  return (
    <section class="pane queue" aria-labelledby="queue-title">
      <div class="pane-head">
        <Title id="queue-title">{t("queue")}</Title>
        {queue.length > 0 && <span class="soft">{count("tracks", queue.length)}</span>}
        {queue.length > 0 && canQueue && (
          <button type="button" class="pill plain" onClick={clearQueue}>
            {t("clear_queue")}
          </button>
        )}
      </div>
      {queue.length === 0 ? (
        <Empty icon="queue" title={t("queue_empty_title")} words={canQueue ? t("queue_empty_words") : ""} />
      ) : (
        <Tracks queue={queue} current={state.value?.queue_position ?? 0} />
      )}
    </section>
  );
}

/** The tracks around the current one; a queue may hold 10,000, and nobody reads them all. */
function Tracks({ queue, current }: { queue: readonly string[]; current: number }) {
  const [more, setMore] = useState({ before: BEFORE, after: AFTER });
  const ref = useRef<HTMLDivElement>(null);
  const shown = view.value;
  // Where it plays is what people look for, whenever the queue comes to sight.
  useLayoutEffect(() => {
    const row = ref.current?.querySelector<HTMLElement>("[data-current=true]");
    if (ref.current && row) ref.current.scrollTop = row.offsetTop - ref.current.offsetTop - row.offsetHeight;
  }, [shown]);
  const first = Math.max(0, current - more.before);
  const end = Math.min(queue.length, current + more.after);
  return (
    <div class="scroll" tabIndex={-1} ref={ref}>
      {first > 0 && (
        <button
          type="button"
          class="pill plain more"
          onClick={() => {
            setMore({ ...more, before: more.before + AFTER });
          }}
        >
          {t("show_earlier")}
        </button>
      )}
      <ol class="tracks" start={first + 1}>
        {queue.slice(first, end).map((id, at) => (
          <Row key={`${id} ${at}`} id={id} index={first + at} current={first + at === current} />
        ))}
      </ol>
      {end < queue.length && (
        <button
          type="button"
          class="pill plain more"
          onClick={() => {
            setMore({ ...more, after: more.after + AFTER });
          }}
        >
          {t("show_more")}
        </button>
      )}
    </div>
  );
}

function Row({ id, index, current }: { id: string; index: number; current: boolean }) {
  const track = trackOf(id);
  const { canQueue } = snapshot.value;
  return (
    <li class="row" data-current={current} data-index={index}>
      <button
        type="button"
        class="pick"
        disabled={!canQueue}
        aria-current={current ? "true" : undefined}
        onClick={() => {
          jumpTo(index);
        }}
      >
        <Cover of={track} thumb>
          {current && (
            <span class={playing.value ? "dancing on" : "dancing"}>
              <i />
              <i />
              <i />
            </span>
          )}
        </Cover>
        <span>
          <span class="name cut">{track.title}</span>
          {track.artist !== "" && <span class="under cut">{track.artist}</span>}
        </span>
        {track.duration_ms !== null && <span class="end">{clockText(track.duration_ms)}</span>}
      </button>
      {canQueue && (
        <span class="tools">
          <button
            type="button"
            class="round"
            aria-label={t("remove_track", { title: track.title })}
            onClick={() => {
              removeAt(index);
            }}
          >
            <Icon name="remove" />
          </button>
          <Handle
            label={t("move_track", { title: track.title })}
            index={index}
            onMove={(to) => {
              move(index, to);
            }}
          />
        </span>
      )}
    </li>
  );
}
