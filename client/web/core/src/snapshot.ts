/** What a page sees of a client, and what it can ask of it. `createConnect` makes the real one. */

import type {
  Capabilities,
  Code,
  Device,
  PlaybackState,
  PlaybackCommand,
  QueueCommand,
  RepeatMode,
  TransferOptions,
} from "./contract/types.ts";

/** A command as it is asked for. */
export type Command = (PlaybackCommand | QueueCommand)["command"];
export type CommandType = Command["type"];

/**
 * How far this client is.
 *
 * - `signed_out`: nobody is signed in (`reason` says why, if somebody was).
 * - `connecting`: on the way to the server for the first time since `start`.
 * - `online`: registered; what is shown is true.
 * - `offline`: it was online and is trying to be again; what is shown may be old.
 * - `full`: all device places of this user are taken; only looking at the devices and forgetting one works.
 * - `elsewhere`: another tab, or another client with this device id, is in use; `takeOver` changes that.
 */
export type Phase = "signed_out" | "connecting" | "online" | "offline" | "full" | "elsewhere";

/** Why the phase is what it is. */
export type Reason =
  | "signed_out" // by the user
  | "refused" // the token was refused and there is no other: revoked, or the device deleted
  | "uninvited" // likewise a guest's: the invitation is over
  | "other_tab"
  | "other_client"
  | "unreachable" // the server does not answer
  | "no_coordinator"; // the broker answers, nobody behind it does

export interface Me {
  readonly user: string;
  readonly deviceId: string;
  /** As the server lists it. */
  readonly name: string;
  readonly role: "device" | "guest";
  /** Of a guest: `control`, `queue`, `transfer`. */
  readonly scope: readonly string[];
  /** When a guest's invitation or a session ends, in ms since the epoch; null if it is not known. */
  readonly expiresAt: number | null;
}

/** Something that people should see, once. */
export interface Toast {
  /** Counts up; for keys and `dismiss`. */
  readonly id: number;
  /** `rolled_back`: what was drawn of `command` is taken back. `notice`: the server says so. */
  readonly kind: "rolled_back" | "notice";
  readonly level: "info" | "warning" | "error";
  /** A code of the contract, or `superseded`, `expired`, `withdrawn`; a notice's own code. */
  readonly code: string;
  /** In English, from the server or from here. */
  readonly message: string;
  readonly command: CommandType | "transfer" | "rename" | "forget" | null;
  /** The device that it was for, if any was named. */
  readonly deviceId: string | null;
}

/** Everything there is to draw but the position, which moves. Never changed: each change makes another. */
export interface Snapshot {
  readonly phase: Phase;
  readonly reason: Reason | null;
  readonly me: Me | null;
  /** All listed devices, this one and guests included, with the volumes that were asked for. */
  readonly devices: readonly Device[];
  /** With the commands under way laid over it; null before the first was heard. */
  readonly state: PlaybackState | null;
  /** The device that plays, or would; null if there is none. */
  readonly active: Device | null;
  readonly canControl: boolean;
  readonly canQueue: boolean;
  readonly canTransfer: boolean;
  /** Rename and forget devices. */
  readonly canManage: boolean;
  readonly transferring: { readonly to: string; readonly since: number } | null;
  /** The kinds of commands whose end is not known yet. */
  readonly pending: readonly CommandType[];
  /** The latest few; `dismiss` removes one. */
  readonly toasts: readonly Toast[];
  /** Playback on this device: whether it was allowed, and whether the browser holds it back until a click. */
  readonly here: { readonly allowed: boolean; readonly held: boolean };
}

/** How a request failed. */
export class ConnectError extends Error {
  constructor(
    /** A code of the contract; or `superseded`, `expired`, `withdrawn`, `offline`, `signed_out`. */
    readonly code: Code | "superseded" | "expired" | "withdrawn" | "offline" | "signed_out",
    message: string,
    /** With `rate_limited`: when to go on, in ms from now. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
    this.name = "ConnectError";
  }
}

/** How signing in failed. */
export class SignInError extends Error {
  constructor(
    readonly code: "wrong" | "too_many" | "unreachable" | "invitation_over" | "failed",
    message: string,
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
    this.name = "SignInError";
  }
}

export interface OnDevice {
  /** Which device; by default the one that plays. */
  readonly device?: string;
}

export interface QueueOptions extends OnDevice {
  /** The current track goes on where `startIndex` is that track: adding to, or removing from, a queue. */
  readonly keepPosition?: boolean;
  /** The `queue_rev` that was looked at: another one makes it `superseded`. */
  readonly expectRev?: number;
}

/**
 * One client. Requests are drawn at once and resolve when they are done; they reject with `ConnectError`,
 * what was drawn is taken back then, and a toast says why. Nobody needs to catch: an unread rejection is quiet.
 */
export interface Connect {
  /** The present snapshot; the same object until something changes. */
  readonly snapshot: Snapshot;
  /** `listener` is called after each change, never from within a call of yours to `subscribe`. */
  subscribe(listener: () => void): () => void;
  /** Where the music is now, in ms: for each frame. It never goes back while one track plays on. */
  positionNow(): number;

  /** Begin: sign in with what was kept, and stay connected. */
  start(): void;
  /** Try now: the page came to sight, the network is back, the other tab is gone, or someone asks for it. */
  stir(): void;
  /** Say goodbye and end; `start` begins again. */
  stop(): Promise<void>;

  /** Rejects with `SignInError`. */
  signIn(user: string, password: string): Promise<void>;
  /** As a guest, with the one-time code of an invitation. Rejects with `SignInError`. */
  join(code: string): Promise<void>;
  signOut(): Promise<void>;
  /** From `elsewhere`: be the one that is in use. */
  takeOver(): void;
  dismiss(toast: number): void;

  play(options?: OnDevice): Promise<void>;
  pause(): Promise<void>;
  stopPlayback(): Promise<void>;
  /** In ms; once, when the slider is let go. */
  seek(positionMs: number): Promise<void>;
  /** A double tap skips once: the queue position that is drawn is what it goes from. */
  next(): Promise<void>;
  previous(): Promise<void>;
  /** 0.0-1.0, as often as the slider moves: at most two a second go out, and the last one. */
  setVolume(volume: number, device?: string): Promise<void>;
  /** While a volume slider is held, what the server says of that volume is not drawn. */
  holdVolume(device: string | null, held: boolean): void;
  setShuffle(enabled: boolean): Promise<void>;
  setRepeat(mode: RepeatMode): Promise<void>;
  setQueue(tracks: readonly string[], startIndex: number, options?: QueueOptions): Promise<void>;
  transfer(device: string, options?: TransferOptions): Promise<void>;
  rename(device: string, name: string): Promise<void>;
  forget(device: string): Promise<void>;

  /** Someone clicked "Allow playback here": this device can render from now on. Call it in the click. */
  allowPlayback(): Promise<void>;
  /** This device is a remote control only again. */
  forbidPlayback(): Promise<void>;
}

export type { Capabilities };
