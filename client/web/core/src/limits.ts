/** The contract's numbers that a client needs. Durations are ms. */

export const PROTOCOL_VERSION = 1;

export const KEEPALIVE_SECONDS = 30;
export const PING_EVERY = 30_000;
export const REGISTER_REPEAT = 5_000;
export const REGISTER_REPEAT_MAX = 30_000;
export const REREGISTER_SPREAD = 3_000;
export const DISPLACED_WITHIN = 10_000;
export const DISPLACED_TIMES = 3;

export const COMMAND_LIFETIME = 5_000;
export const PREVIOUS_RESTARTS_AFTER = 3_000;
export const TRANSFER_STEP = 5_000;
export const PREPARED_DROPPED_AFTER = 10_000;
export const TICK_EVERY = 1_000;
/** How many ids one report may list, and how many executed ones a device remembers. */
export const REPORTED_IDS = 64;
export const REQUESTS_PER_MINUTE = 100;
