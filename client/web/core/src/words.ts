/** What the contract's codes mean to a person, in English; a page may say it in other words and languages. */

import type { Failure } from "./actions.ts";

export const MEANING: Readonly<Record<Failure["code"], string>> = {
  device_not_found: "There is no such device.",
  device_offline: "The device is offline.",
  not_authorized: "You may not do this.",
  invalid_command: "The server did not understand this.",
  rate_limited: "That was a lot at once; wait a moment.",
  no_active_device: "Choose a device to play on first.",
  not_active: "The music has moved to another device.",
  not_registered: "The server does not know this page yet; try again.",
  unsupported: "The device cannot do this.",
  timeout: "The device did not answer in time.",
  transfer_failed: "The music could not be handed over; it stays where it was.",
  device_limit_reached: "All device places are taken; forget a device first.",
  payload_too_large: "The queue is too long.",
  unavailable: "The server cannot do this at the moment.",
  superseded: "Someone else changed it meanwhile.",
  expired: "There was no connection in time; nothing was changed.",
  withdrawn: "It was not sent any more.",
};
