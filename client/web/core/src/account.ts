/**
 * Signed in, and staying so: the token, kept in a store, refreshed before it expires.
 *
 * A token is asked for anew when nine tenths of its life, or all but a minute of a long one, are over. The server keeps
 * role, scope and device, and gives a guest nothing past the end of the invitation: then there is no use in another one.
 */

import { readToken, type TokenFacts } from "./identity.ts";
import type { TokenSource } from "./lifeline.ts";
import { SignInError } from "./snapshot.ts";
import type { Http, HttpAnswer, HttpRequest, World } from "./world.ts";

/** Where a token outlives the page. */
export interface TokenStore {
  load(): string | null;
  save(token: string | null): void;
}

/** How long (ms) before its end a long-lived token is replaced. */
const EARLY = 60_000;
/** How soon (ms) another try follows one that nobody answered. */
const AGAIN = 5_000;
/** The longest timer (ms): browsers count in 32 bits. */
const LONGEST = 2 ** 31 - 1;

export class Account implements TokenSource {
  facts: TokenFacts | null = null;
  token = "";
  /** The token was replaced ahead of its time. */
  onRenewed: (() => void) | null = null;
  /** There will be no other token. */
  onRefused: (() => void) | null = null;
  readonly #store: TokenStore;
  readonly #http: Http;
  readonly #world: World;
  #renewing: Promise<"renewed" | "refused" | "unavailable"> | null = null;
  #cancel: (() => void) | null = null;

  constructor(store: TokenStore, http: Http, world: World) {
    this.#store = store;
    this.#http = http;
    this.#world = world;
  }

  /** Take the token that was kept; says whether there is one. */
  load(): boolean {
    const token = this.#store.load();
    return token !== null && this.#take(token);
  }

  /** Rejects with `SignInError`. */
  async signIn(user: string, password: string, device: string): Promise<void> {
    await this.#enter("api/login", { user, password, device });
  }

  /** With the one-time code of an invitation. Rejects with `SignInError`. */
  async join(code: string, device: string): Promise<void> {
    await this.#enter("api/invite", { code, device });
  }

  /** Forget the token. */
  leave(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.facts = null;
    this.token = "";
    this.#store.save(null);
  }

  /** Ask for another token; one request, however many ask. */
  renew(): Promise<"renewed" | "refused" | "unavailable"> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** A request with the token; once more with another one where it was refused. */
  async request(path: string, request: HttpRequest = {}): Promise<HttpAnswer> {
    const answer = await this.#ask(path, request);
    if (answer.status !== 401 || this.facts === null) return answer;
    const renewed = await this.renew();
    if (renewed === "refused") this.onRefused?.();
    return renewed === "renewed" ? this.#ask(path, request) : answer;
  }

  /** Look at the clock again: a page that slept may have missed its moment. */
  watch(): void {
    this.#cancel?.();
    this.#cancel = null;
    const end = this.facts?.expiresAt ?? null;
    if (end === null) return;
    const left = end - this.#world.wall();
    const early = left > 10 * EARLY ? EARLY : left / 10;
    this.#after(Math.max(0, left - early));
  }

  #after(ms: number): void {
    this.#cancel = this.#world.after(Math.min(ms, LONGEST), () => {
      if (ms > LONGEST) this.watch();
      else void this.#renewEarly();
    });
  }

  async #renewEarly(): Promise<void> {
    const old = this.facts?.expiresAt ?? 0;
    const answer = await this.renew();
    if (answer === "renewed") {
      if ((this.facts?.expiresAt ?? Infinity) > old) this.onRenewed?.();
      // Not a day longer: the end of an invitation. Nothing is to be had before that.
      else this.#cancel?.();
    } else if (answer === "refused") this.onRefused?.();
    else this.#after(AGAIN);
  }

  async #renew(): Promise<"renewed" | "refused" | "unavailable"> {
    const old = this.token;
    let answer: HttpAnswer;
    try {
      answer = await this.#ask("api/refresh", { method: "POST" });
      if (answer.status === 401 || answer.status === 403) return "refused";
      const token = answer.ok ? field(await answer.json(), "token") : null;
      // Somebody signed out, or in, meanwhile.
      if (this.token !== old) return this.token === "" ? "refused" : "renewed";
      return token !== null && this.#take(token) ? "renewed" : "unavailable";
    } catch {
      return "unavailable";
    }
  }

  #ask(path: string, request: HttpRequest): Promise<HttpAnswer> {
    return this.#http(path, {
      ...request,
      headers: { ...request.headers, Authorization: `Bearer ${this.token}` },
    });
  }

  async #enter(path: string, body: Readonly<Record<string, string>>): Promise<void> {
    let answer: HttpAnswer;
    let token: string | null;
    try {
      const headers = { "Content-Type": "application/json" };
      answer = await this.#http(path, { method: "POST", headers, body: JSON.stringify(body) });
      token = answer.ok ? field(await answer.json(), "token") : null;
    } catch {
      throw new SignInError("unreachable", "the server does not answer");
    }
    if (token !== null && this.#take(token)) return;
    if (answer.status === 429) {
      const seconds = Number(answer.headers.get("Retry-After") ?? NaN);
      const wait = Number.isFinite(seconds) ? seconds * 1_000 : null;
      throw new SignInError("too_many", "too many tries; wait a little", wait);
    }
    if ([400, 401, 403, 404, 410].includes(answer.status)) {
      if (path === "api/login") throw new SignInError("wrong", "user name or password is wrong");
      throw new SignInError("invitation_over", "this invitation was used already, or is over");
    }
    throw new SignInError("failed", `the server answered ${answer.status}`);
  }

  #take(token: string): boolean {
    const facts = readToken(token);
    if (facts === null) return false;
    this.token = token;
    this.facts = facts;
    this.#store.save(token);
    this.watch();
    return true;
  }
}

function field(value: unknown, name: string): string | null {
  if (typeof value !== "object" || value === null) return null;
  const found = (value as Readonly<Record<string, unknown>>)[name];
  return typeof found === "string" ? found : null;
}
