/** Web Push from the button to the notification, and what the worker does with each push. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { browserStore } from '../reveille.js';
import { Worker, becomeBrowser } from './browser.js';
import { PushServices, Server, collected, event, until } from './harness.js';

let services;
let server;
let vapidKey;
becomeBrowser();

before(async () => {
  services = await PushServices.start();
  server = await Server.start(services.flags);
  const about = { kind: 'webpush_vapid', subject: 'mailto:push@example.org' };
  await server.api('POST', `/v1/apps/${server.app}/credentials`, about);
  vapidKey = (await server.api('GET', '/v1/webpush-key')).public_key;
});
after(async () => {
  await server.end();
  await services.end();
});

const base64url = (bytes) => Buffer.from(bytes).toString('base64url');

/** What a page finds where it may subscribe; the push service is the simulated one. */
function allowPush({ permission = 'granted' } = {}) {
  const pushManager = {
    subscription: null,
    getSubscription: async () => pushManager.subscription,
    async subscribe({ userVisibleOnly, applicationServerKey }) {
      assert.equal(userVisibleOnly, true);
      const isText = typeof applicationServerKey === 'string';
      const key = isText ? applicationServerKey : base64url(applicationServerKey);
      const made = await services.subscribe(key);
      pushManager.subscription = {
        toJSON: () => made,
        options: { applicationServerKey: Buffer.from(key, 'base64url') },
        unsubscribe: async () => void (pushManager.subscription = null),
      };
      return pushManager.subscription;
    },
  };
  const registered = [];
  Object.assign(globalThis.navigator, {
    serviceWorker: {
      register: async (script) => {
        registered.push(String(script));
        return { active: { state: 'activated' }, pushManager };
      },
    },
  });
  Object.assign(globalThis, {
    PushManager: class {},
    Notification: { requestPermission: async () => permission },
    location: new URL('https://app.example.com/'),
  });
  return { pushManager, registered };
}

/** A page of a user with its worker, subscribed. */
async function page(user) {
  const { pushManager, registered } = allowPush();
  const options = { store: undefined, name: user, device: { platform: 'web' } };
  const client = server.client(user, options);
  const got = collected(client);
  await client.connect();
  const target = await client.enableWebPush();
  const worker = new Worker({ name: user, pushManager });
  return { client, options, got, target, worker, registered, pushManager };
}

/** A page of the same browser that is opened later. */
async function reopened(user, options) {
  const client = server.client(user, options);
  const got = collected(client);
  await client.connect();
  return { client, got };
}

/** The pushes of this kind that came since. */
async function pushed(kind, seen) {
  return until(async () => {
    const payloads = await services.payloads(kind);
    return payloads.length > seen && payloads.at(-1);
  });
}

test('a page subscribes with the key of the server, and again with another', async () => {
  const { client, target, registered, pushManager } = await page('ada');
  assert.deepEqual(target, { kind: 'webpush', state: 'active' });
  assert.deepEqual(registered, ['https://app.example.com/reveille-sw.js?name=ada']);
  const first = pushManager.subscription;
  await client.enableWebPush();
  assert.equal(pushManager.subscription, first);
  first.options.applicationServerKey = Buffer.from([4, 1]);
  await client.enableWebPush({ vapidKey });
  assert.notEqual(pushManager.subscription, first);
});

test('a user who does not want notifications is believed', async () => {
  const client = await server.connected('bo', { store: undefined, name: 'bo' });
  allowPush({ permission: 'denied' });
  await assert.rejects(client.enableWebPush(), { code: 'permission_denied' });
});

test('what the worker takes, the page gives to the app, once', async () => {
  const { client, options, worker, got } = await page('cy');
  await server.tell('cy', 'while it is open');
  await got.atLeast(1);
  const { deviceId } = client;
  await client.close();
  const before = (await services.payloads('message')).length;
  const push = { title: 'Bob', body: 'Noon?', open: 'https://app.example.com/lunch' };
  await server.tell('cy', 'while it is closed', { push });
  const payload = await pushed('message', before);
  await worker.push(payload);
  const [notification] = worker.shown;
  assert.equal(notification.title, 'Bob');
  assert.equal(notification.options.body, 'Noon?');
  assert.equal(notification.options.tag, payload.notification.tag);
  assert.equal(notification.options.data.open, 'https://app.example.com/lunch');
  const device = await server.device('cy', deviceId);
  assert.equal(device.cursor.offset, 2);
  await server.tell('cy', 'and later');
  const again = await reopened('cy', options);
  await again.got.atLeast(2);
  assert.deepEqual(again.got.bodies(), ['while it is closed', 'and later']);
  await until(async () => (await browserStore('cy').get('inbox/cy')).waiting.length === 0);
  await again.client.close();
  const third = await reopened('cy', options);
  await server.tell('cy', 'the last');
  await third.got.atLeast(1);
  assert.deepEqual(third.got.bodies(), ['the last']);
});

test('worker and page may both get a message, and the app gets it once', async () => {
  const { client, got, worker } = await page('di');
  let finish;
  client.on('message', ({ body }) => body === 1 && new Promise((resolve) => (finish = resolve)));
  await server.tell('di', 1);
  await until(() => finish);
  await server.tell('di', 2);
  // The app is slow; the worker runs as if the server had pushed meanwhile.
  await worker.push(wake('message'));
  const { waiting } = await browserStore('di').get('inbox/di');
  assert.deepEqual(waiting.map(({ body }) => body), [1, 2]);
  finish();
  await server.tell('di', 3);
  await got.atLeast(3);
  assert.deepEqual(got.bodies(), [1, 2, 3]);
});

test('what the worker took while the page had no connection comes first', async () => {
  const { client, options, worker } = await page('ed');
  await client.close();
  await server.tell('ed', 1);
  const open = server.client('ed', { ...options, getToken: () => tokenLater });
  let give;
  const tokenLater = new Promise((resolve) => (give = resolve));
  const got = collected(open);
  const connecting = open.connect();
  await event(open, 'state');
  await worker.push(wake('message'));
  // At once, though nothing is connected.
  await got.atLeast(1);
  give(await server.token('ed'));
  await connecting;
  await server.tell('ed', 2);
  await got.atLeast(2);
  assert.deepEqual(got.bodies(), [1, 2]);
});

test('a test push goes to the worker, which says that it came', async () => {
  const { client, worker } = await page('flo');
  const before = (await services.payloads('test')).length;
  const tested = client.testPush({ intervalMs: 10 });
  await worker.push(await pushed('test', before));
  const { state, received, receivedAt } = await tested;
  assert.deepEqual([state, received], ['received', true]);
  assert.ok(receivedAt instanceof Date);
  assert.equal(worker.shown[0].title, 'Test');
});

test('a test push without a target says so', async () => {
  const client = await server.connected('gus', { store: undefined, name: 'gus' });
  await assert.rejects(client.testPush(), { name: 'ReveilleError', code: 'no_target' });
});

test('a test push that nobody takes is what it was when the time is over', async () => {
  const { client } = await page('hal');
  const { received, state } = await client.testPush({ timeoutMs: 0 });
  assert.deepEqual([received, state], [false, 'waiting']);
});

/** A push of a kind, good for a minute. */
function wake(kind, about = {}, seconds = 60) {
  const expires_at = new Date(Date.now() + seconds * 1_000).toISOString();
  const reveille = { v: 1, kind, sent_at: new Date().toISOString(), expires_at, ...about };
  return { reveille, notification: { title: 'Title', body: 'Body', tag: 'tag', silent: false } };
}

test('a push is shown under its tag, and never when it is too late', async () => {
  const worker = new Worker({ name: 'never-connected' });
  await worker.push(wake('push', { push: 'psh_1', open: 'https://app.example.com/a' }));
  await worker.push(wake('push', { push: 'psh_2' }));
  assert.equal(worker.shown.length, 1);
  worker.shown.length = 0;
  await worker.push(wake('push', {}, -1));
  await worker.push(wake('a kind of tomorrow'));
  await worker.push({ somebody: 'else' });
  assert.equal(worker.shown.length, 0);
  // Whoever cannot read the inbox shows the push all the same.
  await worker.push(wake('message'));
  assert.equal(worker.shown.length, 1);
});

test('a call is shown until it is over', async () => {
  const worker = new Worker();
  const call = { id: 'c1', caller_name: 'Bob', media: 'audio' };
  await worker.push(wake('call', { call }));
  assert.equal(worker.shown[0].options.requireInteraction, true);
  await worker.push(wake('call_ended', { call: { ...call, id: 'c2' } }));
  assert.equal(worker.shown.length, 1);
  await worker.push(wake('call_ended', { call }));
  assert.equal(worker.shown.length, 0);
});

test('the app may word its notifications itself', async () => {
  const reveilleNotification = ({ reveille, data }) => ({
    title: `${reveille.kind} of order ${data.order}`,
    options: { tag: 'own' },
  });
  const worker = new Worker({ globals: { reveilleNotification } });
  await worker.push({ ...wake('push'), data: { order: 7 } });
  const [{ title, options }] = worker.shown;
  assert.deepEqual([title, options.tag], ['push of order 7', 'own']);
});

test('a tap opens where the push says, or comes back to the page', async () => {
  const worker = new Worker();
  const tap = async (open) => {
    let isClosed = false;
    const notification = { close: () => (isClosed = true), data: { open } };
    await worker.dispatch('notificationclick', { notification });
    assert.ok(isClosed);
  };
  await tap(undefined);
  await tap('orders/7');
  assert.deepEqual(worker.opened, ['https://app.example.com/', 'https://app.example.com/orders/7']);
  worker.opened.length = 0;
  for (const open of ['javascript:alert(1)', 'data:text/html,x', 'https://']) await tap(open);
  assert.deepEqual(worker.opened, Array(3).fill('https://app.example.com/'));
  let focused = 0;
  worker.windows.push({ url: 'https://app.example.com/orders/7', focus: () => (focused += 1) });
  await tap('https://app.example.com/orders/7');
  await tap(undefined);
  assert.equal(focused, 2);
  assert.equal(worker.opened.length, 3);
});

test('a subscription that the browser renews is told to the server', async () => {
  const { client, worker, pushManager } = await page('ida');
  const [old] = (await server.device('ida', client.deviceId)).targets;
  const oldSubscription = pushManager.subscription;
  await worker.dispatch('pushsubscriptionchange', { oldSubscription });
  const [renewed] = (await server.device('ida', client.deviceId)).targets;
  assert.notEqual(renewed.token_hash, old.token_hash);
  await worker.dispatch('pushsubscriptionchange', {});
  const [again] = (await server.device('ida', client.deviceId)).targets;
  assert.notEqual(again.token_hash, renewed.token_hash);
});
