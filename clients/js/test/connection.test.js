/** Connecting, tokens, and what every end of a connection leads to. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { NodeSocket } from '../node.js';
import { memoryStore } from '../reveille.js';
import { Server, collected, event, until } from './harness.js';

let server;
before(async () => (server = await Server.start()));
after(() => server.end());

test('the first connection makes a device, and the second proves it', async () => {
  const store = memoryStore();
  const first = await server.connected('alice', { store, device: { appVersion: '1.2' } });
  const id = first.deviceId;
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.equal(first.user, 'alice');
  assert.match((await store.get('device')).secret, /^rvl_device_/);
  await first.close();
  assert.equal(first.state, 'closed');
  const second = await server.connected('alice', { store });
  assert.equal(second.deviceId, id);
});

test('a server that is killed is found again, with growing pauses', async () => {
  const client = await server.connected('ben');
  const states = collected(client, 'state');
  const ends = collected(client, 'disconnected');
  await server.kill();
  const [{ reason, willReconnect }] = await ends.atLeast(4);
  assert.deepEqual({ reason, willReconnect }, { reason: 'lost', willReconnect: true });
  for (const [at, mostMs] of [20, 40, 80, 100].entries()) {
    const { retryInMs } = ends.all[at];
    assert.ok(retryInMs >= mostMs / 2 && retryInMs <= mostMs, `${retryInMs} of ${mostMs} ms`);
  }
  await server.again();
  await event(client, 'connected');
  assert.deepEqual(states.all.slice(0, 3), ['waiting', 'connecting', 'waiting']);
  assert.equal(client.state, 'connected');
});

test('a device that connects elsewhere ends this connection for good', async () => {
  const store = memoryStore();
  const first = await server.connected('cleo', { store });
  const ended = event(first, 'disconnected');
  const second = await server.connected('cleo', { store });
  const { code, reason, willReconnect } = await ended;
  assert.deepEqual([code, reason, willReconnect], [4409, 'replaced', false]);
  assert.equal(first.state, 'closed');
  assert.equal(second.state, 'connected');
});

test('a device without its secret is told so, and does not try again', async () => {
  const store = memoryStore();
  const first = await server.connected('dan', { store });
  await first.close();
  // The secret counts from its first use on.
  const second = await server.connected('dan', { store });
  await second.close();
  await store.update('device', ({ secret: _, ...device }) => device);
  const third = server.client('dan', { store });
  const ended = event(third, 'disconnected');
  await assert.rejects(third.connect(), { code: 'forbidden', field: 'device_secret' });
  const { code, willReconnect } = await ended;
  assert.deepEqual([code, willReconnect], [4403, false]);
  assert.equal(third.state, 'closed');
});

test('a token that nobody can use, and no secret: the end', async () => {
  const wrong = server.client('eve', { getToken: () => 'rvl_user_nobody' });
  await assert.rejects(wrong.connect(), { code: 'unauthorized' });
  assert.equal(wrong.state, 'closed');
  const none = server.client('eve', { getToken: () => null });
  await assert.rejects(none.connect(), { code: 'unauthorized' });
});

test('`getToken` may fail: it is asked again', async () => {
  let calls = 0;
  const client = server.client('finn', {
    getToken: async () => {
      calls += 1;
      if (calls < 3) throw new Error('the back end is down');
      return server.token('finn');
    },
  });
  const errors = collected(client, 'error');
  await client.connect();
  assert.equal(calls, 3);
  assert.deepEqual(errors.all.map(({ message }) => message), Array(2).fill('the back end is down'));
});

test('without a token the secret alone receives, and a message waits for the token', async () => {
  const store = memoryStore();
  const first = await server.connected('gail', { store });
  await first.close();
  let token = Promise.reject(new Error('not now'));
  token.catch(() => {});
  const client = server.client('gail', { store, getToken: () => token });
  const got = collected(client);
  await client.connect();
  await server.tell('gail', 'you can hear');
  await got.atLeast(1);
  const sending = event(client, 'sending');
  const sent = client.send({ to: 'gail', body: 'I can speak' });
  assert.equal((await sending).state, 'queued');
  token = server.token('gail');
  assert.deepEqual((await sent).failed, []);
});

test('a token that ends is followed by the next, over the same connection', async () => {
  let calls = 0;
  const client = server.client('hal', {
    getToken: () => {
      calls += 1;
      return server.token('hal', { ttl: calls === 1 ? 1 : 60 });
    },
  });
  const ends = collected(client, 'disconnected');
  await client.connect();
  await until(() => calls === 2);
  await client.send({ to: 'hal', body: 1 });
  assert.equal(ends.all.length, 0);
});

test('tokens that were taken back end the session, and a new one begins another', async () => {
  const client = await server.connected('ivy');
  const again = event(client, 'connected');
  await server.api('DELETE', '/v1/users/ivy/tokens');
  await again;
  await client.send({ to: 'ivy', body: 1 });
});

test('many tokens that are no good are no reason to hammer', async () => {
  const store = memoryStore();
  const first = await server.connected('jim', { store });
  await first.close();
  let calls = 0;
  const client = server.client('jim', {
    store,
    pauses: { firstMs: 500, mostMs: 60_000 },
    getToken: () => `rvl_user_${calls++}`,
  });
  await client.connect();
  assert.equal(client.state, 'connected');
  assert.equal(calls, 1);
});

test('a message that may not be sent is refused', async () => {
  const client = await server.connected('kai', {
    getToken: () => server.token('kai', { may_send: 'none' }),
  });
  await assert.rejects(client.send({ to: 'kai', body: 1 }), { code: 'forbidden' });
});

test('what the server asks to wait for is waited for', async (t) => {
  const strict = await Server.start(['--rate-messages-per-minute', '60']);
  t.after(() => strict.end());
  const client = await strict.connected('lou');
  const states = collected(client, 'sending');
  const sends = Array.from({ length: 61 }, (_, body) => client.send({ to: 'lou', body }));
  const waits = await event(client, 'sending', ({ retryInMs }) => retryInMs !== undefined);
  assert.ok(waits.retryInMs >= 1);
  await Promise.all(sends);
  const accepted = states.all.filter(({ state }) => state === 'accepted');
  assert.equal(accepted.length, 61);
});

test('a pause that the server orders at the end is kept', async (t) => {
  const strict = await Server.start(['--rate-frames-per-minute', '60']);
  t.after(() => strict.end());
  const client = await strict.connected('max');
  const ended = event(client, 'disconnected');
  for (let frame = 0; frame < 70; frame++) client.typing('max', 'x');
  const { code, reason, retryInMs, error } = await ended;
  assert.deepEqual([code, reason], [4429, 'too_slow']);
  assert.equal(retryInMs, error.retryAfterMs);
  assert.equal(client.state, 'waiting');
});

test('a frame that breaks the session takes the message with it, and no other', async () => {
  const client = await server.connected('ned');
  const ended = event(client, 'disconnected');
  // A field of the wrong type, where only the server looks.
  const bad = client.send({ to: 'ned', body: 1, push: { title: 7 } });
  const good = client.send({ to: 'ned', body: 2 });
  await assert.rejects(bad, { code: 'malformed_json' });
  const { code, willReconnect } = await ended;
  assert.deepEqual([code, willReconnect], [4400, false]);
  assert.deepEqual((await client.queued()).map(({ body }) => body), [2]);
  await client.connect();
  await good;
});

test('signing out forgets the device, here and there', async () => {
  const store = memoryStore();
  const client = await server.connected('oda', { store });
  const { deviceId } = client;
  await client.signOut();
  assert.deepEqual(await store.list(''), []);
  await client.connect();
  assert.notEqual(client.deviceId, deviceId);
});

test('a connection without pings is given up', async (t) => {
  const quick = await Server.start(['--session-ping-interval-ms', '1000']);
  t.after(() => quick.end());
  /** Hears nothing any more once `mute` is set, as behind a NAT that has forgotten it. */
  let mute = false;
  class Deaf extends NodeSocket {
    constructor(...args) {
      super(...args);
      return new Proxy(this, {
        get: (socket, name) => {
          const value = socket[name];
          return typeof value === 'function' && !name.startsWith('on') ? value.bind(socket) : value;
        },
        set: (socket, name, handler) => {
          const quiet = (...args) => mute || handler?.(...args);
          socket[name] = handler && quiet;
          return true;
        },
      });
    }
  }
  const client = await quick.connected('pia', { WebSocket: Deaf });
  mute = true;
  const { reason } = await event(client, 'disconnected');
  assert.equal(reason, 'lost');
  mute = false;
  await event(client, 'connected');
});

test('a client that is closed while it connects leaves nothing behind', () => {
  // A server that says nothing. The process ends by itself, or the runner ends the test.
  const module = JSON.stringify(String(new URL('../reveille.js', import.meta.url)));
  const script = `
    import { createServer } from 'node:http';
    import { Reveille, memoryStore } from ${module};
    const server = createServer().listen(0, '127.0.0.1');
    server.on('upgrade', async (_, stream) => {
      await client.close();
      stream.destroy();
      server.close();
      console.log(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length);
    });
    await new Promise((resolve) => server.on('listening', resolve));
    const url = 'http://127.0.0.1:' + server.address().port;
    const client = new Reveille({ url, getToken: () => 'rvl_user_x', store: memoryStore() });
    client.connect();
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(String(stderr), '');
  assert.equal(String(stdout), '0\n');
});

test('what is no Reveille is left, and tried again', async () => {
  const other = createServer((_, response) => response.end('hello'));
  await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${other.address().port}`;
  const client = server.client('quin', { url, getToken: () => 'rvl_user_x' });
  client.connect();
  const { reason, willReconnect } = await event(client, 'disconnected');
  assert.deepEqual([reason, willReconnect], ['lost', true]);
  await client.close();
  other.close();
});
