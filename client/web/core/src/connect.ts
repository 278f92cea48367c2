/** The client that a page holds: it makes the snapshots, and carries out what people do. */

import type { Action, Answer } from "./actions.ts";
import { Account } from "./account.ts";
import { Controls, isTooSoon, quiet } from "./controls.ts";
import { draw, type Drawing } from "./drawing.ts";
import { CONTROLLER, Identity, type Description } from "./identity.ts";
import { Lifeline } from "./lifeline.ts";
import type { ConnectOptions } from "./options.ts";
import { Player } from "./renderer/player.ts";
import type { Wish } from "./requests.ts";
import { Session } from "./session.ts";
import { ConnectError, type CommandType, type Connect, type Reason, type Snapshot } from "./snapshot.ts";
import { Toasts } from "./toasts.ts";
import { VolumeSliders } from "./volume.ts";
import { chance, uuid, type HttpAnswer, type HttpRequest, type World } from "./world.ts";

/** How long (ms) a connection may be away before that is shown: another token, a short cut. */
const UNNOTICED = 1_000;
/** How long (ms) to wait for the server to know what this device can do. */
const DESCRIBED_WITHIN = 3_000;

interface Waiting {
  readonly wish: Wish;
  /** Asked again where it came a moment too soon. */
  readonly again: boolean;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ConnectError) => void;
}

/** See `Connect`. */
export class PageConnect extends Controls implements Connect {
  readonly #options: ConnectOptions;
  readonly #world: World;
  readonly #account: Account;
  readonly #toasts = new Toasts();
  readonly #volumes: VolumeSliders;
  readonly #waiting = new Map<string, Waiting>();
  readonly #listeners = new Set<() => void>();
  #lifeline: Lifeline | null = null;
  #player: Player | null = null;
  #reason: Reason | null = null;
  #elsewhere = false;
  #running = false;
  #left = Promise.resolve();
  #awaySince: number | null = null;
  #transferring: Snapshot["transferring"] = null;
  #described: (() => void) | null = null;
  #snapshot: Snapshot;

  constructor(options: ConnectOptions) {
    super();
    this.#options = options;
    this.#world = options.world;
    this.#account = new Account(options.store, options.http, options.world);
    this.#account.onRenewed = () => this.#lifeline?.swap();
    this.#account.onRefused = () => void this.#end("refused");
    this.#volumes = new VolumeSliders(this.#world, async (volume, device) => {
      await this.command({ type: "set_volume", volume }, device === "" ? null : device);
    });
    this.#snapshot = draw(this.#drawing(), null);
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  subscribe(listener: () => void): () => void {
    const mine = listener.bind(null); // the same one may come twice
    this.#listeners.add(mine);
    return () => this.#listeners.delete(mine);
  }

  positionNow(): number {
    const session = this.#lifeline?.session;
    if (session === undefined) return 0;
    const now = this.#world.now();
    return session.view.positionMs(now, session.clock.at(now));
  }

  stir(): void {
    this.#account.watch();
    // Once it has left: who is asked to go and asks at once would find itself still here.
    if (this.#reason === "other_tab") void this.#left.then(() => this.#enter());
    this.#lifeline?.stir();
  }

  /** A request to the server's HTTP side with the token, once more with a fresh one where it was refused. */
  request(path: string, request: HttpRequest = {}): Promise<HttpAnswer> {
    return this.#account.request(path, request);
  }

  // Coming and going

  start(): void {
    if (this.#running) return;
    this.#running = true;
    if (this.#account.load()) void this.#enter();
    else this.#changed();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#leave("quit");
    this.#changed();
  }

  async signIn(user: string, password: string): Promise<void> {
    await this.#account.signIn(user, password, this.#options.device.id);
    await this.#reenter();
  }

  async join(code: string): Promise<void> {
    await this.#account.join(code, this.#options.device.id);
    await this.#reenter();
  }

  async signOut(): Promise<void> {
    await this.#leave("signed_out");
    // Best effort: a server that is away forgets the token when it ends.
    await this.#account.request("api/logout", { method: "POST" }).catch(() => null);
    await this.#end("signed_out");
  }

  takeOver(): void {
    if (!this.#elsewhere) return;
    this.#reason = null;
    this.#options.tab.take(this.#taken);
    this.#connect();
  }

  dismiss(toast: number): void {
    this.#toasts.dismiss(toast);
    this.#changed();
  }

  // What people do, besides `Controls`

  setVolume(volume: number, device?: string): Promise<void> {
    const level = Math.round(Math.min(1, Math.max(0, volume)) * 1_000) / 1_000;
    const moved = this.#volumes.move(device ?? this.#snapshot.state?.device_id ?? "", level);
    this.#changed();
    return quiet(moved);
  }

  holdVolume(device: string | null, held: boolean): void {
    this.#volumes.hold(device ?? this.#snapshot.state?.device_id ?? "", held);
    this.#changed();
  }

  // Playing here

  async allowPlayback(): Promise<void> {
    const { engine } = this.#options;
    if (this.#player !== null) {
      await this.#player.release();
      return;
    }
    if (engine === null || this.#account.facts?.role !== "device") {
      throw new ConnectError("unsupported", "this device cannot play");
    }
    const mine = this.#snapshot.devices.find(({ id }) => id === this.#snapshot.me?.deviceId);
    const player = new Player(
      engine(),
      this.#world,
      mine?.volume ?? 1,
      () => {
        this.#changed();
      },
      (by) => void (by === 1 ? this.next() : this.previous()),
    );
    this.#player = player;
    try {
      await player.open();
    } catch (error) {
      this.#player = null;
      this.#changed();
      throw error;
    }
    await this.#describe();
  }

  async forbidPlayback(): Promise<void> {
    const player = this.#player;
    this.#player = null;
    if (player === null) return;
    await player.close();
    await this.#describe();
  }

  // Inside

  #description(): Description {
    const { name, type } = this.#options.device;
    return { name, type, capabilities: this.#player?.capabilities ?? CONTROLLER };
  }

  /** Register on another connection with what this device can do now; resolves once that is so, or cannot be yet. */
  async #describe(): Promise<void> {
    const lifeline = this.#lifeline;
    if (lifeline !== null) {
      lifeline.session.description = this.#description();
      if (this.#player !== null) this.#player.join(lifeline);
      else lifeline.session.offer = null;
      const described = new Promise<void>((resolve) => {
        this.#described = resolve;
        this.#world.after(DESCRIBED_WITHIN, resolve);
      });
      lifeline.swap();
      await described;
    }
    this.#changed();
  }

  async #reenter(): Promise<void> {
    await this.#leave("signed_out");
    this.#running = true;
    await this.#enter();
  }

  async #enter(): Promise<void> {
    this.#reason = null;
    this.#changed();
    const free = await this.#options.tab.acquire(this.#taken);
    if (!this.#running || this.#account.facts === null || this.#lifeline !== null) return;
    if (free) this.#connect();
    else this.#goElsewhere("other_tab");
  }

  readonly #taken = (): void => {
    this.#left = this.#leave("elsewhere");
    this.#goElsewhere("other_tab");
  };

  #goElsewhere(reason: Reason): void {
    this.#elsewhere = true;
    this.#reason = reason;
    this.#changed();
  }

  #connect(): void {
    const { facts } = this.#account;
    if (facts === null) return;
    this.#elsewhere = false;
    const { user, role, scope, device } = facts;
    const identity = new Identity(user, role, device ?? this.#options.device.id, scope);
    const session = new Session(identity, this.#description(), () => chance(this.#world));
    const { open, isThere } = this.#options;
    const lifeline = new Lifeline(session, this.#world, open, isThere, this.#account, {
      act: (action) => {
        if (this.#lifeline === lifeline) this.#act(action);
      },
      flushed: () => {
        if (this.#lifeline === lifeline) this.#changed();
      },
      refused: () => {
        if (this.#lifeline === lifeline) void this.#end("refused");
      },
    });
    this.#lifeline = lifeline;
    this.#player?.join(lifeline);
    lifeline.start();
    this.#changed();
  }

  async #leave(reason: string): Promise<void> {
    const lifeline = this.#lifeline;
    const player = this.#player;
    this.#player = null;
    this.#elsewhere = false;
    this.#awaySince = null;
    await player?.close();
    if (lifeline !== null) await lifeline.stop(reason);
    if (this.#lifeline === lifeline) this.#lifeline = null;
    this.#options.tab.release();
  }

  /** Signed out: by the user, or because no token is accepted. */
  async #end(reason: Reason): Promise<void> {
    const guest = this.#account.facts?.role === "guest";
    this.#account.leave();
    await this.#leave("signed_out");
    this.#reason = guest && reason === "refused" ? "uninvited" : reason;
    this.#changed();
  }

  #act(action: Action): void {
    this.#player?.hear(action);
    switch (action.type) {
      case "settled":
        this.#waiting.get(action.id)?.resolve(action.answer);
        this.#waiting.delete(action.id);
        break;
      case "failed": {
        const { failure, wish, hidden } = action;
        const waiting = this.#waiting.get(action.id);
        this.#waiting.delete(action.id);
        const again = waiting?.again === true && isTooSoon(failure.code, failure.retryAfterMs);
        this.#toasts.failed(wish, failure, hidden || again);
        waiting?.reject(new ConnectError(failure.code, failure.message, failure.retryAfterMs));
        break;
      }
      case "noticed":
        this.#toasts.noticed(action.notice);
        break;
      case "arrived":
        this.#awaySince = null;
        this.#described?.();
        break;
      case "away":
        this.#awaySince = this.#world.now();
        this.#world.after(UNNOTICED, () => {
          this.#changed();
        });
        break;
      case "displaced":
        this.#options.tab.release();
        this.#player?.silence();
        this.#goElsewhere("other_client");
        break;
      default: // drawn from the session itself
    }
  }

  #ask(wish: Wish, again = false): Promise<Answer> {
    const lifeline = this.#lifeline;
    if (lifeline === null) {
      return Promise.reject(new ConnectError("signed_out", "nobody is signed in here"));
    }
    const id = uuid(this.#world);
    const promise = new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { wish, again, resolve, reject });
    });
    lifeline.apply(lifeline.session.request(id, wish, this.#world.now()));
    return promise;
  }

  /** The server hands the music over once a second at most; people choose faster. */
  async #askTwice(wish: Wish): Promise<void> {
    try {
      await this.#ask(wish, true);
    } catch (error) {
      if (!(error instanceof ConnectError) || !isTooSoon(error.code, error.retryAfterMs)) throw error;
      await new Promise<void>((resolve) => this.#world.after(error.retryAfterMs ?? 0, resolve));
      await this.#ask(wish);
    }
  }

  protected done(wish: Wish): Promise<void> {
    return quiet(this.#player?.serve(wish) ?? this.#ask(wish).then(() => undefined));
  }

  protected whileTransferring(to: string, wish: Wish): Promise<void> {
    const mine = { to, since: this.#world.now() };
    this.#transferring = mine;
    const over = (): void => {
      if (this.#transferring === mine) this.#transferring = null;
      this.#changed();
    };
    const asked = this.#askTwice(wish);
    asked.then(over, over);
    return quiet(asked);
  }

  #changed(): void {
    const before = this.#snapshot;
    this.#snapshot = draw(this.#drawing(), before);
    if (this.#snapshot === before) return;
    for (const listener of [...this.#listeners]) listener();
  }

  #drawing(): Drawing {
    const session = this.#lifeline?.session ?? null;
    const away = this.#awaySince;
    return {
      facts: this.#account.facts,
      deviceId: this.#options.device.id,
      state: session?.view.state ?? null,
      devices: session?.view.devices ?? [],
      arrival: session?.arrival.phase ?? "away",
      registered: (session?.arrival.registration ?? 0) > 0,
      unnoticed: away !== null && this.#world.now() - away < UNNOTICED,
      unheard: session?.arrival.unheard === true,
      failing: this.#lifeline?.failing === true,
      elsewhere: this.#elsewhere,
      reason: this.#reason,
      volumes: this.#volumes.shown,
      transferring: this.#transferring,
      pending: this.#pending(),
      toasts: this.#toasts.all,
      here: { allowed: this.#player !== null, held: this.#player?.held === true },
    };
  }

  #pending(): readonly CommandType[] {
    const kinds = new Set<CommandType>();
    for (const { wish } of this.#waiting.values()) if (wish.type === "command") kinds.add(wish.command.type);
    return [...kinds];
  }
}
