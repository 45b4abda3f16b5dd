/**
 * A real server, started as a child of the test and killed as a test likes.
 *
 * Waiting is for events, never for time: what waits in vain says for what, and fails.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { Reveille, memoryStore } from '../reveille.js';

const BINARY = process.env.REVEILLE_BIN;
if (!BINARY) throw new Error('REVEILLE_BIN is not set; name the server, target/debug/reveille');

/** The server takes every variable with this prefix for an option of its own. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('REVEILLE_')),
);

/** Pauses that a test does not notice. */
const PAUSES = { firstMs: 20, mostMs: 100 };

/** Far longer than anything here takes on a slow machine, shorter than the runner's time-out. */
const IN_VAIN_MS = 60_000;

export class Server {
  #child;
  #clients = [];

  /** @param {string[]} flags of `reveille serve` */
  static async start(flags = []) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), 'reveille-sdk-'));
    server.flags = flags;
    const made = spawnSync(BINARY, ['init', '--dir', server.folder], { env: ENVIRONMENT });
    if (made.status !== 0) throw new Error(`init: ${made.stderr}`);
    server.app = String(made.stdout).match(/app_\w+/)[0];
    server.key = readFileSync(join(server.folder, 'app.key'), 'utf8').trim();
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    await server.again();
    return server;
  }

  /** Starts it, at the first or after a kill: always at the same port, with the same data. */
  async again() {
    const args = ['serve', '--dev', '--listen', `127.0.0.1:${this.port}`];
    args.push('--internal-listen', '127.0.0.1:0', '--session-drain-spread-ms', '0', ...this.flags);
    this.#child = spawn(BINARY, args, {
      cwd: this.folder,
      env: ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const log = [];
    for await (const line of createInterface({ input: this.#child.stderr })) {
      log.push(line);
      if (line.includes('ready ')) break;
    }
    // What it says later is read, and dropped: a full pipe would stop it.
    this.#child.stderr.resume();
    if (this.#child.exitCode !== null) throw new Error(`the server ended:\n${log.join('\n')}`);
  }

  async kill() {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  /** Ends it, and every client that a test made. */
  async end() {
    await Promise.all(this.#clients.map((client) => client.close()));
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The HTTP API, as the app's back end. */
  async api(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const answer = response.status === 204 ? undefined : await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  }

  async token(user, about = {}) {
    return (await this.api('POST', `/v1/users/${user}/tokens`, about)).token;
  }

  /** A message of the back end. */
  tell(user, body, about = {}) {
    const id = crypto.randomUUID();
    return this.api('POST', '/v1/messages', { to: [user], body, id, ...about });
  }

  /** A client that is not connected yet. */
  client(user, options = {}) {
    const client = new Reveille({
      url: this.url,
      getToken: () => this.token(user),
      store: memoryStore(),
      pauses: PAUSES,
      ...options,
    });
    client.on('error', (error) => process.env.SAY_ERRORS && console.log(error));
    this.#clients.push(client);
    return client;
  }

  /** A client that is. */
  async connected(user, options) {
    const client = this.client(user, options);
    await client.connect();
    return client;
  }

  /** How the server sees a device: its cursor, its session, its push targets. */
  async device(user, id) {
    const { items } = await this.api('GET', `/v1/users/${user}/devices`);
    return items.find((device) => device.id === id);
  }
}

/** The next event of which `is` is true. */
export function event(emitter, type, is = () => true) {
  return inTime(`the event ${type}`, (resolve) => {
    const end = emitter.on(type, (value) => {
      if (!is(value)) return;
      end();
      resolve(value);
    });
  });
}

/** Asks until the answer is right: what the server does next has no event. */
export async function until(ask) {
  for (const end = Date.now() + IN_VAIN_MS; Date.now() < end; ) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`waited in vain until ${ask}`);
}

/** A promise that is broken when it is not kept. */
function inTime(what, executor) {
  return new Promise((resolve, reject) => {
    const inVain = () => reject(new Error(`waited in vain for ${what}`));
    const timer = setTimeout(inVain, IN_VAIN_MS).unref();
    executor((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

/** Collects what the app gets, with a promise for when it has as many as it should. */
export function collected(client, type = 'message') {
  const all = [];
  const waiting = [];
  client.on(type, (value) => {
    all.push(value);
    for (const { count, resolve } of waiting) if (all.length >= count) resolve(all);
  });
  return {
    all,
    bodies: () => all.map(({ body }) => body),
    atLeast: (count) =>
      inTime(`${count} of ${type}`, (resolve) => {
        if (all.length >= count) resolve(all);
        else waiting.push({ count, resolve });
      }),
  };
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** The push services, with the flags that lead a server to them. */
export class PushServices {
  #child;

  static async start() {
    const services = new PushServices();
    services.folder = mkdtempSync(join(tmpdir(), 'reveille-sim-'));
    const ports = ['apns', 'apns-sandbox', 'fcm', 'webpush', 'control'];
    const anyPort = ports.flatMap((port) => [`--${port}-port`, '0']);
    services.#child = spawn(BINARY, ['sim', '--dir', services.folder, ...anyPort], {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    for await (const line of createInterface({ input: services.#child.stdout })) {
      if (!line.startsWith('{')) continue;
      services.started = JSON.parse(line);
      break;
    }
    services.#child.stdout.resume();
    const { apns, apns_sandbox: sandbox, fcm, fcm_token_url: token, files } = services.started;
    services.flags = [
      ...['--providers-apns-production-url', apns, '--providers-apns-sandbox-url', sandbox],
      ...['--providers-fcm-url', fcm, '--providers-fcm-oauth-url', token],
      ...['--providers-extra-ca-file', files.ca, '--webpush-allowed-hosts', '127.0.0.1'],
      ...['--outbound-allow-private', new URL(services.started.webpush).host],
    ];
    return services;
  }

  /** A browser's subscription with a key, as `PushSubscription.toJSON` gives it. */
  async subscribe(applicationServerKey) {
    const response = await fetch(`${this.started.control}/subscribe`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ applicationServerKey }),
    });
    return response.json();
  }

  /** The payloads that browsers have read, of a kind. */
  async payloads(kind) {
    const messages = await (await fetch(`${this.started.control}/messages`)).json();
    return messages.map(({ payload }) => payload).filter((one) => one?.reveille?.kind === kind);
  }

  async end() {
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
