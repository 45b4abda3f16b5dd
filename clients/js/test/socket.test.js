/** The WebSocket client for Node, against bytes that a server should not send. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { NodeSocket } from '../node.js';

let server;
let accept;
before(async () => {
  server = createServer();
  server.on('upgrade', (request, stream) => accept(request, stream));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => server.close());

/** A socket that is open, and the stream of the server's side. */
async function pair(answer = {}) {
  const accepted = new Promise((resolve) => {
    accept = (request, stream) => {
      const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
      const headers = {
        Upgrade: 'websocket',
        Connection: 'Upgrade',
        'Sec-WebSocket-Accept': createHash('sha1').update(key).digest('base64'),
        'Sec-WebSocket-Protocol': 'test',
        ...answer,
      };
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      stream.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
      stream.on('error', () => {});
      resolve(stream);
    };
  });
  const socket = new NodeSocket(`ws://127.0.0.1:${server.address().port}/`, 'test');
  const opened = new Promise((resolve) => (socket.onopen = resolve));
  const closed = new Promise((resolve) => (socket.onclose = ({ code }) => resolve(code)));
  const messages = [];
  socket.onmessage = ({ data }) => messages.push(data);
  return { socket, stream: await accepted, opened, closed, messages };
}

const frame = (first, payload) => {
  const bytes = Buffer.from(payload);
  const length = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 255];
  return Buffer.concat([Buffer.from([first, ...length]), bytes]);
};

/** What a client wrote, unmasked. */
function unmasked(bytes) {
  assert.ok(bytes[1] & 0x80, 'a client masks what it sends');
  const [length, start] =
    (bytes[1] & 0x7f) === 126 ? [bytes.readUInt16BE(2), 4] : [bytes[1] & 0x7f, 2];
  const mask = bytes.subarray(start, start + 4);
  const payload = bytes.subarray(start + 4, start + 4 + length);
  return { first: bytes[0], payload: Buffer.from(payload.map((byte, at) => byte ^ mask[at & 3])) };
}

test('texts come whole, however they are cut', async () => {
  const { stream, opened, closed, messages } = await pair();
  await opened;
  const long = 'ä'.repeat(500);
  const bytes = Buffer.concat([
    frame(0x81, 'one'),
    frame(0x01, Buffer.from('zwölf').subarray(0, 3)),
    frame(0x89, 'ping in between'),
    frame(0x80, Buffer.from('zwölf').subarray(3)),
    frame(0x81, long),
    frame(0x88, Buffer.from([0x11, 0x39])),
  ]);
  for (const byte of bytes) stream.write(Buffer.from([byte]));
  assert.equal(await closed, 4409);
  assert.deepEqual(messages, ['one', 'zwölf', long]);
});

test('a ping is answered with what it carries, and shown', async () => {
  const { socket, stream, opened } = await pair();
  await opened;
  const pinged = new Promise((resolve) => (socket.onping = resolve));
  stream.write(frame(0x89, 'are you there'));
  await pinged;
  const [bytes] = await once(stream, 'data');
  const { first, payload } = unmasked(bytes);
  assert.deepEqual([first, String(payload)], [0x8a, 'are you there']);
  socket.close();
});

test('what is sent is masked, in one frame of the right size', async () => {
  for (const length of [0, 125, 126, 60_000]) {
    const { socket, stream, opened } = await pair();
    await opened;
    socket.send('x'.repeat(length));
    let all = Buffer.alloc(0);
    while (all.length < length + 6) all = Buffer.concat([all, (await once(stream, 'data'))[0]]);
    const { first, payload } = unmasked(all);
    assert.deepEqual([first, payload.length], [0x81, length]);
    socket.close();
  }
});

for (const [what, bytes, code] of [
  ['a masked frame', Buffer.from([0x81, 0x80, 1, 2, 3, 4]), 1002],
  ['an extension', frame(0xc1, 'x'), 1002],
  ['a binary frame', frame(0x82, 'x'), 1003],
  ['a fragmented ping', frame(0x09, 'x'), 1002],
  ['a continuation of nothing', frame(0x80, 'x'), 1002],
  ['a text within a text', Buffer.concat([frame(0x01, 'x'), frame(0x81, 'y')]), 1002],
  ['what is no UTF-8', frame(0x81, Buffer.from([0xff])), 1007],
  ['more than it takes', Buffer.from([0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0]), 1009],
]) {
  test(`${what} ends the connection with ${code}`, async () => {
    const { stream, opened, closed, messages } = await pair();
    await opened;
    stream.write(bytes);
    assert.equal(await closed, code);
    const { first, payload } = unmasked((await once(stream, 'data'))[0]);
    assert.deepEqual([first, payload.readUInt16BE(0)], [0x88, code]);
    assert.deepEqual(messages, []);
  });
}

test('a server of another protocol, or none, is left', async () => {
  for (const answer of [{ 'Sec-WebSocket-Protocol': 'other' }, { 'Sec-WebSocket-Accept': 'x' }]) {
    const { closed } = await pair(answer);
    assert.equal(await closed, 1006);
  }
});

test('a stream that ends without a word is a lost connection', async () => {
  const { stream, opened, closed } = await pair();
  await opened;
  stream.destroy();
  assert.equal(await closed, 1006);
});
