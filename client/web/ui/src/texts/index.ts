/** The words in the reader's language; changing the language redraws what shows them. */
import { computed, signal } from "@preact/signals";

import { de } from "./de.ts";
import { en, type TextKey, type Texts } from "./en.ts";

export const LANGUAGES = { en, de } satisfies Record<string, Texts>;
export type Language = keyof typeof LANGUAGES;

const KEPT = "soul-connect.language";

function chosen(): Language {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages];
  for (const one of wanted) {
    const short = one?.slice(0, 2).toLowerCase();
    if (short === "en" || short === "de") return short;
  }
  return "en";
}

export const language = signal<Language>(chosen());

export function speak(next: Language): void {
  localStorage.setItem(KEPT, next);
  language.value = next;
}

const texts = computed<Texts>(() => LANGUAGES[language.value]);
const plural = computed(() => new Intl.PluralRules(language.value));
const relative = computed(() => new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }));

/** The text of `key`, its `{gaps}` filled from `values`. */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  return texts.value[key].replace(/\{(\w+)\}/g, (gap, name: string) => String(values[name] ?? gap));
}

/** Likewise, in the form that the language uses with `n` of them. */
export function count(key: "tracks" | "hours", n: number): string {
  return t(plural.value.select(n) === "one" ? `${key}_one` : `${key}_other`, { n });
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 hours ago", from a time and now (both ms since the epoch). */
export function ago(time: number, now: number): string {
  const seconds = Math.max(0, (now - time) / 1000);
  for (const [unit, size] of STEPS) {
    if (seconds >= size) return relative.value.format(-Math.floor(seconds / size), unit);
  }
  return relative.value.format(0, "second");
}
