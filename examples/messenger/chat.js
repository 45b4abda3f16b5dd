/** The client and what was said with it: what comes is stored, then shown, then acknowledged. */

import { History } from './history.js';
import { BACK_END, threadOf } from './people.js';
import { Reveille } from './reveille.js';

/** How often a recipient is told that somebody types, and how long it is believed. */
const TYPING_MS = 3_000;

export class Chat extends EventTarget {
  #toldTyping = 0;

  static async open(me) {
    const chat = new Chat();
    chat.me = me;
    chat.history = await History.open(me);
    chat.client = new Reveille({
      url: await addressOf(me),
      user: me,
      // Each person has a device of their own in this browser, so that tabs can be several.
      name: `messenger-${me}`,
      getToken: async () => (await pass(me)).token,
    });
    chat.#listen();
    return chat;
  }

  connect() {
    // What becomes of it is told by `state`; it goes on trying by itself.
    this.client.connect().catch((error) => console.warn('not connected:', error.message));
  }

  async leave() {
    await this.client.signOut();
    await this.history.clear();
    localStorage.removeItem(`messenger-url-${this.me}`);
  }

  /** Shows it at once; the client keeps it until the server has it. */
  async send(peer, text) {
    const id = crypto.randomUUID();
    await this.history.add({ id, peer, isMine: true, text, state: 'queued' });
    this.#toldTyping = 0;
    const message = { id, to: peer, thread: threadOf(this.me, peer), body: { text } };
    // `sending` tells what becomes of it, also of one from before a reload.
    this.client.send(message).catch(() => {});
  }

  typing(peer) {
    if (Date.now() - this.#toldTyping < TYPING_MS) return;
    this.#toldTyping = Date.now();
    this.client.typing(peer, threadOf(this.me, peer));
  }

  /** The user has the conversation before their eyes. */
  async seen(peer) {
    const unseen = this.history.unseen(peer);
    if (unseen.length === 0) return;
    const messages = unseen.map(({ serverId }) => serverId).filter(Boolean);
    // A hundred at a time are taken.
    for (let from = 0; from < messages.length; from += 100) {
      this.client.read({ messages: messages.slice(from, from + 100) });
    }
    await Promise.all(unseen.map(({ id }) => this.history.change(id, { state: 'seen' })));
  }

  #listen() {
    const { client, history } = this;
    client.on('message', (message) => this.#came(message));
    client.on('sending', async (sending) => {
      const { id } = sending;
      if (sending.state === 'accepted') {
        const isRefused = sending.result.failed.length > 0;
        const state = isRefused ? 'failed' : 'sent';
        await history.change(id, { state, serverId: sending.result.id });
      } else if (sending.state === 'rejected') {
        await history.change(id, { state: 'failed', why: sending.error.message });
      }
    });
    client.on('receipt', async ({ id, state }) => {
      const own = history.ofServerId(id);
      if (own) await history.change(own, { state });
    });
    // Read on another device of the same person.
    client.on('read', async ({ messages = [] }) => {
      const ids = messages.map((id) => history.ofServerId(id)).filter(Boolean);
      await Promise.all(ids.map((id) => history.change(id, { state: 'seen' })));
    });
    client.on('typing', ({ from }) => this.#tell('typing', { peer: from }));
    client.on('error', (error) => console.warn('reveille:', error.message));
  }

  async #came({ id, from, body, sentAt, ownCopyTo, missedCall }) {
    const isMine = ownCopyTo !== undefined;
    const peer = isMine ? ownCopyTo[0] : (from ?? BACK_END.id);
    const about = missedCall
      ? { call: { media: missedCall.media, outcome: 'missed' } }
      : { text: textOf(body) };
    const state = isMine ? 'sent' : 'new';
    const message = { id, serverId: id, peer, isMine, at: sentAt.getTime(), state, ...about };
    await this.history.add(message);
    if (!isMine) this.#tell('came', message);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** What somebody else's program sent, as well as it can be shown. */
function textOf(body) {
  if (typeof body === 'string') return body;
  if (typeof body?.text === 'string') return body.text;
  return JSON.stringify(body);
}

/** Where the server is: asked once, so that a page without a network knows it too. */
async function addressOf(user) {
  const key = `messenger-url-${user}`;
  const known = localStorage.getItem(key);
  const asked = pass(user).then(({ url }) => {
    localStorage.setItem(key, url);
    return url;
  });
  if (!known) return asked;
  // It may have moved: a demo has another port each time.
  return asked.catch(() => known);
}

/** The demo's back end gives anybody a token for anybody. Yours asks who is logged in. */
async function pass(user) {
  const response = await fetch('token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  });
  if (!response.ok) throw new Error(`no token: HTTP ${response.status}`);
  return response.json();
}
