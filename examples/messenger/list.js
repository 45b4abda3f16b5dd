/** The conversations: the last word of each, when it was, and how many words are new. */

import { avatar, byId, h, time } from './dom.js';
import { PEOPLE, person } from './people.js';
import { ticks } from './ticks.js';

/** What the user should know of the connection. */
export const STATES = {
  idle: 'Connecting…',
  connecting: 'Connecting…',
  connected: 'Online',
  waiting: 'Offline: what you write waits',
  closed: 'Not connected',
};

export class List {
  #chat;
  #peer;

  constructor(chat) {
    this.#chat = chat;
    chat.history.addEventListener('changed', () => this.#draw());
  }

  open(peer) {
    this.#peer = peer;
    this.#draw();
  }

  #draw() {
    const { history, me } = this.#chat;
    const others = PEOPLE.map(({ id }) => id).filter((id) => id !== me);
    const peers = [...new Set([...others, ...history.peers()])];
    const rows = peers.map((peer) => ({ peer, last: history.with(peer).at(-1) }));
    rows.sort((one, other) => (other.last?.at ?? 0) - (one.last?.at ?? 0));
    const unseen = peers.map((peer) => history.unseen(peer).length);
    const sum = unseen.reduce((one, other) => one + other, 0);
    navigator.setAppBadge?.(sum).catch(() => {});
    byId('conversations').replaceChildren(...rows.map((row) => h('li', {}, this.#row(row))));
  }

  #row({ peer, last }) {
    const unseen = this.#chat.history.unseen(peer).length;
    const isOpen = peer === this.#peer;
    return h(
      'a',
      { href: `#${encodeURIComponent(peer)}`, class: 'row', 'aria-current': isOpen && 'page' },
      avatar(peer),
      h('span', { class: 'row-name' }, person(peer).name),
      last && h('time', { class: 'row-time' }, time(last.at)),
      h('span', { class: 'row-last' }, last?.isMine && ticks(last), lastWords(last)),
      unseen > 0 && h('span', { class: 'badge', 'aria-label': `${unseen} new` }, String(unseen)),
    );
  }
}

function lastWords(last) {
  if (!last) return h('span', {}, 'Say hello');
  if (last.call) return h('span', {}, callWords(last));
  return h('span', {}, last.text);
}

export function callWords({ call, isMine }) {
  const kind = call.media === 'video' ? 'video call' : 'call';
  if (call.outcome === 'missed') return `Missed ${kind}`;
  if (call.outcome === 'answered') return `${kind[0].toUpperCase()}${kind.slice(1)}`;
  return isMine ? `${kind[0].toUpperCase()}${kind.slice(1)}, ${call.outcome}` : `Declined ${kind}`;
}
