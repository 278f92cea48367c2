/** Where in the page the reader is: the address's fragment, so that the back button works. */
import { signal } from "@preact/signals";

const VIEWS = ["player", "queue", "library", "devices", "invite"] as const;
export type View = (typeof VIEWS)[number];

function fromAddress(): View {
  const name = location.hash.replace(/^#\/?/, "");
  return VIEWS.find((view) => view === name) ?? "player";
}

export const view = signal<View>(fromAddress());

/** The dialog over the page. */
export const dialog = signal<"where" | "menu" | null>(null);

addEventListener("hashchange", () => {
  view.value = fromAddress();
});

export function go(to: View): void {
  location.hash = `/${to}`;
}
