import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

import { t } from "../texts/index.ts";
import { Icon } from "./icons.tsx";
import { openDialogs, Toasts } from "./Toasts.tsx";

interface Props {
  title: string;
  onClose: () => void;
  /** Opens over the bar at the foot of the page rather than in the middle. */
  fromBelow?: boolean;
  children: ComponentChildren;
}

/** The browser's own modal dialog: it holds the focus, closes on Escape and gives the focus back. */
export function Dialog({ title, onClose, fromBelow = false, children }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const name = useId();
  // Before the next key is heard: what has the focus now gets it back when the dialog closes.
  useLayoutEffect(() => {
    ref.current?.showModal();
    openDialogs.value++;
    return () => {
      openDialogs.value--;
    };
  }, []);
  return (
    <dialog
      ref={ref}
      class={fromBelow ? "from-below" : ""}
      aria-labelledby={name}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) ref.current?.close();
      }}
    >
      <header>
        <h2 id={name}>{title}</h2>
        <button type="button" class="round" aria-label={t("close")} onClick={() => ref.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      {children}
      <Toasts />
    </dialog>
  );
}

/** Closes the dialog that this element stands in. */
export function closeAround(element: Element): void {
  element.closest("dialog")?.close();
}
