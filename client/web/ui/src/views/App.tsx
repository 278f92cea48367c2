import { useState } from "preact/hooks";

import { dialog, view } from "../model/route.ts";
import { connect, devices, here, me, phase, snapshot, state } from "../model/store.ts";
import { Icon, type IconName, Mark } from "../parts/icons.tsx";
import { PlayingOn } from "../parts/PlayingOn.tsx";
import { later } from "../parts/later.tsx";
import { PageToasts } from "../parts/Toasts.tsx";
import { t } from "../texts/index.ts";
import { Connecting, Elsewhere, Invited, SignIn } from "./Doors.tsx";
import { Library } from "./Library.tsx";
import { NowPlaying } from "./NowPlaying.tsx";
import { Queue } from "./Queue.tsx";
import { Where } from "./Where.tsx";

/** What most visits never open comes when it is opened. */
const Devices = later(async () => (await import("./Devices.tsx")).Devices);
const Full = later(async () => (await import("./Devices.tsx")).Full);
const Invite = later(async () => (await import("./Invite.tsx")).Invite);
const Menu = later(async () => (await import("./Menu.tsx")).Menu);

/** `invitation`: the one-time code that the page was opened with. */
export function App({ invitation }: { invitation: string | null }) {
  const [code, setCode] = useState(invitation);
  return (
    <>
      {code === null ? (
        <House />
      ) : (
        <Invited
          code={code}
          onIn={() => {
            setCode(null);
          }}
        />
      )}
      <PageToasts />
    </>
  );
}

function House() {
  switch (phase.value) {
    case "signed_out":
      return <SignIn />;
    case "elsewhere":
      return <Elsewhere />;
    case "full":
      return <Full />;
    case "connecting":
    case "offline":
    case "online":
      return state.value === null && devices.value.length === 0 ? <Connecting /> : <Frame />;
  }
}

function Frame() {
  return (
    <div class="frame">
      <header class="top">
        <span class="brand">
          <Mark />
          {t("app")}
        </span>
        {me.value?.role === "guest" && <span class="fact">{t("guest_of", { name: me.value.user })}</span>}
        <button
          type="button"
          class="round"
          aria-label={t("menu")}
          aria-haspopup="dialog"
          onClick={() => {
            dialog.value = "menu";
          }}
        >
          <Icon name="menu" />
        </button>
      </header>
      <Banner />
      <Main />
      <footer class="foot">
        <PlayingOn />
        <Tabs />
      </footer>
      {dialog.value === "where" && <Where />}
      {dialog.value === "menu" && <Menu />}
    </div>
  );
}

function Banner() {
  if (here.value.held) return <Held />;
  if (phase.value === "online") return null;
  const busy = snapshot.value.reason === "no_coordinator";
  return (
    <div class="banner" role="status">
      <Icon name="offline" />
      <span>{t(busy ? "server_busy" : "offline_banner")}</span>
      <button
        type="button"
        class="pill"
        onClick={() => {
          connect().stir();
        }}
      >
        {t("try_now")}
      </button>
    </div>
  );
}

/** The browser wants another click before music that plays here may sound. */
function Held() {
  return (
    <div class="banner" role="status">
      <Icon name="mute" />
      <span>{t("sound_held")}</span>
      <button type="button" class="pill" onClick={() => void connect().allowPlayback()}>
        {t("allow_sound")}
      </button>
    </div>
  );
}

function Main() {
  if (view.value === "devices") return <Devices />;
  if (view.value === "invite" && snapshot.value.canManage) return <Invite />;
  const { canQueue } = snapshot.value;
  const shown = view.value === "invite" || (view.value === "library" && !canQueue) ? "player" : view.value;
  return (
    <main class="panes" data-view={shown} data-library={canQueue}>
      {canQueue && <Library />}
      <NowPlaying />
      <Queue />
    </main>
  );
}

const TABS: ["player" | "queue" | "library", IconName][] = [
  ["player", "note"],
  ["queue", "queue"],
  ["library", "library"],
];

function Tabs() {
  const beside = view.value === "player" ? "queue" : view.value;
  return (
    <nav class="tabs" aria-label={t("menu")}>
      {TABS.filter(([to]) => to !== "library" || snapshot.value.canQueue).map(([to, icon]) => (
        <a
          key={to}
          href={`#/${to}`}
          class={to === "player" ? "only-phone" : ""}
          aria-current={view.value === to ? "page" : undefined}
          data-beside={beside === to}
        >
          <Icon name={icon} />
          {t(to)}
        </a>
      ))}
    </nav>
  );
}
