import { dialog, go, type View } from "../model/route.ts";
import { connect, me, snapshot } from "../model/store.ts";
import { say } from "../model/toasts.ts";
import { paint, theme, type Theme } from "../model/theme.ts";
import { closeAround, Dialog } from "../parts/Dialog.tsx";
import { Icon, type IconName } from "../parts/icons.tsx";
import { choose, language, type Language, LANGUAGES, t } from "../texts/index.ts";
import type { TextKey } from "../texts/en.ts";

const THEMES: [Theme, TextKey][] = [
  ["auto", "theme_auto"],
  ["light", "theme_light"],
  ["dark", "theme_dark"],
];

const KEYS: [() => string, TextKey][] = [
  [() => t("key_space"), "key_play"],
  [() => "← →", "key_seek"],
  [() => "↑ ↓", "key_volume"],
  [() => "N · P", "key_next"],
  [() => "M", "key_mute"],
  [() => "D", "key_devices"],
];

export function Menu() {
  const someone = me.value;
  const { canManage } = snapshot.value;
  return (
    <Dialog
      title={
        someone
          ? t(someone.role === "guest" ? "guest_of" : "signed_in_as", { name: someone.user })
          : t("menu")
      }
      onClose={() => {
        dialog.value = null;
      }}
    >
      <div class="body">
        {canManage && <Entry icon="devices" text={t("manage_devices")} to="devices" />}
        {canManage && <Entry icon="invite" text={t("invite")} to="invite" />}
        <div class="settings">
          <label class="field">
            {t("theme")}
            <select
              value={theme.value}
              onChange={(event) => {
                paint(event.currentTarget.value as Theme);
              }}
            >
              {THEMES.map(([value, text]) => (
                <option key={value} value={value}>
                  {t(text)}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            {t("language_label")}
            <select
              value={language.value}
              onChange={(event) => {
                choose(event.currentTarget.value as Language).catch(() => {
                  say(t("not_loaded"));
                });
              }}
            >
              {Object.entries(LANGUAGES).map(([value, name]) => (
                <option key={value} value={value} lang={value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </div>
        {snapshot.value.canControl && <Keys />}
      </div>
      <footer>
        <button
          type="button"
          class="pill"
          onClick={(event) => {
            closeAround(event.currentTarget);
            void connect().signOut();
          }}
        >
          {t("sign_out")}
        </button>
      </footer>
    </Dialog>
  );
}

function Entry({ icon, text, to }: { icon: IconName; text: string; to: View }) {
  return (
    <div class="row">
      <button
        type="button"
        class="pick"
        onClick={(event) => {
          closeAround(event.currentTarget);
          go(to);
        }}
      >
        <Icon name={icon} />
        <span class="name">{text}</span>
      </button>
    </div>
  );
}

function Keys() {
  return (
    <section class="keys">
      <h3>{t("keys_title")}</h3>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={what}>
            <dt>
              <kbd>{key()}</kbd>
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
