/** What `reveille demo` serves beside the lab: the messenger, and the console of its server. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Demo } from './demo.js';
import { look, reloaded, stage } from './harness.js';

const { server, open, signedIn } = await stage({ start: Demo.start });
const { messenger } = server;

test('its door leads in, and two people find each other', async () => {
  const alice = await open();
  const answer = await alice.goto(messenger.replace(/\/$/, ''));
  assert.equal(alice.url(), messenger);
  const policy = await answer.headerValue('content-security-policy');
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
  await alice.getByRole('link', { name: 'Alice Ames' }).click();
  await alice.locator('#state[data-state="connected"]').waitFor();
  // The others have phones on the wall of the lab, which take what came before a browser did.
  await alice.getByRole('link', { name: /^Dave Diallo/ }).click();
  await alice.getByRole('textbox').fill('Have you seen the lab?');
  await alice.keyboard.press('Enter');

  // Under another name of this machine it works as well.
  const dave = await open();
  const { port } = new URL(messenger);
  await dave.goto(`http://localhost:${port}/messenger/?user=dave#alice`);
  await dave.locator('.message', { hasText: 'Have you seen the lab?' }).waitFor();
  await alice.getByRole('img', { name: 'Read', exact: true }).first().waitFor();
});

test('it gives no token to a page of another site, and none for anybody else', async () => {
  const page = await open();
  await page.goto(messenger);
  const asked = (user, headers = {}) =>
    fetch(new URL('token', messenger), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify({ user }),
    });
  const { origin } = new URL(messenger);
  assert.equal((await asked('alice', { Origin: origin })).status, 200);
  assert.equal((await asked('alice', { Origin: 'https://evil.example' })).status, 403);
  assert.equal((await asked('alice')).status, 403);
  const stranger = await asked('mallory', { Origin: origin });
  assert.equal(stranger.status, 422);
  assert.equal((await stranger.json()).field, 'user');
});

/** The wall of the lab. */
async function wall() {
  const page = await open();
  await page.goto(server.lab);
  return page;
}

/** Puts a phone to sleep, and waits until it is. */
async function asleep(page, name) {
  const phone = page.getByRole('article', { name });
  await phone.getByRole('button', { name: 'Sleep' }).click();
  await phone.getByText('Asleep').waitFor();
  return phone;
}

/** What the console shows of a user. */
async function userPage(user) {
  const page = await signedIn();
  await page.getByRole('main').getByRole('link').first().click();
  await page.getByRole('link', { name: 'Users' }).click();
  await page.getByRole('link', { name: user }).click();
  return page;
}

test('the operator watches a test push until the app on a sleeping phone has it', async () => {
  await asleep(await wall(), "Bob's Android");
  const page = await userPage('bob');
  await page.getByText('A push would arrive now.').waitFor();
  await look(page, 'console-user-asleep');
  await page.getByRole('button', { name: /^Send a test push/ }).first().click();
  // The page looks again by itself.
  await page.getByText('It has arrived: the app itself has said so.').waitFor();
  assert.equal(await page.locator('.way .done').count(), 3);
  await page.locator('.record summary').filter({ hasText: 'push' }).first().click();
  await page.getByText('fcm.googleapis.com').or(page.getByText('127.0.0.1')).first().waitFor();
  await look(page, 'console-test-push-arrived');
});

test('a call has its way in the console, step by step', async () => {
  const lab = await wall();
  const phone = await asleep(lab, "Carol's iPhone");
  await lab.getByLabel('From').selectOption({ label: "Alice's iPhone" });
  await lab.getByLabel('To', { exact: true }).selectOption({ label: 'Carol' });
  await lab.getByRole('button', { name: 'Call', exact: true }).click();
  await phone.getByText('Incoming call').waitFor();

  const page = await userPage('carol');
  await page.locator('.record summary').filter({ hasText: 'accepted' }).first().click();
  await page.locator('.record details[open]').getByRole('link', { name: /^[0-9a-f]{8}-/ }).click();
  await page.getByRole('heading', { level: 1, name: 'Call' }).waitFor();
  await phone.getByRole('button', { name: 'Decline' }).click();
  const done = (step) => page.locator('.steps .done').filter({ hasText: step });
  await reloaded(page, done('declined'));
  for (const step of ['call_started', 'asleep', 'Woken', 'ringing']) await done(step).waitFor();
  await look(page, 'console-call');
});
