/** Every frame of the protocol, as its golden file has it, means something to the client. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { Reveille, memoryStore } from '../reveille.js';
import { collected, event, until } from './harness.js';

const GOLDENS = new URL('../../../crates/wire/goldens/frames/', import.meta.url);
const golden = (path) => JSON.parse(readFileSync(new URL(path, GOLDENS), 'utf8'));
const CALL = golden('server/call.ring.json').call;

const greeting = (cursor) => ({ ...golden('server/connected.json'), head: cursor, cursor });

/** A socket that a test speaks through. */
class Scripted {
  /** The answer to `connect`; the inbox is empty for this device, so that nothing is old. */
  static greeting = greeting({ epoch: '4611686018427387904', offset: 0 });

  sent = [];

  constructor() {
    Scripted.last = this;
    queueMicrotask(() => this.onopen?.());
  }
  send(text) {
    const frame = JSON.parse(text);
    this.sent.push(frame);
    if (frame.type === 'connect' && Scripted.greeting) this.says(Scripted.greeting);
  }
  says(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  close() {}
}

/** A client that is connected to nobody but the test. */
async function connected(store = memoryStore(), options = {}) {
  const client = new Reveille({
    url: 'https://push.example.com',
    getToken: () => 'rvl_user_EXAMPLE',
    store,
    pauses: { firstMs: 20, mostMs: 100 },
    WebSocket: Scripted,
    ...options,
  });
  client.on('error', () => {});
  await client.connect();
  return { client, socket: Scripted.last };
}

/** What each frame leads to: the event, and what it must say. */
const EVENTS = {
  'error.json': { of: 'error', before: { reconnect: false }, says: { code: 'unavailable' } },
  'gap.json': { of: 'gap', says: { upTo: { epoch: '4611686018427387904', offset: 40 } } },
  'message.json': { of: 'message', says: { from: 'bob', thread: 'lunch', isLive: false } },
  'message_missed_call.json': {
    of: 'message',
    says: { body: null, missedCall: { call: CALL, media: 'audio', callerName: 'Bob' } },
  },
  'message_own_copy.json': { of: 'message', says: { ownCopyTo: ['bob', 'carol'] } },
  'push_target.json': { of: 'pushTarget', says: { kind: 'fcm', state: 'active' } },
  'push_target_warned.json': { of: 'pushTarget', says: { kind: 'apns', code: 901 } },
  'read.json': { of: 'read', says: { thread: 'lunch' } },
  'receipt.json': { of: 'receipt', says: { user: 'bob', state: 'delivered' } },
  'typing.json': { of: 'typing', says: { from: 'bob', thread: 'lunch' } },
  'call.ring.json': { of: 'call', says: { direction: 'incoming', callerName: 'Bob Example' } },
  'call.resumed.json': { of: 'call', says: { resumed: true, state: 'answered' } },
  'call.resumed_calling.json': { of: 'call', says: { resumed: true, state: 'calling' } },
  'call.ringing.json': { of: 'ringing', call: 'outgoing', says: { from: 'alice' } },
  'call.answered.json': { of: 'answered', call: 'outgoing', says: { by: 'alice' } },
  'call.ended.json': { of: 'ended', call: 'outgoing', says: { reason: 'answered_elsewhere' } },
  'call.signal.json': { of: 'signal', call: 'outgoing', says: { candidate: 'host' } },
  'accepted.json': { of: 'sending', send: true, says: { state: 'accepted' } },
  'accepted_live.json': { of: 'sending', send: true, says: { state: 'accepted' } },
  'rejected.json': { of: 'sending', send: true, says: { state: 'rejected' } },
  'connected.json': { of: 'connected', says: { user: 'alice', targets: ['apns', 'apns_voip'] } },
  'connected_first.json': { of: 'connected', says: { user: 'alice' } },
};

for (const file of readdirSync(new URL('server/', GOLDENS))) {
  test(`the frame ${file} is told to the app`, async () => {
    const row = EVENTS[file];
    assert.ok(row, `add a row for ${file}, and what the client makes of it`);
    const frame = { ...golden(`server/${file}`), ...row.before };
    const { client, socket } = await connected();
    let emitter = client;
    if (row.call) emitter = client.call('alice', { id: frame.call, callerName: 'Bob' });
    if (row.send) {
      const sent = event(client, 'sending', ({ state }) => state === 'sent');
      client.send({ id: frame.client_id, to: 'bob', body: 1 }).catch(() => {});
      await sent;
    }
    const told = event(emitter, row.of);
    socket.says(frame);
    const value = await told;
    for (const [name, expected] of Object.entries(row.says)) {
      assert.deepEqual(value[name], expected, name);
    }
    await client.close();
  });
}

test('the frames of the client are those of the protocol', () => {
  const source = readFileSync(new URL('../reveille.js', import.meta.url), 'utf8');
  for (const file of readdirSync(new URL('client/', GOLDENS))) {
    const { type } = golden(`client/${file}`);
    assert.ok(source.includes(`type: '${type}'`), `nothing sends \`${type}\``);
  }
});

test('an entry at or below the last one is old, and a live message is no entry', async () => {
  const { client, socket } = await connected();
  const receipts = collected(client, 'receipt');
  const messages = collected(client);
  const live = { ...golden('server/message.json'), position: { epoch: '0', offset: 0 } };
  const receipt = golden('server/receipt.json');
  for (const frame of [receipt, live, receipt, { ...live, id: 'msg_live', body: 'last' }]) {
    socket.says(frame);
  }
  await messages.atLeast(2);
  assert.equal(receipts.all.length, receipt.receipts.length);
  await client.close();
  const acks = socket.sent.filter(({ type }) => type === 'ack').map(({ position }) => position);
  assert.deepEqual(acks, [{ ...receipt.position, entry: receipt.entry }]);
});

test('a connection begins with what this device holds', async () => {
  const { client, socket } = await connected();
  const got = event(client, 'message');
  const { position, entry, ...message } = golden('server/message.json');
  socket.says({ ...message, position, entry });
  await got;
  await client.close();
  await client.connect();
  assert.deepEqual(Scripted.last.sent[0].position, { ...position, entry });
  const found = event(client, 'call');
  Scripted.last.says(golden('server/call.resumed.json'));
  const heard = event(await found, 'signal');
  Scripted.last.says(golden('server/call.signal.json'));
  await heard;
  const again = event(client, 'connected');
  Scripted.last.onclose({ code: 4500 });
  await again;
  assert.deepEqual(Scripted.last.sent[0].calls, [{ call: CALL, sequence: 3 }]);
  await client.close();
});

test('what the app took without a connection is acknowledged by the next', async () => {
  const store = memoryStore();
  const { client, socket } = await connected(store);
  const got = event(client, 'message');
  let finish;
  client.on('message', () => new Promise((resolve) => (finish = resolve)));
  const { position, entry, ...message } = golden('server/message.json');
  socket.says({ ...message, position, entry });
  await got;
  const { greeting: answer } = Scripted;
  Scripted.greeting = undefined;
  socket.onclose({ code: 4500 });
  await until(() => Scripted.last !== socket && Scripted.last.sent.length > 0);
  const { last } = Scripted;
  assert.equal(last.sent[0].position, undefined);
  // `connect` has left, and the app is done now.
  finish();
  await until(async () => (await store.get('inbox/alice'))?.handled);
  Scripted.greeting = answer;
  last.says(answer);
  await until(() => last.sent.length > 1);
  assert.deepEqual(last.sent[1], { type: 'ack', position: { ...position, entry } });
  await client.close();
});

test('what was wrong with one frame is no order for the next try', async () => {
  const { client, socket } = await connected();
  const complained = event(client, 'error');
  const about = { code: 'rate_limited', reconnect: false, retry_after_ms: 600_000 };
  socket.says({ ...golden('server/error.json'), ...about });
  await complained;
  const ended = event(client, 'disconnected');
  socket.onclose({ code: 1006 });
  const { retryInMs, error } = await ended;
  assert.ok(retryInMs <= 20);
  assert.equal(error.code, 'lost');
  await client.close();
});

test('a session that lacks its token gets one, though the one before waited for it', async () => {
  const store = memoryStore();
  await store.update('device', () => ({ id: 'd', secret: 'rvl_device_EXAMPLE', user: 'alice' }));
  const answers = [undefined, undefined, 'rvl_user_NEW'];
  const getToken = async () => {
    const token = answers.shift();
    if (!token) throw new Error('not yet');
    return token;
  };
  const { client, socket } = await connected(store, { getToken, pauses: { firstMs: 200 } });
  const again = event(client, 'connected');
  socket.onclose({ code: 4500 });
  client.refresh();
  await again;
  const { last } = Scripted;
  assert.notEqual(last, socket);
  await until(() => last.sent.some(({ type }) => type === 'refresh'));
  await client.close();
});

test('what waits in the store and cannot be read just now is not overtaken', async () => {
  const store = memoryStore();
  const message = golden('server/message.json');
  const taken = { ...message, position: { ...message.position, offset: 41 }, id: 'msg_before', body: 1 };
  await store.update('inbox/alice', () => ({ waiting: [taken] }));
  let reads = 0;
  let fail;
  const failing = new Promise((_, reject) => (fail = () => reject(new Error('not now'))));
  const get = (key) => (key === 'inbox/alice' && ++reads === 2 ? failing : store.get(key));
  const { client, socket } = await connected({ ...store, get });
  const got = collected(client);
  socket.says({ ...message, body: 2 });
  fail();
  await got.atLeast(1);
  await until(() => socket.sent.some(({ type }) => type === 'ack'));
  assert.deepEqual(got.bodies(), [1, 2]);
  await client.close();
});

test('a new history of the inbox: what comes again is known by its id', async () => {
  const { client, socket } = await connected();
  const got = collected(client);
  const message = golden('server/message.json');
  socket.says(message);
  await got.atLeast(1);
  // The server was restored from a backup: another epoch, and offsets that were there before.
  const { greeting: before } = Scripted;
  Scripted.greeting = greeting({ epoch: '7', offset: 10 });
  const greeted = event(client, 'connected');
  socket.onclose({ code: 1001 });
  await greeted;
  Scripted.greeting = before;
  const { last } = Scripted;
  last.says({ ...message, position: { epoch: '7', offset: 11 } });
  last.says({ ...message, position: { epoch: '7', offset: 12 }, id: 'msg_new', body: 'new' });
  await got.atLeast(2);
  assert.deepEqual(got.bodies(), [{ text: 'Noon?' }, 'new']);
  await client.close();
});
