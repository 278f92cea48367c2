/**
 * A renderer's conduct: when it may play, and what it says of it.
 *
 *     idle --prepare--> prepared --start--> active
 *     idle --execute (play, set_queue) in a new epoch--> active
 *     idle --someone presses play here--> claiming --granted--> active
 *     active --stop, or a higher epoch of somebody else--> idle
 *
 * It is active in one epoch. Whoever learns of a higher epoch that is not its own stops at once, so that no two devices
 * ever play. It is authoritative for what it plays: every change is reported at once with QoS 1, the position each second
 * with QoS 0. Its methods are called one after the other, each when the one before has ended.
 */

import type { Order } from "../actions.ts";
import type {
  ExecuteCommand,
  PlaybackFailed,
  PlaybackReady,
  PlaybackStarted,
  PlaybackState,
  PreparePlayback,
  Registered,
  ReportedState,
  StartPlayback,
  StopPlayback,
} from "../contract/types.ts";
import { PREPARED_DROPPED_AFTER, TICK_EVERY } from "../limits.ts";
import { positionAt } from "../picture.ts";
import type { Offer, Report } from "../session.ts";
import { deckOf, trackOf } from "./deck.ts";
import { EngineError, type AudioEngine, type EngineEvent } from "./engine.ts";
import { execute, Refused } from "./execution.ts";
import { Ledger } from "./ledger.ts";
import { Turntable } from "./turntable.ts";

/**
 * How long (ms) after the commit a handed-over track sounds: by then the old renderer is silent. The position counts it,
 * so that everyone still agrees; nobody misses a moment that short.
 */
export const START_AFTER = 120;

/** The coordinator, as a renderer sees it. */
export interface Station {
  readonly deviceId: string;
  /** The canonical state as last heard. */
  readonly canonical: PlaybackState | null;
  now(): number;
  /** A local moment on the coordinator's clock; null before the first contact. */
  serverTime(moment: number): number | null;
  /** False if nobody could be told. */
  report(report: Report): boolean;
  outcome(message: PlaybackReady | PlaybackStarted | PlaybackFailed): void;
  /** Starts a claim, whose end comes back through `claimed`. */
  claim(state: ReportedState): void;
  sleep(ms: number): Promise<void>;
}

interface Prepared {
  readonly transfer: string;
  readonly droppedAt: number;
}

export class Renderer {
  /** The epoch in which this device is the active one; null: it is not. */
  epoch: number | null = null;
  readonly table: Turntable;
  readonly #station: Station;
  readonly #ledger = new Ledger();
  #highest = 0;
  #prepared: Prepared | null = null;
  #started: string | null = null;
  /** How many claims have not ended. */
  #claiming = 0;
  /** Pressed while nobody could be told. */
  #unclaimed = false;
  /** Done here while nobody could be told: no music starts by itself after it. */
  #stands = false;
  #tickAt: number | null = null;

  constructor(station: Station, engine: AudioEngine, volume: number) {
    this.#station = station;
    this.table = new Turntable(engine, () => station.now(), volume);
  }

  // From the coordinator

  /** Registered, for the first time or again. */
  async arrived(registered: Registered): Promise<void> {
    await this.#dropPrepared();
    this.#stands = false;
    const state = registered.current_state;
    // Not the maximum: a coordinator restored from a backup counts from there.
    this.#highest = state.epoch;
    if (state.device_id === this.#station.deviceId) {
      this.epoch = state.epoch;
      if (registered.should_resume || this.table.track === null) {
        // Silent, at the position: whether to go on is for people or the coordinator to say.
        this.#ledger.forget();
        await this.table.putOn(deckOf(state), positionAt(state, this.#serverNow(state)), false);
      }
      this.report();
    } else if (this.epoch !== null) await this.#goIdle();
    else this.claimAgain();
  }

  /** Whether `saw` would make something of this state; most are but positions. */
  outrankedBy(state: PlaybackState): boolean {
    return state.epoch > this.#highest;
  }

  /** The canonical state, as published to all. */
  async saw(state: PlaybackState): Promise<void> {
    this.#highest = Math.max(this.#highest, state.epoch);
    if (this.epoch === null || state.epoch <= this.epoch) return;
    if (state.device_id === this.#station.deviceId) this.epoch = state.epoch;
    else await this.#goIdle();
  }

  /** Something to do. */
  async order(order: Order): Promise<void> {
    if (order.type === "execute_command") await this.#execute(order);
    else if (order.type === "prepare_playback") await this.#prepare(order);
    else if (order.type === "start_playback") await this.#start(order);
    else await this.#stop(order);
    this.#highest = Math.max(this.#highest, order.epoch);
  }

  /** A claim ended: with its epoch, refused, or (neither) without anybody answering. */
  async claimed(epoch: number | null, refused: boolean): Promise<void> {
    const pending = this.#claiming > 0;
    this.#claiming = Math.max(0, this.#claiming - 1);
    if (refused) {
      if (this.epoch === null && this.#claiming === 0) await this.#goIdle();
    } else if (epoch === null) this.#unclaimed ||= pending;
    else if (epoch < this.#highest) {
      if (this.epoch === null) await this.#goIdle();
    } else if (pending || this.epoch !== null) {
      this.#highest = this.epoch = epoch;
      this.report();
    }
  }

  /** Claim what is played here, if nobody could be told when it was pressed. */
  claimAgain(): void {
    if (this.#unclaimed && this.epoch === null && this.table.playing) this.#claim();
  }

  // From this device itself

  /** The engine tells something that it was not asked for. */
  async heard(event: EngineEvent): Promise<void> {
    if (event.type === "pressed" && event.play && this.table.track === null) {
      await this.playHere();
      return;
    }
    if (!(await this.table.heard(event))) return;
    const pressed =
      event.type === "pressed" && this.epoch === null && this.table.playing && this.#claiming === 0;
    if (pressed) {
      this.#claim();
      return;
    }
    const { table } = this;
    const ended = event.type === "ended" && !table.playing && table.error === null;
    const stands = ended || event.type === "pressed" || event.type === "jumped";
    if (!this.report() && stands) this.#stands = true;
  }

  /** Someone presses play on this device: go on with what there is, or with what the canonical state says. */
  async playHere(): Promise<boolean> {
    if (this.table.track === null && this.table.deck.tracks.length === 0) {
      const state = this.#station.canonical;
      if (state === null) return false;
      if (!(await this.table.putOn(deckOf(state), positionAt(state, this.#serverNow(state)), true)))
        return false;
    } else if (!(await this.table.play().catch(unplayable))) return false;
    if (this.epoch === null && this.#claiming === 0) this.#claim();
    this.report();
    return true;
  }

  /** Someone presses pause on this device. */
  async pauseHere(): Promise<void> {
    await this.table.pause();
    if (!this.report()) this.#stands = true;
  }

  // In time

  /** When to call `wake`, in ms of the local clock. */
  get deadline(): number | null {
    const moments = [this.#tickAt, this.#prepared?.droppedAt ?? null].filter((moment) => moment !== null);
    return moments.length === 0 ? null : Math.min(...moments);
  }

  /** Time has passed. */
  async wake(): Promise<void> {
    const now = this.#station.now();
    if (this.#prepared !== null && this.#prepared.droppedAt <= now) await this.#dropPrepared();
    if (this.#tickAt !== null && this.#tickAt <= now) this.report(true);
  }

  /** What to bring along when registering at a local moment. */
  offer(now: number): Offer {
    const { volume, playing } = this.table;
    if (this.epoch === null) return { volume, lastKnown: null, resume: true };
    const state = this.#reported(this.table.guess(now), playing ? this.#station.serverTime(now) : null);
    return { volume, lastKnown: { ...state, epoch: this.epoch }, resume: playing || !this.#stands };
  }

  /** Say what is played, or while idle how loud it would be; false if nobody could be told what plays. */
  report(tick = false): boolean {
    this.#tickAt = null;
    const { applied, refused } = this.#ledger;
    if (this.epoch === null) {
      if (tick || this.#claiming > 0) return true;
      const { volume } = this.table;
      if (this.#station.report({ epoch: null, volume, applied, refused, tick: false })) this.#ledger.told();
      return true;
    }
    const spot = this.table.where();
    const state = this.#reported(spot.positionMs, this.#station.serverTime(spot.at));
    const quiet = tick && applied.length === 0 && refused.length === 0;
    const told = this.#station.report({ epoch: this.epoch, state, applied, refused, tick: quiet });
    if (told) this.#ledger.told();
    if (this.table.playing) this.#tickAt = this.#station.now() + TICK_EVERY;
    return told;
  }

  /** The music stops here, whoever plays. */
  async silence(): Promise<void> {
    await this.#goIdle();
  }

  // Inside

  #reported(positionMs: number, at: number | null, queue = false): ReportedState {
    const { table } = this;
    const { deck } = table;
    const track = table.track ?? trackOf(deck);
    return {
      ...(track !== null && { track_id: track }),
      position_ms: positionMs,
      ...(at !== null && { position_at: at }),
      is_playing: table.playing,
      ...(queue && { queue: [...deck.tracks] }),
      queue_position: deck.index,
      volume: table.volume,
      shuffle: deck.shuffle,
      repeat_mode: deck.repeat,
      ...(table.durationMs !== null && { duration_ms: table.durationMs }),
      ...(table.error !== null && { error: table.error }),
    };
  }

  /** Now on the coordinator's clock; before the first contact, when `state` was true. */
  #serverNow(state: PlaybackState): number {
    return this.#station.serverTime(this.#station.now()) ?? state.position_at;
  }

  async #execute(order: ExecuteCommand): Promise<void> {
    if (this.#ledger.has(order.id)) this.#ledger.again(order.id);
    else {
      try {
        await this.#obey(order);
        this.#ledger.note(order.id);
      } catch (error) {
        if (error instanceof Refused) this.#ledger.note(order.id, error.code);
        else if (error instanceof EngineError) this.#ledger.note(order.id, "unsupported");
        else throw error;
      }
    }
    this.report();
  }

  async #obey(order: ExecuteCommand): Promise<void> {
    if (order.command.type === "set_volume") {
      await this.table.setVolume(order.command.volume);
      return;
    }
    const now = this.#station.serverTime(this.#station.now());
    if (now !== null && now > order.expires_at) throw new Refused("timeout");
    if (order.epoch < this.#highest) throw new Refused("not_active");
    const state = this.#station.canonical;
    if (this.epoch !== order.epoch) {
      // A command in an epoch that was not ours says that it is ours now.
      if (
        state?.epoch === order.epoch &&
        (state.device_id ?? this.#station.deviceId) !== this.#station.deviceId
      ) {
        throw new Refused("not_active");
      }
      this.epoch = order.epoch;
      this.#prepared = null;
      if (this.table.track === null && this.table.deck.tracks.length === 0 && state !== null) {
        this.table.deck = deckOf(state);
      }
    }
    // Where to go on when the track was not even loaded here.
    const resumeAt = state !== null && state.track_id === trackOf(this.table.deck) ? state.position_ms : 0;
    await execute(order.command, this.table, resumeAt);
  }

  async #prepare(order: PreparePlayback): Promise<void> {
    if (order.epoch < this.#highest) return;
    if (this.epoch !== null && order.epoch > this.epoch) await this.#goIdle();
    if (this.epoch === null) {
      const at = positionAt(order.state, this.#serverNow(order.state));
      try {
        await this.table.putOn(deckOf(order.state), at, false, false);
      } catch (error) {
        this.#fail(order.transfer_id, error);
        return;
      }
      const droppedAt = this.#station.now() + PREPARED_DROPPED_AFTER;
      this.#prepared = { transfer: order.transfer_id, droppedAt };
    }
    this.#station.outcome({ type: "playback_ready", transfer_id: order.transfer_id });
  }

  async #start(order: StartPlayback): Promise<void> {
    const { transfer_id: transfer, state, epoch } = order;
    if (epoch < this.#highest) return;
    if (this.#started === transfer && this.epoch === epoch) {
      this.#station.outcome({ type: "playback_started", transfer_id: transfer });
      return;
    }
    const prepared = this.#prepared !== null;
    this.#prepared = null;
    this.#claiming = 0;
    this.#unclaimed = false;
    this.epoch = epoch;
    this.#started = transfer;
    const deck = deckOf(state);
    const soundsAt = state.position_at + (state.is_playing ? START_AFTER : 0);
    const at = Math.max(soundsAt, this.#serverNow(state));
    try {
      if (prepared && this.table.track !== null && this.table.track === trackOf(deck)) {
        this.table.rearrange(deck);
        await this.table.seek(positionAt(state, at));
      } else await this.table.putOn(deck, positionAt(state, at), false, false);
      if (state.is_playing) await this.#sound(state, at);
      this.#station.outcome({ type: "playback_started", transfer_id: transfer });
    } catch (error) {
      this.#fail(transfer, error);
    }
    this.report();
  }

  /** Play what is loaded for the moment `at`, when that has come. */
  async #sound(state: PlaybackState, at: number): Promise<void> {
    const late = this.#serverNow(state) - at;
    if (late < 0) await this.#station.sleep(-late);
    // Loading took its time: the music is further by now.
    else if (late > START_AFTER) await this.table.seek(positionAt(state, this.#serverNow(state)));
    await this.table.play();
  }

  async #stop(order: StopPlayback): Promise<void> {
    if (order.reason === "aborted") {
      const transfer = this.#prepared?.transfer ?? null;
      if (transfer !== null && (order.transfer_id ?? transfer) === transfer) await this.#dropPrepared();
    } else if (this.epoch !== null) {
      if (order.epoch >= this.epoch) await this.#goIdle();
    } else if (this.#claiming > 0 && order.epoch > this.#highest) await this.#goIdle();
  }

  #fail(transfer: string, error: unknown): void {
    if (!(error instanceof EngineError)) throw error;
    const reason = `${error.code}: ${error.message}`.slice(0, 1_024);
    this.#station.outcome({ type: "playback_failed", transfer_id: transfer, reason });
  }

  async #dropPrepared(): Promise<void> {
    if (this.#prepared === null) return;
    this.#prepared = null;
    if (this.epoch === null) await this.table.clear();
  }

  async #goIdle(): Promise<void> {
    this.epoch = this.#prepared = this.#started = this.#tickAt = null;
    this.#claiming = 0;
    this.#unclaimed = false;
    await this.table.clear();
  }

  #claim(): void {
    this.#claiming += 1;
    this.#unclaimed = false;
    this.#prepared = null;
    const spot = this.table.where();
    this.#station.claim(this.#reported(spot.positionMs, this.#station.serverTime(spot.at), true));
  }
}

function unplayable(error: unknown): false {
  if (error instanceof EngineError) return false;
  throw error;
}
