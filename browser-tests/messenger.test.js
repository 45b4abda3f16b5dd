import assert from 'node:assert/strict';
import test, { after } from 'node:test';

import { look, stage } from './harness.js';
import { Pages } from './pages.js';

const pages = await Pages.start();
after(() => pages.end());
const { server, open } = await stage({
  flags: ['--allowed-origins', pages.origin],
  camera: true,
});
const app = await pages.of(server);

/** What a browser says when there is no server: a test is about that. */
const AWAY = [/ERR_CONNECTION_REFUSED/, /ERR_INTERNET_DISCONNECTED/, /status of 503/];

/** A page of somebody, connected. */
async function be(user, options) {
  const page = await open(options);
  await signIn(page, user);
  return page;
}

async function signIn(page, user) {
  await page.goto(`${pages.origin}/messenger/?user=${user}`);
  await online(page);
}

function online(page) {
  return page.locator('#state[data-state="connected"]').waitFor();
}

async function offline(page) {
  await page.locator('#state').getByText('Offline: what you write waits').waitFor();
}

async function talkTo(page, name) {
  await page.getByRole('navigation').getByRole('link', { name }).click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
}

async function write(page, text) {
  await page.getByRole('textbox', { name: /^Message to/ }).fill(text);
  await page.keyboard.press('Enter');
}

/** The messages of the open conversation. */
function said(page) {
  return page.locator('.message .text').allTextContents();
}

function saying(page, text) {
  return page.locator('.message', { hasText: text });
}

/** Waits until our message has come so far. */
function tick(page, text, words) {
  return saying(page, text).getByRole('img', { name: words, exact: true }).waitFor();
}

test('somebody chooses who to be, by keyboard', async () => {
  const page = await open();
  await page.goto(`${pages.origin}/messenger/`);
  await page.getByRole('heading', { name: 'Who are you?' }).waitFor();
  await look(page, 'messenger-sign-in');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Alice Ames' }).waitFor();
  await online(page);
  await page.getByText('Choose somebody to talk to.').waitFor();
});

test('two people write to each other, and see how far each message has come', async () => {
  const alice = await be('alice');
  await talkTo(alice, 'Bob Brandt');
  await write(alice, 'Are you there?');
  // Nobody is: the server has it, and no device of Bob's.
  await tick(alice, 'Are you there?', 'Sent');

  const bob = await be('bob');
  await tick(alice, 'Are you there?', 'Delivered');
  await bob.getByRole('link', { name: /Alice Ames.*Are you there\?.*1 new/ }).waitFor();
  await write(alice, 'I have the plans.');
  await bob.getByRole('link', { name: /2 new/ }).waitFor();
  await look(bob, 'messenger-list');

  await talkTo(bob, 'Alice Ames');
  await tick(alice, 'Are you there?', 'Read');
  await tick(alice, 'I have the plans.', 'Read');
  assert.equal(await bob.locator('.badge').count(), 0);

  await bob.keyboard.type('Just');
  await alice.getByText('Bob Brandt is typing…').waitFor();
  await bob.keyboard.type(' came in.');
  await bob.keyboard.press('Enter');
  await saying(alice, 'Just came in.').waitFor();
  // What is live goes another way than what is kept, and may come a moment after it.
  await alice.getByText('is typing').waitFor({ state: 'detached' });
  await tick(bob, 'Just came in.', 'Read');
  await write(bob, 'Send them over, and tell Carol.\nShe asked for them twice already.');
  await write(alice, 'Will do');
  await saying(bob, 'Will do').waitFor();
  await look(alice, 'messenger-conversation');

  // It is all there after a reload, and once.
  const before = await said(alice);
  await alice.reload();
  await online(alice);
  await saying(alice, 'Will do').waitFor();
  assert.deepEqual(await said(alice), before);
});

test('what is written while the server is away goes out in order, and once', async () => {
  const carol = await be('carol', { expects: AWAY });
  const dave = await be('dave', { expects: AWAY });
  await talkTo(carol, 'Dave Diallo');
  await talkTo(dave, 'Carol Cho');
  await write(carol, 'before');
  await saying(dave, 'before').waitFor();

  await server.kill();
  await offline(carol);
  const words = ['one', 'two', 'three', 'four', 'five'].map((word) => `meanwhile ${word}`);
  for (const text of words) await write(carol, text);
  await tick(carol, 'meanwhile five', 'Waits to be sent');
  await look(carol, 'messenger-offline');

  await server.again();
  await online(carol);
  await tick(carol, 'meanwhile five', 'Read');
  await saying(dave, 'meanwhile five').waitFor();
  assert.deepEqual(await said(dave), ['before', ...words]);
  assert.deepEqual(await said(carol), ['before', ...words]);
});

test('a page without a network is there after a reload, and what it wrote leaves later', async () => {
  const carol = await be('carol', { expects: AWAY });
  await talkTo(carol, 'Alice Ames');
  // The worker has the page from now on.
  await carol.evaluate(() => navigator.serviceWorker.ready);
  const context = carol.context();
  await context.setOffline(true);
  await carol.reload();
  await offline(carol);
  await write(carol, 'from the tunnel');
  await tick(carol, 'from the tunnel', 'Waits to be sent');
  await carol.reload();
  await tick(carol, 'from the tunnel', 'Waits to be sent');

  await context.setOffline(false);
  await online(carol);
  await tick(carol, 'from the tunnel', 'Sent');
  const alice = await be('alice');
  await talkTo(alice, 'Carol Cho');
  await tick(carol, 'from the tunnel', 'Read');
  assert.deepEqual(await said(alice), ['from the tunnel']);
});

test('two tabs of one person share a connection, and the one that stays takes it over', async () => {
  const first = await be('bob');
  const second = await first.context().newPage();
  await signIn(second, 'bob');
  const dave = await be('dave');
  for (const page of [first, second]) await talkTo(page, 'Dave Diallo');
  await write(second, 'from the second tab');
  for (const page of [first, second]) await tick(page, 'from the second tab', 'Delivered');
  await talkTo(dave, 'Bob Brandt');
  for (const page of [first, second]) await tick(page, 'from the second tab', 'Read');

  await first.close();
  await write(dave, 'still there?');
  await saying(second, 'still there?').waitFor();
  await write(second, 'yes');
  await tick(second, 'yes', 'Read');
  assert.deepEqual(await said(second), ['from the second tab', 'still there?', 'yes']);
  assert.deepEqual(await said(dave), ['from the second tab', 'still there?', 'yes']);
});

test('a video call has pictures on both sides until somebody hangs up', async () => {
  const alice = await be('alice');
  const dave = await be('dave');
  await talkTo(alice, 'Dave Diallo');
  await alice.getByRole('button', { name: 'Video call with Dave Diallo' }).click();
  await dave.getByRole('dialog', { name: 'Alice Ames' }).getByText('Video call…').waitFor();
  await alice.getByRole('dialog').getByText('Ringing…').waitFor();
  await look(dave, 'messenger-incoming');

  // By keyboard: the answer has the focus already.
  await dave.keyboard.press('Enter');
  for (const page of [alice, dave]) await plays(page);
  await look(alice, 'messenger-call');

  await alice.getByRole('button', { name: 'Camera' }).click();
  await alice.locator('button[aria-pressed="false"]').waitFor();
  await dave.getByRole('button', { name: 'Hang up' }).click();
  for (const page of [alice, dave]) {
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    const isOpen = await page.evaluate(() => document.getElementById('their-picture').srcObject);
    assert.equal(isOpen, null, 'the camera is let go');
  }
  await alice.locator('.call-item', { hasText: 'Video call' }).waitFor();
});

/** Their picture is there, and moves. */
async function plays(page) {
  const video = page.locator('#their-picture');
  await video.waitFor();
  await page.waitForFunction(() => document.getElementById('their-picture').videoWidth > 0);
  const before = await video.evaluate(({ currentTime }) => currentTime);
  await page.waitForFunction(
    (then) => document.getElementById('their-picture').currentTime > then,
    before,
  );
}

test('a call that is declined, and one that is taken back, are told to both', async () => {
  const bob = await be('bob');
  const carol = await be('carol');
  await talkTo(bob, 'Carol Cho');
  await talkTo(carol, 'Bob Brandt');
  await bob.getByRole('button', { name: 'Call Carol Cho', exact: true }).click();
  await carol.getByRole('button', { name: 'Decline' }).click();
  await bob.getByRole('dialog').getByText('Declined').waitFor();
  await bob.locator('.call-item', { hasText: 'Call, declined' }).waitFor();
  await carol.locator('.call-item', { hasText: 'Declined call' }).waitFor();

  await bob.getByRole('dialog').waitFor({ state: 'hidden' });
  await carol.getByRole('dialog').waitFor({ state: 'hidden' });
  await bob.getByRole('button', { name: 'Video call with Carol Cho' }).click();
  await carol.getByRole('dialog').getByText('Video call…').waitFor();
  await bob.getByRole('button', { name: 'Hang up' }).click();
  await carol.locator('.call-item.missed', { hasText: 'Missed video call' }).waitFor();
});

test('where notifications are blocked, or the push service is away, that is said', async () => {
  await server.api('POST', `/v1/apps/${app.id}/credentials`, {
    kind: 'webpush_vapid',
    subject: 'mailto:ops@example.com',
  });
  // No browser of a test has a push service, and this one says so itself.
  const bob = await be('bob', { expects: [/does not support the Push API in incognito mode/] });
  const button = bob.getByRole('button', { name: 'Turn notifications on' });
  await button.click();
  await bob.getByText('Notifications are blocked for this page').waitFor();
  await look(bob, 'messenger-notifications-blocked');

  await bob.context().grantPermissions(['notifications'], { origin: pages.origin });
  await button.click();
  await bob.getByText('The browser got no subscription from its push service').waitFor();
});

test('what is pushed to a closed page is stored, acknowledged and notified by the worker', async () => {
  const dave = await be('dave', { permissions: ['notifications'] });
  const { scope } = await registration(dave, 'dave');
  // The page goes, its worker stays; another page of this origin is the way to it.
  const other = await dave.context().newPage();
  await other.goto(`${pages.origin}/messenger/`);
  await dave.close();
  const devtools = await other.context().newCDPSession(other);
  const ids = new Map();
  devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
    for (const { scopeURL, registrationId } of registrations) ids.set(scopeURL, registrationId);
  });
  await devtools.send('ServiceWorker.enable');

  const bob = await be('bob');
  await talkTo(bob, 'Dave Diallo');
  await write(bob, 'for a sleeping page');
  await tick(bob, 'for a sleeping page', 'Sent');
  await devtools.send('ServiceWorker.deliverPushMessage', {
    origin: pages.origin,
    registrationId: ids.get(scope),
    data: JSON.stringify({
      reveille: {
        v: 1,
        kind: 'message',
        wake: 'wak_1',
        count: 1,
        sent_at: new Date().toISOString(),
        expires_at: new Date(Date.now() + 600_000).toISOString(),
      },
    }),
  });
  // The worker has acknowledged it, so somebody has it.
  await tick(bob, 'for a sleeping page', 'Delivered');
  const shown = await other.evaluate(async (scope) => {
    const registered = await navigator.serviceWorker.getRegistration(scope);
    for (;;) {
      const [one] = await registered.getNotifications();
      if (one) return { title: one.title, body: one.body };
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }, scope);
  assert.deepEqual(shown, { title: 'Bob', body: 'for a sleeping page' });

  await signIn(other, 'dave');
  await talkTo(other, 'Bob Brandt');
  await tick(bob, 'for a sleeping page', 'Read');
  assert.deepEqual(await said(other), ['for a sleeping page']);
});

/** The worker of somebody's page, once it is active. */
function registration(page, user) {
  return page.evaluate(async (user) => {
    const { scope } = await navigator.serviceWorker.ready;
    if (!scope.endsWith(`?user=${user}`)) throw new Error(`the page is of ${scope}`);
    return { scope };
  }, user);
}
