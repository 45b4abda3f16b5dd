/** The client as a server gives it out, for a page at another origin. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import test, { after } from 'node:test';

import { stage } from './harness.js';

/** An app's own site: a page, and the one line of a worker. */
const site = createServer((request, response) => {
  const isWorker = request.url === '/reveille-sw.js';
  const worker = `importScripts('${server.url}/sdk/reveille-sw.js');`;
  const page = '<!doctype html><html lang="en"><title>An app</title>';
  response.setHeader('Content-Type', isWorker ? 'text/javascript' : 'text/html');
  response.end(isWorker ? worker : page);
});
site.listen(0, '127.0.0.1');
await once(site, 'listening');
after(() => {
  site.closeAllConnections();
  site.close();
});
const origin = `http://127.0.0.1:${site.address().port}`;
const { server, open } = await stage({ flags: ['--allowed-origins', origin] });

async function appPage(options) {
  const page = await open(options);
  await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await page.goto(origin);
  return page;
}

async function tokenOf(user) {
  const app = await server.makeApp('An app');
  return (await server.api('POST', `/v1/users/${user}/tokens`, {}, app.key)).token;
}

test('a page loads it from the server, connects, and asks by HTTP', async () => {
  const page = await appPage({ expects: [/status of 409/] });
  const token = await tokenOf('alice');
  const seen = await page.evaluate(
    async ({ url, token }) => {
      const { Reveille } = await import(`${url}/sdk/reveille.js`);
      const reveille = new Reveille({ url, getToken: () => token });
      const { user } = await reveille.connect();
      // A device without a push target: the server says so, and the page may read it.
      const refused = await reveille.testPush().catch(({ code, message }) => ({ code, message }));
      await reveille.signOut();
      return { user, code: refused.code };
    },
    { url: server.url, token },
  );
  assert.deepEqual(seen, { user: 'alice', code: 'no_target' });
});

test('a worker of one line has the worker of the server', async () => {
  const page = await appPage();
  const state = await page.evaluate(async () => {
    await navigator.serviceWorker.register('/reveille-sw.js');
    return (await navigator.serviceWorker.ready).active.scriptURL;
  });
  assert.equal(state, `${origin}/reveille-sw.js`);
});

test('a page of an origin that is not listed is refused, at the WebSocket as well', async () => {
  const page = await appPage({ expects: [/blocked by CORS policy/, /ERR_FAILED/, /WebSocket/] });
  const other = origin.replace('127.0.0.1', 'localhost');
  await page.goto(other);
  const seen = await page.evaluate(async (url) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/connect`, 'reveille.v1');
    const closed = new Promise((resolve) => {
      socket.onopen = () => resolve('open');
      socket.onclose = () => resolve('refused');
    });
    const asked = fetch(`${url}/v1/webpush-key`).then(
      ({ status }) => status,
      (error) => error.name,
    );
    return [await closed, await asked];
  }, server.url);
  assert.deepEqual(seen, ['refused', 'TypeError']);
});
