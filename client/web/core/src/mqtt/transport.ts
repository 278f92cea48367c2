/**
 * Connections over WebSocket, by MQTT.js. A chunk of its own: the page shows itself before this has arrived.
 *
 * Every connection is a client of its own, because every CONNECT has another last will. So MQTT.js neither reconnects
 * nor has anything to send again: what is too old to be meant is never replayed.
 */

import mqtt, { type IClientOptions, type MqttClient } from "mqtt";

import { LinkLost, LinkRefused, type Dial, type Link, type LinkListener, type OpenLink } from "../link.ts";

/** How long (ms) DISCONNECT may wait for what was sent before it. */
const CLOSE_WITHIN = 1_000;
const REFUSED = new Set([4, 5]);

/** Makes connections to `url` (`ws://` or `wss://`). */
export function mqttLinks(url: string, more: Partial<IClientOptions> = {}): OpenLink {
  return (dial, listener) => open(url, dial, listener, more);
}

function open(url: string, dial: Dial, listener: LinkListener, more: Partial<IClientOptions>): Promise<Link> {
  const client = mqtt.connect(url, {
    ...more,
    protocolVersion: 4,
    clean: true,
    clientId: dial.clientId,
    username: dial.user,
    password: dial.token,
    will: { topic: dial.will.topic, payload: dial.will.payload, qos: 1, retain: false },
    keepalive: dial.keepaliveSeconds,
    // The default is a worker from a Blob, which a strict CSP refuses; then no PINGREQ would ever be sent.
    timerVariant: "native",
    reconnectPeriod: 0,
    connectTimeout: dial.patienceMs,
    queueQoSZero: false,
    resubscribe: false,
  });
  return new Promise((resolve, reject) => {
    let link: MqttLink | null = null;
    const patience = setTimeout(() => {
      give(new LinkLost("the server did not answer in time"));
    }, dial.patienceMs);
    const give = (reason: Error): void => {
      clearTimeout(patience);
      if (link === null) {
        client.end(true);
        reject(reason);
      } else link.isLost(reason instanceof LinkLost ? reason : new LinkLost(reason.message));
    };
    client.on("error", (error: Error & { code?: unknown }) => {
      const refused = typeof error.code === "number" && REFUSED.has(error.code);
      give(refused ? new LinkRefused(error.code as number) : new LinkLost(error.message));
    });
    client.on("close", () => {
      give(new LinkLost("the connection was closed", true));
    });
    client.once("connect", () => {
      client.subscribe([...dial.filters], { qos: 1 }, (error, granted) => {
        clearTimeout(patience);
        if (error !== null) give(new LinkLost(error.message));
        else if (granted?.some(({ qos }) => qos > 2) === true)
          give(new LinkLost("the server refused a topic"));
        else {
          link = new MqttLink(client, listener);
          // Retained messages may come before the caller has its link.
          resolve(link);
        }
      });
    });
    const text = new TextDecoder("utf-8", { fatal: true });
    client.on("message", (topic, payload, packet) => {
      let read: string;
      try {
        read = text.decode(payload);
      } catch {
        return; // not UTF-8: nothing that the contract knows
      }
      if (link?.over !== true) listener.message(topic, read, packet.retain);
    });
  });
}

class MqttLink implements Link {
  readonly #client: MqttClient;
  readonly #listener: LinkListener;
  over = false;
  #probe: ReturnType<typeof setTimeout> | null = null;

  constructor(client: MqttClient, listener: LinkListener) {
    this.#client = client;
    this.#listener = listener;
    client.on("packetreceive", () => {
      this.#answered();
    });
  }

  publish(topic: string, payload: string, qos: 0 | 1): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.over || !this.#client.connected) {
        reject(new LinkLost("not connected"));
        return;
      }
      this.#client.publish(topic, payload, { qos, retain: false }, (error) => {
        if (error == null) resolve();
        else reject(new LinkLost(error.message));
      });
    });
  }

  probe(withinMs: number): void {
    if (this.over || this.#probe !== null) return;
    this.#probe = setTimeout(() => {
      this.isLost(new LinkLost("the server does not answer"));
    }, withinMs);
    this.#client.sendPing();
  }

  close(): void {
    this.over = true;
    this.#answered();
    this.#client.end(false);
    // It waits for what is under way, which may never be acknowledged.
    setTimeout(() => this.#client.end(true), CLOSE_WITHIN);
  }

  /** It has ended by itself. */
  isLost(reason: LinkLost): void {
    if (this.over) return;
    this.over = true;
    this.#answered();
    this.#client.end(true);
    this.#listener.lost(reason);
  }

  #answered(): void {
    if (this.#probe !== null) clearTimeout(this.#probe);
    this.#probe = null;
  }
}
