/**
 * The parts of a browser that the client asks for, as far as it asks: IndexedDB, Web Locks, a
 * document, and a scope for the service worker. They show the logic; a browser shows the rest.
 */

import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import vm from 'node:vm';

/** Databases with one object store each; transactions run one after the other, as real ones. */
export class FakeIndexedDb {
  #databases = new Map();

  lose(name) {
    this.#databases.get(name).isLost = true;
  }

  open(name) {
    const request = {};
    setImmediate(() => {
      const isNew = !this.#databases.has(name);
      if (isNew) this.#databases.set(name, new FakeDatabase());
      request.result = this.#databases.get(name);
      request.result.isLost = false;
      if (isNew) request.onupgradeneeded?.({ target: request });
      request.onsuccess?.({ target: request });
    });
    return request;
  }
}

/** Lost, it begins no transaction until it is opened again. */
class FakeDatabase {
  isLost = false;
  #records;
  #last = Promise.resolve();

  createObjectStore() {
    this.#records = new Map();
  }

  close() {}

  transaction() {
    if (this.isLost) throw new DOMException('it is closing', 'InvalidStateError');
    const requests = [];
    const ask = (answer) => {
      const request = { answer };
      requests.push(request);
      return request;
    };
    const records = this.#records;
    const transaction = {
      objectStore: () => ({
        get: (key) => ask(() => structuredClone(records.get(key))),
        put: (value, key) => {
          const stored = structuredClone(value);
          return ask(() => void records.set(key, stored));
        },
        delete: (key) => ask(() => void records.delete(key)),
        openCursor: ({ lower, upper }) => {
          const keys = [...records.keys()].filter((key) => key >= lower && key <= upper).sort();
          const request = ask(() => cursor(0));
          const cursor = (at) =>
            at < keys.length
              ? {
                  key: keys[at],
                  value: structuredClone(records.get(keys[at])),
                  continue: () => {
                    request.answer = () => cursor(at + 1);
                    requests.push(request);
                  },
                }
              : null;
          return request;
        },
      }),
    };
    this.#last = this.#last.then(async () => {
      for (let request; (request = requests.shift()); ) {
        await new Promise(setImmediate);
        request.result = request.answer();
        request.onsuccess?.({ target: request });
      }
      transaction.oncomplete?.();
    });
    return transaction;
  }
}

/** Web Locks: one holder of a name, the others wait in line. */
export class FakeLocks {
  #held = new Map();

  request(name, { signal } = {}, work) {
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject, work };
      signal?.addEventListener('abort', () => {
        const line = this.#held.get(name) ?? [];
        const at = line.indexOf(waiting);
        if (at > 0) {
          line.splice(at, 1);
          reject(new DOMException('aborted', 'AbortError'));
        }
      });
      if (this.#held.has(name)) this.#held.get(name).push(waiting);
      else this.#held.set(name, [waiting]);
      if (this.#held.get(name).length === 1) this.#grant(name);
    });
  }

  async query() {
    return { held: [...this.#held.keys()].map((name) => ({ name })) };
  }

  #grant(name) {
    const [{ resolve, reject, work }] = this.#held.get(name);
    Promise.resolve()
      .then(work)
      .then(resolve, reject)
      .finally(() => {
        const line = this.#held.get(name);
        line.shift();
        if (line.length > 0) this.#grant(name);
        else this.#held.delete(name);
      });
  }
}

/** Makes this process a browser, for as long as it lives: each client in it is a tab. */
export function becomeBrowser() {
  // Every tab of every test listens to the same ones.
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  const range = { bound: (lower, upper) => ({ lower, upper }) };
  const window = new EventTarget();
  setMaxListeners(0, document, window);
  const globals = {
    document,
    window,
    navigator: { locks: new FakeLocks(), language: 'en' },
    indexedDB: new FakeIndexedDb(),
    IDBKeyRange: range,
  };
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return {
    look(visibilityState) {
      document.visibilityState = visibilityState;
      document.dispatchEvent(new Event('visibilitychange'));
    },
    online() {
      globalThis.window.dispatchEvent(new Event('online'));
    },
  };
}

/** `reveille-sw.js` in a scope of its own, with what it has shown. */
export class Worker {
  #handlers = new Map();
  shown = [];
  opened = [];
  windows = [];

  constructor({ name, pushManager, globals } = {}) {
    const search = name ? `?name=${name}` : '';
    const scope = {
      location: new URL(`https://app.example.com/reveille-sw.js${search}`),
      addEventListener: (type, handler) => this.#handlers.set(type, handler),
      registration: {
        scope: 'https://app.example.com/',
        pushManager,
        showNotification: async (title, options) => void this.#show(title, options),
        getNotifications: async ({ tag }) => this.shown.filter((one) => one.options.tag === tag),
      },
      clients: {
        matchAll: async () => this.windows,
        openWindow: async (url) => void this.opened.push(url),
      },
      ...globals,
    };
    const { indexedDB } = globalThis;
    const quiet = { error() {} };
    const context = vm.createContext({
      self: scope,
      indexedDB,
      URL,
      fetch,
      console: quiet,
      BroadcastChannel,
    });
    const file = new URL('../reveille-sw.js', import.meta.url);
    vm.runInContext(readFileSync(file, 'utf8'), context);
  }

  /** Dispatches an event, and waits for what it waits for. */
  async dispatch(type, event = {}) {
    const work = [];
    this.#handlers.get(type)({ ...event, waitUntil: (promise) => work.push(promise) });
    await Promise.all(work);
  }

  push(payload) {
    return this.dispatch('push', { data: { json: () => structuredClone(payload) } });
  }

  #show(title, options) {
    const old = this.shown.findIndex((one) => options.tag && one.options.tag === options.tag);
    if (old >= 0) this.shown.splice(old, 1);
    const notification = { title, options };
    notification.close = () => this.shown.splice(this.shown.indexOf(notification), 1);
    this.shown.push(notification);
  }
}
