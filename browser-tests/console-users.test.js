import assert from 'node:assert/strict';
import test, { after } from 'node:test';

import { Reveille } from '../clients/js/reveille.js';
import { look, reloaded, stage } from './harness.js';

const { server, signedIn } = await stage();
const phones = [];
after(() => Promise.all(phones.map((phone) => phone.close())));

/** An app with a user who is live and one who is asleep, and a way to their pages. */
async function peopled(name) {
  const app = await server.makeApp(name);
  const back = (method, path, body) => server.api(method, path, body, app.key);
  const connected = async (user) => {
    const getToken = async () => (await back('POST', `/v1/users/${user}/tokens`, {})).token;
    const phone = new Reveille({ url: server.url, getToken });
    phones.push(phone);
    await phone.connect();
    return phone;
  };
  await connected('alice');
  const bob = await connected('bob');
  const [device] = (await back('GET', '/v1/users/bob/devices')).items;
  await back('PUT', `/v1/users/bob/devices/${device.id}/targets/fcm`, { token: 'bob:token' });
  await bob.close();
  return { app, back, device: device.id, of: (rest) => `${server.inside}/console/apps/${app.id}/${rest}` };
}

test('users are found by name or device; one is live, one asleep', async () => {
  const { of, device } = await peopled('People');
  const page = await signedIn();
  await page.goto(of('').replace(/[/]$/, ''));
  await page.getByRole('link', { name: 'Users' }).click();
  const row = (user) => page.getByRole('row').filter({ has: page.getByRole('link', { name: user }) });
  await reloaded(page, row('bob').getByText('asleep'));
  await row('alice').getByText('live').waitFor();
  await look(page, 'console-users');

  await page.getByRole('searchbox').or(page.getByLabel('User or device')).fill('bo');
  await page.keyboard.press('Enter');
  await row('bob').waitFor();
  assert.equal(await row('alice').count(), 0);
  await page.getByLabel('User or device').fill(device);
  await page.keyboard.press('Enter');
  await page.getByText('Found by the device').waitFor();
  await row('bob').getByRole('link').click();
  await page.getByRole('heading', { level: 1, name: 'bob' }).waitFor();
});

test('a device shows its routes, tokens and wakes; it is muted, loses its token, is signed out', async () => {
  const { of, back } = await peopled('Devices');
  await back('POST', '/v1/messages', { to: ['bob'], body: { text: 'wake up' } });
  const page = await signedIn();
  await page.goto(of('users/bob'));
  await reloaded(page, page.getByText('Open wakes'));
  await page.getByText('Google push (FCM)').first().waitFor();
  assert.equal(await page.getByText('bob:token').count(), 0, 'the token is masked');
  await look(page, 'console-user');

  await page.getByLabel('Thread').fill('lunch');
  await page.getByRole('button', { name: 'Mute', exact: true }).click();
  await page.getByRole('status').getByText('Muted.').waitFor();
  await page.getByRole('button', { name: 'Unmute lunch' }).click();
  await page.getByRole('status').getByText('No longer muted.').waitFor();
  await page.getByRole('button', { name: /^Remove the token/ }).click();
  await page.getByText('Nothing wakes it').waitFor();
  await page.getByRole('button', { name: /^Sign out [0-9a-f]/ }).click();
  await page.getByText('No device of theirs has connected yet.').waitFor();
});

test('the log shows what happens while one looks, and a pause holds it', async () => {
  const { of, back } = await peopled('Log');
  const page = await signedIn();
  await page.goto(of('push-log'));
  await page.getByText('Live', { exact: true }).waitFor();
  const accepted = page.locator('.record.fresh').filter({ hasText: 'accepted' });
  const { id } = await back('POST', '/v1/messages', { to: ['alice'], body: { text: 'one' } });
  await accepted.first().waitFor();
  await look(page, 'console-push-log');
  await accepted.first().click();
  await accepted.first().getByText(id).waitFor();

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('Paused').waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('Live', { exact: true }).waitFor();

  await page.getByLabel('Step').selectOption('accept');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.waitForURL(/step=accept/);
  assert.equal(await page.locator('.record').filter({ hasText: 'connected' }).count(), 0);
  await page.locator('.record summary').first().click();
  await page.getByRole('link', { name: id }).click();
  await page.getByRole('heading', { level: 1, name: 'Message' }).waitFor();
  await page.getByText('Every record, in order').waitFor();
  await reloaded(page, page.locator('.steps .done').filter({ hasText: 'Delivered' }));
  await look(page, 'console-timeline');
});

/** The lines that say that a message was taken in. */
const accepted = (page) => page.locator('.record').filter({ hasText: 'accepted' });
/** When the record of a line was written; sorts as text. */
function timeOf(key) {
  const [second, rest = ''] = key.split(' ')[0].replace('Z', '').split('.');
  return `${second}.${rest.padEnd(6, '0')}`;
}

const isLive = (page) => page.getByText('Live', { exact: true }).waitFor();

test('what was written while nobody followed is in the log, once', async () => {
  const { of, back } = await peopled('Holes');
  const send = async () => (await back('POST', '/v1/messages', { to: ['carl'], body: {} })).id;
  await back('POST', '/v1/users/carl/tokens', {});
  const page = await signedIn();
  // Between the page and its stream.
  let go;
  const isHeld = new Promise((asked) => {
    page.route('**/push-log/live?*', async (route) => {
      await new Promise((resolve) => asked((go = resolve)));
      await route.continue();
    });
  });
  await page.goto(of('push-log?user=carl&step=accept'));
  await isHeld;
  await send();
  go();
  await isLive(page);
  assert.equal(await accepted(page).count(), 1);
  await page.unroute('**/push-log/live?*');

  // While it is paused, more than a page has: the rest is behind a link, without a hole.
  const pause = page.getByRole('button', { name: 'Pause' });
  await pause.click();
  await page.getByText('Paused').waitFor();
  await Promise.all(Array.from({ length: 3 }, send));
  await pause.click();
  await isLive(page);
  assert.equal(await accepted(page).count(), 4);
  assert.equal(await page.getByRole('link', { name: 'Older' }).count(), 0);
  await pause.click();
  await Promise.all(Array.from({ length: 101 }, send));
  await pause.click();
  await isLive(page);
  assert.equal(await accepted(page).count(), 100);
  await send();
  await accepted(page).nth(100).waitFor();
  const keys = await accepted(page).evaluateAll((all) => all.map((it) => it.dataset.key));
  assert.equal(new Set(keys).size, 101);
  const times = keys.map((key) => timeOf(key));
  assert.deepEqual(times, [...times].sort().reverse());
  await page.getByRole('link', { name: 'Older' }).click();
  await page.waitForURL(/after=/);
  assert.equal(await accepted(page).count(), 5);
});

test('a log that cannot be followed says so, and why', async () => {
  const { of } = await peopled('Refused');
  const page = await signedIn(server, { expects: [/status of 503/, /net::ERR_FAILED/, /MIME type/] });
  await page.clock.install();
  const refuse = (answer) => page.route('**/push-log/live*', answer);
  const again = async () => {
    await page.unroute('**/push-log/live*');
    await page.clock.fastForward(5_000);
    await isLive(page);
  };
  await refuse((route) => route.fulfill({ status: 503 }));
  await page.goto(of('push-log'));
  await page.getByText('Too many follow the log').waitFor();
  await again();
  const pause = page.getByRole('button', { name: 'Pause' });
  await pause.click();
  await page.context().clearCookies();
  await pause.click();
  await page.getByText('You are signed out.').waitFor();
  await look(page, 'console-push-log-signed-out');
  await page.getByRole('link', { name: 'Sign in again' }).click();
  await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
});

test('without JavaScript the log is the same, loaded again', async () => {
  const { of, back } = await peopled('Plain');
  await back('POST', '/v1/messages', { to: ['alice'], body: { text: 'one' } });
  const page = await signedIn(undefined, { javaScriptEnabled: false });
  await page.goto(of('push-log?step=accept'));
  await page.locator('.record').first().waitFor();
});

test('a record of a push has request and answer side by side', async () => {
  const { of, back } = await peopled('Pushes');
  await back('POST', '/v1/messages', { to: ['bob'], body: { text: 'wake up' } });
  const page = await signedIn();
  await page.goto(of('push-log?user=bob'));
  await reloaded(page, page.locator('.record'));
  await page.locator('.record summary').first().click();
  await look(page, 'console-record');
});

test('a test push is watched, and what goes wrong is said', async () => {
  const { of } = await peopled('Tests');
  const page = await signedIn();
  await page.goto(of('users/bob'));
  await page.getByRole('button', { name: /^Send a test push/ }).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  await look(page, 'console-test-push');
});

test('an app goes when its name is typed', async () => {
  const { app, of } = await peopled('Gone tomorrow');
  const page = await signedIn();
  await page.goto(of('keys'));
  await page.getByRole('link', { name: 'delete the app' }).click();
  await page.getByLabel(/^Type the app's name/).fill('Something else');
  await page.getByRole('button', { name: 'Delete the app' }).click();
  await page.getByRole('alert').waitFor();
  await look(page, 'console-delete');
  await page.getByLabel(/^Type the app's name/).fill('Gone tomorrow');
  await page.getByRole('button', { name: 'Delete the app' }).click();
  await page.getByRole('status').getByText('The app is deleted', { exact: false }).waitFor();
  assert.equal(await page.getByText(app.id).count(), 0);
});
