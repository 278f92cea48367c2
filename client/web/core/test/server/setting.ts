/** One real server for a file of tests, and pages that are stopped after each. */

import { afterAll, afterEach, beforeAll, expect } from "vitest";

import type { Phase } from "../../src/index.ts";
import { bugs, until } from "../world.ts";
import { page, Server, type Page } from "./server.ts";

/** With the user `ann`; running once `useServer` was called and the first test begins. */
export let server: Server;
const pages: Page[] = [];

export function useServer(): void {
  beforeAll(async () => {
    server = await Server.start();
    await server.cli("user", "add", "ann");
  });
  afterEach(async () => {
    await Promise.all(pages.splice(0).map(({ connect }) => connect.stop()));
    expect(bugs).toEqual([]);
  });
  afterAll(async () => {
    await server.end();
  });
}

/** A page that is online, and every phase that it shows from then on. */
export async function online(token: string): Promise<Page & { readonly phases: Phase[] }> {
  const made = page(server, { token });
  pages.push(made);
  made.connect.start();
  await until(() => made.connect.snapshot.phase === "online", "online");
  const phases: Phase[] = [];
  made.connect.subscribe(() => {
    const { phase } = made.connect.snapshot;
    if (phases.at(-1) !== phase) phases.push(phase);
  });
  return Object.assign(made, { phases });
}
