import { signal } from "@preact/signals";

import { toasts } from "../model/toasts.ts";
import { t } from "../texts/index.ts";
import { Icon } from "./icons.tsx";

/** How many dialogs are open: the page under them cannot be read or clicked, so they show the toasts themselves. */
export const openDialogs = signal(0);

/** The page's own, while nothing lies over it. */
export function PageToasts() {
  return openDialogs.value === 0 ? <Toasts /> : null;
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts().map((toast) => (
        <div class="toast" key={toast.key}>
          <p>{toast.text}</p>
          {toast.retry && (
            <button
              type="button"
              class="pill"
              onClick={() => {
                toast.dismiss();
                toast.retry?.();
              }}
            >
              {t("retry")}
            </button>
          )}
          <button type="button" class="round" aria-label={t("close")} onClick={toast.dismiss}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
