/** Who this client is: from its token, which the server checks and the client only reads. */

import type { Capabilities, DeviceType, MessageUp } from "./contract/types.ts";

const USER = /^[A-Za-z0-9_-]{1,64}$/;
const DEVICE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isDeviceId(text: unknown): text is string {
  return typeof text === "string" && DEVICE.test(text);
}

/** What a token says of its holder. Nothing is verified here: that is the server's part. */
export interface TokenFacts {
  readonly user: string;
  readonly role: "device" | "guest";
  readonly device: string | null;
  readonly scope: readonly string[];
  /** Ms since the epoch; null where it does not say. */
  readonly expiresAt: number | null;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The text in base64url (RFC 4648, section 5); throws where it is none, or no UTF-8. */
function fromBase64Url(text: string): string {
  let bits = 0;
  let held = 0;
  let percent = "";
  for (const digit of text) {
    const value = DIGITS.indexOf(digit);
    if (value < 0) throw new RangeError("not base64url");
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      percent += `%${((held >> bits) & 0xff).toString(16).padStart(2, "0")}`;
    }
  }
  return decodeURIComponent(percent);
}

/** The claims of a JWT that matter to its holder (RFC 7519, section 3); null if it is no token for a page. */
export function readToken(token: string): TokenFacts | null {
  let claims: unknown;
  try {
    claims = JSON.parse(fromBase64Url((token.split(".")[1] ?? "").replace(/=+$/, "")));
  } catch {
    return null;
  }
  if (typeof claims !== "object" || claims === null) return null;
  const { sub, role = "device", device, scope, exp } = claims as Record<string, unknown>;
  if (typeof sub !== "string" || !USER.test(sub)) return null;
  if (role !== "device" && role !== "guest") return null;
  return {
    user: sub,
    role,
    device: isDeviceId(device) ? device : null,
    scope: Array.isArray(scope) ? scope.filter((one): one is string => typeof one === "string") : [],
    expiresAt: typeof exp === "number" && Number.isFinite(exp) ? exp * 1_000 : null,
  };
}

export type UpChannel =
  | "register"
  | "will"
  | "disconnect"
  | "ping"
  | "query"
  | "command"
  | "queue"
  | "transfer"
  | "manage"
  | "state"
  | "outcome";

/** Where each message up belongs. */
export function channelOf(message: MessageUp): UpChannel {
  switch (message.type) {
    case "register":
    case "disconnect":
    case "ping":
      return message.type;
    case "connection_lost":
      return "will";
    case "request_devices":
    case "request_state":
      return "query";
    case "playback_command":
      return message.command.type === "set_queue" ? "queue" : "command";
    case "transfer_playback":
    case "claim_playback":
      return "transfer";
    case "rename_device":
    case "delete_device":
      return "manage";
    case "state_update":
      return "state";
    case "playback_ready":
    case "playback_started":
    case "playback_failed":
      return "outcome";
  }
}

export const COORDINATOR_TOPIC = "soul/v1/coordinator";

/** A remote control: it cannot render. */
export const CONTROLLER: Capabilities = {
  can_render: false,
  can_control: true,
  can_host_jam: false,
  supported_formats: [],
  max_sample_rate: 0,
};

/** How a device describes itself. */
export interface Description {
  readonly name: string;
  readonly type: DeviceType;
  readonly capabilities: Capabilities;
}

/** A user's device, and its topics. */
export class Identity {
  constructor(
    readonly user: string,
    readonly role: "device" | "guest",
    readonly deviceId: string,
    readonly scope: readonly string[],
  ) {}

  /** What to subscribe to. */
  get filters(): readonly string[] {
    const { user, role, deviceId } = this;
    return [`soul/v1/${user}/${role}/${deviceId}/down/+`, `soul/v1/${user}/all/+`, COORDINATOR_TOPIC];
  }

  /** Where to say something. */
  topic(channel: UpChannel): string {
    return `soul/v1/${this.user}/${this.role}/${this.deviceId}/up/${channel}`;
  }

  /** Which messages may come on a topic: `execute`, `reply`, `state`...; null: not for us. */
  heardOn(topic: string): string | null {
    const { user, role, deviceId } = this;
    for (const [prefix, names] of [
      [`soul/v1/${user}/${role}/${deviceId}/down/`, ["execute", "reply"]],
      [`soul/v1/${user}/all/`, ["state", "position", "devices", "event"]],
    ] as const) {
      const name = topic.startsWith(prefix) ? topic.slice(prefix.length) : "";
      if ((names as readonly string[]).includes(name)) return name;
    }
    return topic === COORDINATOR_TOPIC ? "coordinator" : null;
  }

  /** Whether the token lets this client speak there. */
  mayUse(channel: UpChannel): boolean {
    if (this.role === "device") return true;
    switch (channel) {
      case "register":
      case "will":
      case "disconnect":
      case "ping":
      case "query":
        return true;
      case "command":
        return this.scope.includes("control");
      case "queue":
      case "transfer":
        return this.scope.includes(channel);
      case "manage":
      case "state":
      case "outcome":
        return false;
    }
  }
}
