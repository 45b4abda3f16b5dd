/**
 * The service worker of Reveille. Host it at the origin of your app; it needs nothing else.
 *
 * ```text
 *   push ─▶ message, missed: inbox by HTTP ─▶ stored for the page ─▶ acknowledged ─▶ notification
 *           push, test, call, call_ended:                           notification, or none any more
 * ```
 *
 * What it acknowledges it has stored: the page gives it to the app when it next connects, or at
 * once if it is open. Who the device is, and where its server, stands in the database of the page.
 *
 * To word notifications yourself, have a worker of your own that defines
 * `self.reveilleNotification = ({ reveille, notification, data, entries }) => ({ title, options })`
 * and then calls `importScripts('reveille-sw.js')`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

'use strict';

(() => {
  const name = new URL(self.location.href).searchParams.get('name') ?? 'reveille';

  /** So many entries at most are read in one go; the next push, or the page, gets the rest. */
  const MOST_PAGES = 20;

  self.addEventListener('push', (event) => {
    const push = read(event.data);
    if (push) event.waitUntil(handle(push));
  });

  self.addEventListener('notificationclick', (event) => {
    event.notification.close();
    event.waitUntil(show(event.notification.data?.open));
  });

  self.addEventListener('pushsubscriptionchange', (event) => {
    event.waitUntil(subscribeAgain(event));
  });

  /** What the push says; nothing if it is somebody else's. */
  function read(data) {
    try {
      const push = data.json();
      return push.reveille?.v === 1 ? push : undefined;
    } catch {
      return undefined;
    }
  }

  async function handle(push) {
    const { reveille } = push;
    if (Date.parse(reveille.expires_at) < Date.now()) return;
    let entries = [];
    // The user is told whatever becomes of the rest.
    const quietly = (work) => work.catch((error) => console.error('reveille:', error));
    switch (reveille.kind) {
      case 'message':
      case 'missed':
        entries = (await quietly(drain())) ?? [];
        break;
      case 'test':
        await quietly(request('POST', `/v1/me/test-push/${reveille.push}/received`));
        break;
      case 'call_ended':
        await close(callTag(reveille.call));
        return;
      case 'call':
      case 'push':
        break;
      default:
        return;
    }
    await notify(push, entries);
  }

  /** Reads what waits, stores it for the page, and acknowledges it then. */
  async function drain() {
    const { user } = await device();
    const key = `inbox/${user}`;
    const drained = [];
    for (let page = 0; page < MOST_PAGES; page++) {
      const { held } = (await get(key)) ?? {};
      const from = held ? `?epoch=${held.epoch}&after=${held.offset}` : '';
      const { entries, more } = await request('GET', `/v1/me/inbox${from}`);
      if (entries.length === 0) break;
      await update(key, (record) => kept(record, entries));
      const last = entries[entries.length - 1];
      await request('POST', '/v1/me/ack', { position: positionOf(last) });
      drained.push(...entries);
      if (!more) break;
    }
    if (drained.length > 0) tellPages();
    return drained;
  }

  /** The record of an inbox with these entries, which the app has not seen yet. */
  function kept(record = {}, entries) {
    const waiting = record.waiting ?? [];
    const isNew = (entry) =>
      !waiting.some((one) => isAtOrBelow(positionOf(entry), positionOf(one)));
    return {
      ...record,
      held: positionOf(entries[entries.length - 1]),
      waiting: [...waiting, ...entries.filter(isNew)],
    };
  }

  function positionOf(entry) {
    if (entry.type === 'gap') return entry.up_to;
    return { ...entry.position, entry: entry.entry };
  }

  function isAtOrBelow(position, mark) {
    return position.epoch === mark?.epoch && position.offset <= mark.offset;
  }

  function tellPages() {
    const channel = new BroadcastChannel(name);
    channel.postMessage({ from: 'service-worker', kind: 'drained' });
    channel.close();
  }

  // Notifications.

  async function notify(push, entries) {
    const { reveille, notification } = push;
    const worded = await self.reveilleNotification?.({ ...push, entries });
    const { title, options } = worded ?? wording(push);
    // A browser that sees no notification takes the permission away.
    await self.registration.showNotification(title, {
      tag: reveille.call ? callTag(reveille.call) : notification?.tag,
      silent: notification?.silent || undefined,
      ...options,
      data: { ...options?.data, open: reveille.open, reveille },
    });
  }

  function wording({ reveille, notification = {} }) {
    const { call, image } = reveille;
    const { title, body, tag: _, ...others } = notification;
    const options = { body, image, ...others };
    if (call) options.requireInteraction = true;
    return { title: title ?? call?.caller_name ?? self.location.hostname, options };
  }

  function callTag(call) {
    return `reveille-call-${call.id}`;
  }

  async function close(tag) {
    for (const shown of await self.registration.getNotifications({ tag })) shown.close();
  }

  /** Leads where the push says: a window that is there already, or a new one. */
  async function show(open) {
    const url = urlOf(open);
    const isOurs = url.origin === self.location.origin;
    const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    const there = windows.find((one) => one.url === url.href) ?? (isOurs && !open && windows[0]);
    if (there) return there.focus();
    return self.clients.openWindow(url.href);
  }

  /** Where a tap leads; the app itself if that is no page, because a sender may have named it. */
  function urlOf(open) {
    const { scope } = self.registration;
    try {
      const url = new URL(open ?? scope, scope);
      if (/^https?:$/.test(url.protocol)) return url;
    } catch {
      // No URL at all.
    }
    return new URL(scope);
  }

  /** The browser has ended a subscription: the server gets the new one. */
  async function subscribeAgain({ oldSubscription, newSubscription }) {
    const subscription =
      newSubscription ??
      (await self.registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey:
          oldSubscription?.options.applicationServerKey ??
          (await request('GET', '/v1/webpush-key')).public_key,
      }));
    const target = { token: JSON.stringify(subscription) };
    await request('PUT', '/v1/me/targets/webpush', target);
    await update('device', (device) => {
      const frame = { type: 'push_token', kind: 'webpush', token: target.token };
      return { ...device, targets: { ...device?.targets, webpush: frame } };
    });
  }

  // The server and the database of the page.

  async function request(method, path, body) {
    const { url, secret } = await device();
    const response = await fetch(url + path, {
      method,
      headers: {
        Authorization: `Bearer ${secret}`,
        ...(body && { 'Content-Type': 'application/json' }),
      },
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status}`);
    return response.status === 204 ? undefined : response.json();
  }

  /** Who this device is: the page has written it down when it first connected. */
  async function device() {
    const known = await get('device');
    if (!known?.secret) throw new Error('this device has never connected');
    return known;
  }

  function get(key) {
    return records('readonly', (store, done) => {
      store.get(key).onsuccess = ({ target }) => done(target.result);
    });
  }

  function update(key, change) {
    return records('readwrite', (store, done) => {
      store.get(key).onsuccess = ({ target }) => {
        const value = change(target.result);
        store.put(value, key);
        done(value);
      };
    });
  }

  async function records(mode, work) {
    const database = await new Promise((resolve, reject) => {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore('records');
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction('records', mode);
        let result;
        transaction.oncomplete = () => resolve(result);
        transaction.onabort = () => reject(transaction.error);
        work(transaction.objectStore('records'), (value) => (result = value));
      });
    } finally {
      database.close();
    }
  }
})();
