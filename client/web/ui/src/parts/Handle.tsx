import { useRef } from "preact/hooks";

import { Icon } from "./icons.tsx";

interface Props {
  label: string;
  /** The row's place, as its `data-index` says. */
  index: number;
  onMove: (to: number) => void;
}

/** What a row is moved by: dragged with a finger or the mouse, or with the arrow keys. */
export function Handle({ label, index, onMove }: Props) {
  const drag = useRef<{ row: HTMLElement; startY: number; rows: HTMLElement[] } | null>(null);

  function shift(by: number, list: { row: HTMLElement; rows: HTMLElement[] }): number {
    const height = list.row.offsetHeight;
    const at = list.rows.indexOf(list.row);
    const steps = Math.round(by / height);
    return Math.min(list.rows.length - 1, Math.max(0, at + steps)) - at;
  }

  function draw(by: number): void {
    const held = drag.current;
    if (!held) return;
    const at = held.rows.indexOf(held.row);
    const to = at + shift(by, held);
    held.rows.forEach((row, place) => {
      const passed = place > at ? place <= to : place >= to;
      const step = place === at ? by : passed ? Math.sign(at - place) * held.row.offsetHeight : 0;
      row.style.transform = step === 0 ? "" : `translateY(${step}px)`;
    });
  }

  function drop(): void {
    const held = drag.current;
    if (!held) return;
    drag.current = null;
    held.row.removeAttribute("data-held");
    for (const row of held.rows) row.style.transform = "";
  }

  return (
    <button
      type="button"
      class="round handle"
      data-keys
      aria-label={label}
      onKeyDown={(event) => {
        const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        onMove(index + by);
        const list = event.currentTarget.closest("ol, ul");
        requestAnimationFrame(() => {
          list?.querySelector<HTMLElement>(`[data-index="${index + by}"] .handle`)?.focus();
        });
      }}
      onPointerDown={(event) => {
        const row = event.currentTarget.closest<HTMLElement>(".row");
        if (!row || event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        const rows = [...(row.parentElement?.querySelectorAll<HTMLElement>(":scope > .row") ?? [])];
        drag.current = { row, startY: event.clientY, rows };
        row.setAttribute("data-held", "");
      }}
      onPointerMove={(event) => {
        if (drag.current) draw(event.clientY - drag.current.startY);
      }}
      onPointerUp={(event) => {
        const held = drag.current;
        if (!held) return;
        const by = shift(event.clientY - held.startY, held);
        drop();
        if (by !== 0) onMove(index + by);
      }}
      onPointerCancel={drop}
    >
      <Icon name="grip" />
    </button>
  );
}
