/** Notifications by Web Push, where the browser has it, and why not where it has not. */

import { byId, icon } from './dom.js';
import { person } from './people.js';

/** Each person in this browser has a worker, and with it a subscription, of their own. */
const about = (user) => ({
  serviceWorkerUrl: './sw.js',
  scope: `./?user=${user}`,
});

/** The worker keeps the page for when there is no network. */
export async function keepShell(user) {
  if (!navigator.serviceWorker) return;
  const { serviceWorkerUrl, scope } = about(user);
  // The same address as the client gives it: one worker does both.
  await navigator.serviceWorker.register(`${serviceWorkerUrl}?name=messenger-${user}`, { scope });
}

export class Notifications {
  #chat;
  #button = byId('notify');

  constructor(chat) {
    this.#chat = chat;
    this.#button.addEventListener('click', () => this.#enable());
    chat.client.on('connected', ({ targets }) => this.#show(targets.includes('webpush')));
    this.#show(false);
    chat.addEventListener('came', ({ detail }) => this.#tell(detail));
  }

  /** Signing out ends the subscription as well. */
  async forget() {
    const registered = await navigator.serviceWorker?.getRegistration(about(this.#chat.me).scope);
    const subscription = await registered?.pushManager?.getSubscription().catch(() => undefined);
    await subscription?.unsubscribe();
  }

  async #enable() {
    this.#button.disabled = true;
    try {
      const target = await this.#chat.client.enableWebPush(about(this.#chat.me));
      this.#show(true);
      say(target.message ? `Notifications are on, but ${target.message}` : 'Notifications are on.');
    } catch (error) {
      say(wordsOf(error));
    } finally {
      this.#button.disabled = false;
    }
  }

  #show(isOn) {
    this.#button.replaceChildren(icon(isOn ? 'bell' : 'bell-off'));
    this.#button.setAttribute('aria-label', isOn ? 'Notifications are on' : 'Turn notifications on');
    this.#button.classList.toggle('on', isOn);
  }

  /** The page is connected, so nothing is pushed; if nobody looks at it, it has to say so itself. */
  async #tell({ peer, text, call }) {
    if (document.visibilityState === 'visible' || globalThis.Notification?.permission !== 'granted') {
      return;
    }
    const registered = await navigator.serviceWorker?.getRegistration(about(this.#chat.me).scope);
    await registered?.showNotification(person(peer).name, {
      body: call ? 'Missed call' : text,
      tag: peer,
      icon: 'icon.svg',
    });
  }
}

function wordsOf({ code, name, message }) {
  if (code === 'unsupported') {
    return 'This browser has no Web Push here. On an iPhone, put the page on the home screen first.';
  }
  if (code === 'permission_denied') {
    return 'Notifications are blocked for this page; the settings of the browser can change that.';
  }
  if (code === 'not_found') return 'The server has no key for Web Push yet.';
  if (name === 'AbortError') {
    return `The browser got no subscription from its push service: ${message}`;
  }
  return `Notifications could not be turned on: ${message}`;
}

function say(text) {
  byId('notice').textContent = text;
  byId('notice').hidden = false;
}
