/**
 * The service worker: Reveille's, which stores what comes while no page is open, with words of our
 * own for the notification; and the page itself, for when there is no network.
 */

'use strict';

const SHELL = 'messenger-shell-1';

/** All that the page is made of. */
const FILES = [
  './',
  'calls.js',
  'chat.js',
  'conversation.js',
  'dom.js',
  'history.js',
  'icon.svg',
  'list.js',
  'main.js',
  'manifest.webmanifest',
  'media.js',
  'notifications.js',
  'people.js',
  'reveille.js',
  'style.css',
  'ticks.js',
];

self.reveilleNotification = ({ reveille, notification, entries }) => {
  const calls = reveille.kind === 'call';
  const last = entries.filter(({ type }) => type === 'message').at(-1);
  const name = last?.from && last.from[0].toUpperCase() + last.from.slice(1);
  const body = calls ? 'is calling' : (last?.body?.text ?? notification?.body);
  const options = { body, icon: 'icon.svg' };
  // The newest of a conversation replaces the one before.
  if (!calls && last?.from) options.tag = last.from;
  const title = calls ? reveille.call.caller_name : name;
  return { title: title ?? notification?.title ?? 'Messenger', options };
};

importScripts('reveille-sw.js');

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(FILES)));
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

/** The network first, so that nobody is left behind with an old page. */
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const isOurs = new URL(request.url).origin === self.location.origin;
  if (request.method === 'GET' && isOurs) event.respondWith(shell(request));
});

async function shell(request) {
  const cache = await caches.open(SHELL);
  try {
    const answer = await fetch(request);
    if (answer.ok && request.mode !== 'navigate') await cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    // The page is the same for everybody.
    const kept = await cache.match(request.mode === 'navigate' ? './' : request);
    if (kept) return kept;
    throw error;
  }
}
