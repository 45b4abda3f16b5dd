import assert from 'node:assert/strict';
import test from 'node:test';

import { look, stage } from './harness.js';

const { server, open, signedIn } = await stage();

/** Goes on with the Tab key until a thing has the focus, as somebody without a mouse does. */
async function tabTo(page, locator) {
  for (let steps = 0; steps < 60; steps += 1) {
    await page.keyboard.press('Tab');
    const isThere = await locator.evaluate((element) => element === document.activeElement);
    if (isThere) return;
  }
  assert.fail(`the Tab key does not lead to ${locator}`);
}

test('whoever can read the code sets the password, signs in, and makes an app, by keyboard', async () => {
  const page = await open();
  await page.goto(`${server.inside}/console`);
  assert.equal(new URL(page.url()).pathname, '/console/setup');
  await look(page, 'console-setup');

  await tabTo(page, page.getByLabel('Code', { exact: true }));
  await page.keyboard.type('this is not the code');
  await tabTo(page, page.getByLabel('Password'));
  await page.keyboard.type(server.password);
  await tabTo(page, page.getByLabel('Once more'));
  await page.keyboard.type(server.password);
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('This is not the code in the file.').waitFor();
  await look(page, 'console-setup-refused');

  await tabTo(page, page.getByLabel('Code', { exact: true }));
  await page.keyboard.type(server.code());
  await tabTo(page, page.getByLabel('Password'));
  await page.keyboard.type(server.password);
  await tabTo(page, page.getByLabel('Once more'));
  await page.keyboard.type(server.password);
  await page.keyboard.press('Enter');
  await page.waitForURL(/[/]console[/]login/);
  await look(page, 'console-login');

  // The field has the focus already.
  await page.keyboard.type(server.password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/console/apps');
  await page.getByText('There is no app yet.').waitFor();
  await look(page, 'console-apps-none');

  await tabTo(page, page.getByLabel('Name'));
  await page.keyboard.type('Clinic');
  await page.keyboard.press('Enter');
  await page.getByRole('status').getByText('It is shown this once', { exact: false }).waitFor();
  assert.match(await page.locator('.secret').textContent(), /^rvl_app_[\w-]+$/);
  await look(page, 'console-app-made');

  const onward = page.getByRole('main').getByRole('link', { name: 'the app' });
  await tabTo(page, onward);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Clinic' }).waitFor();
});

test('the first stop of the Tab key leads past the navigation', async () => {
  const page = await signedIn();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const has = await page.evaluate(() => document.activeElement.id);
  assert.equal(has, 'main');
});

test('a key is made, shown once, and taken back', async () => {
  const { id } = await server.makeApp('Keys');
  const page = await signedIn();
  await page.goto(`${server.inside}/console/apps/${id}`);
  await page.getByRole('link', { name: 'Keys', exact: true }).click();
  await look(page, 'console-keys');

  await page.getByLabel('Name').fill('night shift');
  await page.getByLabel('admin').uncheck();
  await page.getByRole('button', { name: 'Make the key' }).click();
  const key = await page.locator('.secret').textContent();
  await server.api('GET', '/v1/users/alice', undefined, key).catch((error) => {
    assert.match(error.message, /not_found/, 'the key is good; there is just nobody yet');
  });
  await look(page, 'console-keys-made');

  await page.getByRole('button', { name: 'Take back the key night shift' }).click();
  await page.getByRole('status').waitFor();
  assert.equal(new URL(page.url()).pathname, `/console/apps/${id}/keys`);
  assert.equal(await page.getByText('night shift').count(), 0);
});

test('a credential is made, and another refused with the reason beside its form', async () => {
  const { id } = await server.makeApp('Credentials');
  const page = await signedIn();
  await page.goto(`${server.inside}/console/apps/${id}/credentials`);
  await page.getByText('There is none yet', { exact: false }).waitFor();
  await look(page, 'console-credentials-none');

  await page.getByText('Browsers: VAPID key pair').click();
  await page.getByLabel('Contact').fill('mailto:ops@example.com');
  await page.getByRole('button', { name: 'Make or upload' }).click();
  await page.getByRole('heading', { name: /Browsers: VAPID key pair/ }).waitFor();
  await look(page, 'console-credentials');

  await page.getByText('Google: service account (.json)').click();
  await page.setInputFiles('#fcm_service_account-file', {
    name: 'google-services.json',
    mimeType: 'application/json',
    buffer: Buffer.from('{"project_info": {"project_number": "1"}, "client": []}'),
  });
  await page.locator('details[open]').getByRole('button', { name: 'Upload' }).click();
  await page.locator('details[open]').getByRole('alert').waitFor();
  await look(page, 'console-credentials-refused');
});

/** What a screen reader says of each switch beside its name. */
async function described(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const switches = nodes.filter(({ ignored, role }) => !ignored && role.value === 'switch');
  return switches.map(({ description }) => description?.value);
}

test('a setting is changed, and what it means stands beside it', async () => {
  const { id } = await server.makeApp('Settings');
  const page = await signedIn();
  await page.goto(`${server.inside}/console/apps/${id}/settings`);
  await look(page, 'console-settings');

  const first = page.getByRole('switch').first();
  const was = await first.isChecked();
  // Whoever does not see it hears what holds now, and not what would.
  const shown = () => page.locator('.switch .help:visible').allTextContents();
  const before = await shown();
  assert.deepEqual(await described(page), before);
  await first.click();
  assert.deepEqual(await described(page), await shown());
  assert.notEqual((await shown())[0], before[0]);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('status').waitFor();
  assert.equal(await page.getByRole('switch').first().isChecked(), !was);
});

test('what is not there is said in a page of the console', async () => {
  const page = await signedIn();
  const answer = await page.goto(`${server.inside}/console/apps/app_none`);
  assert.notEqual(answer.status(), 200);
  await look(page, 'console-problem');
});

test('who signs out is out', async () => {
  const page = await signedIn();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/[/]console[/]login/);
  await page.goto(`${server.inside}/console/apps`);
  await page.waitForURL(/[/]console[/]login/);
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
});

test('the apps that there are, and the page of the API', async () => {
  await server.makeApp('Clinic by night');
  const page = await signedIn();
  await page.getByRole('link', { name: /^Clinic by night/ }).waitFor();
  await look(page, 'console-apps');
  await page.goto(`${server.url}/v1/reference`);
  // Too long for a picture.
  await page.getByText('Follow what is pushed and why').first().waitFor();
});
