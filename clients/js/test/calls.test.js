/** Calls in both directions, over connections that break. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { memoryStore } from '../reveille.js';
import { Server, collected, event } from './harness.js';

let server;
before(async () => (server = await Server.start()));
after(() => server.end());

/** A caller and a callee, both connected, with a call that rings. */
async function ringing(caller, callee, about = {}) {
  const alice = await server.connected(caller);
  const bob = await server.connected(callee);
  const comes = event(bob, 'call');
  const call = alice.call(callee, { callerName: 'Alice', media: 'video', ...about });
  const rings = event(call, 'ringing');
  return { alice, bob, call, incoming: await comes, ringer: await rings };
}

test('a call rings, is answered, carries signals both ways and ends', async () => {
  const offer = { sdp: 'offer' };
  const { call, incoming, ringer } = await ringing('ann', 'bea', { offer, callerHandle: 'ann@x' });
  assert.deepEqual(ringer, { from: 'bea' });
  assert.equal(incoming.from, 'ann');
  assert.equal(incoming.media, 'video');
  assert.equal(incoming.callerName, 'Alice');
  assert.equal(incoming.callerHandle, 'ann@x');
  assert.deepEqual(incoming.offer, offer);
  assert.ok(incoming.expiresAt > new Date());
  const heard = collected(incoming, 'signal');
  call.signal('while it rings');
  const answered = event(call, 'answered');
  incoming.answer({ sdp: 'answer' });
  assert.deepEqual(await answered, { by: 'bea', answer: { sdp: 'answer' } });
  call.signal(1);
  call.signal(2);
  const back = collected(call, 'signal');
  incoming.signal('back');
  await heard.atLeast(3);
  assert.deepEqual(heard.all, ['while it rings', 1, 2]);
  await back.atLeast(1);
  const ended = event(incoming, 'ended');
  call.end();
  assert.deepEqual(await ended, { reason: 'hung_up' });
  assert.deepEqual([call.state, call.reason], ['ended', 'hung_up']);
});

test('a call is declined, or the callee is busy', async () => {
  for (const reason of ['declined', 'busy']) {
    const { call, incoming } = await ringing(`cal-${reason}`, `cec-${reason}`);
    const ended = event(call, 'ended');
    incoming.reject(reason);
    assert.deepEqual(await ended, { reason });
  }
});

test('a call is taken back, and the callee has missed it', async () => {
  const { bob, call, incoming } = await ringing('dee', 'eli');
  const missed = event(bob, 'message');
  const ended = event(incoming, 'ended');
  call.cancel();
  assert.deepEqual(await ended, { reason: 'cancelled' });
  const { body, missedCall } = await missed;
  assert.equal(body, null);
  assert.deepEqual(missedCall, { call: call.id, media: 'video', callerName: 'Alice' });
});

test('the device that is not quick enough stops ringing', async () => {
  const { call, incoming, bob } = await ringing('fay', 'gil');
  const tablet = server.client('gil');
  const rings = event(tablet, 'call');
  await tablet.connect();
  const other = await rings;
  const stops = event(other, 'ended');
  incoming.answer();
  assert.deepEqual(await stops, { reason: 'answered_elsewhere' });
  assert.deepEqual(tablet.calls, []);
  assert.equal(bob.calls.length, 1);
  call.end();
});

test('a call that cannot be started says why', async () => {
  const client = await server.connected('hub');
  const call = client.call('nobody-at-all', { callerName: 'Hub' });
  const { reason, error } = await event(call, 'ended');
  assert.equal(reason, 'refused');
  assert.deepEqual([error.code, error.field], ['unknown_user', 'to']);
  assert.deepEqual(client.calls, []);
});

test('signals of both sides get over a kill of the server, in order and once', async () => {
  const { alice, bob, call, incoming } = await ringing('ira', 'joe');
  const toJoe = collected(incoming, 'signal');
  const toIra = collected(call, 'signal');
  incoming.answer('yes');
  await event(call, 'answered');
  call.signal(0);
  incoming.signal(0);
  await Promise.all([toJoe.atLeast(1), toIra.atLeast(1)]);
  const lost = [event(alice, 'disconnected'), event(bob, 'disconnected')];
  // Some of these reach the server, and the others are said again.
  for (let signal = 1; signal <= 20; signal++) call.signal(signal);
  await server.kill();
  await Promise.all(lost);
  for (let signal = 1; signal <= 20; signal++) incoming.signal(signal);
  call.signal(21);
  await server.again();
  await Promise.all([toJoe.atLeast(22), toIra.atLeast(21)]);
  const upTo = (last) => Array.from({ length: last + 1 }, (_, signal) => signal);
  assert.deepEqual(toJoe.all, upTo(21));
  assert.deepEqual(toIra.all, upTo(20));
  const ended = event(call, 'ended');
  incoming.end();
  assert.deepEqual(await ended, { reason: 'hung_up' });
});

test('an answer that the server did not hear is said again', async () => {
  const { bob, call, incoming } = await ringing('kim', 'lea');
  const lost = event(bob, 'disconnected');
  await server.kill();
  await lost;
  const answered = event(call, 'answered');
  incoming.answer('late');
  incoming.signal('and more');
  const heard = event(call, 'signal');
  await server.again();
  assert.deepEqual(await answered, { by: 'lea', answer: 'late' });
  assert.equal(await heard, 'and more');
  call.end();
});

test('who hangs up without a connection has hung up for the other side too', async () => {
  const { alice, call, incoming } = await ringing('mia', 'nat');
  incoming.answer();
  await event(call, 'answered');
  const lost = event(alice, 'disconnected');
  await server.kill();
  await lost;
  call.end();
  assert.deepEqual(alice.calls, []);
  const ended = event(incoming, 'ended');
  await server.again();
  assert.deepEqual(await ended, { reason: 'hung_up' });
});

test('a call that is started without a connection starts with the next', async () => {
  const alice = await server.connected('oli');
  const bob = await server.connected('pat');
  const lost = event(alice, 'disconnected');
  await server.kill();
  await lost;
  const comes = event(bob, 'call');
  const call = alice.call('pat', { callerName: 'Oli' });
  assert.equal(call.state, 'starting');
  call.signal('early');
  await server.again();
  const incoming = await comes;
  const heard = event(incoming, 'signal');
  incoming.answer();
  assert.equal(await heard, 'early');
  call.end();
});

test('a device that was reloaded in mid call may go on with it', async () => {
  const store = memoryStore();
  const alice = await server.connected('quy', { store });
  const bob = await server.connected('rob');
  const comes = event(bob, 'call');
  const call = alice.call('rob', { callerName: 'Quy' });
  const incoming = await comes;
  const answered = event(call, 'answered');
  incoming.answer();
  await answered;
  incoming.signal('said before');
  await event(call, 'signal');
  await alice.close();
  const again = server.client('quy', { store });
  const found = event(again, 'call');
  await again.connect();
  const resumed = await found;
  assert.deepEqual([resumed.id, resumed.resumed, resumed.state], [call.id, true, 'answered']);
  assert.equal(await event(resumed, 'signal'), 'said before');
  const ended = event(incoming, 'ended');
  resumed.end();
  assert.deepEqual(await ended, { reason: 'hung_up' });
});

test('a side that does not come back ends the call', async () => {
  await server.api('PATCH', `/v1/apps/${server.app}/settings`, { resume_time: 1 });
  const { bob, call, incoming } = await ringing('sue', 'tim');
  incoming.answer();
  await event(call, 'answered');
  const ended = event(call, 'ended');
  await bob.close();
  assert.deepEqual(await ended, { reason: 'lost' });
});
