/**
 * The files of `examples/messenger` at an origin of their own, with a back end that gives tokens:
 * what `reveille demo` does, for a server that a test may kill.
 */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../', import.meta.url);

/** Of the client that every server gives out. */
const CLIENT = ['reveille.js', 'reveille-sw.js'];

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

export class Pages {
  #http = createServer((request, response) => {
    this.#answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  #server;
  #key;

  static async start() {
    const pages = new Pages();
    pages.#http.listen(0, '127.0.0.1');
    await once(pages.#http, 'listening');
    pages.origin = `http://127.0.0.1:${pages.#http.address().port}`;
    return pages;
  }

  /** Whose tokens it gives. */
  async of(server) {
    this.#server = server;
    const app = await server.makeApp('Messenger');
    this.#key = app.key;
    // A message to somebody whom the app has never heard of is refused.
    for (const user of ['alice', 'bob', 'carol', 'dave']) {
      await server.api('POST', `/v1/users/${user}/tokens`, {}, app.key);
    }
    return app;
  }

  end() {
    this.#http.closeAllConnections();
    this.#http.close();
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, this.origin);
    if (request.method === 'POST' && pathname === '/messenger/token') {
      await this.#token(request, response);
      return;
    }
    const name = /^\/messenger\/([\w.-]*)$/.exec(pathname)?.[1];
    const file = name === undefined ? undefined : await fileOf(name || 'index.html');
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    const { host } = new URL(this.#server.url);
    response.writeHead(200, {
      'Content-Type': TYPES[extname(name || 'index.html')],
      'Cache-Control': 'no-cache',
      'Content-Security-Policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
        "manifest-src 'self'; worker-src 'self'; " +
        `connect-src 'self' http://${host} ws://${host}; ` +
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    });
    response.end(file);
  }

  async #token(request, response) {
    let text = '';
    for await (const piece of request) text += piece;
    const { user } = JSON.parse(text);
    const path = `/v1/users/${encodeURIComponent(user)}/tokens`;
    const asked = this.#server.api('POST', path, {}, this.#key);
    const token = await asked.then(({ token }) => token, () => undefined);
    // A server that is away gives no token; the page comes again.
    response.writeHead(token ? 200 : 503, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ url: this.#server.url, token }));
  }
}

function fileOf(name) {
  const folder = CLIENT.includes(name) ? 'clients/js/' : 'examples/messenger/';
  return readFile(fileURLToPath(new URL(folder + name, ROOT))).catch(() => undefined);
}
