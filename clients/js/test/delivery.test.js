/** Messages, receipts, and what a kill of the server may not change. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { fileStore } from '../node.js';
import { memoryStore } from '../reveille.js';
import { Server, collected, event, until } from './harness.js';

let server;
before(async () => (server = await Server.start()));
after(() => server.end());

/** The offset up to which the server knows the device to hold everything. */
async function cursor(user, client) {
  const device = await server.device(user, client.deviceId);
  return device.cursor.offset;
}

test('a message comes whole, and is acknowledged once its handler has resolved', async () => {
  const alice = server.client('alice');
  const started = event(alice, 'message');
  let finish;
  alice.on('message', () => new Promise((resolve) => (finish = resolve)));
  await alice.connect();
  const bob = await server.connected('bob');
  const accepted = await bob.send({ to: 'alice', thread: 'lunch', body: { text: 'Noon?' } });
  const message = await started;
  assert.equal(message.id, accepted.id);
  assert.equal(message.from, 'bob');
  assert.equal(message.thread, 'lunch');
  assert.deepEqual(message.body, { text: 'Noon?' });
  assert.ok(message.sentAt instanceof Date && message.expiresAt > message.sentAt);
  assert.equal(message.isLive, false);
  assert.ok((await cursor('alice', alice)) < message.position.offset);
  const receipt = event(bob, 'receipt');
  finish();
  const { at, ...delivered } = await receipt;
  assert.deepEqual(delivered, { id: accepted.id, user: 'alice', state: 'delivered' });
  assert.ok(at instanceof Date);
  await until(async () => (await cursor('alice', alice)) === message.position.offset);
});

test('a receipt is acknowledged like a message', async () => {
  const receiver = await server.connected('rita');
  const sender = await server.connected('sam');
  const receipt = event(sender, 'receipt');
  await sender.send({ to: 'rita', body: 1 });
  await receipt;
  await until(async () => (await cursor('sam', sender)) > 0);
  await receiver.close();
});

test('a handler that fails is asked again, and nothing overtakes', async () => {
  const client = server.client('fay');
  const seen = [];
  let failures = 2;
  client.on('message', ({ body }) => {
    seen.push(body);
    if (body === 1 && failures-- > 0) throw new Error('not yet');
  });
  await client.connect();
  await server.tell('fay', 1);
  await server.tell('fay', 2);
  await until(() => seen.includes(2));
  assert.deepEqual(seen, [1, 1, 1, 2]);
});

test('without autoAck the app acknowledges, and what it has not comes again', async () => {
  const store = memoryStore();
  const client = server.client('ann', { store, autoAck: false });
  const got = collected(client);
  await client.connect();
  for (const body of [1, 2, 3]) await server.tell('ann', body);
  const [first, , third] = await got.atLeast(3);
  first.ack();
  third.ack();
  await until(async () => (await cursor('ann', client)) === first.position.offset);
  await client.close();
  const again = server.client('ann', { store, autoAck: false });
  const rest = collected(again);
  await again.connect();
  await rest.atLeast(2);
  assert.deepEqual(rest.bodies(), [2, 3]);
});

test('a message that comes again is dropped, by position and by id', async () => {
  const store = memoryStore();
  const client = await server.connected('dot', { store });
  const got = collected(client);
  await server.tell('dot', 'first');
  await got.atLeast(1);
  await client.close();
  // As if the ack had been lost, and with it what the server and this device know of it.
  const key = 'inbox/dot';
  assert.equal((await store.get(key)).ids.length, 1);
  await store.update(key, (record) => ({ ids: record.ids }));
  const { id } = got.all[0];
  const other = server.client('dot', { store: withDevice(store) });
  const again = collected(other);
  await other.connect();
  await server.tell('dot', 'second');
  await again.atLeast(1);
  assert.deepEqual(again.bodies(), ['second']);
  assert.ok((await store.get(key)).ids.includes(id));
});

/** The same store for a device of another name, which the server has given nothing yet. */
function withDevice(store) {
  let device;
  return {
    ...store,
    get: async (key) => (key === 'device' ? device : store.get(key)),
    update: async (key, change) => {
      if (key !== 'device') return store.update(key, change);
      device = change(device);
      return device;
    },
  };
}

test('a live message comes, and is not acknowledged', async () => {
  const client = await server.connected('lea');
  const bob = await server.connected('bob');
  const got = event(client, 'message');
  const { live } = await bob.send({ to: 'lea', body: 'now', ttl: 0 });
  assert.equal(live, 1);
  const message = await got;
  assert.equal(message.isLive, true);
  assert.equal(await cursor('lea', client), 0);
  assert.equal(client.state, 'connected');
});

test('typing and reading are told', async () => {
  const alice = await server.connected('tess');
  const tablet = await server.connected('tess');
  const bob = await server.connected('tom');
  const typing = event(alice, 'typing');
  bob.typing('tess', 'lunch');
  assert.deepEqual(await typing, { from: 'tom', thread: 'lunch' });
  const got = event(alice, 'message');
  await bob.send({ to: 'tess', thread: 'lunch', body: 'hi' });
  const { position } = await got;
  const receipt = event(bob, 'receipt', ({ state }) => state === 'read');
  const read = event(tablet, 'read');
  alice.read({ thread: 'lunch', upTo: position });
  assert.equal((await receipt).user, 'tess');
  const { epoch, offset } = position;
  assert.deepEqual(await read, { thread: 'lunch', upTo: { epoch, offset } });
});

test('refusals are told before anything is sent, or by the server', async () => {
  const client = await server.connected('rex');
  const check = async (message, code, field) => {
    await assert.rejects(client.send(message), { name: 'ReveilleError', code, field });
  };
  await check({ to: [], body: 1 }, 'invalid_field', 'to');
  await check({ to: 'rex', body: undefined }, 'invalid_field', 'body');
  await check({ to: 'rex', body: 1, ttl: '5' }, 'invalid_field', 'ttl');
  await check({ to: 'rex', body: 1, ttl: 2_592_001 }, 'invalid_field', 'ttl');
  await check({ to: 'rex', body: 1, urgency: 'low' }, 'invalid_field', 'urgency');
  await check({ to: 'rex', body: 1, thread: 7 }, 'invalid_field', 'thread');
  await check({ to: 'rex', body: 1, id: 'é' }, 'invalid_field', 'id');
  await check({ to: 'rex', body: 'x'.repeat(65_535) }, 'body_too_large', 'body');
  await check({ to: Array(101).fill('rex'), body: 1 }, 'too_many_recipients', 'to');
  await check({ to: 'nobody', body: 1 }, 'unknown_user', 'to');
  const push = { title: 'x'.repeat(2_000) };
  await check({ to: 'rex', body: 1, push }, 'invalid_field', 'push.title');
  assert.deepEqual(await client.queued(), []);
  assert.equal(client.state, 'connected');
});

test('what would break the session is refused before it is sent', async () => {
  const client = await server.connected('una');
  const refused = (field) => ({ name: 'ReveilleError', code: 'invalid_field', field });
  assert.throws(() => client.typing('una'), refused('thread'));
  assert.throws(() => client.read({}), refused('thread'));
  assert.throws(() => client.read({ messages: 'msg_1' }), refused('messages'));
  assert.throws(() => client.call('una', {}), refused('callerName'));
  assert.throws(() => client.call('una', { callerName: 'U', media: 'smell' }), refused('media'));
  await assert.rejects(client.setPushToken('x', { kind: 'wns' }), refused('kind'));
  const call = client.call('una', { callerName: 'Una' });
  assert.throws(() => call.signal(undefined), refused('body'));
  assert.throws(() => call.signal('x'.repeat(65_536)), { code: 'body_too_large', field: 'body' });
  call.cancel();
  // What no store could keep as it is goes as JSON says it.
  const other = await server.connected('vic');
  const got = event(other, 'message');
  await client.send({ to: 'vic', body: { at: new Date(0), name: () => {} } });
  assert.deepEqual((await got).body, { at: '1970-01-01T00:00:00.000Z' });
  assert.equal(client.state, 'connected');
});

test('a recipient that could not take it is named', async () => {
  const client = await server.connected('gus');
  const { failed } = await client.send({ to: ['gus', 'nobody'], body: 1 });
  assert.deepEqual(failed, [{ user: 'nobody', code: 'unknown_user' }]);
});

test('what waits while nobody is there leaves once, in order, after a kill too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reveille-store-'));
  const path = join(folder, 'device.json');
  const receiver = await server.connected('ria');
  const got = collected(receiver);
  const first = await server.connected('sid', { store: fileStore(path) });
  await server.kill();
  const states = collected(first, 'sending');
  for (const body of [1, 2, 3]) first.send({ to: 'ria', body });
  await states.atLeast(3);
  assert.deepEqual(states.all.map(({ state }) => state), ['queued', 'queued', 'queued']);
  assert.deepEqual((await first.queued()).map(({ body }) => body), [1, 2, 3]);
  // The app dies before the server is back; what it had queued is on the disk.
  await first.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(readFileSync(path, 'utf8'), /rvl_device_/);
  await server.again();
  const second = server.client('sid', { store: fileStore(path) });
  const later = collected(second, 'sending');
  await second.connect();
  await second.send({ to: 'ria', body: 4 });
  await got.atLeast(4);
  assert.deepEqual(got.bodies(), [1, 2, 3, 4]);
  const accepted = later.all.filter(({ state }) => state === 'accepted');
  assert.equal(accepted.length, 4);
  assert.deepEqual(await second.queued(), []);
  await second.close();
  // What it forgets of its queue may still be on its way to the file.
  rmSync(folder, { recursive: true, maxRetries: 10 });
});

test('a stream of messages over kills comes whole, in order and once', async () => {
  const store = memoryStore();
  const sender = await server.connected('ida');
  let receiver = await server.connected('jon', { store });
  const bodies = [];
  const listen = () => receiver.on('message', ({ body }) => void bodies.push(body));
  listen();
  const total = 120;
  const sends = [];
  for (let body = 0; body < total; body++) {
    sends.push(sender.send({ to: 'jon', body }));
    if (body % 40 === 30) {
      await until(() => bodies.length > body / 2);
      await server.kill();
      if (body === 70) {
        // The app dies too, and comes back with what it had written down.
        await receiver.close();
        receiver = server.client('jon', { store });
        listen();
        receiver.connect();
      }
      await server.again();
    }
  }
  await Promise.all(sends);
  await until(() => bodies.length >= total);
  const expected = Array.from({ length: total }, (_, body) => body);
  assert.deepEqual(bodies, expected);
});

test('what this device has sent comes to the other devices of its user, and not back', async () => {
  const phone = await server.connected('una');
  const tablet = await server.connected('una');
  const [onPhone, onTablet] = [collected(phone), collected(tablet)];
  const friend = await server.connected('vic');
  for (let body = 0; body < 20; body++) {
    phone.send({ to: 'vic', body });
    if (body === 10) {
      // Answers are lost, and the copies come before those to what is sent again.
      await server.kill();
      await server.again();
    }
  }
  const copies = await onTablet.atLeast(20);
  assert.deepEqual(onTablet.bodies(), Array.from({ length: 20 }, (_, body) => body));
  assert.ok(copies.every(({ ownCopyTo }) => ownCopyTo[0] === 'vic'));
  const { id } = await friend.send({ to: 'una', body: 'last' });
  await onPhone.atLeast(1);
  assert.deepEqual(onPhone.all.map((message) => message.id), [id]);
  // The copies are no debt: they are acknowledged as well. Receipts may come behind the last.
  await until(async () => (await cursor('una', phone)) >= onPhone.all[0].position.offset);
});
