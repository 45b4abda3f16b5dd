/** Push targets of a device that is no browser. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { memoryStore } from '../reveille.js';
import { PushServices, Server, event, until } from './harness.js';

let services;
let server;
before(async () => {
  services = await PushServices.start();
  server = await Server.start(services.flags);
});
after(async () => {
  await server.end();
  await services.end();
});

const kinds = async (user, client) =>
  (await server.device(user, client.deviceId)).targets.map(({ kind }) => kind);

test('a token is held, with what would keep its pushes from arriving', async () => {
  const device = { platform: 'ios' };
  const client = await server.connected('ada', { device });
  const told = event(client, 'pushTarget');
  const target = await client.setPushToken('00ff00ff', { appId: 'com.example.app' });
  assert.deepEqual([target.kind, target.state, target.code], ['apns', 'active', 901]);
  assert.match(target.message, /Upload an APNs key/);
  assert.deepEqual(await told, target);
  await client.setPushToken('11ff00ff', { voip: true, environment: 'sandbox' });
  assert.deepEqual((await kinds('ada', client)).sort(), ['apns', 'apns_voip']);
  const removed = await client.removePushToken('apns');
  assert.deepEqual(removed, { kind: 'apns', state: 'removed' });
  assert.deepEqual(await kinds('ada', client), ['apns_voip']);
});

test('a token that is none is refused', async () => {
  const client = await server.connected('bo', { device: { platform: 'ios' } });
  const refused = { name: 'ReveilleError', code: 'target_refused', diagnosis: 911 };
  await assert.rejects(client.setPushToken('no token'), refused);
  assert.deepEqual(await kinds('bo', client), []);
});

test('a token that was set without a connection is registered with the next', async () => {
  const client = server.client('cy', { device: { platform: 'android' } });
  const target = client.setPushToken(services.started.tokens.fcm);
  await client.connect();
  assert.equal((await target).kind, 'fcm');
});

test('a token that the server has lost is registered again', async () => {
  const store = memoryStore();
  const client = await server.connected('di', { store, device: { platform: 'android' } });
  await client.setPushToken(services.started.tokens.fcm);
  await client.close();
  await server.api('DELETE', `/v1/users/di/devices/${client.deviceId}/targets/fcm`);
  const again = await server.connected('di', { store, device: { platform: 'android' } });
  await until(async () => (await kinds('di', again)).includes('fcm'));
});

test('a test push that the push service refuses says why', async () => {
  const client = await server.connected('ed', { device: { platform: 'ios' } });
  const { files, app_id: appId } = services.started;
  await server.api('POST', `/v1/apps/${server.app}/credentials`, {
    kind: 'apns_key',
    file: readFileSync(files.apns_key).toString('base64'),
    key_id: files.apns_key_id,
    team_id: files.apns_team_id,
    bundle_ids: [appId],
  });
  await client.setPushToken('ab'.repeat(32), { appId, environment: 'production' });
  const { state, received, code, text } = await client.testPush({ intervalMs: 10 });
  assert.deepEqual([state, received, code], ['refused', false, 911]);
  assert.ok(text.length > 0);
});
