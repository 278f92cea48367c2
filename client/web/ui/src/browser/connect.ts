/** The client of this page: the core, with what a browser gives it. */

import {
  createConnect,
  isDeviceId,
  uuid,
  type Connect,
  type HttpRequest,
  type IsThere,
  type OpenLink,
  type PageConnect,
  type World,
} from "#core";

import { AudioElementEngine } from "../audio/engine.ts";
import { resolveTracks } from "../audio/streams.ts";
import { kept } from "./kept.ts";
import { deviceKind, deviceName } from "./naming.ts";
import { tabLock } from "./tab.ts";
import { timers } from "./timers.ts";

/** A client, and requests to the server's HTTP side with its token. */
export type BrowserConnect = Connect & {
  /** `path` is relative to the page, as `api/library`. With a token, and once more with a fresh one after a 401. */
  request(path: string, init?: RequestInit): Promise<Response>;
};

const world: World = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: timers(() => {
    try {
      return new Worker(new URL("./ticker.ts", import.meta.url), { type: "module" });
    } catch {
      return null;
    }
  }),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  bug: (error) => {
    reportError(error);
  },
};

/** Where this page's own server is, wherever a proxy has put it. */
function here(path: string): string {
  return new URL(path, document.baseURI).href;
}

/** MQTT.js comes in a chunk of its own, when it is first needed. */
const open: OpenLink = async (dial, listener) => {
  const { mqttLinks } = await import("#core/mqtt/transport.ts");
  return mqttLinks(here("mqtt").replace(/^http/, "ws"))(dial, listener);
};

/** A proxy that finds nobody behind it says so with 502, 503 or 504. */
const isThere: IsThere = async (withinMs) => {
  const asking = new AbortController();
  const cancel = world.after(withinMs, () => {
    asking.abort();
  });
  try {
    const { status } = await fetch(here("healthz"), { cache: "no-store", signal: asking.signal });
    return status < 500;
  } catch {
    return false;
  } finally {
    cancel();
  }
};

/** This browser profile's device id, made once and kept. */
function deviceId(): string {
  const old = kept.get("device");
  if (isDeviceId(old)) return old;
  const fresh = uuid(world);
  kept.set("device", fresh);
  return fresh;
}

export function createBrowserConnect(): BrowserConnect {
  const stirIfSeen = (): void => {
    if (document.visibilityState === "visible") connect.stir();
  };
  const fetchHere = (path: string, init: RequestInit): Promise<Response> => fetch(here(path), init);
  const id = deviceId();
  const connect: PageConnect = createConnect({
    world,
    http: (path, request) => fetchHere(path, { ...request, cache: "no-store" }),
    open,
    isThere,
    store: {
      load: () => kept.get("token"),
      save: (token) => {
        kept.set("token", token);
      },
    },
    tab: tabLock(id, uuid(world), stirIfSeen),
    device: { id, name: deviceName(navigator.userAgent), type: deviceKind(navigator.userAgent) },
    engine: () => new AudioElementEngine(resolveTracks((path, init) => request(path, init))),
  });

  const asked = connect.request.bind(connect);
  // What comes back is what `http` above made: a whole Response.
  const request = async (path: string, init: RequestInit = {}): Promise<Response> =>
    (await asked(path, {
      ...init,
      headers: Object.fromEntries(new Headers(init.headers)),
    } as HttpRequest)) as Response;

  document.addEventListener("visibilitychange", stirIfSeen);
  // A page that the browser had frozen goes on.
  document.addEventListener("resume", () => {
    connect.stir();
  });
  window.addEventListener("online", () => {
    connect.stir();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) connect.stir();
  });
  return Object.assign(connect, { request });
}
