/**
 * Reveille for browsers and Node: one connection that comes back by itself, and every message once.
 *
 * ```text
 *   getToken ─▶ Line ──frames──▶ Reveille ──▶ Inbox ─▶ your handler ─▶ stored ─▶ ack
 *   send() ───▶ Outbox ─▶ Line      │
 *   call() ───▶ Call ───▶ Line ◀────┘ events
 * ```
 *
 * In a browser the tab that holds a Web Lock has the `Line`, the `Inbox` and the `Outbox`; the
 * other tabs write through it and hear what it hears (`Tabs`). What must outlive a tab is in a
 * `Store`, which the service worker reads and writes too (`reveille-sw.js`).
 *
 * The protocol is docs/protocol.md of the server; names are as there, in camel case.
 * Read first: `Reveille`, `Line`, `Inbox`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

const PROTOCOL = 'reveille.v1';

/** How long the server may take to answer `connect`; it waits ten seconds for ours itself. */
const GREETING_MS = 20_000;

/** A connection that lived this long was a good one: the next pause is the first again. */
const GOOD_MS = 10_000;

/** Ids of messages that are remembered, to drop one that comes again under another position. */
const RECENT_IDS = 500;

/** Messages that wait for a connection at most; one more is refused, and its promise says so. */
const MOST_QUEUED = 1_000;

/** `connect` names at most so many calls. */
const MOST_CALLS = 16;

/** What `connected` says if it says nothing else. */
const LIMITS = { frame_bytes: 98_304, body_bytes: 65_536, recipients: 100 };

/** What each close code means, and whether to connect again with the same credentials. */
const CLOSES = {
  1001: ['going_away', true],
  4400: ['bad_frame', false],
  4401: ['unauthorized', false],
  4403: ['forbidden', false],
  4408: ['timed_out', true],
  4409: ['replaced', false],
  4413: ['too_large', false],
  4429: ['too_slow', true],
  4500: ['internal', true],
};

/** Refusals of a send that a later try can change: it stays in the queue. */
const PASSING = new Set([
  'internal',
  'rate_limited',
  'storage_full',
  'token_expired',
  'unavailable',
]);

/** Fields that only `call.start` has: an `error` that names one answers it. */
const START_FIELDS = new Set(['to', 'media', 'caller_name', 'caller_handle', 'offer']);

/** A refusal, by the server or before anything was sent; decide by its `code`. */
export class ReveilleError extends Error {
  constructor({ code, message, field, diagnosis, retryAfterMs, cause }) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ReveilleError';
    this.code = code;
    this.field = field;
    this.diagnosis = diagnosis;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Handlers by the type of their event. */
class Emitter {
  #handlers = new Map();

  /** Calls `handler` for every event of this type; the function returned ends that. */
  on(type, handler) {
    if (!this.#handlers.has(type)) this.#handlers.set(type, new Set());
    this.#handlers.get(type).add(handler);
    return () => this.off(type, handler);
  }

  off(type, handler) {
    this.#handlers.get(type)?.delete(handler);
  }

  /** The next event of this type. */
  once(type) {
    return new Promise((resolve) => {
      const end = this.on(type, (event) => {
        end();
        resolve(event);
      });
    });
  }

  /** Calls all handlers; resolves when those that are async have, and rejects as the first did. */
  async deliver(type, event) {
    await Promise.all([...(this.#handlers.get(type) ?? [])].map(async (handler) => handler(event)));
  }

  /** The same for an event that nobody waits for. What a handler throws is an `error` event. */
  emit(type, event) {
    if (type === 'error' && !this.#handlers.get('error')?.size) {
      console.error('reveille:', event);
      return;
    }
    this.deliver(type, event).catch((error) => {
      if (type === 'error') console.error('reveille: a handler of `error` failed:', error);
      else this.emit('error', error);
    });
  }
}

/** A device of one user. */
export class Reveille extends Emitter {
  #options;
  #store;
  #tabs;
  #line;
  #inbox;
  #outbox;
  #calls = new Map();
  #sends = new Map();
  #targets = new Map();
  /** The last messages of this tab, by id, each with the promise of its handlers. */
  #given = new Map();
  #reads = [];
  #device;
  #limits = LIMITS;
  #clockSkewMs = 0;
  /** The last `connected`, for tabs that come later. */
  #greeting;
  #toldState;
  #status = { state: 'idle', maySend: false };
  /** The promise of `connect`; there is none once that is over. */
  #first;
  /** How often it was closed: what began before is void. */
  #closes = 0;
  #closing;
  #opening;
  #listeners = [];

  /** @param {import('./reveille.js').Options} options */
  constructor(options) {
    super();
    const { url, getToken } = options;
    if (typeof getToken !== 'function') {
      throw new TypeError('`getToken` is missing; give a function that returns a user token');
    }
    this.#options = { autoAck: true, name: 'reveille', pauses: {}, device: {}, ...options };
    // A path stays: a proxy may have the server below one.
    this.#options.url = new URL(url).href.replace(/\/+$/, '');
    this.#store = options.store ?? defaultStore(this.#options.name);
  }

  /** `idle`, `connecting`, `connected`, `waiting` for the next try, or `closed` for good. */
  get state() {
    return this.#status.state;
  }

  /** The user, once the server has said who it is. */
  get user() {
    return this.#device?.user;
  }

  get deviceId() {
    return this.#device?.id;
  }

  /**
   * Connects, and stays connected until `close`. Resolves with the first `connected`; rejects if
   * the server will not have this device. Add the handlers of `message` before.
   */
  connect() {
    if (this.#first) return this.#first.promise;
    const first = (this.#first = deferred());
    first.promise.catch(() => {}); // Whoever does not wait for it hears `disconnected`.
    this.#start().catch((error) => {
      first.reject(error);
      if (this.#first === first) this.#first = undefined;
    });
    return first.promise;
  }

  /** Ends the connection; the queue stays. */
  close() {
    const first = this.#first;
    this.#first = undefined;
    this.#closes += 1;
    this.#closing ??= this.#shut().finally(() => {
      this.#closing = undefined;
      this.#become({ state: 'closed', maySend: false });
    });
    return this.#closing.finally(() => {
      first?.reject(new ReveilleError({ code: 'closed', message: 'closed by the app' }));
    });
  }

  /**
   * Sends a message. Resolves once the server has stored it; rejects only when it never will. A
   * message that waits outlives connections and, with a store that does, this page.
   */
  async send(message) {
    const frame = sendFrame(message, this.#limits);
    await this.#open();
    const sent = deferred();
    this.#sends.set(frame.id, sent);
    sent.promise.catch(() => {});
    const item = { key: queueKey(), user: this.#options.user ?? this.#device.user, frame };
    const kept = await this.#queue(item);
    if (!kept) {
      this.#sends.delete(frame.id);
      throw new ReveilleError({
        code: 'queue_full',
        message: `${MOST_QUEUED} messages wait for a connection; send again when some have left`,
      });
    }
    return sent.promise;
  }

  async #queue(item) {
    const waiting = this.#outbox?.size ?? (await this.#store.list('outbox/')).length;
    if (waiting >= MOST_QUEUED) return false;
    await this.#store.update(item.key, () => item).catch((error) => this.emit('error', error));
    this.#tell('sending', { id: item.frame.id, state: 'queued' });
    if (this.#outbox) this.#outbox.add(item);
    else this.#tabs?.post({ kind: 'queued', item });
    return true;
  }

  /** The messages that the server has not accepted yet, in order. */
  async queued() {
    const items = await this.#store.list('outbox/');
    return items.map(([, { frame }]) => sendOf(frame));
  }

  /**
   * Says what the user has read: `{thread, upTo}` with the position of a message, or `{messages}`
   * with at most a hundred ids. Kept for the next connection if there is none.
   */
  read({ thread, upTo, messages }) {
    if (messages !== undefined) checkTexts('messages', messages);
    else checkText('thread', thread);
    const up_to = upTo && { epoch: upTo.epoch, offset: upTo.offset };
    const frame = withoutAbsent({ type: 'read', thread, up_to, messages });
    if (this.#status.state === 'connected') this.#write(frame);
    else this.#reads.push(frame);
  }

  /** Tells a user that this one is typing. Live only: without a connection it is nothing. */
  typing(to, thread) {
    checkText('to', to);
    checkText('thread', thread);
    this.#write({ type: 'typing', to, thread });
  }

  /** Calls a user; listen to the `Call` for what becomes of it. */
  call(to, { id, media = 'audio', callerName, callerHandle, offer } = {}) {
    checkText('to', to);
    checkText('callerName', callerName);
    checkOneOf('media', media, ['audio', 'video']);
    const call = new Call(this.#callContext(), {
      id: id ?? uuid(),
      direction: 'outgoing',
      to,
      media,
      callerName,
      callerHandle,
      offer: offer === undefined ? undefined : plain('offer', offer, this.#limits),
    });
    this.#calls.set(call.id, call);
    call._start();
    return call;
  }

  /** The calls that are not over. */
  get calls() {
    return [...this.#calls.values()].filter((call) => call.state !== 'ended');
  }

  /**
   * Registers a push token, and registers it again should the server have lost it. Rejects when
   * the server refuses it; resolves with a `code` if pushes to it would fail as things stand.
   */
  async setPushToken(token, { kind, voip, environment, appId } = {}) {
    kind ??= voip ? 'apns_voip' : kindOf(this.#platform());
    token = typeof token === 'string' ? token : JSON.stringify(token);
    checkOneOf('kind', kind, ['fcm', 'apns', 'apns_voip', 'webpush']);
    if (environment) checkOneOf('environment', environment, ['production', 'sandbox']);
    await this.#open();
    const frame = withoutAbsent({ type: 'push_token', kind, token, environment, app_id: appId });
    await this.#remember((device) => (device.targets = { ...device.targets, [kind]: frame }));
    return this.#target(frame);
  }

  /** Removes the push token of a kind. */
  async removePushToken(kind) {
    await this.#open();
    await this.#remember((device) => delete device.targets?.[kind]);
    return this.#target({ type: 'push_token', kind });
  }

  /**
   * Asks for the permission, registers the service worker and subscribes. Call it from a tap:
   * browsers ask the user at no other time.
   */
  async enableWebPush({ serviceWorkerUrl = '/reveille-sw.js', scope, vapidKey } = {}) {
    if (!globalThis.navigator?.serviceWorker || !globalThis.PushManager) {
      throw new ReveilleError({
        code: 'unsupported',
        message: 'no Web Push here; an iPhone has it for sites on its home screen alone',
      });
    }
    if ((await Notification.requestPermission()) !== 'granted') {
      throw new ReveilleError({
        code: 'permission_denied',
        message: 'the user does not want notifications; only the browser settings can change that',
      });
    }
    const { name } = this.#options;
    const script = new URL(serviceWorkerUrl, location.href);
    if (name !== 'reveille') script.searchParams.set('name', name);
    const registered = await navigator.serviceWorker.register(script, scope && { scope });
    await activated(registered);
    const key = vapidKey ?? (await this.#http('GET', '/v1/webpush-key')).public_key;
    let subscription = await registered.pushManager.getSubscription();
    if (subscription && base64url(subscription.options.applicationServerKey) !== key) {
      await subscription.unsubscribe();
      subscription = null;
    }
    subscription ??= await registered.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: bytesOf(key),
    });
    return this.setPushToken(JSON.stringify(subscription), { kind: 'webpush', appId: key });
  }

  /**
   * Sends a push to this device and waits until its push handler has said that it came, the push
   * service refused it, or `timeoutMs` are over; then the answer is the last that was seen.
   */
  async testPush({ timeoutMs = 30_000, intervalMs = 1_000 } = {}) {
    const until = Date.now() + timeoutMs;
    let test = await this.#http('POST', '/v1/me/test-push');
    while (['waiting', 'accepted'].includes(test.state) && Date.now() < until) {
      await pause(intervalMs);
      test = await this.#http('GET', `/v1/me/test-push/${test.push}`);
    }
    return {
      push: test.push,
      state: test.state,
      received: test.state === 'received',
      receivedAt: dateOf(test.received_at),
      code: test.code,
      text: test.text,
    };
  }

  /** Calls `getToken` now, as after the app's own login; a session gets the new token at once. */
  refresh() {
    if (this.#line) this.#line.renew();
    else this.#tabs?.post({ kind: 'refresh' });
  }

  /** Nothing is pushed to this device any more, and it forgets who it was. */
  async signOut() {
    await this.#open();
    const gone = this.#device.secret && this.#http('DELETE', '/v1/me/device');
    await Promise.resolve(gone).catch((error) => this.emit('error', error));
    await this.close();
    for (const [key] of await this.#store.list('')) await this.#store.update(key, () => undefined);
    this.#opening = undefined;
    this.#device = undefined;
  }

  // How a tab begins.

  /** Reads who this device is, or makes it up. */
  #open() {
    this.#opening ??= (async () => {
      await this.#store.get('device').catch((error) => {
        // Some browsers keep nothing in private windows: it works as long as the page lives.
        this.emit('error', error);
        this.#store = memoryStore();
      });
      await this.#remember((device) => {
        device.id = this.#options.device.id ?? device.id ?? uuid();
        device.url = this.#options.url;
      });
    })();
    return this.#opening;
  }

  /** After each of its waits it looks whether `close` came in between. */
  async #start() {
    const closes = this.#closes;
    const isVoid = () => this.#closes !== closes;
    await this.#closing;
    await this.#open();
    if (isVoid()) return;
    if (this.#tabs && !this.#line) {
      // The tab that has the connection begins it again for all.
      this.#tabs.post({ kind: 'connect' });
      return;
    }
    await this.#shut();
    if (isVoid()) return;
    this.#status = { state: 'idle', maySend: false };
    this.#listen();
    if (!Tabs.areHere() || this.#options.tabs === false) {
      await this.#lead(isVoid);
      return;
    }
    this.#tabs = new Tabs(this.#options.name, {
      lead: () => this.#lead(isVoid),
      take: (message) => this.#fromTab(message),
      about: () => ({ visible: isVisible(), calls: this.#heldCalls() }),
      problem: (error) => this.emit('error', error),
      pauses: this.#options.pauses,
    });
  }

  /** Leaves everything that `#start` made. */
  async #shut() {
    this.#stopListening();
    for (const call of this.#calls.values()) call._stop();
    // What the app has taken is acknowledged while there is a connection.
    await this.#inbox?.close();
    this.#inbox = undefined;
    this.#line?.close();
    this.#line = undefined;
    this.#outbox?.close();
    this.#outbox = undefined;
    this.#tabs?.close();
    this.#tabs = undefined;
  }

  /** This tab has the connection from now on; or none of it, if something fails. */
  async #lead(isVoid) {
    if (isVoid()) return;
    const { user } = this.#options;
    const inbox = (this.#inbox = new Inbox(this.#store, {
      deliver: (frame, item) => this.#deliver(frame, item),
      ack: (position) => this.#line?.write({ type: 'ack', position }),
      answered: () => this.#outbox?.answered(),
      problem: (error) => this.emit('error', error),
      autoAck: this.#options.autoAck,
      pauses: this.#options.pauses,
    }));
    const outbox = (this.#outbox = new Outbox(this.#store, {
      write: (frame) => this.#line?.maySend && this.#line.write(frame),
      settle: (settled) => this.#settle(settled),
      tell: (event) => this.#tell('sending', event),
      isMine: (id) => this.#sends.has(id),
      pauses: this.#options.pauses,
    }));
    try {
      await inbox.load(user ?? this.#device.user);
      await outbox.load();
    } catch (error) {
      if (isVoid()) return;
      // What is sent now waits in the store, for whoever leads.
      this.#inbox = undefined;
      this.#outbox = undefined;
      outbox.close();
      await inbox.close();
      throw error;
    }
    if (isVoid()) return;
    this.#line = new Line(this.#options, {
      hello: (token) => this.#hello(token),
      frame: (frame) => this.#heard(frame),
      changed: (status) => this.#changed(status),
      problem: (error) => this.emit('error', error),
      hasSecret: () => this.#device.secret !== undefined,
      owes: (sinceMs) => this.#outbox.owes(sinceMs),
    });
    this.#line.open();
  }

  /** The first frame of a connection. */
  async #hello(token) {
    // The service worker may have stored something meanwhile, or another tab a push token.
    this.#device = (await this.#store.get('device')) ?? this.#device;
    await this.#inbox.load(this.#options.user ?? this.#device.user);
    const { appVersion, locale, timeZone } = this.#options.device;
    const others = this.#tabs?.calls() ?? [];
    const calls = [...this.#heldCalls(), ...others].slice(0, MOST_CALLS);
    this.#toldState = this.#appState();
    return withoutAbsent({
      type: 'connect',
      token: token ?? undefined,
      device: withoutAbsent({
        id: this.#device.id,
        platform: this.#platform(),
        app_version: appVersion,
        locale: locale ?? globalThis.navigator?.language,
        time_zone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
      }),
      device_secret: this.#device.secret,
      position: this.#inbox.position(),
      state: this.#toldState,
      purpose: 'app',
      calls: calls.length > 0 ? calls : undefined,
    });
  }

  #platform() {
    return this.#options.device.platform ?? (globalThis.document ? 'web' : 'other');
  }

  #appState() {
    const visible = isVisible() || (this.#tabs?.anyVisible() ?? false);
    return visible ? 'foreground' : 'background';
  }

  /** Tells the server when the first tab is looked at, and when the last one is no more. */
  #tellState() {
    const state = this.#appState();
    if (state === this.#toldState) return;
    if (this.#line?.write({ type: 'state', state })) this.#toldState = state;
  }

  /** Changes the record of the device, for the service worker and the other tabs too. */
  async #remember(change) {
    const changed = (device = {}) => {
      change(device);
      return device;
    };
    try {
      this.#device = await this.#store.update('device', changed);
    } catch (error) {
      // The disk is full, perhaps. What is known here is still known.
      this.emit('error', error);
      this.#device = changed(this.#device);
    }
  }

  // What comes.

  /** A frame at the tab that is connected. */
  async #heard(frame) {
    switch (frame.type) {
      case 'connected':
        await this.#greeted(frame);
        return;
      case 'message':
      case 'receipt':
      case 'read':
      case 'gap':
        this.#inbox?.take(frame);
        return;
      case 'accepted':
        if (frame.own_copy) this.#inbox?.know(frame.id);
        this.#outbox?.accepted(frame);
        return;
      case 'rejected':
        // Without a user token the server refuses what it will take with one.
        if (frame.problem.code === 'token_expired') this.#line.renew();
        this.#outbox?.rejected(frame, { maySend: this.#line.maySend });
        return;
      default:
        this.#share(frame);
    }
  }

  async #greeted({ device_secret, ...frame }) {
    const inbox = this.#inbox;
    const isOver = () => !inbox || this.#inbox !== inbox;
    await this.#remember((device) => {
      device.user = frame.user;
      if (device_secret) device.secret = device_secret;
    });
    if (isOver()) return; // Closed meanwhile.
    await inbox.greeted(frame);
    if (isOver()) return;
    this.#outbox.greeted(frame.user);
    this.#share(frame);
    this.#tellState();
    this.#outbox.flush();
  }

  /** For every tab: those that do not hold the connection get it from the one that does. */
  #share(frame) {
    this.#tabs?.post({ kind: 'frame', frame });
    this.#take(frame);
  }

  /** A frame at every tab. */
  #take(frame) {
    switch (frame.type) {
      case 'connected':
        this.#connected(frame);
        return;
      case 'typing':
        this.emit('typing', { from: frame.from, thread: frame.thread });
        return;
      case 'push_target':
        this.#targetAnswered(frame);
        return;
      case 'error':
        this.#complained(frame);
        return;
      case 'call.ring':
        this.#rings(frame);
        return;
      case 'call.resumed':
        this.#resumed(frame);
        return;
      case 'call.answered':
      case 'call.ended':
      case 'call.ringing':
      case 'call.signal':
        // Of a call that nobody knows there is nothing to say, as after a reload.
        this.#calls.get(frame.call)?._take(frame);
        return;
      default:
        // A later server may say more; apps in stores outlive it.
        return;
    }
  }

  #connected(frame) {
    if (this.#closing) return; // Whoever waits now waits for the next.
    this.#greeting = frame;
    this.#limits = { ...LIMITS, ...frame.limits };
    this.#clockSkewMs = Date.parse(frame.server_time) - Date.now();
    this.#device.user = frame.user;
    for (const read of this.#reads.splice(0)) this.#write(read);
    for (const call of this.#calls.values()) call._connected();
    for (const [kind, target] of Object.entries(this.#device.targets ?? {})) {
      const asked = this.#targets.has(kind);
      if (!asked && this.#line && !frame.targets.includes(kind)) this.#write(target);
    }
    for (const { frame: target } of this.#targets.values()) this.#write(target);
    const connected = {
      session: frame.session,
      user: frame.user,
      targets: frame.targets,
      serverTime: dateOf(frame.server_time),
    };
    this.emit('connected', connected);
    // A tab whose `connect` was over may have taken over.
    this.#first ??= deferred();
    this.#first.resolve(connected);
  }

  /** Gives an entry to the app, in every tab; resolves when the handlers of this one have. */
  async #deliver(frame, item) {
    this.#tabs?.post({ kind: 'entry', frame });
    await this.#entry(frame, item);
  }

  async #entry(frame, item) {
    switch (frame.type) {
      case 'message':
        await this.#message(frame, item);
        return;
      case 'receipt':
        for (const receipt of frame.receipts) {
          await this.deliver('receipt', { ...receipt, at: dateOf(receipt.at) });
        }
        return;
      case 'read': {
        const { thread, up_to: upTo, messages } = frame;
        await this.deliver('read', withoutAbsent({ thread, upTo, messages }));
        return;
      }
      case 'gap':
        await this.deliver('gap', { upTo: frame.up_to });
    }
  }

  /**
   * A message, once in this tab: one that takes over is told again what the tab before it had not
   * acknowledged. An app that acknowledges itself needs it again, with its `ack`.
   */
  #message(frame, item) {
    const before = this.#options.autoAck && this.#given.get(frame.id);
    if (before) return before;
    const given = this.deliver('message', messageOf(frame, item));
    this.#given.set(frame.id, given);
    given.catch(() => this.#given.delete(frame.id));
    if (this.#given.size > RECENT_IDS) this.#given.delete(this.#given.keys().next().value);
    return given;
  }

  /** What became of a send. It may have been sent by another tab, or before a reload. */
  #settle(settled) {
    this.#tabs?.post({ kind: 'settled', settled });
    this.#settled(settled);
  }

  #settled({ id, accepted, problem }) {
    const sent = this.#sends.get(id);
    this.#sends.delete(id);
    if (accepted) {
      const result = acceptedOf(accepted);
      this.emit('sending', { id, state: 'accepted', result });
      sent?.resolve(result);
    } else {
      const error = errorOf(problem);
      this.emit('sending', { id, state: 'rejected', error });
      sent?.reject(error);
    }
  }

  #complained(frame) {
    const error = errorOf({ ...frame, detail: frame.message });
    const starting = [...this.#calls.values()].find((call) => call.state === 'starting');
    const waits = frame.code === 'token_expired' || !this.#status.maySend;
    if (START_FIELDS.has(frame.field) || (!frame.field && starting && !waits)) {
      // `error` does not say what it answers. These fields are of `call.start` alone.
      if (starting) starting._refused(error);
      else if (this.#tabs === undefined) this.emit('error', error);
      return;
    }
    if (frame.field === 'call') {
      const leaving = [...this.#calls.values()].find((call) => call.state === 'ended');
      leaving?._forget();
      if (leaving) return;
    }
    // Another token is being fetched; and of a connection that ends `disconnected` tells.
    if (frame.code === 'token_expired' || frame.reconnect) return;
    this.emit('error', error);
  }

  #changed(status) {
    const { closed } = status;
    const plain = closed && { ...closed, error: plainProblem(closed.error) };
    this.#tabs?.post({ kind: 'status', status: { ...status, closed: plain } });
    this.#become(status);
  }

  #become(status) {
    const before = this.#status;
    this.#status = { ...status };
    if (status.state !== 'connected' && before.state === 'connected') this.#outbox?.cut(status);
    if (before.state !== status.state) this.emit('state', status.state);
    if (status.closed) this.emit('disconnected', status.closed);
    if (status.state === 'closed' && status.closed && !this.#closing) {
      this.#first?.reject(status.closed.error);
      this.#first = undefined;
    }
    if (status.state !== 'connected') this.#greeting = undefined;
    if (before.state === 'connected' && status.maySend && !before.maySend) {
      // A new token came; at a new connection all this waits for `connected`.
      this.#outbox?.flush();
      for (const call of this.#calls.values()) call._maySend();
    }
  }

  #write(frame) {
    if (this.#line) this.#line.write(frame);
    else this.#tabs?.post({ kind: 'write', frame: JSON.parse(JSON.stringify(frame)) });
  }

  /** An event in every tab. */
  #tell(type, event) {
    this.#tabs?.post({ kind: 'event', type, event });
    this.emit(type, event);
  }

  // What other tabs and the service worker say.

  #fromTab(message) {
    switch (message.kind) {
      case 'frame':
        this.#take(message.frame);
        return;
      case 'entry':
        this.#entry(message.frame).catch((error) => this.emit('error', error));
        return;
      case 'status':
        if (!this.#line) this.#leaderIs(message);
        return;
      case 'settled':
        this.#settled(message.settled);
        return;
      case 'event':
        this.emit(message.type, message.event);
        return;
      case 'write':
        this.#line?.write(message.frame);
        return;
      case 'queued':
        this.#outbox?.add(message.item);
        return;
      case 'refresh':
        this.#line?.renew();
        return;
      case 'connect':
        if (this.#line) this.connect();
        return;
      case 'who':
        if (this.#line) this.#answerTab(message.from);
        return;
      case 'tab':
        this.#tellState();
        return;
      case 'drained':
        this.#inbox?.look();
    }
  }

  #answerTab(to) {
    const { state, maySend } = this.#status;
    this.#tabs.post({ kind: 'status', to, status: { state, maySend }, greeting: this.#greeting });
  }

  /** What the tab with the connection says of it. */
  #leaderIs({ status, greeting }) {
    const { closed } = status;
    this.#become({ ...status, closed: closed && { ...closed, error: errorOf(closed.error) } });
    if (greeting) this.#take(greeting);
  }

  #listen() {
    const listen = (target, type, handler) => {
      target?.addEventListener?.(type, handler);
      this.#listeners.push(() => target?.removeEventListener?.(type, handler));
    };
    listen(globalThis.window, 'online', () => this.#line?.hurry());
    listen(globalThis.document, 'visibilitychange', () => {
      this.#tabs?.announce();
      this.#tellState();
      if (isVisible()) this.#line?.hurry();
    });
    listen(globalThis.window, 'pagehide', () => this.#tabs?.leave());
    listen(globalThis.window, 'pageshow', () => this.#tabs?.announce());
  }

  #stopListening() {
    for (const end of this.#listeners.splice(0)) end();
  }

  // Calls.

  #callContext() {
    return {
      write: (frame) => this.#write(frame),
      maySend: () => this.#status.state === 'connected' && this.#status.maySend,
      now: () => Date.now() + this.#clockSkewMs,
      limits: () => this.#limits,
      changed: () => this.#tabs?.announce(),
      forget: (id) => this.#calls.delete(id),
      problem: (error) => this.emit('error', error),
    };
  }

  #rings(frame) {
    let call = this.#calls.get(frame.call);
    if (!call) {
      call = new Call(this.#callContext(), {
        id: frame.call,
        direction: 'incoming',
        from: frame.from,
        media: frame.media,
        callerName: frame.caller_name,
        callerHandle: frame.caller_handle,
        offer: frame.offer,
      });
      this.#calls.set(call.id, call);
      call._take(frame);
      this.emit('call', call);
    } else {
      call._take(frame);
    }
    // One tab says it for all.
    if (this.#line && call.state === 'ringing') call.ringing();
  }

  #resumed(frame) {
    let call = this.#calls.get(frame.call);
    if (!call) {
      if (!this.#line || this.#tabs?.calls().some(({ call: id }) => id === frame.call)) return;
      // This page was reloaded in mid call: the app may go on with it, or end it.
      call = new Call(this.#callContext(), { id: frame.call, resumed: true });
      this.#calls.set(call.id, call);
      call._take(frame);
      this.emit('call', call);
      return;
    }
    call._take(frame);
  }

  #heldCalls() {
    return [...this.#calls.values()].filter((call) => call._hasSide()).map((call) => call._held());
  }

  // Push targets and HTTP.

  #target(frame) {
    const answer = this.#targets.get(frame.kind)?.answer ?? deferred();
    this.#targets.set(frame.kind, { frame, answer });
    if (this.#status.state === 'connected') this.#write(frame);
    return answer.promise;
  }

  #targetAnswered({ kind, state, code, message }) {
    const asked = this.#targets.get(kind);
    this.#targets.delete(kind);
    const target = withoutAbsent({ kind, state, code, message });
    this.emit('pushTarget', target);
    if (state === 'refused') {
      if (asked) this.#remember((device) => delete device.targets?.[kind]);
      const error = { code: 'target_refused', message, field: 'token', diagnosis: code };
      asked?.answer.reject(new ReveilleError(error));
    } else {
      asked?.answer.resolve(target);
    }
  }

  async #http(method, path) {
    await this.#open();
    if (!this.#device.secret) await this.connect();
    // Another tab may hold the connection, and have been given the secret.
    const { secret } = (await this.#store.get('device')) ?? this.#device;
    const response = await (this.#options.fetch ?? fetch)(this.#options.url + path, {
      method,
      headers: { Authorization: `Bearer ${secret}` },
    });
    if (response.status === 204) return undefined;
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    const seconds = Number(response.headers.get('Retry-After')) || undefined;
    throw errorOf({
      code: 'internal',
      detail: `HTTP ${response.status}`,
      retry_after_ms: seconds && seconds * 1_000,
      ...body,
    });
  }
}

/** One call, of this device or to it. */
class Call extends Emitter {
  #context;
  /** The last thing said that the server has not confirmed; said again after a connection broke. */
  #unconfirmed;
  /** All signals that this device has sent: the server may not have got the last ones. */
  #signals = [];
  /** Whether this connection may take signals: the server has said how many it has. */
  #synced = false;
  /** The `sequence` of the last signal from the other side. */
  #sequence = 0;
  #mine;
  #timer;

  constructor(context, { direction, resumed = false, ...about }) {
    super();
    this.#context = context;
    Object.assign(this, about);
    this.direction = direction;
    this.resumed = resumed;
    this.#mine = direction !== 'incoming';
    /** `starting`, `calling`, `ringing`, `answered` or `ended`. */
    this.state = direction === 'incoming' ? 'ringing' : 'starting';
    /** Why it ended. */
    this.reason = undefined;
    /** Until when it rings. */
    this.expiresAt = undefined;
  }

  /** Says that this device rings; the client has said it already when `call` was emitted. */
  ringing() {
    this.#context.write({ type: 'call.ringing', call: this.id });
  }

  /** Takes the call. `answered` follows, or `ended` if another device was quicker. */
  answer(answer) {
    if (this.state !== 'ringing' || this.direction !== 'incoming') return;
    if (answer !== undefined) answer = plain('answer', answer, this.#context.limits());
    this.#mine = true;
    this.#say(withoutAbsent({ type: 'call.answer', call: this.id, answer }));
    this.#context.changed();
  }

  /** @param {'declined' | 'busy'} reason */
  reject(reason = 'declined') {
    checkOneOf('reason', reason, ['declined', 'busy']);
    this.#leave({ type: 'call.reject', call: this.id, reason }, reason);
  }

  /** Takes back a call that nobody has answered. */
  cancel() {
    this.#leave({ type: 'call.cancel', call: this.id }, 'cancelled');
  }

  /** Hangs up. */
  end() {
    if (this.state === 'answered') {
      this.#leave({ type: 'call.end', call: this.id }, 'hung_up');
    } else if (this.direction === 'incoming') {
      this.reject();
    } else {
      this.cancel();
    }
  }

  /** Sends a signal to the other side, whatever the connection does: in order, and once. */
  signal(body) {
    if (this.state === 'ended') return;
    const sent = plain('body', body, this.#context.limits());
    this.#signals.push(sent);
    if (this.#synced) this.#context.write({ type: 'call.signal', call: this.id, body: sent });
  }

  // For `Reveille` alone.

  _start() {
    const { id, to, media, callerName, callerHandle, offer } = this;
    this.#unconfirmed = withoutAbsent({
      type: 'call.start',
      call: id,
      to,
      media,
      caller_name: callerName,
      caller_handle: callerHandle,
      offer,
    });
    if (!this.#context.maySend()) return;
    this.#context.write(this.#unconfirmed);
    // It was never said before: the server has none of its signals.
    this.#synced = true;
    this.#context.changed();
  }

  /** A new connection. What the server knows of this call it says before it hears anything. */
  _connected() {
    this.#synced = false;
    if (this.#unconfirmed?.type === 'call.start') this._maySend();
    else if (this.#unconfirmed) this.#context.write(this.#unconfirmed);
  }

  _maySend() {
    if (this.#unconfirmed?.type !== 'call.start' || !this.#context.maySend()) return;
    this.#context.write(this.#unconfirmed);
  }

  _take(frame) {
    if (this.state === 'ended') {
      this.#takeLate(frame);
      return;
    }
    switch (frame.type) {
      case 'call.ring':
        this.#until(frame.expires_at);
        return;
      case 'call.ringing':
        this.#confirmed('call.start');
        this.#sync(0);
        if (this.state === 'starting' || this.state === 'calling') this.state = 'ringing';
        this.emit('ringing', { from: frame.from });
        return;
      case 'call.resumed':
        this.#resume(frame);
        return;
      case 'call.answered':
        this.#answered(frame);
        return;
      case 'call.signal':
        if (frame.sequence <= this.#sequence) return;
        this.#sequence = frame.sequence;
        this.#context.changed();
        this.emit('signal', frame.body);
        return;
      case 'call.ended':
        this.#over(frame.reason);
        this._forget();
    }
  }

  _refused(error) {
    this.#over('refused', error);
    this._forget();
  }

  _forget() {
    this.#unconfirmed = undefined;
    this._stop();
    this.#context.forget(this.id);
    this.#context.changed();
  }

  _stop() {
    clearTimeout(this.#timer);
  }

  _hasSide() {
    return this.#mine && this.state !== 'ended' && this.state !== 'starting';
  }

  _held() {
    return { call: this.id, sequence: this.#sequence };
  }

  /** Sent by whoever has left already: the server must hear that it is over. */
  #takeLate(frame) {
    if (frame.type === 'call.ended') {
      this._forget();
    } else if (frame.type === 'call.resumed' && frame.state === 'answered') {
      this.#say({ type: 'call.end', call: this.id });
    } else if (frame.type === 'call.answered') {
      this.#say({ type: 'call.end', call: this.id });
    }
  }

  #resume({ state, expires_at, answer, sent }) {
    this.#confirmed('call.start');
    this.#mine = true;
    this.#sync(sent);
    if (expires_at) this.#until(expires_at);
    if (state === 'answered') this.#answered({ answer });
    else this.state = state;
  }

  #answered({ by, answer }) {
    if (!this.#mine) {
      // Another tab of this browser took it.
      this.#over('answered_elsewhere');
      this._forget();
      return;
    }
    this.#unconfirmed = undefined;
    this._stop();
    this.#sync(0);
    const before = this.state;
    this.state = 'answered';
    if (before !== 'answered') this.emit('answered', { by: by ?? this.to, answer });
    this.#context.changed();
  }

  /** The server has `sent` of this call's signals: it gets those behind. */
  #sync(sent) {
    if (this.#synced) return;
    this.#synced = true;
    for (const body of this.#signals.slice(sent)) {
      this.#context.write({ type: 'call.signal', call: this.id, body });
    }
  }

  #say(frame) {
    this.#unconfirmed = frame;
    this.#context.write(frame);
  }

  #confirmed(type) {
    if (this.#unconfirmed?.type === type) this.#unconfirmed = undefined;
    if (this.state === 'starting') this.state = 'calling';
  }

  /** Over for this device at once; the server is told until it has heard it. */
  #leave(frame, reason) {
    if (this.state === 'ended') return;
    const unheard = this.#unconfirmed?.type === 'call.start' && !this.#synced;
    this.#over(reason);
    if (unheard) this._forget();
    else this.#say(frame);
  }

  #over(reason, error) {
    if (this.state === 'ended') return;
    this._stop();
    this.state = 'ended';
    this.reason = reason;
    this.#context.changed();
    this.emit('ended', withoutAbsent({ reason, error }));
  }

  /** A device that hears nothing any more must not ring for ever. */
  #until(expiresAt) {
    this.expiresAt = dateOf(expiresAt);
    this._stop();
    if (this.direction !== 'incoming') return;
    const left = this.expiresAt.getTime() - this.#context.now();
    this.#timer = setTimeout(() => {
      if (this.state !== 'ringing' || this.#unconfirmed) return;
      this.#over('unanswered');
      this._forget();
    }, left + 2_000);
  }
}

/**
 * One connection after another.
 *
 * ```text
 *   idle ─▶ connecting ─▶ connected ──lost──▶ waiting ─▶ connecting …
 *                │             └──── 4400, 4403, 4409, 4413 ───▶ closed
 *                └── 4401: another token, else the device secret alone, else closed
 * ```
 */
class Line {
  #options;
  #owner;
  #state = 'idle';
  #socket;
  /** The try that is under way; a later one makes it void. */
  #dial;
  #failures = 0;
  /** The pause before the next try. */
  #timer;
  /** How long the server may still take to answer `connect`. */
  #patience;
  /** Looks whether the connection is silent. */
  #watch;
  /** Since when it is connected, and when it last heard anything. */
  #since;
  #heardAt;
  /** The last token of `getToken`, as long as nobody has refused it. */
  #token;
  #isFresh = false;
  #refused;
  /** How many tokens were refused one after the other. */
  #refusals = 0;
  /** The next try is with the device secret alone: asking for a token again would not help yet. */
  #isAlone = false;
  /** There was no good token, so that the present session has the device secret alone. */
  #lacksToken = false;
  /** The socket whose session gets another token. */
  #renewing;
  /** Whether the session may send: it has a user token. */
  maySend = false;

  constructor(options, owner) {
    this.#options = options;
    this.#owner = owner;
  }

  open() {
    this.#try();
  }

  close() {
    this.#leave();
    this.#state = 'closed';
  }

  /** Something speaks for trying now; not against a pause that the server has asked for. */
  hurry() {
    if (this.#state === 'waiting' && !this.#timer?.ordered) this.#try();
  }

  write(frame) {
    if (this.#state !== 'connected') return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  async #try() {
    this.#leave();
    this.#become('connecting');
    const dial = (this.#dial = {});
    const isVoid = () => this.#dial !== dial;
    try {
      const token = await this.#credential();
      if (isVoid()) return;
      const hello = await this.#owner.hello(token);
      const Socket = await socketClass(this.#options.WebSocket);
      if (isVoid()) return;
      if (!hello.token && !hello.device_secret) {
        const message = 'there is neither a token nor a device secret; let `getToken` return one';
        this.#end(4401, { code: 'unauthorized', message });
        return;
      }
      this.#connect(new Socket(socketUrl(this.#options.url), PROTOCOL), hello);
    } catch (error) {
      if (isVoid()) return;
      this.#owner.problem(error);
      this.#wait(1006, undefined);
    }
  }

  #connect(socket, hello) {
    let lastWords;
    const lost = (code) => {
      if (this.#socket !== socket) return;
      this.#leave();
      // An `error` that ended nothing says nothing about a connection that is lost later.
      const isLast = code in CLOSES || lastWords?.reconnect;
      this.#closed(code, isLast ? lastWords : undefined, hello);
    };
    this.#socket = socket;
    this.#patience = setTimeout(() => lost(1006), GREETING_MS);
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onclose = ({ code }) => lost(code);
    // A close follows, but not everywhere: Node's first own WebSocket says no more than this.
    socket.onerror = () => lost(1006);
    socket.onping = () => (this.#heardAt = Date.now());
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      this.#heardAt = Date.now();
      const frame = parsed(data);
      if (!frame) {
        lost(1006);
        return;
      }
      lastWords = frame.type === 'error' ? frame : undefined;
      if (lastWords) {
        // Before `connected` an error is the last word, and the close follows.
        if (this.#state !== 'connected') return;
        this.#complained(frame);
      }
      if (frame.type === 'connected' && this.#state !== 'connected') {
        clearTimeout(this.#patience);
        this.#greeted(frame, hello, () => lost(1006));
      }
      this.#order(frame);
    };
  }

  /** `connected` is written down before anything after it is looked at. */
  #order(frame) {
    const dial = this.#dial;
    if (!dial) return;
    dial.order = (dial.order ?? Promise.resolve())
      .then(() => this.#dial === dial && this.#owner.frame(frame))
      .catch((error) => this.#owner.problem(error));
  }

  #greeted({ ping_interval }, hello, lost) {
    this.#since = Date.now();
    this.maySend = hello.token !== undefined;
    if (this.maySend) {
      this.#isFresh = false;
      this.#refusals = 0;
    }
    const interval = ping_interval * 1_000;
    const socket = this.#socket;
    this.#watch = setInterval(() => {
      // The sockets of browsers hide pings; there, only a send without an answer shows the silence.
      const silentMs = Date.now() - this.#heardAt;
      const owes = socket.seesPings || this.#owner.owes(2 * interval);
      if (silentMs > 2 * interval && owes) lost();
    }, interval);
    this.#become('connected');
    if (this.#lacksToken) this.renew(this.#pauseMs(this.#refusals));
  }

  /** Leaves the socket, if there is one, without a word to anybody. */
  #leave() {
    clearTimeout(this.#timer?.id);
    clearTimeout(this.#patience);
    clearInterval(this.#watch);
    this.#timer = undefined;
    this.#dial = undefined;
    this.maySend = false;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = socket.onping = null;
    socket.close(1000);
  }

  /** What a close means. */
  #closed(code, lastWords, hello) {
    if (this.#since && Date.now() - this.#since > GOOD_MS) this.#failures = 0;
    this.#since = undefined;
    if (code === 4401) {
      this.#unauthorized(lastWords, hello);
      return;
    }
    const again = CLOSES[code]?.[1] ?? lastWords?.reconnect ?? true;
    if (again) this.#wait(code, lastWords);
    else this.#end(code, lastWords);
  }

  /** Another token, if this one was not new; else the device secret alone; else the end. */
  #unauthorized(lastWords, hello) {
    const refused = this.#token ?? hello.token;
    this.#token = undefined;
    if (refused === undefined) {
      if (this.#lacksToken) this.#wait(4401, lastWords);
      else this.#end(4401, lastWords);
      return;
    }
    this.#refused = refused;
    this.#refusals += 1;
    if (this.#isFresh && !this.#owner.hasSecret()) {
      this.#end(4401, lastWords);
      return;
    }
    this.#isAlone = this.#isFresh;
    this.#try();
  }

  #wait(code, lastWords) {
    const ordered = lastWords?.retry_after_ms !== undefined;
    const pauseMs = ordered ? lastWords.retry_after_ms : this.#pauseMs(this.#failures++);
    const closed = closedOf(code, lastWords, { willReconnect: true, retryInMs: pauseMs });
    this.#timer = { ordered, id: setTimeout(() => this.#try(), pauseMs) };
    this.#become('waiting', closed);
  }

  #end(code, lastWords) {
    this.#leave();
    this.#become('closed', closedOf(code, lastWords, { willReconnect: false }));
  }

  #become(state, closed) {
    this.#state = state;
    this.#owner.changed({ state, maySend: this.maySend, closed });
  }

  /** How long before the next try, after so many that failed. */
  #pauseMs(failures) {
    return pauseMs(failures, this.#options.pauses);
  }

  // Tokens.

  /** The token to connect with; `null`: the device secret alone. */
  async #credential() {
    this.#lacksToken = this.#isAlone;
    this.#isAlone = false;
    if (this.#lacksToken) return null;
    this.#isFresh = this.#token === undefined;
    if (!this.#isFresh) return this.#token;
    try {
      const token = await this.#options.getToken();
      if (token && token === this.#refused) this.#lacksToken = true;
      else if (token) return (this.#token = token);
    } catch (error) {
      if (!this.#owner.hasSecret()) throw error;
      this.#lacksToken = true;
      this.#owner.problem(error);
    }
    return null;
  }

  /** Gets another token and gives it to the session, again and again until there is one. */
  async renew(firstPauseMs = 0) {
    if (this.#state === 'waiting') {
      this.#token = undefined;
      this.hurry();
    }
    const socket = this.#socket;
    if (this.#renewing === socket || this.#state !== 'connected') return;
    this.#renewing = socket;
    const isOver = () => this.#socket !== socket || this.#state !== 'connected';
    this.#token = undefined;
    this.#demote();
    for (let failures = 0, wait = firstPauseMs; ; wait = this.#pauseMs(failures++)) {
      if (wait > 0) await quietPause(wait);
      if (isOver()) break;
      try {
        const token = await this.#options.getToken();
        if (isOver() || !token) break;
        if (token === this.#refused) continue;
        this.#token = token;
        this.write({ type: 'refresh', token });
        this.maySend = true;
        this.#become('connected');
        break;
      } catch (error) {
        this.#owner.problem(error);
      }
    }
    if (this.#renewing === socket) this.#renewing = undefined;
  }

  #demote() {
    if (!this.maySend) return;
    this.maySend = false;
    this.#become('connected');
  }

  #complained({ code, field, retry_after_ms }) {
    if (this.#state !== 'connected') return;
    if (code === 'token_expired' && field === undefined) {
      this.renew();
    } else if (field === 'token' && code === 'forbidden') {
      this.#try(); // The token is another user's: a session of their own.
    } else if (field === 'token') {
      this.#refused = this.#token;
      this.renew(retry_after_ms ?? this.#pauseMs(this.#refusals++));
    }
  }
}

/**
 * Gives what comes to the app, in order and once, and acknowledges what it has taken.
 *
 * The record in the store says what the app has taken (`handled`), what is safe on this device
 * (`held`, which is what the server is told), and what the service worker took meanwhile
 * (`waiting`): that is on this device alone, and the app gets it first.
 */
class Inbox {
  #store;
  #owner;
  #key;
  #queue = [];
  #working;
  /** Given to the app and not yet taken by it, in order. */
  #open = [];
  #handled;
  #held;
  /** The last entry that was given to the app: what is at or below it comes again. */
  #given;
  #ids = new Set();
  #epoch;
  #acked;
  #storing;
  #isDirty = false;
  #isClosed = false;

  constructor(store, owner) {
    this.#store = store;
    this.#owner = owner;
  }

  /** Reads what is known of this user's inbox. */
  async load(user) {
    if (user === undefined) return;
    const key = `inbox/${user}`;
    const { handled, held, ids = [] } = (await this.#store.get(key)) ?? {};
    if (this.#key !== key) {
      // What came for another user comes again when they do.
      this.#queue.length = 0;
      this.#open.length = 0;
      this.#key = key;
      this.#handled = handled;
      this.#given = handled;
      this.#held = held;
      this.#ids = new Set(ids);
    } else {
      this.#held = later(held, this.#held);
    }
    this.look();
  }

  /** What this device holds, for `connect`. */
  position() {
    return this.#held;
  }

  /** What the service worker took comes before whatever the connection brings. */
  look() {
    this.#push({ type: 'waiting' });
  }

  async greeted({ user, head, cursor }) {
    await this.load(user);
    this.#epoch = head.epoch;
    this.#acked = cursor;
    // What the app took while nobody was there to be told.
    this.#ack(this.#handled);
  }

  take(frame) {
    this.#push(frame);
  }

  /** This device has sent it: the copy for the user's devices is for the others. */
  know(id) {
    this.#ids.add(id);
    this.#writeDown();
  }

  /** Gives nothing more, and resolves when all that was taken is written down. */
  async close() {
    this.#isClosed = true;
    this.#queue.length = 0;
    // What a handler has just taken is on its way to the store.
    await pause(0);
    await this.#storing;
  }

  #push(frame) {
    if (this.#isClosed) return;
    this.#queue.push(frame);
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  async #work() {
    for (let frame; (frame = this.#queue.shift()); ) {
      if (frame.type === 'waiting') await this.#giveWaiting();
      else await this.#give(frame);
    }
  }

  async #giveWaiting() {
    if (!this.#key) return;
    let record;
    await this.#insist(async () => (record = await this.#store.get(this.#key)));
    for (const frame of record?.waiting ?? []) await this.#give(frame);
  }

  async #give(frame) {
    const position = positionOf(frame);
    const isLive = position.epoch === '0';
    // In another history, as after a restore, nothing is old; ids tell what comes again.
    if (!isLive && isAtOrBelow(position, this.#given)) return;
    const item = { position: withoutAbsent({ ...position, entry: frame.entry }), id: frame.id };
    if (isLive) item.position = undefined;
    else this.#given = item.position;
    this.#open.push(item);
    // What this device has sent is known by the answer, which comes later after a lost connection.
    if (frame.own_copy_to) await this.#owner.answered();
    const isKnown = frame.id !== undefined && this.#ids.has(frame.id);
    if (!isKnown && !(await this.#handOver(frame, item))) return;
    if (this.#owner.autoAck || frame.type !== 'message') this.#taken(item);
  }

  /** Returns whether the app has taken it at last. */
  #handOver(frame, item) {
    const handle = { ack: () => this.#taken(item) };
    return this.#insist(() => this.#owner.deliver(frame, handle));
  }

  /**
   * What fails is done again, and nothing overtakes it: what is given later would stand for it.
   * Returns whether it was done at last.
   */
  async #insist(work) {
    for (let failures = 0; ; failures++) {
      try {
        await work();
        return true;
      } catch (error) {
        this.#owner.problem(error);
        await quietPause(pauseMs(failures, this.#owner.pauses));
        if (this.#isClosed) return false;
      }
    }
  }

  #taken(item) {
    item.isTaken = true;
    while (this.#open[0]?.isTaken) {
      const { position, id } = this.#open.shift();
      if (position) this.#handled = position;
      if (id) this.#ids.add(id);
    }
    this.#writeDown();
  }

  #writeDown() {
    while (this.#ids.size > RECENT_IDS) this.#ids.delete(this.#ids.values().next().value);
    this.#isDirty = true;
    this.#storing ??= this.#write().finally(() => (this.#storing = undefined));
  }

  /** Writes down and acknowledges; what comes meanwhile goes together, next time. */
  async #write() {
    while (this.#isDirty) {
      this.#isDirty = false;
      const handled = this.#handled;
      const ids = [...this.#ids];
      try {
        await this.#store.update(this.#key, (record) => taken(record, handled, ids));
      } catch (error) {
        // The server's cursor will know it. Without the ack the device would be woken for ever.
        this.#owner.problem(error);
      }
      this.#held = later(this.#held, handled);
      this.#ack(handled);
    }
  }

  #ack(position) {
    if (position?.epoch !== this.#epoch || isAtOrBelow(position, this.#acked)) return;
    this.#acked = position;
    this.#owner.ack(position);
  }
}

/** The record of an inbox after the app has taken everything up to a position. */
function taken(record = {}, handled, ids) {
  const known = new Set(ids);
  const isOld = (frame) => known.has(frame.id) || isAtOrBelow(positionOf(frame), handled);
  const waiting = (record.waiting ?? []).filter((frame) => !isOld(frame));
  return { ...record, handled, held: later(record.held, handled), ids, waiting };
}

/** The messages that the server has not accepted yet, in order. */
class Outbox {
  #store;
  #owner;
  #items = new Map();
  #user;
  /** The server has said whose connection it is. */
  #isOpen = false;
  #failures = 0;
  #timer;
  /** Who waits for the answers to all that is on its way. */
  #waiting = [];

  constructor(store, owner) {
    this.#store = store;
    this.#owner = owner;
  }

  async load() {
    for (const [, item] of await this.#store.list('outbox/')) {
      const { id } = item.frame;
      const isOld = !this.#owner.isMine(id);
      if (!this.#items.has(id)) this.#items.set(id, { ...item, isOld });
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#isOpen = false;
    this.#look();
  }

  get size() {
    return this.#items.size;
  }

  add(item) {
    if (this.#items.has(item.frame.id)) return;
    this.#items.set(item.frame.id, { ...item });
    this.flush();
  }

  /** Whose messages may leave: those of an earlier page that were another user's stay. */
  greeted(user) {
    this.#user = user;
    this.#isOpen = true;
    for (const item of this.#items.values()) {
      item.sentAt = undefined;
      if (!item.isOld || item.user === undefined) item.user = user;
    }
  }

  /** Sends what has not been sent over this connection. */
  flush() {
    if (this.#timer || !this.#isOpen) return;
    for (const item of this.#items.values()) {
      if (item.sentAt !== undefined || item.isSettled) continue;
      if ((item.user ?? this.#user) !== this.#user) continue;
      if (!this.#owner.write(item.frame)) return;
      item.sentAt = Date.now();
      this.#owner.tell({ id: item.frame.id, state: 'sent' });
    }
  }

  /** Whether an answer has been due for so long. */
  owes(sinceMs) {
    const now = Date.now();
    return [...this.#items.values()].some(({ sentAt }) => sentAt && now - sentAt > sinceMs);
  }

  /** Resolves when nothing is on its way: all has an answer, or the connection is gone. */
  answered() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#look();
    });
  }

  #look() {
    const isOnItsWay = ({ sentAt, isSettled }) => sentAt !== undefined && !isSettled;
    if (this.#isOpen && [...this.#items.values()].some(isOnItsWay)) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  accepted(frame) {
    this.#failures = 0;
    this.#settled(frame.client_id, { accepted: frame });
  }

  rejected({ client_id: id, problem }, { maySend }) {
    const item = this.#items.get(id);
    const waits = PASSING.has(problem.code) || (problem.code === 'forbidden' && !maySend);
    if (!waits || !item) {
      this.#settled(id, { problem });
      return;
    }
    item.sentAt = undefined;
    this.#look();
    if (problem.code === 'forbidden' || problem.code === 'token_expired') return;
    const wait = problem.retry_after_ms ?? pauseMs(this.#failures++, this.#owner.pauses);
    this.#owner.tell({ id, state: 'queued', retryInMs: wait });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, wait);
  }

  /** The connection is gone. If a frame of these broke it, it was the first without an answer. */
  cut({ closed }) {
    this.#isOpen = false;
    this.#look();
    if (closed?.reason !== 'bad_frame' && closed?.reason !== 'too_large') return;
    const first = [...this.#items.values()].find(({ sentAt }) => sentAt !== undefined);
    if (first) this.#settled(first.frame.id, { problem: plainProblem(closed.error) });
  }

  /** Tells first and forgets then: a page that dies in between asks the server again. */
  #settled(id, what) {
    const item = this.#items.get(id);
    if (item) item.isSettled = true;
    this.#owner.settle({ id, ...what });
    this.#items.delete(id);
    this.#look();
    if (item) this.#store.update(item.key, () => undefined).catch(() => {});
  }
}

/**
 * The tabs of one browser: the one that holds the lock leads.
 *
 * Every tab tells the others whether it is seen and which calls it has, so that whoever leads next
 * knows. A tab that dies leaves its lock, and is not counted any more.
 */
class Tabs {
  #name;
  #owner;
  #id = uuid();
  #channel;
  #others = new Map();
  #release;
  #ending = new AbortController();

  static areHere() {
    return Boolean(globalThis.document && navigator.locks && globalThis.BroadcastChannel);
  }

  constructor(name, owner) {
    this.#name = name;
    this.#owner = owner;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => this.#take(data);
    // One lock shows that this tab lives, the other is the right to connect.
    this.#hold(`${name}/${this.#id}`, () => {});
    this.#hold(name, async () => {
      await this.#prune();
      if (!this.#ending.signal.aborted) await owner.lead();
    });
    this.post({ kind: 'who' });
    this.announce();
  }

  post(message) {
    this.#channel?.postMessage({ from: this.#id, ...message });
  }

  /**
   * Holds a lock as long as this tab lives, once `begin` is done. If that fails another tab has its
   * turn, and this one stands in line again after a pause.
   */
  async #hold(lock, begin) {
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await navigator.locks.request(lock, { signal }, async () => {
          await begin();
          failures = 0;
          if (signal.aborted) return;
          await new Promise((release) => signal.addEventListener('abort', release));
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#owner.problem(error);
        await quietPause(pauseMs(failures, this.#owner.pauses));
      }
    }
  }

  /** Tells the others how this tab stands. */
  announce() {
    this.post({ kind: 'tab', ...this.#owner.about() });
  }

  leave() {
    this.post({ kind: 'bye' });
  }

  close() {
    this.leave();
    this.#channel.close();
    this.#channel = undefined;
    this.#ending.abort();
  }

  anyVisible() {
    return [...this.#others.values()].some(({ visible }) => visible);
  }

  /** The calls of the other tabs. */
  calls() {
    return [...this.#others.values()].flatMap(({ calls }) => calls);
  }

  #take(message) {
    const { from, to, kind } = message;
    if (to !== undefined && to !== this.#id) return;
    if (kind === 'tab') this.#others.set(from, { visible: message.visible, calls: message.calls });
    if (kind === 'bye') this.#others.delete(from);
    if (kind === 'who') this.announce();
    this.#owner.take(kind === 'bye' ? { kind: 'tab' } : message);
  }

  async #prune() {
    const { held } = await navigator.locks.query();
    const alive = new Set(held.map(({ name }) => name));
    for (const id of this.#others.keys()) {
      if (!alive.has(`${this.#name}/${id}`)) this.#others.delete(id);
    }
  }
}

/** Keeps everything as long as the process lives. */
export function memoryStore() {
  const records = new Map();
  return {
    async get(key) {
      return records.get(key);
    },
    async update(key, change) {
      const value = change(records.get(key));
      if (value === undefined) records.delete(key);
      else records.set(key, structuredClone(value));
      return value;
    },
    async list(prefix) {
      const keys = [...records.keys()].filter((key) => key.startsWith(prefix)).sort();
      return keys.map((key) => [key, records.get(key)]);
    },
  };
}

/** Keeps everything in the browser, for all tabs and the service worker. */
export function browserStore(name = 'reveille') {
  let opened;
  const within = (database, mode, work) =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction('records', mode);
      let result;
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = () => reject(transaction.error);
      work(transaction.objectStore('records'), (value) => (result = value));
    });
  const records = async (mode, work) => {
    try {
      opened ??= openDatabase(name);
      return await within(await opened, mode, work);
    } catch (error) {
      // Safari loses a database while its page sleeps: nothing was begun, and it opens again.
      if (error?.name !== 'InvalidStateError') throw error;
      opened = openDatabase(name);
      return within(await opened, mode, work);
    }
  };
  return {
    get(key) {
      return records('readonly', (store, done) => {
        store.get(key).onsuccess = ({ target }) => done(target.result);
      });
    },
    update(key, change) {
      return records('readwrite', (store, done) => {
        store.get(key).onsuccess = ({ target }) => {
          const value = change(target.result);
          if (value === undefined) store.delete(key);
          else store.put(value, key);
          done(value);
        };
      });
    },
    list(prefix) {
      return records('readonly', (store, done) => {
        const found = [];
        // Keys are ASCII: nothing with this prefix sorts behind the last character of all.
        const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
        store.openCursor(range).onsuccess = ({ target: { result: cursor } }) => {
          if (!cursor) return;
          found.push([cursor.key, cursor.value]);
          cursor.continue();
        };
        done(found);
      });
    },
  };
}

function defaultStore(name) {
  return globalThis.indexedDB ? browserStore(name) : memoryStore();
}

function openDatabase(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('records');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Frames and what the app sees of them.

/** The frame of a message, checked as the server would: a frame it cannot read ends the session. */
function sendFrame(message, limits) {
  const { id = uuid(), to, thread, ttl, urgency, push } = message;
  const recipients = Array.isArray(to) ? to : [to];
  checkText('id', id);
  if (!/^[\x20-\x7e]{1,128}$/.test(id)) {
    throw invalidField('id', 'give 1 to 128 printable ASCII characters');
  }
  if (recipients.length === 0) throw invalidField('to', 'name at least one user');
  checkTexts('to', recipients);
  if (recipients.length > limits.recipients) {
    const { length } = recipients;
    const message = `${length} users are named, ${limits.recipients} are allowed; send in parts`;
    throw new ReveilleError({ code: 'too_many_recipients', message, field: 'to' });
  }
  if (thread !== undefined) checkText('thread', thread);
  if (ttl !== undefined && !(Number.isInteger(ttl) && ttl >= 0 && ttl <= 2_592_000)) {
    throw invalidField('ttl', 'at most 2592000 seconds (30 days)');
  }
  if (urgency !== undefined) checkOneOf('urgency', urgency, ['normal', 'high']);
  if (push !== undefined && push !== 'none' && (typeof push !== 'object' || push === null)) {
    throw invalidField('push', 'give `none` or an object');
  }
  const body = plain('body', message.body, limits);
  const frame = { type: 'send', id, to: recipients, thread, body, ttl, urgency, push };
  const text = JSON.stringify(frame);
  checkBytes('the frame', text, limits.frame_bytes, 'push');
  return JSON.parse(text);
}

/** What JSON says of a value, so that every store and tab can have it, and none can change it. */
function plain(field, value, limits) {
  const text = JSON.stringify(value);
  if (text === undefined) throw invalidField(field, 'give something that JSON can say');
  checkBytes(field, text, limits.body_bytes);
  return JSON.parse(text);
}

function checkText(field, value) {
  if (typeof value !== 'string' || value === '') throw invalidField(field, 'give a text');
}

function checkTexts(field, values) {
  if (!Array.isArray(values)) throw invalidField(field, 'give a list of texts');
  for (const value of values) checkText(field, value);
}

function checkOneOf(field, value, words) {
  if (!words.includes(value)) throw invalidField(field, `give ${words.join(' or ')}`);
}

function checkBytes(what, text, most, field = what) {
  const { length } = new TextEncoder().encode(text);
  if (length <= most) return;
  const message = `${what} has ${length} bytes, ${most} are allowed; send a link to what is larger`;
  throw new ReveilleError({ code: 'body_too_large', message, field });
}

function invalidField(field, message) {
  return new ReveilleError({ code: 'invalid_field', message: `\`${field}\`: ${message}`, field });
}

function sendOf({ type: _, ...message }) {
  return message;
}

function messageOf(frame, item) {
  const missed = frame.missed_call;
  return withoutAbsent({
    id: frame.id,
    from: frame.from,
    thread: frame.thread,
    body: frame.body,
    sentAt: dateOf(frame.sent_at),
    expiresAt: dateOf(frame.expires_at),
    position: frame.position,
    isLive: frame.position.epoch === '0',
    ownCopyTo: frame.own_copy_to,
    missedCall: missed && {
      call: missed.call,
      media: missed.media,
      callerName: missed.caller_name,
    },
    ack: () => item?.ack(),
  });
}

function acceptedOf(frame) {
  return withoutAbsent({
    id: frame.id,
    clientId: frame.client_id,
    at: dateOf(frame.at),
    failed: frame.failed ?? [],
    ownCopy: frame.own_copy,
    live: frame.live,
  });
}

function errorOf({ code, detail, message, field, diagnosis, retry_after_ms }) {
  const retryAfterMs = retry_after_ms;
  return new ReveilleError({ code, message: detail ?? message, field, diagnosis, retryAfterMs });
}

/** An error in the shape of the server's problems, which other tabs can be told. */
function plainProblem({ code, message, field, diagnosis, retryAfterMs }) {
  return { code, detail: message, field, diagnosis, retry_after_ms: retryAfterMs };
}

function closedOf(code, lastWords, rest) {
  const reason = CLOSES[code]?.[0] ?? 'lost';
  const message = 'the connection was lost';
  const error = errorOf(lastWords ?? { code: reason, message });
  return { code, reason, error, ...rest };
}

// Small things.

/** @returns the position that is further, or the second where they are of different histories. */
function later(one, other) {
  if (!one || !other) return other ?? one;
  return one.epoch === other.epoch && one.offset > other.offset ? one : other;
}

/** Where an entry stands; a gap stands at its end. */
function positionOf(frame) {
  return frame.type === 'gap' ? frame.up_to : frame.position;
}

function isAtOrBelow(position, mark) {
  return position.epoch === mark?.epoch && position.offset <= mark.offset;
}

/** Half a second, doubled up to a minute, times a random number between a half and one. */
function pauseMs(failures, { firstMs = 500, mostMs = 60_000 } = {}) {
  return Math.min(firstMs * 2 ** failures, mostMs) * (0.5 + Math.random() / 2);
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A pause that keeps no process alive. */
function quietPause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms)?.unref?.());
}

/** A frame; `undefined` for what is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

function withoutAbsent(object) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function dateOf(text) {
  return text === undefined ? undefined : new Date(text);
}

function isVisible() {
  // What has no screen is always in use.
  return !globalThis.document || document.visibilityState === 'visible';
}

function kindOf(platform) {
  return { ios: 'apns', android: 'fcm' }[platform] ?? 'webpush';
}

/** A UUID of version 7: ids of one device sort by time. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint32(0, Math.floor(Date.now() / 65_536));
  new DataView(bytes.buffer).setUint16(4, Date.now() % 65_536);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

let queuedHere = 0;

/** Sorts by when it was made, and within a millisecond by the order in this tab. */
function queueKey() {
  const time = Date.now().toString(36).padStart(9, '0');
  const order = (queuedHere++).toString(36).padStart(6, '0');
  return `outbox/${time}${order}${uuid()}`;
}

function socketUrl(url) {
  return `${url.replace(/^http/, 'ws')}/v1/connect`;
}

/** The platform's own WebSocket; Node has none before version 22. */
async function socketClass(given) {
  if (given) return given;
  if (globalThis.WebSocket) return globalThis.WebSocket;
  return (await import(/* webpackIgnore: true */ /* @vite-ignore */ './node.js')).NodeSocket;
}

/** A worker can subscribe once it is active. */
function activated(registration) {
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  if (!worker || worker.state === 'activated' || registration.active) return undefined;
  return new Promise((resolve) => {
    worker.addEventListener('statechange', () => {
      if (worker.state === 'activated') resolve();
    });
  });
}

function bytesOf(text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function base64url(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer ?? []));
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
