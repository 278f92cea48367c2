/** What a client is made of: all that the world around it has to give. */

import type { TokenStore } from "./account.ts";
import type { DeviceType } from "./contract/types.ts";
import type { IsThere, OpenLink } from "./link.ts";
import type { AudioEngine } from "./renderer/engine.ts";
import type { Http, World } from "./world.ts";

/** That only one tab of a browser is in use. */
export interface TabLock {
  /** Whether no other tab has it; then it is ours, and `taken` is called once another one takes it. */
  acquire(taken: () => void): Promise<boolean>;
  /** Take it, whoever has it. */
  take(taken: () => void): void;
  release(): void;
}

export interface ConnectOptions {
  readonly world: World;
  readonly http: Http;
  readonly open: OpenLink;
  /** Asked while connections fail; null where nobody can be: then each try is a connection. */
  readonly isThere: IsThere | null;
  readonly store: TokenStore;
  readonly tab: TabLock;
  /** A lower-case UUID, made once and kept; the name that is asked for at the first registration. */
  readonly device: { readonly id: string; readonly name: string; readonly type: DeviceType };
  /** Makes what plays here; null where nothing can. Called in the click that allows it. */
  readonly engine: (() => AudioEngine) | null;
}
