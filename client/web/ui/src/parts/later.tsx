import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";

import { say } from "../model/toasts.ts";
import { t } from "../texts/index.ts";

/** A view in a chunk of its own, loaded when it is first shown; nothing is drawn until it is there. */
export function later(load: () => Promise<ComponentType>): ComponentType {
  const view = signal<ComponentType | null>(null);
  const fetch = async (): Promise<void> => {
    try {
      view.value = await load();
    } catch {
      say(t("not_loaded"), () => void fetch());
    }
  };
  return function Later() {
    useEffect(() => {
      if (view.value === null) void fetch();
    }, []);
    const View = view.value;
    return View === null ? null : <View />;
  };
}
