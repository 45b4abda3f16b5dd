/** Every frame of the protocol, as its golden file has it, means something to the client. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { Reveille, memoryStore } from '../reveille.js';
import { collected, event } from './harness.js';

const GOLDENS = new URL('../../../crates/wire/goldens/frames/', import.meta.url);
const golden = (path) => JSON.parse(readFileSync(new URL(path, GOLDENS), 'utf8'));
const CALL = golden('server/call.ring.json').call;

const greeting = (cursor) => ({ ...golden('server/connected.json'), head: cursor, cursor });

/** A socket that a test speaks through. */
class Scripted {
  /** The answer to `connect`; the inbox is empty for this device, so that nothing is old. */
  static greeting = greeting({ epoch: '4611686018427387904', offset: 0 });

  constructor() {
    Scripted.last = this;
    queueMicrotask(() => this.onopen?.());
  }
  send(text) {
    if (JSON.parse(text).type === 'connect') this.says(Scripted.greeting);
  }
  says(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  close() {}
}

/** A client that is connected to nobody but the test. */
async function connected() {
  const client = new Reveille({
    url: 'https://push.example.com',
    getToken: () => 'rvl_user_EXAMPLE',
    store: memoryStore(),
    WebSocket: Scripted,
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
