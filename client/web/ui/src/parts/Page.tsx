import type { ComponentChildren } from "preact";

import { go } from "../model/route.ts";
import { t } from "../texts/index.ts";
import { Icon } from "./icons.tsx";

/** A page beside the music, with a way back. */
export function Page({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="page">
      <div class="inner">
        <div class="title">
          <button
            type="button"
            class="round"
            aria-label={t("back")}
            onClick={() => {
              go("player");
            }}
          >
            <Icon name="back" />
          </button>
          <h1>{title}</h1>
        </div>
        {children}
      </div>
    </main>
  );
}
