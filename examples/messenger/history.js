/**
 * What was said, on this device: in memory to be shown, in IndexedDB to be there after a reload.
 *
 * A message is `{ id, peer, isMine, text, at, order, state }`; its `state` is `queued`, `sent`,
 * `delivered`, `read`, `expired` or `failed`, of one that came `new` or `seen`. A call that is over
 * stands among the messages, with `call: { media, outcome, seconds }` in place of the text.
 */

/** A state never goes back: receipts may overtake each other. */
const RANKS = ['queued', 'failed', 'sent', 'expired', 'delivered', 'read'];

export class History extends EventTarget {
  #database;
  #messages = new Map();
  /** Ours, by the id that the server gave them, which receipts name. */
  #byServerId = new Map();
  #order = 0;
  /** To the other tabs of this person. */
  #channel;

  static async open(user) {
    const history = new History();
    history.#database = await new Promise((resolve, reject) => {
      const opening = indexedDB.open(`messenger-history-${user}`, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore('messages', { keyPath: 'id' });
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    const all = await history.#run('readonly', (store) => store.getAll());
    for (const message of all.sort((one, other) => one.order - other.order)) {
      history.#remember(message);
    }
    history.#channel = new BroadcastChannel(`messenger-history-${user}`);
    history.#channel.onmessage = ({ data }) => history.#take(data);
    return history;
  }

  /** Resolves once it is stored: only then a message may be acknowledged. */
  async add(message) {
    const known = this.#messages.get(message.id);
    // Another tab may have told of it, and not have stored it yet.
    await this.#keep(known ?? { order: this.#order + 1, at: Date.now(), ...message });
  }

  async change(id, fields) {
    const message = this.#messages.get(id);
    if (!message) return;
    const before = RANKS.indexOf(message.state);
    const { state = message.state, ...others } = fields;
    const isBack = before >= 0 && RANKS.indexOf(state) < before;
    await this.#keep({ ...message, ...others, state: isBack ? message.state : state });
  }

  ofServerId(serverId) {
    return this.#byServerId.get(serverId);
  }

  /** A conversation, oldest first. */
  with(peer) {
    return [...this.#messages.values()].filter((message) => message.peer === peer);
  }

  /** What came and was not looked at. */
  unseen(peer) {
    return this.with(peer).filter(({ state }) => state === 'new');
  }

  /** With whom there is a conversation. */
  peers() {
    return [...new Set([...this.#messages.values()].map(({ peer }) => peer))];
  }

  async clear() {
    this.#messages.clear();
    this.#byServerId.clear();
    await this.#run('readwrite', (store) => store.clear());
  }

  async #keep(message) {
    this.#take(message);
    this.#channel.postMessage(message);
    await this.#run('readwrite', (store) => store.put(message));
  }

  #take(message) {
    this.#remember(message);
    this.dispatchEvent(new CustomEvent('changed', { detail: { peer: message.peer } }));
  }

  #remember(message) {
    this.#order = Math.max(this.#order, message.order);
    this.#messages.set(message.id, message);
    if (message.serverId) this.#byServerId.set(message.serverId, message.id);
  }

  #run(mode, work) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction('messages', mode);
      const request = work(transaction.objectStore('messages'));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}
