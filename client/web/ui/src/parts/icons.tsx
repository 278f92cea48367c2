/** The icons: 24 x 24, drawn with one stroke, hidden from screen readers (the button has the words). */

const STROKES = {
  play: "M7 4.8v14.4a.8.8 0 0 0 1.2.7l11.6-7.2a.8.8 0 0 0 0-1.4L8.2 4.1A.8.8 0 0 0 7 4.8Z",
  pause: "M7.5 4.5h2v15h-2ZM14.5 4.5h2v15h-2Z",
  next: "M5.5 5.6v12.8a.6.6 0 0 0 .9.5l9.6-6.4a.6.6 0 0 0 0-1L6.4 5.1A.6.6 0 0 0 5.5 5.6ZM18.5 5v14",
  previous: "M18.5 5.6v12.8a.6.6 0 0 1-.9.5L8 12.5a.6.6 0 0 1 0-1l9.6-6.4a.6.6 0 0 1 .9.5ZM5.5 5v14",
  shuffle:
    "M3 7h3.2c1.6 0 3 .8 3.9 2.1l3.8 5.8A4.7 4.7 0 0 0 17.8 17H21M3 17h3.2c1.6 0 3-.8 3.9-2.1l.6-.9M13.3 10l.6-.9A4.7 4.7 0 0 1 17.8 7H21M18.5 4.5 21 7l-2.5 2.5M18.5 14.5 21 17l-2.5 2.5",
  repeat:
    "M4 11.5V10a4 4 0 0 1 4-4h12M17.5 3.5 20 6l-2.5 2.5M20 12.5V14a4 4 0 0 1-4 4H4M6.5 20.5 4 18l2.5-2.5",
  repeatOne:
    "M4 11.5V10a4 4 0 0 1 4-4h12M17.5 3.5 20 6l-2.5 2.5M20 12.5V14a4 4 0 0 1-4 4H4M6.5 20.5 4 18l2.5-2.5M10.8 10.9l1.5-.9v4.2",
  loud: "M4 9.5v5h3.5l4.5 4v-13l-4.5 4ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11",
  mute: "M4 9.5v5h3.5l4.5 4v-13l-4.5 4ZM16 9.8l4.5 4.5M20.5 9.8 16 14.3",
  desktop: "M4.5 5h15a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1ZM12 16v3.5M8.5 19.5h7",
  mobile:
    "M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3ZM11 18h2",
  dap: "M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3ZM9 6h6v4H9ZM12 13.2a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.6Z",
  web: "M4.5 4.5h15a1 1 0 0 1 1 1v13a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-13a1 1 0 0 1 1-1ZM3.5 8.5h17M6 6.5h.01M8.5 6.5h.01",
  devices:
    "M3.5 6.5a1 1 0 0 1 1-1h12a1 1 0 0 1 1 1M3.5 6.5V14a1 1 0 0 0 1 1h6M6 18.5h4.5M14.5 9h5a1 1 0 0 1 1 1v8.5a1 1 0 0 1-1 1h-5a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1ZM17 16.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM17 11.5h.01",
  queue:
    "M4 6.5h16M4 11.5h10M4 16.5h7M16.5 13.2v5.6a.4.4 0 0 0 .6.3l4.2-2.8a.4.4 0 0 0 0-.6l-4.2-2.8a.4.4 0 0 0-.6.3Z",
  library: "M4.5 4v16M9 4v16M13.3 4.8l2.9-.8 4.3 15.4-2.9.8Z",
  note: "M9.5 17.5V6.2l9-2v11.3M9.5 17.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0ZM18.5 15.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0Z",
  menu: "M4.5 7h15M4.5 12h15M4.5 17h15",
  search: "M10.5 16.5a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM15 15l5 5",
  close: "M6 6l12 12M18 6 6 18",
  remove: "M7 7l10 10M17 7 7 17",
  check: "M5 12.5l4.5 4.5L19 7.5",
  plus: "M12 5v14M5 12h14",
  pencil: "M4.5 19.5l.8-3.9L15.8 5.1a1.6 1.6 0 0 1 2.3 0l.8.8a1.6 1.6 0 0 1 0 2.3L8.4 18.7ZM13.5 7.4l3.1 3.1",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v6M13.7 10.5v6",
  grip: "M5 9.5h14M5 14.5h14",
  up: "M6 14.5l6-6 6 6",
  down: "M6 9.5l6 6 6-6",
  back: "M14.5 5.5 8 12l6.5 6.5",
  offline:
    "M4 4l16 16M5 12.5a10 10 0 0 1 4-2.5M2.5 9a14 14 0 0 1 4-2.6M11 6a14 14 0 0 1 10.5 3M14.5 10.5a10 10 0 0 1 4.5 2M8.5 16a5 5 0 0 1 6 0M12 19.5h.01",
  invite: "M10 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM3.5 19.5a6.5 6.5 0 0 1 13 0M18.5 8v6M15.5 11h6",
  sound: "M4 10.5v3M8 7.5v9M12 4.5v15M16 7.5v9M20 10.5v3",
} as const;

export type IconName = keyof typeof STROKES;

const SOLID = new Set<IconName>(["play", "pause", "next", "previous"]);

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={SOLID.has(name) ? "icon solid" : "icon"} viewBox="0 0 24 24" aria-hidden="true">
      <path d={STROKES[name]} />
    </svg>
  );
}

/** The mark: two players in step, one arc handing over to the other. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 64 64" aria-hidden="true">
      <rect width="64" height="64" rx="14" fill="#b03a1a" />
      <path
        d="M20 40a12 12 0 0 1 0-17M44 23a12 12 0 0 1 0 17M26.5 36a6 6 0 0 1 0-9M37.5 27a6 6 0 0 1 0 9"
        fill="none"
        stroke="#fff"
        stroke-width="4"
        stroke-linecap="round"
      />
      <circle cx="32" cy="31.5" r="3.5" fill="#ffd2bf" />
    </svg>
  );
}
