/** Short words about what happened: the client's, and the page's own. Each is gone after a while. */
import { effect, signal } from "@preact/signals";

import type { Toast as Told } from "#core";
import { en, type TextKey } from "../texts/en.ts";
import { t } from "../texts/index.ts";
import { connect, snapshot } from "./store.ts";
import { trackOf } from "./tracks.ts";

export interface Toast {
  key: string;
  text: string;
  retry: (() => void) | null;
  dismiss: () => void;
}

const SHOWN_MS = 6_000;
const WITH_RETRY_MS = 12_000;
const MOST = 3;

const own = signal<readonly Toast[]>([]);
let last = 0;

export function say(text: string, retry: (() => void) | null = null): void {
  const key = `own-${++last}`;
  const dismiss = () => {
    own.value = own.value.filter((toast) => toast.key !== key);
  };
  own.value = [...own.value.filter((toast) => toast.text !== text), { key, text, retry, dismiss }];
  setTimeout(dismiss, retry ? WITH_RETRY_MS : SHOWN_MS);
}

/** The newest few, the client's first. */
export function toasts(): readonly Toast[] {
  return [...snapshot.value.toasts.map(translate), ...own.value].slice(-MOST);
}

function translate(told: Told): Toast {
  const device = told.deviceId;
  return {
    key: `told-${told.id}`,
    text: wordsOf(told),
    retry: told.command === "transfer" && device !== null ? () => void connect().transfer(device) : null,
    dismiss: () => {
      connect().dismiss(told.id);
    },
  };
}

/** What the server says of a player, in English, by name: its notices carry nothing else. */
const NOTICES: readonly (readonly [RegExp, TextKey])[] = [
  [/^Playback paused - (.+) went offline$/s, "paused_device_offline"],
  [/^(.+) could not play (.+)$/s, "could_not_play"],
  [/^(.+) had to start its player again$/s, "started_again"],
];

function wordsOf(told: Told): string {
  if (told.kind === "notice") {
    for (const [said, key] of NOTICES) {
      const [, name, track] = said.exec(told.message) ?? [];
      if (name !== undefined) return t(key, { name, title: track === undefined ? "" : trackOf(track).title });
    }
    return told.message;
  }
  const what = `failed_${told.command ?? "other"}`;
  const reason = isText(told.code) ? t(told.code) : told.message;
  return t(isText(what) ? what : "failed_other", { reason });
}

function isText(key: string): key is TextKey {
  return Object.hasOwn(en, key);
}

const timed = new Set<number>();
effect(() => {
  for (const told of snapshot.value.toasts) {
    if (timed.has(told.id)) continue;
    timed.add(told.id);
    setTimeout(
      () => {
        timed.delete(told.id);
        connect().dismiss(told.id);
      },
      told.command === "transfer" ? WITH_RETRY_MS : SHOWN_MS,
    );
  }
});
