import assert from 'node:assert/strict';
import test from 'node:test';

import { Demo } from './demo.js';
import { look, stage } from './harness.js';

const { server: demo, open } = await stage({ start: Demo.start });

/** The wall, as the test before has left it. */
async function wall(options) {
  const page = await open(options);
  await page.goto(demo.lab);
  return page;
}

const phone = (page, name) => page.getByRole('article', { name });

/** Presses a button under a phone. */
async function press(page, name, button) {
  await phone(page, name).getByRole('button', { name: button, exact: true }).click();
}

/** Presses a switch under a phone, and waits until the wall shows it as on or off. */
async function turn(page, name, button, on) {
  await press(page, name, button);
  const pressed = { name: button, exact: true, pressed: on };
  await phone(page, name).getByRole('button', pressed).waitFor();
}

/** Waits until a phone is in a state, by the word that people read. */
async function is(page, name, word) {
  await phone(page, name).locator('.how').getByText(word, { exact: true }).waitFor();
}

/** Opens a phone's app and puts it away again, so that nothing of before is on its screen. */
async function asleep(page, name) {
  await press(page, name, 'Open app');
  await is(page, name, 'Live');
  await press(page, name, 'Sleep');
  await is(page, name, 'Asleep');
}

async function send(page, { from = "Alice's iPhone", to, text = 'Hello', how = 'Send message' }) {
  await page.getByLabel('From').selectOption({ label: from });
  await page.getByLabel('To', { exact: true }).selectOption({ label: to });
  await page.getByLabel('Text').fill(text);
  await page.getByRole('button', { name: how, exact: true }).click();
}

const notes = (page, name) => phone(page, name).getByRole('list', { name: 'Notifications' });

/** Waits until all five steps of the way to a phone are done. */
async function arrived(page, name) {
  const way = page.locator('.trail', { hasText: name });
  // One that failed is tried again, and the wall hears of that a moment after the phone does.
  await way.locator('.station.st-open, .station.st-failed').first().waitFor({ state: 'detached' });
  return way;
}

test("the newcomer's minute: a phone sleeps, is woken, and has its message", async () => {
  const page = await wall();
  await press(page, "Bob's Android", 'Sleep');
  await is(page, "Bob's Android", 'Asleep');
  await send(page, { to: 'Bob', text: 'Are you there?' });
  await notes(page, "Bob's Android").getByText('Are you there?').waitFor();
  const way = await arrived(page, "Bob's Android");
  assert.match(await way.innerText(), /Pushed \d+ ms\s*FCM took it: 200/);
  for (const step of ['Accepted', 'Routed', 'Pushed', 'Delivered', 'Acknowledged']) {
    assert.match(await way.innerText(), new RegExp(`${step} \\d+ ms`));
  }
  const wire = page.locator('#pushes');
  await wire.getByText('"reveille_kind": "message"').waitFor();
  assert.match(await wire.innerText(), /authorization: ●●●/);
  assert.doesNotMatch(await wire.innerText(), /Bearer/i);
  // Its user looks, and the sender learns.
  await press(page, "Bob's Android", 'Open app');
  await phone(page, "Bob's Android").locator('.theirs').getByText('Are you there?').waitFor();
  await phone(page, "Alice's iPhone").getByText('Read', { exact: true }).last().waitFor();
});

test('a burst is one push and ten messages', async () => {
  const page = await wall();
  await asleep(page, "Bob's Android");
  await send(page, { to: 'Bob', text: 'Row', how: 'Send 10' });
  await notes(page, "Bob's Android").getByText('Row (10)').waitFor();
  const way = await arrived(page, "Bob's Android");
  await way.getByText('1 push, 10 of 10 messages').waitFor();
  await phone(page, "Bob's Android").getByText('and 7 more').waitFor();
});

test('a call rings on a locked iPhone and is answered', async () => {
  const page = await wall();
  await asleep(page, "Carol's iPhone");
  await send(page, { to: 'Carol', how: 'Call' });
  const carol = phone(page, "Carol's iPhone");
  await carol.getByText('Incoming call').waitFor();
  await page.locator('#pushes').getByText('apns-push-type: voip').waitFor();
  await look(page, 'lab-call');
  await carol.getByRole('button', { name: 'Answer' }).click();
  await carol.getByText('On a call').waitFor();
  await phone(page, "Alice's iPhone").getByText('On a call').waitFor();
  await arrived(page, "Carol's iPhone");
  await carol.getByRole('button', { name: 'Hang up' }).click();
  await phone(page, "Alice's iPhone").getByText('On a call').waitFor({ state: 'detached' });
});

/** The key of the push that has the focus. */
function focused(page) {
  return page.evaluate(() => document.activeElement.closest('[data-key]')?.dataset.key);
}

test('a message waits while Google is down, and arrives once it is back', async () => {
  const page = await wall();
  await asleep(page, "Bob's Android");
  const fcm = page.getByRole('group', { name: 'FCM' });
  await fcm.getByRole('button', { name: 'Down' }).click();
  await page.locator('[id="fcm.down"][aria-pressed="true"]').waitFor();
  await send(page, { to: 'Bob', text: 'Patience' });
  await page.locator('.trail .station.st-failed').getByText('FCM answered 503').waitFor();
  assert.equal(await notes(page, "Bob's Android").count(), 0);
  await look(page, 'lab-fault');
  const refused = page.locator('#pushes summary').filter({ hasText: '503' }).last();
  await refused.focus();
  const key = await focused(page);
  await fcm.getByRole('button', { name: 'Works' }).dispatchEvent('click');
  await notes(page, "Bob's Android").getByText('Patience').waitFor();
  await arrived(page, "Bob's Android");
  // Another push came on top, and who was at the first one still is.
  await page.locator('#pushes summary').first().filter({ hasText: '200' }).waitFor();
  assert.equal(await refused.evaluate((it) => it === document.activeElement), true);
  assert.equal(await focused(page), key);
});

test('airplane mode keeps everything away until it ends', async () => {
  const page = await wall();
  await asleep(page, "Bob's Android");
  await press(page, "Bob's Android", 'Airplane');
  await is(page, "Bob's Android", 'Offline');
  await send(page, { to: 'Bob', text: 'After the flight' });
  await page.locator('#pushes').getByText('kept until the phone can be reached').waitFor();
  assert.equal(await notes(page, "Bob's Android").count(), 0);
  await press(page, "Bob's Android", 'Airplane');
  await notes(page, "Bob's Android").getByText('After the flight').waitFor();
});

test('a phone whose login has expired has its message all the same', async () => {
  const page = await wall();
  await asleep(page, "Bob's Android");
  await turn(page, "Bob's Android", 'Expire login', true);
  await send(page, { to: 'Bob', text: 'Still for you' });
  await notes(page, "Bob's Android").getByText('Still for you').waitFor();
  await arrived(page, "Bob's Android");
  // The word under a phone is of what happened last, and a woken one is suspended at any moment.
  await turn(page, "Bob's Android", 'Expire login', false);
});

test('a closed page is told by its service worker', async () => {
  const page = await wall();
  // Whoever looks at the app on a phone is not told by the browser as well, not at once.
  await asleep(page, "Alice's iPhone");
  await press(page, "Alice's browser", 'Close page');
  await is(page, "Alice's browser", 'Page closed');
  await send(page, { from: "Bob's Android", to: 'Alice', text: 'To both of yours' });
  await notes(page, "Alice's browser").getByText('To both of yours').waitFor();
  const way = await arrived(page, "Alice's browser");
  await way.getByText('by the service worker').waitFor();
  await press(page, "Alice's browser", 'Open page');
  await is(page, "Alice's browser", 'Live');
});

test('the keyboard does it too, and stays where it is', async () => {
  const page = await wall();
  const lock = phone(page, "Carol's iPhone").getByRole('button', { name: 'Lock', exact: true });
  await press(page, "Carol's iPhone", 'Open app');
  await is(page, "Carol's iPhone", 'Live');
  await lock.focus();
  await page.keyboard.press('Enter');
  await is(page, "Carol's iPhone", 'Background');
  assert.equal(await lock.evaluate((it) => it === document.activeElement), true);
  await page.keyboard.press('Enter');
  await is(page, "Carol's iPhone", 'Live');
  assert.equal(await lock.evaluate((it) => it === document.activeElement), true);
});

test('a wall that one comes back to goes on, and so does one that was refused', async () => {
  const page = await wall({ expects: [/status of 503/] });
  // The browser stores no page that a test looks at; this is what it would say of one.
  const passes = (type) => page.evaluate((type) => dispatchEvent(new PageTransitionEvent(type, { persisted: true })), type);
  await passes('pagehide');
  await page.clock.install();
  await page.route('**/lab/events', (route) => route.fulfill({ status: 503 }));
  await passes('pageshow');
  await page.getByRole('alert').getByText('The demo is out of reach.').waitFor();
  await page.unroute('**/lab/events');
  await page.clock.fastForward(5_000);
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  await asleep(page, "Carol's iPhone");
});

test('what cannot be done is said, and names the field', async () => {
  const page = await wall({ expects: [/the server responded with a status of 4/] });
  await send(page, { from: "Bob's Android", to: 'Bob' });
  await page.getByRole('alert').getByText('to: that is the user of this phone').waitFor();
  await send(page, { to: 'Bob' });
  await page.getByRole('alert').waitFor({ state: 'hidden' });
});

test('without a script the wall is a page with forms', async () => {
  const page = await wall({ javaScriptEnabled: false });
  await press(page, "Bob's Android", 'Open app');
  await is(page, "Bob's Android", 'Live');
  await press(page, "Bob's Android", 'Sleep');
  await is(page, "Bob's Android", 'Asleep');
  await send(page, { from: "Bob's Android", to: 'Bob' });
  await page.getByText('that is the user of this phone').waitFor();
  await page.getByRole('link', { name: 'Back to the wall' }).click();
  await page.getByRole('heading', { name: 'Lab', exact: true }).waitFor();
});

test('another phone comes to the wall', async () => {
  const page = await wall();
  await page.getByLabel('Whose').fill('Dora');
  await page.getByLabel('Platform').selectOption('iPhone');
  await page.getByRole('button', { name: 'Add' }).click();
  await is(page, "Dora's iPhone", 'Live');
  await look(page, 'lab-wall');
});
