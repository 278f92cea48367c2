import { useState } from "preact/hooks";

import type { PlaybackState, RepeatMode } from "#core";
import { mute, nextRepeat, playOrPause } from "../model/music.ts";
import { go } from "../model/route.ts";
import { active, connect, devices, playing, positionMs, snapshot, state } from "../model/store.ts";
import { trackOf } from "../model/tracks.ts";
import { Cover } from "../parts/Cover.tsx";
import { Icon } from "../parts/icons.tsx";
import { Slider } from "../parts/Slider.tsx";
import { clockText } from "../parts/time.ts";
import { t } from "../texts/index.ts";
import type { TextKey } from "../texts/en.ts";

export function NowPlaying() {
  const now = state.value;
  return (
    <section class="pane player" aria-label={t("player")}>
      {now?.track_id ? <Song now={now} id={now.track_id} /> : <Quiet />}
    </section>
  );
}

function Quiet() {
  const { canQueue } = snapshot.value;
  return (
    <div class="centre">
      <Icon name="note" />
      <h1>{t("quiet_title")}</h1>
      <p>{t(canQueue ? "quiet_words" : "quiet_words_guest")}</p>
      {canQueue && (
        <button
          type="button"
          class="pill main only-narrow"
          onClick={() => {
            go("library");
          }}
        >
          {t("open_library")}
        </button>
      )}
    </div>
  );
}

function Song({ now, id }: { now: PlaybackState; id: string }) {
  const track = trackOf(id);
  const { canControl } = snapshot.value;
  const trouble = troubleOf(now);
  return (
    <div class="now">
      <Cover of={track} />
      <div class="song">
        <h1>{track.title}</h1>
        {track.artist !== "" && (
          <p class="cut">
            {track.artist}
            {track.album !== "" && ` · ${track.album}`}
          </p>
        )}
        {trouble && <p class="trouble">{trouble}</p>}
      </div>
      <Seek now={now} duration={now.duration_ms ?? track.duration_ms} />
      {canControl ? (
        <>
          <Transport now={now} />
          <Volume volume={now.volume} />
        </>
      ) : (
        <p class="soft">{t("guest_sees")}</p>
      )}
    </div>
  );
}

function troubleOf(now: PlaybackState): string | null {
  // Of another track it was said when it happened, and the music went on.
  if (now.error?.track_id === now.track_id) return t("cannot_play");
  const reason = now.paused_reason;
  const player = devices.value.find((device) => device.id === now.device_id);
  if (now.is_playing || reason === null) return null;
  // It is back: where the music waits, the bar below says.
  if (reason === "device_offline" && player?.is_online) return null;
  const keys: Record<string, TextKey> = {
    device_offline: "paused_device_offline",
    playback_failed: "paused_playback_failed",
    device_deleted: "paused_device_deleted",
  };
  const key = keys[reason];
  return key ? t(key, { name: player?.name ?? t("this_device") }) : null;
}

function Seek({ now, duration }: { now: PlaybackState; duration: number | null }) {
  const [draft, setDraft] = useState<number | null>(null);
  const position = Math.min(draft ?? positionMs.value, duration ?? Infinity);
  const say = (ms: number) =>
    duration === null ? clockText(ms) : t("position_text", { now: clockText(ms), all: clockText(duration) });
  return (
    <div>
      <Slider
        label={t("position")}
        value={position}
        max={duration ?? Math.max(position, 1)}
        step={1000}
        say={say}
        disabled={!snapshot.value.canControl || duration === null || now.device_id === null}
        onDraft={setDraft}
        onDone={(ms) => void connect().seek(ms)}
      />
      <div class="times" aria-hidden="true">
        <span>{clockText(position)}</span>
        <span>{duration === null ? "" : clockText(duration)}</span>
      </div>
    </div>
  );
}

const REPEAT: Record<RepeatMode, TextKey> = { off: "repeat_off", all: "repeat_all", one: "repeat_one" };

function Transport({ now }: { now: PlaybackState }) {
  const on = playing.value;
  return (
    <div class="transport" role="group" aria-label={t("player")}>
      <button
        type="button"
        class="round lit"
        aria-label={t("shuffle")}
        aria-pressed={now.shuffle}
        onClick={() => void connect().setShuffle(!now.shuffle)}
      >
        <Icon name="shuffle" />
      </button>
      <button
        type="button"
        class="round step"
        aria-label={t("previous")}
        aria-keyshortcuts="P"
        onClick={() => void connect().previous()}
      >
        <Icon name="previous" />
      </button>
      <button
        type="button"
        class="round play"
        aria-label={t(on ? "pause" : "play")}
        aria-keyshortcuts="Space"
        onClick={playOrPause}
      >
        <Icon name={on ? "pause" : "play"} />
      </button>
      <button
        type="button"
        class="round step"
        aria-label={t("next")}
        aria-keyshortcuts="N"
        onClick={() => void connect().next()}
      >
        <Icon name="next" />
      </button>
      <button
        type="button"
        class="round lit"
        aria-label={t(REPEAT[now.repeat_mode])}
        data-on={now.repeat_mode !== "off"}
        onClick={nextRepeat}
      >
        <Icon name={now.repeat_mode === "one" ? "repeatOne" : "repeat"} />
      </button>
    </div>
  );
}

function Volume({ volume }: { volume: number }) {
  const percent = Math.round(volume * 100);
  const say = (value: number) => `${value} %`;
  const device = active.value?.id ?? null;
  return (
    <div class="volume">
      <button
        type="button"
        class="round"
        aria-label={t(volume > 0 ? "mute" : "unmute")}
        aria-keyshortcuts="M"
        onClick={mute}
      >
        <Icon name={volume > 0 ? "loud" : "mute"} />
      </button>
      <Slider
        label={t("volume")}
        value={percent}
        max={100}
        step={1}
        say={say}
        disabled={device === null}
        onDraft={(value) => {
          connect().holdVolume(device, value !== null);
          if (value !== null) void connect().setVolume(value / 100);
        }}
        onDone={(value) => void connect().setVolume(value / 100)}
      />
      <output>{say(percent)}</output>
    </div>
  );
}
