/** A Soul Connect client without a page. `snapshot.ts` says what a page sees of it; `createConnect` makes it. */

import { PageConnect } from "./connect.ts";
import type { ConnectOptions } from "./options.ts";

export type * from "./contract/types.ts";
export type { TokenStore } from "./account.ts";
export type { PageConnect } from "./connect.ts";
export { isDeviceId } from "./identity.ts";
export {
  LinkLost,
  LinkRefused,
  type Dial,
  type IsThere,
  type Link,
  type LinkListener,
  type OpenLink,
} from "./link.ts";
export type { ConnectOptions, TabLock } from "./options.ts";
export { EngineError, type AudioEngine, type EngineEvent } from "./renderer/engine.ts";
export { SimulatedEngine } from "./renderer/simulated.ts";
export * from "./snapshot.ts";
export { uuid, type Http, type HttpAnswer, type HttpRequest, type World } from "./world.ts";

/** A client; nothing happens before its `start`. */
export function createConnect(options: ConnectOptions): PageConnect {
  return new PageConnect(options);
}
