/** What people should see once: the latest few. */

import type { Failure } from "./actions.ts";
import type { Notice } from "./contract/types.ts";
import type { Wish } from "./requests.ts";
import type { Toast } from "./snapshot.ts";

const KEPT = 8;

export class Toasts {
  all: readonly Toast[] = [];
  #last = 0;

  noticed(notice: Notice): void {
    const { level, code, message } = notice;
    this.#add({ kind: "notice", level, code, message, command: null, deviceId: null });
  }

  /** A request failed. What a later one hides, and what the page itself withdrew, is nothing to talk about. */
  failed(wish: Wish, failure: Failure, hidden: boolean): void {
    const { code, message } = failure;
    if (hidden || code === "withdrawn" || wish.type === "claim" || wish.type === "devices") return;
    const command = wish.type === "command" ? wish.command.type : wish.type;
    // A later press of somebody's won, as it should; a queue that somebody else changed is another matter.
    if (code === "superseded" && command !== "set_queue" && command !== "transfer") return;
    const deviceId = wish.type === "command" ? wish.target : wish.device;
    this.#add({ kind: "rolled_back", level: "error", code, message, command, deviceId });
  }

  dismiss(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }

  #add(toast: Omit<Toast, "id">): void {
    this.#last += 1;
    this.all = [...this.all, { id: this.#last, ...toast }].slice(-KEPT);
  }
}
