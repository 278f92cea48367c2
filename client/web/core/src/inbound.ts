/** What a session makes of each message that comes. */

import { readDown } from "./contract/check.ts";
import type {
  Code,
  CommandResult,
  CoordinatorStatus,
  Error,
  MessageDown,
  Registered,
} from "./contract/types.ts";
import { GOOD_CLOCK } from "./pulse.ts";
import type { Session } from "./session.ts";

/** On which topic each kind of message may come; what comes elsewhere is not from the coordinator's hand. */
const PLACES: Readonly<Record<MessageDown["type"], readonly string[]>> = {
  execute_command: ["execute"],
  prepare_playback: ["execute"],
  start_playback: ["execute"],
  stop_playback: ["execute"],
  registered: ["reply"],
  pong: ["reply"],
  command_result: ["reply"],
  error: ["reply"],
  devices_update: ["reply", "devices"],
  playback_state: ["reply", "state"],
  position: ["position"],
  device_online: ["event"],
  device_offline: ["event"],
  notice: ["event"],
  coordinator_status: ["coordinator"],
};

export class Inbound {
  readonly #session: Session;
  #coordinatorGone = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Decode and act. Never throws, whatever came. */
  receive(topic: string, payload: string, now: number, retained: boolean): void {
    const place = this.#session.identity.heardOn(topic);
    // What is said to one device is never retained.
    if (place === null || (retained && (place === "execute" || place === "reply"))) return;
    const message = readDown(payload);
    if (message === null || !PLACES[message.type].includes(place)) return;
    this.#act(message, now, !retained);
  }

  #act(message: MessageDown, now: number, live: boolean): void {
    const session = this.#session;
    switch (message.type) {
      case "registered":
        this.#registered(message, now);
        return;
      case "pong": {
        const sent = session.pulse.answered(message.t0);
        if (sent === null) return;
        session.clock.sample(sent, now, message.t1, message.t2);
        if ((session.clock.uncertainty(now) ?? 0) <= GOOD_CLOCK) session.pulse.clockIsGood(now);
        return;
      }
      case "command_result":
        this.#result(message, now);
        return;
      case "error":
        this.#error(message, now);
        return;
      case "devices_update":
        this.#heardDevices(session.picture.offerDevices(message.devices));
        if (message.id != null) session.settle(message.id, message);
        return;
      case "playback_state": {
        const changed = session.picture.offerState(message.state, now);
        session.view.overlay.sawState(message.state);
        session.redraw(changed);
        if (message.id != null) session.settle(message.id, message);
        return;
      }
      case "position":
        if (session.picture.offerPosition(message, now)) session.redraw(true);
        return;
      case "device_online":
        this.#heardDevices(session.picture.offerDevice(message.device));
        return;
      case "device_offline":
        // The connection is there, and what it carried was lost: by silence alone nobody is gone.
        if (message.device_id === session.identity.deviceId && message.reason === "timeout")
          session.registerNow(now);
        this.#heardDevices(session.picture.loseDevice(message.device_id, message.reason === "deleted"));
        return;
      case "notice":
        session.tell({ type: "noticed", notice: message });
        return;
      case "execute_command":
      case "prepare_playback":
      case "start_playback":
      case "stop_playback":
        session.tell({ type: "ordered", order: message });
        return;
      case "coordinator_status":
        this.#status(message, now, live);
    }
  }

  #registered(message: Registered, now: number): void {
    const session = this.#session;
    const { arrival, picture } = session;
    const anew = arrival.coordinator !== null && arrival.coordinator !== message.coordinator;
    const repeated = arrival.phase === "online";
    if (!arrival.registered(message.conn, message.coordinator, now)) return;
    if (session.registerSent !== null) {
      session.clock.sample(session.registerSent, now, message.server_time, message.server_time);
    }
    const changed = picture.offerState(message.current_state, now, anew);
    const devices = picture.offerDevices(message.devices);
    session.view.overlay.sawState(message.current_state, true);
    // Whoever arrived has loaded what it was to load, and may have been told to play since.
    if (!repeated) session.tell({ type: "arrived", registered: message });
    session.redraw(changed || devices);
    session.sendOpen();
  }

  /** Devices came: they may show the volumes that were asked for. */
  #heardDevices(changed: boolean): void {
    this.#session.view.overlay.sawDevices(this.#session.picture.state);
    this.#session.redraw(changed);
  }

  #result(message: CommandResult, now: number): void {
    const session = this.#session;
    switch (message.status) {
      case "accepted":
        return;
      case "applied": {
        const request = session.settle(message.id, message);
        if (request?.wish.type === "forget" && session.arrival.phase === "hindered")
          session.arrival.registerAgain(now);
        return;
      }
      case "superseded":
        session.fail(message.id, "superseded", message.message ?? "a later one replaced it");
        return;
      case "expired":
        session.fail(message.id, "expired", message.message ?? "the command was too old");
        return;
      case "rejected":
        this.#rejected(message.id, message.code ?? "unavailable", message.message ?? "", now);
    }
  }

  #error(message: Error, now: number): void {
    const session = this.#session;
    if (message.code === "not_registered") session.registerNow(now);
    else if (message.code === "device_limit_reached" && session.arrival.hindered()) {
      session.tell({ type: "hindered" });
      session.sendOpen();
    } else if (message.id == null) return;
    else if (message.code === "rate_limited") {
      session.fail(message.id, "rate_limited", message.message, message.retry_after_ms ?? null);
    } else this.#rejected(message.id, message.code, message.message, now);
  }

  #rejected(id: string, code: Code, text: string, now: number): void {
    // Not registered: no answer to the request, which goes out again once we are.
    if (code === "not_registered") this.#session.registerNow(now);
    else this.#session.fail(id, code, text);
  }

  #status(message: CoordinatorStatus, now: number, live: boolean): void {
    const another = message.coordinator !== this.#session.arrival.coordinator;
    if (!message.online) this.#coordinatorGone = true;
    else if (live || another) {
      if (this.#coordinatorGone || another) this.#session.coordinatorStarted(now, live);
      this.#coordinatorGone = false;
    }
  }
}
