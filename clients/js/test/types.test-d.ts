/** What the types promise, and what they refuse; checked by tsc, never run. */

import {
  Reveille,
  ReveilleError,
  memoryStore,
  browserStore,
  type Accepted,
  type Call,
  type CallEndReason,
  type CloseReason,
  type ErrorCode,
  type Events,
  type Message,
  type Receipt,
  type State,
  type Store,
} from 'reveille-client';
import { NodeSocket, fileStore } from 'reveille-client/node';

/** Compiles for two types that are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>(): void => undefined;

const reveille = new Reveille({ url: 'https://push.example.com', getToken: async () => 'rvl' });
new Reveille({ url: 'x', getToken: () => null, store: memoryStore(), autoAck: false });
new Reveille({ url: 'x', getToken: () => null, store: fileStore('device.json') });
new Reveille({ url: 'x', getToken: () => null, store: browserStore(), WebSocket: NodeSocket });
// @ts-expect-error: without `getToken` nobody could connect.
new Reveille({ url: 'https://push.example.com' });
// @ts-expect-error: a token is a text.
new Reveille({ url: 'https://push.example.com', getToken: () => 7 });
// @ts-expect-error: no such platform.
new Reveille({ url: 'x', getToken: () => null, device: { platform: 'windows' } });

const own: Store = {
  async get() {},
  async update(_key, change) {
    return change(undefined);
  },
  async list() {
    return [];
  },
};
new Reveille({ url: 'x', getToken: () => null, store: own });

is<Same<typeof reveille.state, State>>();
// @ts-expect-error: the state is told, not set.
reveille.state = 'closed';

// Events.
const off: () => void = reveille.on('message', async (message) => {
  is<Same<typeof message, Message<any>>>();
  is<Same<typeof message.sentAt, Date>>();
  message.ack();
});
off();
reveille.on('message', ({ body }: Message<{ text: string }>) => void body.text.length);
reveille.on('receipt', ({ state }) => is<Same<typeof state, Receipt['state']>>());
reveille.on('call', (call) => {
  call.answer({ sdp: '' });
  call.on('ended', ({ reason }) => is<Same<typeof reason, CallEndReason>>());
  call.on('signal', (body) => is<Same<typeof body, unknown>>());
  // @ts-expect-error: a call has no such event.
  call.on('message', () => {});
});
reveille.on('sending', (sending) => {
  if (sending.state === 'accepted') is<Same<typeof sending.result, Accepted>>();
  if (sending.state === 'rejected') is<Same<typeof sending.error, ReveilleError>>();
  // @ts-expect-error: there is a result once it is accepted.
  sending.result;
});
reveille.on('disconnected', ({ reason, error, willReconnect }) => {
  is<Same<typeof reason, CloseReason>>();
  is<Same<typeof error.code, ErrorCode>>();
  is<Same<typeof willReconnect, boolean>>();
  // @ts-expect-error: no such reason.
  if (reason === 'bored') return;
});
reveille.once('connected').then(({ user }) => is<Same<typeof user, string>>());
// @ts-expect-error: there is no such event.
reveille.on('massage', () => {});
const names: Record<keyof Events, true> = {
  state: true,
  connected: true,
  disconnected: true,
  message: true,
  receipt: true,
  read: true,
  gap: true,
  typing: true,
  sending: true,
  call: true,
  pushTarget: true,
  error: true,
};
void names;

// Sending.
reveille.send({ to: 'bob', body: { text: 'Noon?' } }).then(({ failed }) => failed[0]?.code);
reveille.send<{ text: string }>({ to: ['bob'], body: { text: 'Noon?' }, ttl: 0, push: 'none' });
// @ts-expect-error: the body is what the type says.
reveille.send<{ text: string }>({ to: 'bob', body: { test: 'Noon?' } });
// @ts-expect-error: nobody to send to.
reveille.send({ body: 1 });
// @ts-expect-error: no such urgency.
reveille.send({ to: 'bob', body: 1, urgency: 'low' });
reveille.read({ thread: 'lunch', upTo: { epoch: '1', offset: 2 } });
reveille.read({ messages: ['msg_1'] });
// @ts-expect-error: a thread is read up to a position.
reveille.read({ thread: 'lunch' });
reveille.typing('bob', 'lunch');

// Calls.
const call: Call = reveille.call('bob', { callerName: 'Alice', media: 'video', offer: {} });
// @ts-expect-error: the other side must see a name.
reveille.call('bob', { media: 'video' });
call.reject('busy');
// @ts-expect-error: no such reason.
call.reject('asleep');
// @ts-expect-error: only the client makes calls end.
call.state = 'ended';

// Pushes.
reveille.setPushToken('token', { voip: true, environment: 'sandbox', appId: 'com.example.app' });
// @ts-expect-error: no such kind.
reveille.setPushToken('token', { kind: 'wns' });
reveille.enableWebPush({ serviceWorkerUrl: '/sw.js', vapidKey: 'B' }).then(({ state }) => state);
reveille.testPush({ timeoutMs: 1 }).then(({ received }) => is<Same<typeof received, boolean>>());
