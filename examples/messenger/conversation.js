/** One conversation, and the field to go on with it. */

import { avatar, byId, day, duration, h, icon, time } from './dom.js';
import { callWords, STATES } from './list.js';
import { BACK_END, person } from './people.js';
import { ticks } from './ticks.js';

/** How long somebody types after they were last heard to. */
const TYPING_MS = 5_000;

export class Conversation {
  #chat;
  #calls;
  #peer;
  /** Where the list does not stand beside it, it says itself that there is no connection. */
  #state = h('p', { class: 'state', role: 'status' });
  #log;
  #items;
  #typing;
  #typingTimer;
  /** What was begun in each conversation, and not sent. */
  #drafts = new Map();

  constructor(chat, calls) {
    this.#chat = chat;
    this.#calls = calls;
    chat.history.addEventListener('changed', ({ detail }) => {
      if (detail.peer === this.#peer) this.#draw();
    });
    chat.addEventListener('typing', ({ detail }) => this.#types(detail.peer));
    chat.addEventListener('came', ({ detail }) => {
      if (detail.peer === this.#peer) this.#typesNoMore();
    });
    document.addEventListener('visibilitychange', () => this.#look());
    chat.client.on('state', (state) => this.#stands(state));
    this.#stands(chat.client.state);
  }

  open(peer) {
    const before = this.#peer;
    this.#peer = peer;
    const place = byId('conversation');
    if (peer === undefined) {
      place.replaceChildren(nothingOpen());
      return;
    }
    this.#items = h('ol', { class: 'items' });
    const log = { class: 'log', role: 'log', tabindex: '0', 'aria-label': 'Messages' };
    this.#log = h('div', log, this.#items);
    this.#typing = h('p', { class: 'typing', role: 'status' });
    const isPerson = peer !== BACK_END.id;
    place.replaceChildren(this.#head(isPerson), this.#log, this.#typing);
    if (isPerson) place.append(this.#composer());
    this.#draw();
    if (before !== peer) (place.querySelector('textarea') ?? this.#log).focus();
  }

  #head(isPerson) {
    const { name } = person(this.#peer);
    const call = (media, drawing, words) =>
      h(
        'button',
        {
          class: 'icon',
          type: 'button',
          'aria-label': `${words} ${name}`,
          onclick: () => this.#calls.start(this.#peer, media),
        },
        icon(drawing),
      );
    return h(
      'header',
      { class: 'talk-head' },
      h('a', { class: 'icon to-list', href: '#', 'aria-label': 'All conversations' }, icon('back')),
      avatar(this.#peer),
      h('div', { class: 'who' }, h('h1', {}, name), this.#state),
      isPerson && call('audio', 'phone', 'Call'),
      isPerson && call('video', 'camera', 'Video call with'),
    );
  }

  #composer() {
    const peer = this.#peer;
    const { name } = person(peer);
    const field = h('textarea', {
      rows: '1',
      'aria-label': `Message to ${name}`,
      placeholder: 'Message',
      maxlength: '4000',
      enterkeyhint: 'send',
    });
    field.value = this.#drafts.get(peer) ?? '';
    const send = (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (text === '') return;
      field.value = '';
      this.#drafts.delete(peer);
      this.#chat.send(peer, text);
      field.focus();
    };
    field.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
    });
    field.addEventListener('input', () => {
      this.#drafts.set(peer, field.value);
      if (field.value.trim() !== '') this.#chat.typing(peer);
    });
    const button = h('button', { class: 'send', 'aria-label': 'Send' }, icon('send'));
    return h('form', { class: 'composer', onsubmit: send }, field, button);
  }

  #draw() {
    const log = this.#log;
    const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const items = [];
    let before;
    for (const message of this.#chat.history.with(this.#peer)) {
      const today = day(message.at);
      if (today !== before?.day) items.push(h('li', { class: 'day' }, h('span', {}, today)));
      const follows = before?.isMine === message.isMine && before?.day === today;
      items.push(message.call ? callItem(message) : textItem(message, follows));
      before = { day: today, isMine: message.isMine };
    }
    if (items.length === 0) items.push(h('li', { class: 'day' }, firstWords(this.#peer)));
    this.#items.replaceChildren(...items);
    if (wasAtEnd) log.scrollTop = log.scrollHeight;
    this.#look();
  }

  /** What is shown to somebody who looks is read. */
  #look() {
    if (this.#peer && document.visibilityState === 'visible') this.#chat.seen(this.#peer);
  }

  #stands(state) {
    this.#state.textContent = state === 'connected' ? '' : STATES[state].split(':')[0];
    this.#state.dataset.state = state;
  }

  #types(peer) {
    if (peer !== this.#peer) return;
    this.#typing.textContent = `${person(peer).name} is typing…`;
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => this.#typesNoMore(), TYPING_MS);
  }

  #typesNoMore() {
    clearTimeout(this.#typingTimer);
    if (this.#typing) this.#typing.textContent = '';
  }
}

function nothingOpen() {
  return h('p', { class: 'nothing-open' }, 'Choose somebody to talk to.');
}

function firstWords(peer) {
  return h('span', {}, `This is the beginning of your conversation with ${person(peer).name}.`);
}

function textItem(message, follows) {
  const { text, isMine, at, state, why } = message;
  const side = isMine ? 'mine' : 'theirs';
  return h(
    'li',
    { class: `message ${side}${follows ? ' follows' : ''}` },
    h('span', { class: 'unseen' }, isMine ? 'You: ' : `${person(message.peer).name}: `),
    h('span', { class: 'text' }, text),
    h('span', { class: 'about' }, h('time', {}, time(at)), isMine && ticks(message)),
    state === 'failed' && h('span', { class: 'why' }, why ?? 'It could not be delivered.'),
  );
}

function callItem(message) {
  const { call, at } = message;
  const length = call.seconds === undefined ? '' : ` · ${duration(call.seconds)}`;
  const drawing = call.media === 'video' ? 'camera' : 'phone';
  return h(
    'li',
    { class: `call-item ${call.outcome === 'missed' ? 'missed' : ''}` },
    icon(drawing),
    h('span', {}, `${callWords(message)}${length}`),
    h('time', {}, time(at)),
  );
}
