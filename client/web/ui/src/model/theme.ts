/** Light or dark: like the system, unless the reader chose. */
import { effect, signal } from "@preact/signals";

import { kept } from "../browser/kept.ts";

export type Theme = "auto" | "light" | "dark";

const KEPT = "theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
const chosen = kept.get(KEPT);

export const theme = signal<Theme>(chosen === "light" || chosen === "dark" ? chosen : "auto");

system.addEventListener("change", (event) => {
  systemDark.value = event.matches;
});

export function paint(next: Theme): void {
  kept.set(KEPT, next);
  theme.value = next;
}

effect(() => {
  const dark = theme.value === "auto" ? systemDark.value : theme.value === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", dark ? "#131217" : "#f7f5f2");
});
