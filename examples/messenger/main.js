/**
 * A messenger on Reveille's client for browsers.
 *
 * ```text
 *   people ─▶ sign in ─▶ Chat: client and history ─▶ List, Conversation
 *                          └─▶ Calls: WebRTC, its signals through the server
 *                          └─▶ notifications: Web Push, by sw.js
 * ```
 *
 * Who is signed in stands in the page's address, `?user=alice`, so that two tabs can be two people;
 * the conversation that is open stands behind the `#`.
 */

import { Calls } from './calls.js';
import { Chat } from './chat.js';
import { Conversation } from './conversation.js';
import { avatar, byId, h, icon } from './dom.js';
import { List, STATES } from './list.js';
import { keepShell, Notifications } from './notifications.js';
import { PEOPLE, person } from './people.js';

const user = new URL(location.href).searchParams.get('user');

if (PEOPLE.some(({ id }) => id === user)) start(user);
else askWho();

function askWho() {
  const links = PEOPLE.map(({ id, name }) =>
    h('li', {}, h('a', { href: `?user=${id}` }, avatar(id), h('span', {}, name))),
  );
  byId('people').replaceChildren(...links);
  byId('sign-in').hidden = false;
}

async function start(me) {
  byId('my-avatar').append(avatar(me));
  byId('my-name').textContent = person(me).name;
  byId('app').hidden = false;
  document.title = `${person(me).name} · Messenger`;
  keepShell(me).catch((error) => console.warn('the page will not be there offline:', error));

  const chat = await Chat.open(me);
  const list = new List(chat);
  const calls = new Calls(chat);
  const conversation = new Conversation(chat, calls);
  const notifications = new Notifications(chat);

  const open = () => {
    const peer = decodeURIComponent(location.hash.slice(1)) || undefined;
    byId('app').dataset.pane = peer ? 'conversation' : 'list';
    list.open(peer);
    conversation.open(peer);
  };
  addEventListener('hashchange', open);
  open();

  showState(chat);
  signOutBy(chat, notifications);
  chat.connect();
}

function showState(chat) {
  const show = (state) => {
    byId('state').textContent = STATES[state];
    byId('state').dataset.state = state;
  };
  chat.client.on('state', show);
  show(chat.client.state);
}

function signOutBy(chat, notifications) {
  byId('sign-out').append(icon('leave'));
  byId('sign-out').addEventListener('click', async () => {
    await notifications.forget();
    await chat.leave();
    location.href = './';
  });
}
