/** A renderer on a virtual clock, with an engine that keeps time in silence; the test is the coordinator. */

import type { Order } from "../../src/actions.ts";
import type { MessageUp, PlaybackState, ReportedState } from "../../src/index.ts";
import { SimulatedEngine } from "../../src/index.ts";
import { Renderer, type Station } from "../../src/renderer/renderer.ts";
import type { Report } from "../../src/session.ts";
import { ME, OTHER, registered, state, TRANSFER } from "./samples.ts";
import { VirtualWorld } from "./stage.ts";

/** The coordinator's clock is this much ahead of ours (ms). */
export const AHEAD = 1_000_000;

type Forwarded = Extract<Order, { type: "execute_command" }>["command"];

export class RendererStage {
  readonly world = new VirtualWorld();
  readonly engine = new SimulatedEngine(this.world);
  readonly renderer: Renderer;
  readonly reports: Report[] = [];
  readonly outcomes: MessageUp[] = [];
  readonly claims: ReportedState[] = [];
  canonical: PlaybackState | null = null;
  /** Whether anybody can be told. */
  online = true;
  #count = 0;
  /** What is under way, one after the other, as `Player` does it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor() {
    this.renderer = new Renderer(this.#station(), this.engine, 0.8);
  }

  /** With its engine open. */
  static async open(): Promise<RendererStage> {
    const stage = new RendererStage();
    await stage.engine.open((event) => {
      stage.do(() => stage.renderer.heard(event));
    });
    return stage;
  }

  get latest(): Report | undefined {
    return this.reports.at(-1);
  }

  do(step: () => Promise<unknown>): void {
    this.#last = this.#last.then(step);
  }

  /** Let time pass, waking the renderer as it asks for. */
  async pass(ms: number): Promise<void> {
    const { world, renderer } = this;
    const end = world.now() + ms;
    await world.pass(0);
    while (renderer.deadline !== null && renderer.deadline <= end) {
      await world.pass(Math.max(0, renderer.deadline - world.now()));
      this.do(() => renderer.wake());
      await world.pass(0);
    }
    await world.pass(end - world.now());
  }

  async order(given: Order, ms = 0): Promise<void> {
    this.do(() => this.renderer.order(given));
    await this.pass(ms);
  }

  /** A fresh one of a command. */
  id(): string {
    this.#count += 1;
    return `00000000-0000-4000-8000-${String(this.#count).padStart(12, "0")}`;
  }

  command(forwarded: Forwarded, epoch = 1, id = this.id()): Order {
    const expires_at = AHEAD + this.world.now() + 5_000;
    return { type: "execute_command", id, command: forwarded, from_device: OTHER, epoch, expires_at };
  }

  prepare(changes: Partial<PlaybackState> = {}, epoch = 1): Order {
    return { type: "prepare_playback", transfer_id: TRANSFER, epoch, state: this.now(changes) };
  }

  start(changes: Partial<PlaybackState> = {}, epoch = 2): Order {
    return { type: "start_playback", transfer_id: TRANSFER, epoch, state: this.now(changes) };
  }

  /** A state of this moment. */
  now(changes: Partial<PlaybackState> = {}): PlaybackState {
    return state({ position_at: AHEAD + this.world.now(), ...changes });
  }

  /** Active in epoch 1, playing the first of three. */
  async playing(tracks = ["a", "b", "c"], changes: Partial<PlaybackState> = {}): Promise<void> {
    const track_id = tracks[0] ?? null;
    const before = this.now({ device_id: ME, queue: tracks, track_id, is_playing: false, ...changes });
    this.canonical = before;
    const arrival = registered("", { current_state: before, should_resume: true });
    this.do(() => this.renderer.arrived(arrival));
    await this.pass(0);
    await this.order(this.command({ type: "play" }));
    this.reports.length = 0;
  }

  #station(): Station {
    const canonical = (): PlaybackState | null => this.canonical;
    return {
      deviceId: ME,
      get canonical() {
        return canonical();
      },
      now: () => this.world.now(),
      serverTime: (moment) => Math.round(moment) + AHEAD,
      report: (report) => {
        if (this.online) this.reports.push(report);
        return this.online;
      },
      outcome: (message) => this.outcomes.push(message),
      claim: (claim) => this.claims.push(claim),
      sleep: (ms) => new Promise((resolve) => this.world.after(ms, resolve)),
    };
  }
}
