/** The words in the reader's language; changing the language redraws what shows them. */
import { computed, signal } from "@preact/signals";

import { kept } from "../browser/kept.ts";
import { en, type TextKey, type Texts } from "./en.ts";

export type Language = "en" | "de";

/** Each by its own name. */
export const LANGUAGES: Record<Language, string> = { en: "English", de: "Deutsch" };

/** English is here already; another language comes when it is wanted. */
const LOAD: Record<Language, () => Promise<Texts>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import("./de.ts")).de,
};

const KEPT = "language";

export const language = signal<Language>("en");
const texts = signal<Texts>(en);
const plural = computed(() => new Intl.PluralRules(language.value));
const relative = computed(() => new Intl.RelativeTimeFormat(language.value, { numeric: "auto" }));

/** What the reader chose, else the first of the browser's languages that there is. */
export function preferred(): Language {
  for (const one of [kept.get(KEPT), ...navigator.languages]) {
    const short = one?.slice(0, 2).toLowerCase();
    if (short === "en" || short === "de") return short;
  }
  return "en";
}

/** Show the page in `next`; rejects where its words could not be loaded, and changes nothing then. */
export async function speak(next: Language): Promise<void> {
  texts.value = await LOAD[next]();
  language.value = next;
}

export async function choose(next: Language): Promise<void> {
  await speak(next);
  kept.set(KEPT, next);
}

/** The text of `key`, its `{gaps}` filled from `values`. */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  return texts.value[key].replace(/\{(\w+)\}/g, (gap, name: string) => String(values[name] ?? gap));
}

/** Likewise, in the form that the language uses with `n` of them. */
export function count(key: "tracks" | "hours", n: number): string {
  const form = plural.value.select(n) === "one" ? "one" : "other";
  return t(`${key}_${form}`, { n: n.toLocaleString(language.value) });
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
  return t("just_now");
}
