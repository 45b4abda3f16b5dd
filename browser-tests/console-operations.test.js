import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { after } from 'node:test';

import { Reveille, memoryStore } from '../clients/js/reveille.js';
import { look, reloaded, stage, until } from './harness.js';

/** Google's push service as a program of its own: it knows one token, and no other. */
async function google() {
  const folder = mkdtempSync(join(tmpdir(), 'reveille-sim-'));
  const ports = ['apns', 'apns-sandbox', 'fcm', 'webpush', 'control'].flatMap((name) => [`--${name}-port`, '0']);
  const child = spawn(process.env.REVEILLE_BIN, ['sim', '--dir', folder, ...ports], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  after(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  for await (const line of createInterface({ input: child.stdout })) {
    child.stdout.resume();
    return JSON.parse(line);
  }
  throw new Error('the push services did not start');
}

const sim = await google();
const { server, signedIn } = await stage({
  flags: [
    ...['--providers-fcm-url', sim.fcm, '--providers-fcm-oauth-url', sim.fcm_token_url],
    ...['--providers-extra-ca-file', sim.files.ca, '--outbound-allow-private', '127.0.0.0/8'],
    ...['--broadcast-fcm-ramp-ms', '0'],
  ],
});

/** An app whose users have a phone each, all asleep; the token of the first is good. */
async function peopled(name, users) {
  const app = await server.makeApp(name);
  const back = (method, path, body) => server.api(method, path, body, app.key);
  const file = readFileSync(sim.files.service_account).toString('base64');
  await back('POST', `/v1/apps/${app.id}/credentials`, { kind: 'fcm_service_account', file });
  const stores = new Map(users.map((user) => [user, memoryStore()]));
  const phone = (user) => {
    const getToken = async () => (await back('POST', `/v1/users/${user}/tokens`, {})).token;
    return new Reveille({ url: server.url, getToken, store: stores.get(user) });
  };
  for (const user of users) {
    const first = phone(user);
    await first.connect();
    await back('PUT', `/v1/users/${user}/devices/${first.deviceId}/targets/fcm`, {
      token: user === users[0] ? sim.tokens.fcm : `nobody-knows-${user}`,
    });
    await first.close();
  }
  const of = (rest) => `${server.inside}/console/apps/${app.id}${rest}`;
  return { app, back, phone, of };
}

test('an app that lacks something says what, and where it is put right', async () => {
  const { id } = await server.makeApp('New');
  const page = await signedIn();
  await page.goto(`${server.inside}/console/apps/${id}`);
  const lacks = page.getByRole('listitem').filter({ hasText: 'There is no credential' });
  await lacks.waitFor();
  await look(page, 'console-overview-empty');
  await lacks.getByRole('link', { name: 'Credentials' }).click();
  await page.getByRole('heading', { level: 1, name: 'Credentials' }).waitFor();
});

test('the overview draws what happened, says it in words, and has it as a table', async () => {
  const { app, back, phone, of } = await peopled('Clinic', ['alice', 'bob']);
  const figures = async () => (await back('GET', `/v1/apps/${app.id}/statistics`)).total;
  await back('POST', '/v1/messages', { to: ['alice', 'bob'], body: { text: 'wake up' } });
  await until(figures, ({ wakes, pushes }) => wakes.accepted === 1 && Object.keys(pushes.refused).length > 0);
  const woken = phone('alice');
  const came = woken.once('message');
  await woken.connect();
  await came;
  await until(figures, ({ wakes }) => wakes.drained === 1);
  await woken.close();

  const page = await signedIn(server, { javaScriptEnabled: false });
  await page.goto(of(''));
  const drawn = page.getByRole('img', { name: /^1 messages were taken in and 1 devices woken/ });
  await drawn.waitFor();
  await page.getByRole('img', { name: /^Half of the devices that were woken/ }).waitFor();
  await page.getByRole('listitem').filter({ hasText: 'bad push token' }).waitFor();
  await page.getByRole('listitem').filter({ hasText: /^\s*Drained[^]*1/ }).waitFor();
  await page.getByText('fcm: circuit closed, pushes go').waitFor();
  await page.locator('#messages-table summary').click();
  const table = page.getByRole('region', { name: 'Messages and wakes, as a table' });
  // An hour may have ended between the two.
  const cells = await table.getByRole('cell').allTextContents();
  assert.deepEqual(cells.filter((cell) => cell !== '0'), ['1', '1']);

  const script = await signedIn();
  await script.goto(of(''));
  await script.getByText('The same as a table').first().click();
  await look(script, 'console-overview');
  await script.getByRole('link', { name: '30 days' }).click();
  await script.getByRole('link', { name: '30 days', exact: true }).and(script.locator('[aria-current]')).waitFor();
  await look(script, 'console-overview-month');
});

test('the overview looks again by itself, and leaves whoever reads it where they are', async () => {
  const { app, back, of } = await peopled('Night shift', ['alice']);
  const send = () => back('POST', '/v1/messages', { to: ['alice'], body: { text: 'wake up' } });
  const figures = async () => (await back('GET', `/v1/apps/${app.id}/statistics`)).total;
  await send();
  await until(figures, ({ wakes }) => wakes.accepted === 1);
  const page = await signedIn();
  await page.clock.install();
  await page.goto(of(''));
  const drawn = (count) => page.getByRole('img', { name: new RegExp(`^${count} messages were taken in`) });
  await drawn(1).waitFor();
  const table = page.locator('#messages-table');
  await table.locator('summary').click();
  await send();
  const again = async () => {
    await page.clock.fastForward(15_000);
    return drawn(2).count();
  };
  await until(again, (count) => count === 1);
  assert.equal(await table.getAttribute('open'), '');
  const isFocused = await table.locator('summary').evaluate((it) => it === document.activeElement);
  assert.equal(isFocused, true);
});

test('an overview that cannot look says since when it is as it is', async () => {
  const { of } = await peopled('Left open', []);
  const page = await signedIn(server, { expects: [/net::ERR_FAILED/] });
  await page.clock.install({ time: '2026-03-01T08:12:00Z' });
  await page.goto(of(''));
  const notice = (text) => page.getByRole('status').filter({ hasText: text });
  const seen = async (text, count) => {
    const ask = async () => {
      await page.clock.fastForward(15_000);
      return notice(text).count();
    };
    await until(ask, (found) => found === count);
  };
  const isLook = (url) => url.href === of('');
  await page.route(isLook, (route) => route.abort());
  await seen('The server is away; this is as of 2026-03-01 08:12 UTC.', 1);
  await page.unroute(isLook);
  await seen('The server is away', 0);
  await page.context().clearCookies();
  await seen('You are signed out; this is as of', 1);
  await look(page, 'console-overview-signed-out');
  await page.getByRole('link', { name: 'Sign in again' }).click();
  await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
});

test('a broadcast is watched to its end, and leads to the records of what was refused', async () => {
  const { back, of } = await peopled('News', ['alice', 'bob', 'carol']);
  const page = await signedIn();
  await page.goto(of('/broadcasts'));
  await page.getByText('There is none.').waitFor();
  const push = await back('POST', '/v1/pushes', { to: { all: true }, title: 'We are closed', rate: 1 });
  await page.goto(of(`/broadcasts/${push.id}`));
  // It moves by itself.
  await page.getByText('It is over since').waitFor();
  assert.equal(await page.getByRole('progressbar').getAttribute('value'), '100');
  assert.equal(await page.getByRole('button', { name: 'Pause' }).isVisible(), false);
  await page.getByRole('listitem').filter({ hasText: /^\s*Accepted[^]*1/ }).waitFor();
  await look(page, 'console-broadcast');
  await page.getByRole('link', { name: 'bad push token' }).click();
  await page.getByRole('heading', { level: 1, name: 'Push log' }).waitFor();
  assert.equal(await page.locator('.record.bad').count(), 2);
});

test('a broadcast stands still, goes on, and is cancelled', async () => {
  const { back, of } = await peopled('Later', ['alice']);
  const send_at = new Date(Date.now() + 86_400_000).toISOString();
  await back('POST', '/v1/pushes', { to: { all: true }, title: 'Tomorrow', send_at });
  const page = await signedIn();
  await page.goto(of('/broadcasts'));
  await look(page, 'console-broadcasts');
  await page.getByRole('link', { name: 'All devices' }).click();
  const said = (text) => page.getByRole('status').getByText(text).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await said('The broadcast stands still.');
  await page.getByRole('button', { name: 'Let it go on' }).click();
  await said('The broadcast goes on.');
  await look(page, 'console-broadcast-waiting');
  await page.getByRole('button', { name: 'Cancel for good' }).click();
  await said('what was not sent is not sent');
  assert.equal(await page.getByRole('button', { name: 'Pause' }).count(), 0);
});

test('what somebody else does about a broadcast is seen, and can be undone', async () => {
  const { back, of } = await peopled('Two at once', ['alice']);
  const send_at = new Date(Date.now() + 86_400_000).toISOString();
  const push = await back('POST', '/v1/pushes', { to: { all: true }, title: 'Tomorrow', send_at });
  const page = await signedIn();
  await page.clock.install();
  await page.goto(of(`/broadcasts/${push.id}`));
  const button = (name) => page.getByRole('button', { name });
  const becomes = async (name) => {
    const ask = async () => {
      await page.clock.fastForward(15_000);
      return button(name).isVisible();
    };
    await until(ask);
  };
  const isFocused = (name) => button(name).evaluate((it) => it === document.activeElement);
  await button('Pause').focus();
  await back('POST', `/v1/pushes/${push.id}/pause`);
  await becomes('Let it go on');
  assert.equal(await button('Pause').count(), 0);
  // Whoever was about to press the one must not press the other.
  assert.equal(await isFocused('Let it go on'), false);
  await button('Cancel for good').focus();
  await back('POST', `/v1/pushes/${push.id}/resume`);
  await becomes('Pause');
  assert.equal(await isFocused('Cancel for good'), true);
  await button('Pause').click();
  await page.getByRole('status').getByText('The broadcast stands still.').waitFor();
});

test('a broadcast that comes on top leaves the focus on the one that has it', async () => {
  const { back, of } = await peopled('One after the other', ['alice']);
  const send_at = new Date(Date.now() + 86_400_000).toISOString();
  const broadcast = () => back('POST', '/v1/pushes', { to: { all: true }, title: 'Tomorrow', send_at });
  const first = await broadcast();
  const page = await signedIn();
  await page.clock.install();
  await page.goto(of('/broadcasts'));
  const links = page.getByRole('link', { name: 'All devices' });
  await links.focus();
  const second = await broadcast();
  const ask = async () => {
    await page.clock.fastForward(15_000);
    return links.count();
  };
  await until(ask, (count) => count === 2);
  const hrefs = await links.evaluateAll((all) => all.map((it) => it.pathname.split('/').at(-1)));
  assert.deepEqual(hrefs, [second.id, first.id]);
  const focused = await page.evaluate(() => document.activeElement.pathname.split('/').at(-1));
  assert.equal(focused, first.id);
});

test('a webhook is made, tried out, and shows what was sent and what came back', async () => {
  const { id } = await server.makeApp('Hooks');
  const page = await signedIn();
  await page.goto(`${server.inside}/console/apps/${id}/webhooks`);
  await look(page, 'console-webhooks-none');
  await page.getByLabel('Address').fill('http://hooks.example.com/');
  await page.getByRole('button', { name: 'Make the webhook' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Address').inputValue(), 'http://hooks.example.com/');
  await look(page, 'console-webhooks-refused');
  // Nobody listens there.
  await page.getByLabel('Address').fill('https://127.0.0.1:9/events');
  await page.getByLabel('Description').fill('the back end');
  await page.getByRole('button', { name: 'Make the webhook' }).click();
  assert.match(await page.locator('.secret').textContent(), /^whsec_/);
  await look(page, 'console-webhook-made');

  await page.getByRole('link', { name: 'https://127.0.0.1:9/events' }).click();
  await page.getByRole('button', { name: 'Send a test event' }).click();
  await page.getByRole('status').getByText('The test event is on its way').waitFor();
  const delivery = page.getByRole('listitem').filter({ hasText: 'webhook.test' });
  await reloaded(page, delivery.filter({ hasText: 'tried' }));
  await delivery.locator('summary').click();
  await delivery.getByLabel(/^Request of evt_/).getByText('webhook-id: evt_').waitFor();
  await delivery.getByLabel(/^Answer to evt_/).waitFor();
  await look(page, 'console-webhook');
  await delivery.getByRole('button', { name: /^Send it again: evt_/ }).click();
  await page.getByRole('status').getByText('sent again').waitFor();

  await page.getByText('Another secret', { exact: true }).click();
  await page.getByRole('button', { name: 'Make another secret' }).click();
  assert.match(await page.locator('.secret').textContent(), /^whsec_/);
  await page.getByRole('button', { name: 'Switch it off' }).click();
  await page.getByRole('status').getByText('The webhook is off').waitFor();
  await page.getByText('Delete it', { exact: true }).click();
  await page.getByRole('button', { name: 'Delete the webhook' }).click();
  await page.getByRole('status').getByText('The webhook is deleted.').waitFor();
});
