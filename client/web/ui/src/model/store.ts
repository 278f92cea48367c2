/** The client and what it shows, as signals for the views. */
import { computed, signal } from "@preact/signals";

import type { Connect, Snapshot } from "#core";

/** What the page needs of the client beside the seam of the core. */
export interface PageConnect extends Connect {
  /** Ask the server over HTTP, signed in; `path` is relative to the page. */
  request(path: string, init?: RequestInit): Promise<Response>;
}

const NOTHING: Snapshot = {
  phase: "connecting",
  reason: null,
  me: null,
  devices: [],
  state: null,
  active: null,
  canControl: false,
  canQueue: false,
  canTransfer: false,
  canManage: false,
  transferring: null,
  pending: [],
  toasts: [],
  here: { allowed: false, held: false },
};

const SECOND_MS = 1000;
const LOOK_MS = 100;
const MINUTE_MS = 60_000;

let client: PageConnect | null = null;

export const snapshot = signal<Snapshot>(NOTHING);
/** The position now, ms, in whole seconds. */
export const positionMs = signal(0);
/** Now, ms since the epoch; for "last seen", so it moves once a minute. */
export const clock = signal(Date.now());

export const phase = computed(() => snapshot.value.phase);
export const me = computed(() => snapshot.value.me);
export const devices = computed(() => snapshot.value.devices);
export const state = computed(() => snapshot.value.state);
export const active = computed(() => snapshot.value.active);
export const playing = computed(() => snapshot.value.state?.is_playing ?? false);
export const movingTo = computed(() => snapshot.value.transferring?.to ?? null);
export const here = computed(() => snapshot.value.here);
export const self = computed(() => devices.value.find((device) => device.id === me.value?.deviceId) ?? null);

/** The client; there is one once `use` was called. */
export function connect(): PageConnect {
  if (client === null) throw new Error("the page has no client yet");
  return client;
}

export function use(next: PageConnect): void {
  client = next;
  // Whole seconds: nothing shows less, and so the page is drawn once a second and no more.
  const locate = () => {
    positionMs.value = Math.floor(next.positionNow() / SECOND_MS) * SECOND_MS;
  };
  const update = () => {
    snapshot.value = next.snapshot;
    locate();
  };
  next.subscribe(update);
  update();
  setInterval(() => {
    if (playing.value && !document.hidden) locate();
  }, LOOK_MS);
  setInterval(() => {
    clock.value = Date.now();
  }, MINUTE_MS);
  document.addEventListener("visibilitychange", update);
}
