/** A renderer, from any audio engine: one thing after the other, whatever comes meanwhile. */

import type { Action } from "../actions.ts";
import type { Capabilities, PlaybackState, ReportedState } from "../contract/types.ts";
import type { Lifeline } from "../lifeline.ts";
import type { Wish } from "../requests.ts";
import { uuid, type World } from "../world.ts";
import type { AudioEngine, EngineEvent } from "./engine.ts";
import { Renderer, type Station } from "./renderer.ts";

/** After how long (ms) a claim that came too soon is repeated, if the server did not say. */
const RETRY_CLAIM = 1_000;

export class Player {
  /** Whether the system holds sound back until someone clicks. */
  held = false;
  readonly renderer: Renderer;
  readonly #claims = new Set<string>();
  #lifeline: Lifeline | null = null;
  #last: Promise<void> = Promise.resolve();
  #disarm: (() => void) | null = null;
  #closed = false;

  constructor(
    private readonly engine: AudioEngine,
    private readonly world: World,
    volume: number,
    private readonly changed: () => void,
    /** Someone at the engine itself asked for another track. */
    private readonly skip: (by: 1 | -1) => void,
  ) {
    this.renderer = new Renderer(this.#station(), engine, volume);
  }

  get capabilities(): Capabilities {
    return {
      can_render: true,
      can_control: true,
      can_host_jam: false,
      supported_formats: [...this.engine.supportedFormats],
      max_sample_rate: this.engine.maxSampleRate,
    };
  }

  /** Start the engine, within the click that allows it. Rejects with `EngineError`. */
  async open(): Promise<void> {
    await this.engine.open((event) => {
      this.#heard(event);
    });
    await this.engine.setVolume(this.renderer.table.volume);
  }

  /** Someone clicked where sound was held back. */
  release(): Promise<void> {
    return this.engine.release();
  }

  /** Whose renderer this is. */
  join(lifeline: Lifeline): void {
    this.#lifeline = lifeline;
    lifeline.session.offer = (now) => this.renderer.offer(now);
  }

  /** What the session tells. */
  hear(action: Action): void {
    const { renderer } = this;
    switch (action.type) {
      case "arrived":
        this.#then(() => renderer.arrived(action.registered));
        break;
      case "ordered":
        this.#then(() => renderer.order(action.order));
        break;
      case "changed": {
        const state = this.#canonical();
        if (state !== null && renderer.outrankedBy(state)) this.#then(() => renderer.saw(state));
        break;
      }
      case "settled":
        if (this.#claims.delete(action.id) && action.answer.type === "command_result") {
          const epoch = action.answer.epoch ?? null;
          this.#then(() => renderer.claimed(epoch, false));
        }
        break;
      case "failed": {
        if (!this.#claims.delete(action.id)) break;
        const { code, retryAfterMs } = action.failure;
        const unanswered = ["expired", "offline", "timeout", "withdrawn", "rate_limited"].includes(code);
        this.#then(() => renderer.claimed(null, !unanswered));
        if (code === "rate_limited") {
          this.world.after(retryAfterMs ?? RETRY_CLAIM, () => {
            this.#then(() => {
              renderer.claimAgain();
            });
          });
        }
        break;
      }
      case "publish":
      case "probe":
      case "away":
      case "noticed":
      case "displaced":
      case "hindered":
    }
  }

  /** Do here what nobody can be asked for: while the server is away, what sounds here still obeys. Null: it is not that. */
  serve(wish: Wish): Promise<void> | null {
    const away = this.#lifeline?.session.arrival.phase !== "online";
    if (!away || this.renderer.epoch === null || wish.type !== "command") return null;
    const { type } = wish.command;
    if (type === "play") this.#then(() => this.renderer.playHere());
    else if (type === "pause") this.#then(() => this.renderer.pauseHere());
    else return null;
    return this.#last;
  }

  /** The music stops here, whoever plays. */
  silence(): void {
    this.#then(() => this.renderer.silence());
  }

  /** End: paused and told so, so that it can go on elsewhere. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#then(() => this.renderer.pauseHere());
    await this.#last;
    this.#closed = true;
    this.#disarm?.();
    await this.engine.close();
  }

  // Inside

  #heard(event: EngineEvent): void {
    if (event.type === "held") {
      this.held = event.held;
      this.changed();
    } else if (event.type === "skipped") this.skip(event.by);
    else this.#then(() => this.renderer.heard(event));
  }

  #then(step: () => unknown): void {
    this.#last = this.#last
      .then(async () => {
        if (this.#closed) return;
        await step();
        this.#arm();
      })
      .catch((error: unknown) => {
        this.world.bug(error);
      });
  }

  #arm(): void {
    this.#disarm?.();
    const due = this.renderer.deadline;
    this.#disarm =
      due === null
        ? null
        : this.world.after(Math.max(0, due - this.world.now()), () => {
            this.#disarm = null;
            this.#then(() => this.renderer.wake());
          });
  }

  #canonical(): PlaybackState | null {
    return this.#lifeline?.session.picture.state ?? null;
  }

  #station(): Station {
    const session = () => this.#lifeline?.session ?? null;
    const { world } = this;
    return {
      get deviceId() {
        return session()?.identity.deviceId ?? "";
      },
      get canonical() {
        return session()?.picture.state ?? null;
      },
      now: () => world.now(),
      serverTime: (moment) => session()?.clock.at(moment) ?? null,
      report: (report) => {
        const actions = session()?.report(report) ?? null;
        this.#lifeline?.apply(actions ?? session()?.keep(report) ?? []);
        return actions !== null;
      },
      outcome: (message) => this.#lifeline?.apply(session()?.outcome(message) ?? []),
      claim: (state: ReportedState) => {
        const id = uuid(world);
        this.#claims.add(id);
        this.#lifeline?.apply(session()?.request(id, { type: "claim", state }, world.now()) ?? []);
      },
      sleep: (ms) => new Promise((resolve) => world.after(ms, resolve)),
    };
  }
}
