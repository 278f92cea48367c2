/**
 * Requests on their way: each ends exactly once.
 *
 *     made -> held (offline) -> sent -> accepted -> ended
 *
 * A request waits for the connection until it expires; then it is ended here, because it would come too late to be meant.
 * Once sent it may be sent again, with the same id and the same text, in every later registration: the coordinator
 * answers a repeated id and does not do it twice. Sent and never answered, it is ended at `answerBy`.
 */

import type { ServerClock } from "./clock.ts";
import type { MessageUp, ReportedState, TransferOptions } from "./contract/types.ts";
import { channelOf, type UpChannel } from "./identity.ts";
import { COMMAND_LIFETIME, TRANSFER_STEP } from "./limits.ts";
import type { Command } from "./snapshot.ts";

/** How many requests may be under way; more than the coordinator takes in a minute. */
export const HELD = 200;

/** What a program can ask for. */
export type Wish =
  | { readonly type: "command"; readonly command: Command; readonly target: string | null }
  | { readonly type: "transfer"; readonly device: string; readonly options: TransferOptions | null }
  | { readonly type: "claim"; readonly state: ReportedState }
  | { readonly type: "rename"; readonly device: string; readonly name: string }
  | { readonly type: "forget"; readonly device: string }
  | { readonly type: "devices" };

/** One request. Moments are local, in ms. */
export interface Request {
  readonly id: string;
  readonly wish: Wish;
  readonly made: number;
  /** When it is too old to be sent, or to be executed. */
  readonly expires: number;
  /** When no answer is expected any more. */
  readonly answerBy: number;
  /** The text, fixed when it was first sent. */
  payload: string | null;
  /** The registration in which it was last sent. */
  sentIn: number | null;
}

/** Where a wish is sent. */
export function channelFor(wish: Wish): UpChannel {
  return channelOf(message("", wish, null, null));
}

function message(id: string, wish: Wish, issued: number | null, expires: number | null): MessageUp {
  const times = {
    ...(issued !== null && { issued_at: issued }),
    ...(expires !== null && { expires_at: expires }),
  };
  switch (wish.type) {
    case "command": {
      const head = {
        type: "playback_command",
        id,
        ...(wish.target !== null && { target_device: wish.target }),
      } as const;
      // Two kinds of message, told apart by the command alone.
      if (wish.command.type === "set_queue") return { ...head, command: wish.command, ...times };
      return { ...head, command: wish.command, ...times };
    }
    case "transfer":
      return {
        type: "transfer_playback",
        id,
        to_device: wish.device,
        ...(wish.options !== null && { options: wish.options }),
      };
    case "claim":
      return { type: "claim_playback", id, state: wish.state, ...(issued !== null && { issued_at: issued }) };
    case "rename":
      return { type: "rename_device", id, device_id: wish.device, name: wish.name };
    case "forget":
      return { type: "delete_device", id, device_id: wish.device };
    case "devices":
      return { type: "request_devices", id };
  }
}

/** The requests under way, in the order in which they were made. */
export class Requests implements Iterable<Request> {
  readonly #open = new Map<string, Request>();

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<Request> {
    return [...this.#open.values()][Symbol.iterator]();
  }

  get(id: string): Request | null {
    return this.#open.get(id) ?? null;
  }

  /** Take a new request, under an id of its own. */
  add(id: string, wish: Wish, now: number): Request {
    const work = mayTransfer(wish) ? 2 * TRANSFER_STEP : COMMAND_LIFETIME;
    const expires = now + COMMAND_LIFETIME;
    const request = { id, wish, made: now, expires, answerBy: now + work, payload: null, sentIn: null };
    this.#open.set(id, request);
    return request;
  }

  /** Remove a request, because it has ended. */
  take(id: string): Request | null {
    const request = this.get(id);
    this.#open.delete(id);
    return request;
  }

  /** The text to send; the same every time. */
  encoded(request: Request, clock: ServerClock): string {
    const { id, wish, made, expires } = request;
    request.payload ??= JSON.stringify(message(id, wish, clock.at(made), clock.at(expires)));
    return request.payload;
  }

  /** The request that waits to be sent and that `newer` makes pointless. */
  outdatedBy(newer: Request): Request | null {
    const kind = collapses(newer.wish);
    if (kind === null) return null;
    for (const request of this.#open.values()) {
      if (request !== newer && request.payload === null && collapses(request.wish) === kind) return request;
    }
    return null;
  }

  /** When the next one is to be ended here. */
  get deadline(): number | null {
    const moments = [...this.#open.values()].map(deadlineOf);
    return moments.length === 0 ? null : Math.min(...moments);
  }

  /** Those whose time has passed. */
  overdue(now: number): readonly Request[] {
    return [...this.#open.values()].filter((request) => deadlineOf(request) <= now);
  }
}

function deadlineOf(request: Request): number {
  return request.payload === null ? request.expires : request.answerBy;
}

/** Whether the wish may end with a transfer, which has two steps of 5 s. */
function mayTransfer(wish: Wish): boolean {
  if (wish.type === "transfer") return true;
  return wish.type === "command" && wish.target !== null && ["play", "set_queue"].includes(wish.command.type);
}

/** Of requests with the same answer here only the last matters; null: every one matters. */
function collapses(wish: Wish): string | null {
  if (wish.type !== "command") return null;
  const { type } = wish.command;
  const lastCounts = ["set_volume", "seek", "set_shuffle", "set_repeat"].includes(type);
  return lastCounts ? `${type} ${wish.target ?? ""}` : null;
}
