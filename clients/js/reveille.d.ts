/** Types of `reveille.js`. Names are those of docs/protocol.md, in camel case. */

/** JSON that the server passes on untouched. */
export type Json = unknown;

export interface Options {
  /** The server, `https://push.example.com`; it may be below a path. */
  url: string;
  /**
   * Returns a user token, made by your back end for the user who is logged in. Called before the
   * first connection, when a token has ended or was refused, and by `refresh()`. Without a token
   * (`null`) a device that has connected before may still receive. If it fails it is called again
   * after a pause.
   */
  getToken: () => string | null | undefined | Promise<string | null | undefined>;
  /** The user that `getToken` is for, where several share a browser; else it is the last one. */
  user?: string;
  device?: DeviceOptions;
  /** Where the device, its secret, positions and the queue are kept. */
  store?: Store;
  /** `false`: a message is acknowledged by its `ack()`, not when its handlers have resolved. */
  autoAck?: boolean;
  /** `false`: this page has a connection of its own, and takes it from any other. */
  tabs?: boolean;
  /** What the database, the lock and the channel of this app are called; `reveille` if left out. */
  name?: string;
  /** The pauses between tries: half a second at first, doubled up to a minute. */
  pauses?: { firstMs?: number; mostMs?: number };
  /** Another WebSocket than the platform's, as `NodeSocket` of `reveille-client/node`. */
  WebSocket?: new (url: string, protocol: string) => SocketLike;
  /** Another `fetch` than the platform's. */
  fetch?: typeof fetch;
}

export interface DeviceOptions {
  /** Made once and kept, if left out. */
  id?: string;
  platform?: Platform;
  appVersion?: string;
  /** A BCP 47 tag; the browser's, if left out. */
  locale?: string;
  /** An IANA name; the machine's, if left out. */
  timeZone?: string;
}

export type Platform = 'android' | 'ios' | 'web' | 'other';

/** Records under keys. `update` is atomic: no other tab or worker comes between. */
export interface Store {
  get(key: string): Promise<any>;
  /** Writes what `change` returns; nothing, `undefined`, removes the record. */
  update(key: string, change: (value: any) => any): Promise<any>;
  /** The records whose keys begin so, by key. */
  list(prefix: string): Promise<Array<[string, any]>>;
}

/** Everything is gone when the process ends: the default in Node. */
export function memoryStore(): Store;
/** IndexedDB: the default in browsers. */
export function browserStore(name?: string): Store;

/** The part of a WebSocket that is used. */
export interface SocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  /** Called for each ping, if `seesPings`. */
  onping?: (() => void) | null;
  readonly seesPings?: boolean;
  send(text: string): void;
  close(code?: number): void;
}

export type State = 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed';

/** A place in an inbox: compare epochs for equality alone. */
export interface Position {
  epoch: string;
  offset: number;
  entry?: string;
}

export interface Connected {
  session: string;
  user: string;
  /** The push targets that the server holds. */
  targets: TargetKind[];
  serverTime: Date;
}

export interface Disconnected {
  code: number;
  reason: CloseReason;
  /** The server's last words. */
  error: ReveilleError;
  /** `false`: this is the end until `connect()` is called again. */
  willReconnect: boolean;
  retryInMs?: number;
}

export type CloseReason =
  | 'bad_frame'
  | 'forbidden'
  | 'going_away'
  | 'internal'
  | 'lost'
  | 'replaced'
  | 'timed_out'
  | 'too_large'
  | 'too_slow'
  | 'unauthorized';

/** The codes of docs/problems.md that a device can meet, and those of this client. */
export type ErrorCode =
  | 'ack_above_head'
  | 'body_too_large'
  | 'conflict'
  | 'forbidden'
  | 'id_reused'
  | 'inbox_full'
  | 'internal'
  | 'invalid_field'
  | 'malformed_json'
  | 'no_target'
  | 'not_found'
  | 'push_refused'
  | 'rate_limited'
  | 'storage_full'
  | 'token_expired'
  | 'too_many_recipients'
  | 'unauthorized'
  | 'unavailable'
  | 'unknown_user'
  | 'wrong_key_kind'
  | 'closed'
  | 'permission_denied'
  | 'queue_full'
  | 'target_refused'
  | 'unsupported'
  | CloseReason;

export class ReveilleError extends Error {
  readonly code: ErrorCode;
  /** The field at fault. */
  readonly field?: string;
  /** Of what belongs to a push: 901 to 913. */
  readonly diagnosis?: number;
  /** How long to wait before trying again. */
  readonly retryAfterMs?: number;
}

export interface Message<Body = Json> {
  id: string;
  /** Left out when a back end sent it. */
  from?: string;
  thread?: string;
  body: Body;
  sentAt: Date;
  expiresAt: Date;
  position: Position;
  /** Sent with `ttl: 0`: it comes at most once, and is not acknowledged. */
  isLive: boolean;
  /** The user's own message, sent from another of their devices to these users. */
  ownCopyTo?: string[];
  /** A call that nobody took; `body` is `null`. */
  missedCall?: { call: string; media: Media; callerName: string };
  /** Acknowledges it, with `autoAck: false`. */
  ack(): void;
}

export interface Receipt {
  /** Of the message. */
  id: string;
  user: string;
  state: 'delivered' | 'read' | 'expired';
  at: Date;
}

export type ReadMark =
  | { thread: string; upTo: Position; messages?: undefined }
  | { messages: string[]; thread?: undefined; upTo?: undefined };

export interface OutgoingMessage<Body = Json> {
  /** At most 100 users. */
  to: string | string[];
  body: Body;
  thread?: string;
  /** Sent again under the same id it is the same message; made if left out. */
  id?: string;
  /** Seconds that it is kept; 0: live only. */
  ttl?: number;
  urgency?: 'normal' | 'high';
  /** `none` lets the recipient sleep; an object is what a push about it says. */
  push?: 'none' | PushContent;
}

export interface PushContent {
  title?: string;
  body?: string;
  [field: string]: Json;
}

export interface Accepted {
  id: string;
  /** The `id` of the message as it was sent. */
  clientId: string;
  at: Date;
  /** The recipients that could not take it. */
  failed: Array<{ user: string; code: 'unknown_user' | 'inbox_full' }>;
  ownCopy?: Position;
  /** Of a live message: how many sessions got it. */
  live?: number;
}

/** What becomes of a message that this device sends, also of one from before a reload. */
export type Sending =
  | { id: string; state: 'queued'; retryInMs?: number }
  | { id: string; state: 'sent' }
  | { id: string; state: 'accepted'; result: Accepted }
  | { id: string; state: 'rejected'; error: ReveilleError };

export type TargetKind = 'fcm' | 'apns' | 'apns_voip' | 'webpush';

export interface PushTarget {
  kind: TargetKind;
  state: 'active' | 'removed' | 'refused';
  /** Of an active one: why pushes to it would fail as things stand. */
  code?: number;
  message?: string;
}

export interface PushTokenOptions {
  kind?: TargetKind;
  /** The token is PushKit's. */
  voip?: boolean;
  environment?: 'production' | 'sandbox';
  /** The bundle id or package name; of a browser the key it subscribed with. */
  appId?: string;
}

export interface WebPushOptions {
  /** Where you host `reveille-sw.js`; `/reveille-sw.js` if left out. */
  serviceWorkerUrl?: string;
  scope?: string;
  /** The app's public VAPID key; asked from the server if left out. */
  vapidKey?: string;
}

export interface TestPush {
  push: string;
  state: 'waiting' | 'accepted' | 'refused' | 'expired' | 'received';
  /** Whether the push handler of this device has said that it came. */
  received: boolean;
  receivedAt?: Date;
  /** The diagnosis of a refusal, and what it means. */
  code?: number;
  text?: string;
}

export type Media = 'audio' | 'video';

export interface CallOptions {
  id?: string;
  media?: Media;
  callerName: string;
  callerHandle?: string;
  offer?: Json;
}

export type CallState = 'starting' | 'calling' | 'ringing' | 'answered' | 'ended';

export type CallEndReason =
  | 'answered_elsewhere'
  | 'busy'
  | 'cancelled'
  | 'declined'
  | 'hung_up'
  | 'lost'
  | 'refused'
  | 'unanswered';

export interface CallEvents {
  /** A device of the callee rings. */
  ringing: { from: string };
  /** `answer` is for the caller. */
  answered: { by?: string; answer?: Json };
  /** The body of a signal, in order and once. */
  signal: Json;
  ended: { reason: CallEndReason; error?: ReveilleError };
}

export interface Events {
  state: State;
  connected: Connected;
  /** The connection is gone, or there was none. */
  disconnected: Disconnected;
  /**
   * Acknowledged once all handlers have resolved, so store it before. A handler that fails is
   * called again after a pause, and nothing overtakes.
   */
  message: Message<any>;
  /** Of a message that this user has sent. */
  receipt: Receipt;
  /** The user has read something, on any device. */
  read: ReadMark;
  /** Entries up to here are gone for good. */
  gap: { upTo: Position };
  typing: { from: string; thread: string };
  sending: Sending;
  call: Call;
  pushTarget: PushTarget;
  /** What belongs to no promise: a refused frame, a handler or a `getToken` that failed. */
  error: ReveilleError | Error;
}

declare class Emitter<Types> {
  /** Calls `handler` for every event of this type; the function returned ends that. */
  on<Type extends keyof Types>(type: Type, handler: (event: Types[Type]) => unknown): () => void;
  off<Type extends keyof Types>(type: Type, handler: (event: Types[Type]) => unknown): void;
  /** The next event of this type. */
  once<Type extends keyof Types>(type: Type): Promise<Types[Type]>;
}

export class Reveille extends Emitter<Events> {
  constructor(options: Options);
  readonly state: State;
  readonly user: string | undefined;
  readonly deviceId: string | undefined;
  readonly calls: Call[];
  /**
   * Connects, and stays connected until `close`. Resolves with the first `connected`; rejects if
   * the server will not have this device. Add the handlers of `message` before.
   */
  connect(): Promise<Connected>;
  /** Ends the connection; the queue stays. */
  close(): Promise<void>;
  /** Calls `getToken` now, as after the app's own login; a session gets the new token at once. */
  refresh(): void;
  /** Nothing is pushed to this device any more, and it forgets who it was. */
  signOut(): Promise<void>;
  /**
   * Sends a message. Resolves once the server has stored it; rejects only when it never will. A
   * message that waits outlives connections and, with a store that does, this page.
   */
  send<Body = Json>(message: OutgoingMessage<Body>): Promise<Accepted>;
  /** The messages that the server has not accepted yet, in order. */
  queued(): Promise<Array<OutgoingMessage & { id: string; to: string[] }>>;
  /** Says what the user has read; kept for the next connection if there is none. */
  read(mark: ReadMark): void;
  /** Tells a user that this one is typing. Live only: without a connection it is nothing. */
  typing(to: string, thread: string): void;
  /** Calls a user; listen to the `Call` for what becomes of it. */
  call(to: string, options: CallOptions): Call;
  /**
   * Registers a push token, and registers it again should the server have lost it. Rejects when
   * the server refuses it; resolves with a `code` if pushes to it would fail as things stand.
   */
  setPushToken(token: string | object, options?: PushTokenOptions): Promise<PushTarget>;
  /** Removes the push token of a kind. */
  removePushToken(kind: TargetKind): Promise<PushTarget>;
  /**
   * Asks for the permission, registers the service worker and subscribes. Call it from a tap:
   * browsers ask the user at no other time.
   */
  enableWebPush(options?: WebPushOptions): Promise<PushTarget>;
  /**
   * Sends a push to this device and waits until its push handler has said that it came, the push
   * service refused it, or `timeoutMs` are over; then the answer is the last that was seen.
   */
  testPush(options?: { timeoutMs?: number; intervalMs?: number }): Promise<TestPush>;
}

export interface Call extends Emitter<CallEvents> {
  readonly id: string;
  readonly direction: 'incoming' | 'outgoing' | undefined;
  /** The page was reloaded in mid call: who it is with is not known, `direction` is `undefined`. */
  readonly resumed: boolean;
  readonly state: CallState;
  readonly reason: CallEndReason | undefined;
  readonly from?: string;
  readonly to?: string;
  readonly media?: Media;
  readonly callerName?: string;
  readonly callerHandle?: string;
  readonly offer?: Json;
  readonly expiresAt?: Date;
  /** Says that this device rings; the client has said it already when `call` was emitted. */
  ringing(): void;
  /** Takes the call. `answered` follows, or `ended` if another device was quicker. */
  answer(answer?: Json): void;
  /** Does not take it: `declined` if nothing else is said. */
  reject(reason?: 'declined' | 'busy'): void;
  /** Takes back a call that nobody has answered. */
  cancel(): void;
  /** Hangs up; a call that still rings is cancelled or declined. */
  end(): void;
  /** Sends a signal to the other side, whatever the connection does: in order, and once. */
  signal(body: Json): void;
}
