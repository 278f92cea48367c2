/** What a session wants done, or tells: imperatives for the connection, facts for the program. */

import type {
  Code,
  CommandResult,
  DevicesUpdate,
  ExecuteCommand,
  Notice,
  PlaybackStateMessage,
  PreparePlayback,
  Registered,
  StartPlayback,
  StopPlayback,
} from "./contract/types.ts";
import type { Wish } from "./requests.ts";

/** What the coordinator tells a renderer to do. */
export type Order = ExecuteCommand | PreparePlayback | StartPlayback | StopPlayback;

/** How a request can end well. */
export type Answer = CommandResult | DevicesUpdate | PlaybackStateMessage;

/** How a request can fail. */
export interface Failure {
  readonly code: Code | "superseded" | "expired" | "offline" | "withdrawn";
  readonly message: string;
  readonly retryAfterMs: number | null;
}

export type Action =
  /** Publish, unretained, after all that was published before. */
  | { readonly type: "publish"; readonly topic: string; readonly payload: string; readonly qos: 0 | 1 }
  /** Prove that the broker is still there; without an answer in time, drop the connection. */
  | { readonly type: "probe"; readonly withinMs: number }
  /** A request has ended, once and for all. */
  | { readonly type: "settled"; readonly id: string; readonly wish: Wish; readonly answer: Answer }
  /** A request has failed. `hidden`: a later one of the same kind is shown in its place. */
  | {
      readonly type: "failed";
      readonly id: string;
      readonly wish: Wish;
      readonly failure: Failure;
      readonly hidden: boolean;
    }
  /** Registered: requests go out from now on. */
  | { readonly type: "arrived"; readonly registered: Registered }
  /** No longer registered; requests wait. */
  | { readonly type: "away" }
  /** There is something else to draw. */
  | { readonly type: "changed" }
  /** Something that people should see. */
  | { readonly type: "noticed"; readonly notice: Notice }
  /** Something for the renderer. */
  | { readonly type: "ordered"; readonly order: Order }
  /** Another client uses this device id: close the connection and do not return. */
  | { readonly type: "displaced" }
  /** All places are taken; queries and deletions still work. */
  | { readonly type: "hindered" };
