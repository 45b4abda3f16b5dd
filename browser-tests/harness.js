/**
 * A real browser against a real server: Chromium with a profile of its own, `reveille serve` with a
 * data folder and ports of its own.
 *
 * ```js
 * const { server, open, signedIn } = await stage();
 *
 * test('…', async () => {
 *   const page = await signedIn(server);
 *   await look(page, 'apps');
 * });
 * ```
 *
 * One browser and one server for each test file, a fresh context for each test. A script of a page
 * that fails, and whatever the browser complains of in its console, fails the test.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

/** The server runs in a folder of its own. */
export const BINARY = process.env.REVEILLE_BIN && resolve(process.env.REVEILLE_BIN);
if (!BINARY) throw new Error('REVEILLE_BIN is not set; name the server, target/debug/reveille');

/** The server takes every variable with this prefix for an option of its own. */
export const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('REVEILLE_')),
);

const CHROMIUM = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

/** It asks nobody outside, and runs as root in a container too. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** A camera that shows a moving picture, and that nobody is asked about. */
const CAMERA = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];

/** Where `look` puts what it saw. */
const SCREENS = fileURLToPath(new URL('../target/screens/', import.meta.url));

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What is seen at a desk, and the narrowest phone that has to do. */
const DESK = { width: 1280, height: 800 };
const NARROW = { width: 360, height: 740 };

/** Far longer than anything here takes on a slow machine, shorter than the runner's time-out. */
const IN_VAIN_MS = 60_000;

/**
 * Sets a test file up, and takes all of it down at its end.
 *
 * @param {{ flags?: string[], camera?: boolean, start?: Function }} [options] more flags of
 *   `reveille serve`; whether pages have a camera and a microphone; what starts another server
 */
export async function stage({ flags = [], camera = false, start = Server.start } = {}) {
  // One after the other: a browser that starts takes all of a small machine.
  const server = await start(flags);
  after(() => server.end());
  const { open } = await browser({ camera });
  return {
    server,
    open,
    /** A page that is signed in to the console of a server. */
    signedIn: async (at = server, options = {}) => {
      const page = await open(options);
      await signIn(page, at);
      return page;
    },
  };
}

/**
 * A browser for a test file.
 *
 * @param {{ camera?: boolean }} [options]
 */
export async function browser({ camera = false } = {}) {
  const launched = await chromium.launch({
    executablePath: CHROMIUM,
    args: camera ? [...FLAGS, ...CAMERA] : FLAGS,
  });
  after(() => launched.close());
  const contexts = new Contexts(launched);
  afterEach(() => contexts.end());
  return {
    /** A page of a fresh context: nobody is signed in. */
    open: (options) => contexts.open(options),
  };
}

/** Signs in as a person does; sets the password first where there is none yet. */
export async function signIn(page, server) {
  await page.goto(`${server.inside}/console`);
  if (new URL(page.url()).pathname === '/console/setup') {
    await page.getByLabel('Code', { exact: true }).fill(server.code());
    await page.getByLabel('Password').fill(server.password);
    await page.getByLabel('Once more').fill(server.password);
    await page.getByRole('button', { name: 'Set the password' }).click();
  } else if (new URL(page.url()).pathname !== '/console/login') {
    await page.goto(`${server.inside}/console/login`);
  }
  await page.getByLabel('Password').fill(server.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/console/apps');
}

/**
 * Looks at a page as people do: in light and in dark, at a desk and on a narrow phone. It fails
 * where axe finds something that keeps somebody out, and where a phone has to scroll sideways. The
 * pictures are `target/screens/NAME-{light,dark,360}.png`.
 */
export async function look(page, name) {
  const before = page.viewportSize();
  mkdirSync(SCREENS, { recursive: true });
  try {
    await page.setViewportSize(DESK);
    for (const colorScheme of ['light', 'dark']) {
      // Colours that are still on their way from one to the other have no contrast to speak of.
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: join(SCREENS, `${name}-${colorScheme}.png`), fullPage: true });
      await accessible(page, `${name}, ${colorScheme}, at a desk`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(NARROW);
    await page.screenshot({ path: join(SCREENS, `${name}-360.png`), fullPage: true });
    await accessible(page, `${name}, on a phone`);
    const overflow = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return scrollWidth - clientWidth;
    });
    assert.equal(overflow, 0, `${name}: at 360 px it is ${overflow} px too wide`);
  } finally {
    await page.emulateMedia({ colorScheme: null, reducedMotion: null });
    if (before) await page.setViewportSize(before);
  }
}

/** Asks until an answer fits: what the server does next has no event. In vain, it says for what. */
export async function until(ask, fits = Boolean) {
  for (const end = Date.now() + IN_VAIN_MS; Date.now() < end; ) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await new Promise(setImmediate);
  }
  throw new Error(`waited in vain until ${fits} of ${ask}`);
}

/** Loads a page again until a thing is there. */
export async function reloaded(page, locator) {
  for (const end = Date.now() + IN_VAIN_MS; (await locator.count()) === 0; await page.reload()) {
    assert.ok(Date.now() < end, `waited in vain for ${locator}`);
  }
}

/** Axe, brought in by the debugger: the policy of a page has no say about that. */
async function accessible(page, what) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) {
    await page.evaluate(readFileSync(AXE, 'utf8'));
  }
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, help, nodes }) => {
    const places = nodes.map(({ html, failureSummary }) => `  ${html}\n    ${failureSummary}`);
    return `${id}: ${help}\n${places.join('\n')}`;
  });
  assert.equal(found.length, 0, `${what}:\n${found.join('\n')}`);
}

/** The contexts of a test, and what went wrong in them. */
class Contexts {
  #browser;
  #open = [];
  #troubles = [];

  constructor(browser) {
    this.#browser = browser;
  }

  /** `expects`: what the browser is going to complain of, because the test is about that. */
  async open({ expects = [], ...options } = {}) {
    const context = await this.#browser.newContext({ viewport: DESK, ...options });
    this.#open.push(context);
    const pages = new Set();
    context.on('request', (request) => request.isNavigationRequest() && pages.add(request.url()));
    const trouble = (text) => {
      if (!expects.some((pattern) => pattern.test(text))) this.#troubles.push(text);
    };
    context.on('weberror', (error) => trouble(error.error().stack ?? String(error.error())));
    context.on('console', (message) => {
      const { url } = message.location();
      // A page that says what was wrong with a form has a status of its own, and is a page.
      const isPage = pages.has(url) && message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !isPage) trouble(`${message.text()} (${url})`);
    });
    return context.newPage();
  }

  async end() {
    await Promise.all(this.#open.splice(0).map((context) => context.close()));
    const troubles = this.#troubles.splice(0);
    assert.equal(troubles.length, 0, `the browser complains:\n${troubles.join('\n')}`);
  }
}

/** `reveille serve` on a fresh data folder. */
export class Server {
  #child;
  #flags;

  /** Of the console. */
  password = 'correct horse battery';

  static async start(flags = []) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), 'reveille-browser-'));
    server.#flags = flags;
    await server.again();
    return server;
  }

  /**
   * Starts it, at the first or after a kill, then at the same ports and with the same data.
   *
   * `url` is its public address, `inside` the one of the console.
   */
  async again() {
    const ports = {
      '--listen': this.url ? new URL(this.url).host : '127.0.0.1:0',
      '--internal-listen': this.inside ? new URL(this.inside).host : '127.0.0.1:0',
    };
    const args = ['serve', '--data-dir', join(this.folder, 'data'), '--log-format', 'json'];
    args.push(...Object.entries(ports).flat(), '--session-drain-spread-ms', '0', ...this.#flags);
    this.#child = spawn(BINARY, args, {
      cwd: this.folder,
      env: ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const log = [];
    for await (const line of createInterface({ input: this.#child.stderr })) {
      log.push(line);
      const said = entryOf(line);
      if (said?.message !== 'ready') continue;
      this.url = `http://${said.listen}`;
      this.inside = `http://${said.internal_listen}`;
      break;
    }
    // What it says later is read, and dropped: a full pipe would stop it.
    this.#child.stderr.resume();
    if (!this.url) throw new Error(`the server did not start:\n${log.join('\n')}`);
  }

  async kill() {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  async end() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What lets somebody set the console's password. */
  code() {
    return this.#file('console.code');
  }

  /** The HTTP API; as the operator, unless another key is given. */
  async api(method, path, body, key = this.#file('admin.key')) {
    const response = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const answer = response.status === 204 ? undefined : await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** An app with its first key, made by the API. */
  makeApp(name) {
    return this.api('POST', '/v1/apps', { name });
  }

  #file(name) {
    const path = join(this.folder, 'data', name);
    if (!existsSync(path)) throw new Error(`the server has no ${name}`);
    return readFileSync(path, 'utf8').trim();
  }
}

/** A line of the log, if it is one. */
function entryOf(line) {
  try {
    const entry = JSON.parse(line);
    return { ...entry, ...entry.fields };
  } catch {
    return undefined;
  }
}
