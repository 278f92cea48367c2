import { dialog } from "../model/route.ts";
import { view } from "../model/route.ts";
import { playOrPause } from "../model/music.ts";
import { active, me, playing, snapshot } from "../model/store.ts";
import { t } from "../texts/index.ts";
import { Icon } from "./icons.tsx";

/** Where the music plays, on every view: a tap opens the list of places. */
export function PlayingOn() {
  const device = active.value;
  const name = device?.id === me.value?.deviceId ? t("on_this_device") : (device?.name ?? "");
  return (
    <div class={playing.value ? "playing-on" : "playing-on idle"}>
      <button
        type="button"
        class="where"
        aria-haspopup="dialog"
        onClick={() => {
          dialog.value = "where";
        }}
      >
        <Icon name={device?.device_type ?? "devices"} />
        <span class="words cut">
          {device ? (
            <>
              {t(playing.value ? "playing_on" : "paused_on")} <strong>{name}</strong>
            </>
          ) : (
            t("choose_device")
          )}
        </span>
        <Icon name="up" />
      </button>
      {device && snapshot.value.canControl && view.value !== "player" && (
        <button
          type="button"
          class="round only-phone"
          aria-label={t(playing.value ? "pause" : "play")}
          onClick={playOrPause}
        >
          <Icon name={playing.value ? "pause" : "play"} />
        </button>
      )}
    </div>
  );
}
