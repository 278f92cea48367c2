/** A real server, and real players beside it, as processes on free ports. */

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { mqttLinks } from "../../src/mqtt/transport.ts";
import { createConnect, SimulatedEngine, type ConnectOptions, type PageConnect } from "../../src/index.ts";
import { uuid } from "../../src/world.ts";
import { nodeWorld, until } from "../world.ts";

const ROOT = fileURLToPath(new URL("../../../../..", import.meta.url));
const PYTHON = process.env.SOUL_CONNECT_PYTHON ?? join(ROOT, ".venv/bin/python");

/** Below the ports that the kernel gives to outgoing connections, so that none of those takes one first. */
const PORTS = { first: 12_000, count: 20_000 };

export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () =>
      server.close(() => {
        resolve(true);
      }),
    );
  });
}

export class Server {
  readonly #processes: ChildProcess[] = [];
  #process: ChildProcess | null = null;

  private constructor(
    readonly folder: string,
    readonly mqttPort: number,
    readonly httpPort: number,
  ) {}

  /** Made and running. */
  static async start(): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), "soul-connect-web-"));
    const [mqtt = 0, http = 0] = await freePorts(2);
    const server = new Server(folder, mqtt, http);
    await server.run();
    return server;
  }

  get http(): string {
    return `http://127.0.0.1:${this.httpPort}/`;
  }

  get ws(): string {
    return `ws://127.0.0.1:${this.httpPort}/mqtt`;
  }

  get #env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PYTHONUNBUFFERED: "1",
      SOUL_CONNECT_DATA_DIR: join(this.folder, "data"),
      SOUL_CONNECT_URL: `mqtt://127.0.0.1:${this.mqttPort}`,
      XDG_CONFIG_HOME: join(this.folder, "config"),
      XDG_STATE_HOME: join(this.folder, "state"),
    };
  }

  /** Start it (again), on the same ports. */
  async run(): Promise<void> {
    const ports = [
      "--mqtt-port",
      String(this.mqttPort),
      "--tls-port",
      "0",
      "--http-port",
      String(this.httpPort),
    ];
    const child = this.#spawn(["serve", ...ports]);
    this.#process = child;
    await line(child, "ready ");
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    this.#process = null;
    await end(child, "SIGKILL");
  }

  /** A command of the command line; what it printed. */
  async cli(...words: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(PYTHON, ["-m", "soul_connect", ...words], {
      env: this.#env,
    });
    return stdout.trim();
  }

  /** A player that keeps time in silence. */
  async player(user: string, name: string): Promise<ChildProcess> {
    const token = await this.cli("token", user);
    const child = this.#spawn(["player", "--engine", "simulated", "--name", name, "--token", token]);
    return child;
  }

  async end(): Promise<void> {
    await this.kill();
    await Promise.all(this.#processes.map((child) => end(child, "SIGKILL")));
    await rm(this.folder, { recursive: true, force: true });
  }

  #spawn(words: readonly string[]): ChildProcess {
    const child = spawn(PYTHON, ["-m", "soul_connect", ...words], {
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#processes.push(child);
    return child;
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}

async function line(child: ChildProcess, start: string): Promise<void> {
  let output = "";
  child.stdout?.on("data", (data: Buffer) => (output += data.toString()));
  let errors = "";
  child.stderr?.on("data", (data: Buffer) => (errors += data.toString()));
  await until(() => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output} ${errors}`);
    return output.split("\n").some((one) => one.startsWith(start));
  }, `"${start}" on stdout: ${errors}`);
}

/** A page without a page: the core as a browser would hold it, with an engine that keeps time in silence. */
export interface Page {
  readonly connect: PageConnect;
  readonly id: string;
  readonly engine: SimulatedEngine;
  /** What is kept of it: null once it was signed out. */
  token: string | null;
}

export function page(server: Server, more: { readonly token?: string } & Partial<ConnectOptions> = {}): Page {
  const id = uuid(nodeWorld);
  const engine = new SimulatedEngine(nodeWorld);
  const made: Omit<Page, "connect"> = { id, engine, token: more.token ?? null };
  const connect = createConnect({
    world: nodeWorld,
    http: (path, request) => fetch(new URL(path, server.http), request),
    open: mqttLinks(server.ws),
    isThere: async (withinMs) => {
      const signal = AbortSignal.timeout(withinMs);
      return (await fetch(new URL("healthz", server.http), { signal })).status < 500;
    },
    store: {
      load: () => made.token,
      save: (token) => {
        made.token = token;
      },
    },
    tab: { acquire: () => Promise.resolve(true), take: () => undefined, release: () => undefined },
    device: { id, name: "Browser", type: "web" },
    engine: () => engine,
    ...more,
  });
  return Object.assign(made, { connect });
}
