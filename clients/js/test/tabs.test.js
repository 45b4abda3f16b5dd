/** Several tabs of one browser: one connection, and everybody hears. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { NodeSocket } from '../node.js';
import { browserStore } from '../reveille.js';
import { becomeBrowser } from './browser.js';
import { Server, collected, event, until } from './harness.js';

let server;
const browser = becomeBrowser();
before(async () => (server = await Server.start()));
after(() => server.end());

/** A socket that shows a test what is sent. */
function spying(see) {
  return class extends NodeSocket {
    send(text) {
      see(JSON.parse(text));
      super.send(text);
    }
  };
}

/** A tab of the user's browser; all of them share what the browser keeps. */
async function tab(user, options = {}) {
  const client = server.client(user, { store: undefined, name: user, ...options });
  const got = collected(client);
  await client.connect();
  return { client, got };
}

test('tabs share a connection: each gets a message, and it is acknowledged once', async () => {
  const one = await tab('amy');
  const two = await tab('amy');
  const three = await tab('amy');
  for (const { client } of [one, two, three]) assert.equal(client.state, 'connected');
  assert.equal(two.client.deviceId, one.client.deviceId);
  assert.equal(two.client.user, 'amy');
  await server.tell('amy', 'hello');
  await Promise.all([one, two, three].map(({ got }) => got.atLeast(1)));
  const { items } = await server.api('GET', '/v1/users/amy/devices');
  assert.equal(items.length, 1);
  await until(async () => (await server.device('amy', one.client.deviceId)).cursor.offset === 1);
});

test('a tab without the connection sends, reads, types and registers through it', async () => {
  await tab('ben');
  const two = await tab('ben');
  const { client: other } = await tab('cat');
  const typing = event(other, 'typing');
  const got = event(other, 'message');
  two.client.typing('cat', 'lunch');
  assert.deepEqual(await typing, { from: 'ben', thread: 'lunch' });
  const accepted = await two.client.send({ to: 'cat', body: 'from the second tab' });
  assert.equal((await got).id, accepted.id);
  await assert.rejects(two.client.send({ to: 'nobody', body: 1 }), { code: 'unknown_user' });
  const target = await two.client.setPushToken('a'.repeat(140), { kind: 'fcm' });
  assert.equal(target.kind, 'fcm');
});

test('when the tab with the connection goes, another takes over, and nothing is lost', async () => {
  const one = await tab('dan');
  const two = await tab('dan');
  const other = await tab('eve');
  for (let body = 0; body < 10; body++) await server.tell('dan', body);
  await two.got.atLeast(10);
  const closing = one.client.close();
  const sent = two.client.send({ to: 'eve', body: 'in between' });
  for (let body = 10; body < 20; body++) await server.tell('dan', body);
  await closing;
  await two.got.atLeast(20);
  assert.deepEqual(two.got.bodies(), Array.from({ length: 20 }, (_, body) => body));
  await sent;
  await other.got.atLeast(1);
  await server.tell('eve', 'the last');
  await other.got.atLeast(2);
  assert.deepEqual(other.got.bodies(), ['in between', 'the last']);
});

test('what a tab got before it took over it does not get again', async () => {
  const one = await tab('mel');
  one.client.on('message', () => new Promise(() => {})); // Never done, so never acknowledged.
  const two = await tab('mel');
  await server.tell('mel', 1);
  await two.got.atLeast(1);
  await one.client.close();
  await until(async () => (await server.device('mel', two.client.deviceId)).cursor.offset === 1);
  await server.tell('mel', 2);
  await two.got.atLeast(2);
  assert.deepEqual(two.got.bodies(), [1, 2]);
});

test('a connection that has ended is begun again from any tab', async () => {
  const one = await tab('lia');
  const two = await tab('lia');
  const ends = [event(one.client, 'disconnected'), event(two.client, 'disconnected')];
  const rival = await tab('lia', { tabs: false });
  for (const { reason, error } of await Promise.all(ends)) {
    assert.deepEqual([reason, error.code], ['replaced', 'conflict']);
  }
  assert.deepEqual([one.client.state, two.client.state], ['closed', 'closed']);
  await rival.client.close();
  await two.client.connect();
  assert.deepEqual([one.client.state, two.client.state], ['connected', 'connected']);
  await server.tell('lia', 1);
  await Promise.all([one.got.atLeast(1), two.got.atLeast(1)]);
});

test('a call in one tab outlives the tab that had the connection', async () => {
  const one = await tab('fay');
  const two = await tab('fay');
  const other = await tab('gil');
  const comes = event(other.client, 'call');
  const call = two.client.call('gil', { callerName: 'Fay' });
  const incoming = await comes;
  const answered = event(call, 'answered');
  incoming.answer();
  await answered;
  const heard = collected(call, 'signal');
  const back = collected(incoming, 'signal');
  incoming.signal(1);
  call.signal('a');
  await heard.atLeast(1);
  await one.client.close();
  incoming.signal(2);
  call.signal('b');
  await Promise.all([heard.atLeast(2), back.atLeast(2)]);
  assert.deepEqual([heard.all, back.all], [[1, 2], ['a', 'b']]);
  const ended = event(incoming, 'ended');
  call.end();
  assert.deepEqual(await ended, { reason: 'hung_up' });
});

test('a call rings in every tab, and stops in the others once one answers', async () => {
  const one = await tab('hal');
  const two = await tab('hal');
  const caller = await tab('ivy');
  const rings = [event(one.client, 'call'), event(two.client, 'call')];
  const call = caller.client.call('hal', { callerName: 'Ivy' });
  const [first, second] = await Promise.all(rings);
  const stops = event(first, 'ended');
  const answered = event(second, 'answered');
  second.answer('here');
  assert.deepEqual(await stops, { reason: 'answered_elsewhere' });
  await answered;
  assert.deepEqual([one.client.calls.length, two.client.calls.length], [0, 1]);
  call.end();
});

/** A store whose next call of `method` waits until the test lets it go, or makes it fail. */
function heldStore(name, method) {
  const store = browserStore(name);
  const held = {};
  held.asked = new Promise((resolve) => (held.ask = resolve));
  const leave = new Promise((go, fail) => Object.assign(held, { go, fail }));
  leave.catch(() => {}); // It may be made to fail before anybody asks.
  const original = store[method];
  store[method] = async (...given) => {
    store[method] = original;
    held.ask();
    await leave;
    return original(...given);
  };
  return { store, held };
}

/** A client that counts what it does. */
function counted(user, options) {
  let tokens = 0;
  const getToken = () => {
    tokens += 1;
    return server.token(user);
  };
  const client = server.client(user, { name: user, getToken, ...options });
  return { client, errors: collected(client, 'error').all, tokens: () => tokens };
}

test('closed before its store was open, a tab connects no more', async () => {
  const { store, held } = heldStore('leo', 'get');
  const { client, tokens } = counted('leo', { store });
  const connecting = client.connect();
  await held.asked;
  await client.close();
  await assert.rejects(connecting, { code: 'closed' });
  held.go();
  // It would stand in line before this one.
  await tab('leo');
  assert.deepEqual([client.state, tokens()], ['closed', 0]);
});

test('connected, closed and connected at once, a tab connects once', async () => {
  const { store, held } = heldStore('mia', 'get');
  const { client, tokens } = counted('mia', { store });
  const first = client.connect();
  await held.asked;
  client.close();
  const second = client.connect();
  client.close();
  const third = client.connect();
  held.go();
  await assert.rejects(first, { code: 'closed' });
  await assert.rejects(second, { code: 'closed' });
  assert.equal((await third).user, 'mia');
  assert.equal(client.connect(), third);
  assert.deepEqual([client.state, tokens()], ['connected', 1]);
  await client.close();
  // What is left of another start would hold the lock for ever.
  const next = await tab('mia');
  assert.equal(next.client.state, 'connected');
});

test('closed while it takes over, a tab opens no connection', async () => {
  const { store, held } = heldStore('ned', 'list');
  const { client, errors, tokens } = counted('ned', { store });
  const connecting = client.connect();
  await held.asked;
  await client.close();
  await assert.rejects(connecting, { code: 'closed' });
  held.go();
  await tab('ned');
  assert.deepEqual([client.state, tokens(), errors], ['closed', 0, []]);
});

test('a tab that fails to take over says so, and tries again', async () => {
  const one = await tab('ora');
  const { store, held } = heldStore('ora', 'list');
  const two = await tab('ora', { store });
  const failed = event(two.client, 'error');
  const connected = event(two.client, 'connected');
  held.fail(new Error('the disk is gone'));
  await one.client.close();
  assert.equal((await failed).message, 'the disk is gone');
  await connected;
  await server.tell('ora', 1);
  await two.got.atLeast(1);
});

test('while it waits to try again, another tab may take over', async () => {
  const one = await tab('pia');
  const { store, held } = heldStore('pia', 'list');
  const pauses = { firstMs: 600_000, mostMs: 600_000 };
  const two = await tab('pia', { store, pauses });
  const three = await tab('pia');
  const failed = event(two.client, 'error');
  const connected = event(two.client, 'connected');
  held.fail(new Error('the disk is gone'));
  await one.client.close();
  await Promise.all([failed, connected]);
  await server.tell('pia', 1);
  await Promise.all([two.got.atLeast(1), three.got.atLeast(1)]);
  const sent = await two.client.send({ to: 'pia', body: 'through the third' });
  assert.deepEqual(sent.failed, []);
});

test('the server knows whether any tab is looked at', async () => {
  const states = [];
  const see = ({ type, state }) => ['connect', 'state'].includes(type) && states.push(state);
  await tab('jan', { WebSocket: spying(see) });
  await tab('jan');
  browser.look('hidden');
  await until(() => states.length === 2);
  browser.look('visible');
  await until(() => states.length === 3);
  assert.deepEqual(states, ['foreground', 'background', 'foreground']);
});

test('a database that the browser has lost is opened again', async () => {
  const store = browserStore('lost');
  await store.update('key', () => 1);
  globalThis.indexedDB.lose('lost');
  assert.equal(await store.get('key'), 1);
  assert.deepEqual(await store.list('k'), [['key', 1]]);
});

test('back online, the next try does not wait', async () => {
  const { client } = await tab('kim', { pauses: { firstMs: 600_000, mostMs: 600_000 } });
  const lost = event(client, 'disconnected');
  await server.kill();
  await lost;
  await server.again();
  const connected = event(client, 'connected');
  browser.online();
  await connected;
});
