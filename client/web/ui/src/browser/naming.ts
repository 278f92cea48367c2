/** What a browser is called until somebody names it, from its User-Agent: "Firefox on Linux". */

import type { DeviceType } from "#core";

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(A|iOS)?\//, "Edge"],
  [/\bOPR\/|\bOpera/, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(Chrome|CriOS|HeadlessChrome)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "Mac"],
  [/\bLinux\b/, "Linux"],
];

function first(table: readonly (readonly [RegExp, string])[], agent: string): string | null {
  return table.find(([pattern]) => pattern.test(agent))?.[1] ?? null;
}

export function deviceName(agent: string): string {
  const browser = first(BROWSERS, agent) ?? "Browser";
  const system = first(SYSTEMS, agent);
  return system === null ? browser : `${browser} on ${system}`;
}

/** A phone or a tablet is a device that people carry; everything else is a page. */
export function deviceKind(agent: string): DeviceType {
  return /\b(iPhone|iPad|Android|Mobile)\b/.test(agent) ? "mobile" : "web";
}
