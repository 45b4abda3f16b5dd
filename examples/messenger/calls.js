/**
 * Calls: the client says who rings and carries the signals, also over a lost connection; WebRTC
 * carries sound and pictures from browser to browser.
 *
 * ```text
 *   start ─▶ calling ─▶ ringing ─▶ talking ─▶ over
 *            incoming ─────────────┘
 * ```
 */

import { avatar, byId, duration, h, icon } from './dom.js';
import { Media } from './media.js';
import { person } from './people.js';

/** How long the end of a call can be read. */
const GOODBYE_MS = 1_500;

export class Calls {
  #chat;
  /** The one call that there is: `{ call, peer, media, lines, talkingSince }`. */
  #now;
  #dialog = byId('call');
  #clock;

  constructor(chat) {
    this.#chat = chat;
    chat.client.on('call', (call) => this.#incoming(call));
    // The Escape key must not make a call vanish that goes on.
    this.#dialog.addEventListener('cancel', (event) => event.preventDefault());
    addEventListener('pagehide', () => this.#now?.call?.end());
  }

  /** Calls somebody. */
  async start(peer, media) {
    if (this.#now) return;
    const now = (this.#now = { peer, media, isMine: true });
    this.#show('calling', 'Calling…');
    now.lines = await this.#open(now);
    if (this.#now !== now) return;
    const offer = await now.lines.offer(media);
    if (this.#now !== now) return;
    const callerName = person(this.#chat.me).name;
    now.call = this.#chat.client.call(peer, { media, callerName, offer });
    now.call.on('ringing', () => this.#say(now, 'Ringing…'));
    now.call.on('answered', async ({ answer }) => {
      this.#show('talking', 'Connecting…');
      await now.lines.answered(answer);
    });
    this.#follow(now);
    await now.lines.begin(offer);
  }

  async #incoming(call) {
    if (call.resumed) {
      // The page was loaded anew in mid call, and its peer connection is gone.
      call.end();
      return;
    }
    if (this.#now) {
      call.reject('busy');
      return;
    }
    const now = (this.#now = { call, peer: call.from, media: call.media, isMine: false });
    now.early = [];
    this.#follow(now);
    this.#show('incoming', call.media === 'video' ? 'Video call…' : 'Call…');
  }

  async #accept() {
    const now = this.#now;
    this.#show('talking', 'Connecting…');
    const lines = await this.#open(now);
    if (this.#now !== now) return;
    const answer = await lines.answer(now.call.offer);
    now.lines = lines;
    for (const candidate of now.early.splice(0)) await lines.candidate(candidate);
    now.call.answer(answer);
  }

  /** What the other side says of the call. */
  #follow(now) {
    now.call.on('signal', async ({ candidate }) => {
      if (now.lines) await now.lines.candidate(candidate);
      else now.early.push(candidate);
    });
    now.call.on('ended', ({ reason, error }) => this.#over(now, reason, error));
    now.call.on('error', (error) => console.warn('call:', error));
  }

  async #open(now) {
    const lines = await Media.open(now.media, {
      signal: (body) => now.call?.signal(body),
      connected: () => this.#talking(now),
      failed: () => now.call.end(),
      theirs: (stream) => (byId('their-picture').srcObject = stream),
    });
    if (this.#now !== now) lines.close();
    else this.#mine(lines);
    return lines;
  }

  #mine(lines) {
    byId('my-picture').srcObject = lines.mine;
    byId('my-picture').hidden = !lines.has('video');
  }

  #talking(now) {
    if (this.#now !== now || now.talkingSince) return;
    now.talkingSince = Date.now();
    this.#show('talking', duration(0));
    const tick = () => this.#say(now, duration((Date.now() - now.talkingSince) / 1_000));
    this.#clock = setInterval(tick, 1_000);
  }

  async #over(now, reason, error) {
    if (this.#now !== now) return;
    clearInterval(this.#clock);
    now.lines?.close();
    for (const id of ['their-picture', 'my-picture']) byId(id).srcObject = null;
    this.#show('over', endWords(reason, error));
    await this.#remember(now, reason);
    setTimeout(() => {
      if (this.#now !== now) return;
      this.#now = undefined;
      this.#dialog.close();
    }, GOODBYE_MS);
  }

  /** A call that was missed comes as a message, from the server. */
  async #remember(now, reason) {
    const isAnswered = now.talkingSince !== undefined;
    if (reason === 'answered_elsewhere') return;
    if (!now.isMine && !isAnswered && reason !== 'declined') return;
    const seconds = isAnswered ? Math.round((Date.now() - now.talkingSince) / 1_000) : undefined;
    await this.#chat.history.add({
      id: `call ${now.call?.id ?? crypto.randomUUID()}`,
      peer: now.peer,
      isMine: now.isMine,
      call: { media: now.media, outcome: isAnswered ? 'answered' : logWords(reason), seconds },
    });
  }

  // What is seen of it.

  #say(now, text) {
    if (this.#now === now) byId('call-state').textContent = text;
  }

  #show(phase, text) {
    const { peer, media } = this.#now;
    const dialog = this.#dialog;
    const name = person(peer).name;
    dialog.dataset.phase = phase;
    dialog.dataset.media = media;
    byId('call-avatar').replaceChildren(avatar(peer));
    byId('call-name').textContent = name;
    byId('call-state').textContent = text;
    byId('their-picture').hidden = media !== 'video' || phase !== 'talking';
    byId('my-picture').hidden = media !== 'video' || phase === 'incoming' || phase === 'over';
    byId('call-buttons').replaceChildren(...this.#buttons(phase, media));
    if (!dialog.open) dialog.showModal();
    byId('call-buttons').querySelector('button')?.focus();
    const isRinging = phase === 'incoming';
    document.title = isRinging ? `${name} is calling` : `${person(this.#chat.me).name} · Messenger`;
  }

  #buttons(phase, media) {
    const hangUp = () => {
      const now = this.#now;
      // Before the call is on its way there is nobody to tell.
      if (now.call) now.call.end();
      else this.#over(now, 'cancelled');
    };
    if (phase === 'over') return [];
    if (phase === 'incoming') {
      return [
        round('Accept', media === 'video' ? 'camera' : 'phone', 'accept', () => this.#accept()),
        round('Decline', 'phone', 'hang-up', () => this.#now.call.reject()),
      ];
    }
    const switches = [this.#switch('audio', 'Microphone', 'mic', 'mic-off')];
    if (media === 'video') switches.push(this.#switch('video', 'Camera', 'camera', 'camera-off'));
    return [round('Hang up', 'phone', 'hang-up', hangUp), ...switches];
  }

  #switch(kind, name, on, off) {
    const now = this.#now;
    now.isOff ??= {};
    const button = round(name, now.isOff[kind] ? off : on, 'switch', () => {
      now.isOff[kind] = !now.isOff[kind];
      now.lines?.send(kind, !now.isOff[kind]);
      show();
    });
    const show = () => {
      button.setAttribute('aria-pressed', String(!now.isOff[kind]));
      button.querySelector('svg').replaceWith(icon(now.isOff[kind] ? off : on));
    };
    show();
    return button;
  }
}

/** A round button with its word below. */
function round(label, drawing, kind, onclick) {
  const disc = h('span', { class: `disc ${kind}` }, icon(drawing));
  return h('button', { class: 'round', type: 'button', onclick }, disc, label);
}

function endWords(reason, error) {
  const words = {
    answered_elsewhere: 'Answered on another device',
    busy: 'Busy',
    cancelled: 'Call ended',
    declined: 'Declined',
    hung_up: 'Call ended',
    lost: 'The connection was lost',
    refused: error?.message,
    unanswered: 'No answer',
  };
  return words[reason] ?? 'Call ended';
}

function logWords(reason) {
  const words = { busy: 'busy', cancelled: 'cancelled', declined: 'declined', unanswered: 'no answer' };
  return words[reason] ?? 'not connected';
}
