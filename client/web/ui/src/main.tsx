import "./style/tokens.css";
import "./style/base.css";
import "./style/layout.css";
import "./style/player.css";
import "./style/lists.css";
import "./style/forms.css";
import "./model/theme.ts";

import { computed, effect, untracked } from "@preact/signals";
import { render } from "preact";

import { createBrowserConnect } from "./browser/connect.ts";
import { listenToKeys } from "./model/keyboard.ts";
import { readLibrary } from "./model/library.ts";
import { phase, snapshot, use } from "./model/store.ts";
import { askAgain } from "./model/tracks.ts";
import { language, preferred, speak } from "./texts/index.ts";
import { App } from "./views/App.tsx";

/** The code of a guest link, taken out of the address: it is good once, and is nobody else's business. */
function invitation(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("invite");
  if (code !== null) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

const canQueue = computed(() => snapshot.value.canQueue);
const client = createBrowserConnect();
use(client);
effect(() => {
  document.documentElement.lang = language.value;
});
effect(() => {
  if (phase.value !== "online") return;
  const wanted = canQueue.value;
  untracked(() => {
    askAgain();
    if (wanted) void readLibrary();
  });
});
listenToKeys();
const code = invitation();
const root = document.getElementById("app");
await speak(preferred()).catch(() => undefined); // In English, then.
if (root !== null) render(<App invitation={code} />, root);
client.start();
