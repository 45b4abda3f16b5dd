/**
 * What Node lacks: a WebSocket client (before version 22) that sees pings, and a store in a file.
 *
 * The client is the part of RFC 6455 that a Reveille server speaks: text, fragments, ping, pong and
 * close; no extensions. Browsers never load this file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { dirname } from 'node:path';

/** Appended to the key by whoever accepts it (RFC 6455, section 1.3). */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** More than any frame of the server; what is larger is no Reveille. */
const MOST_BYTES = 1024 * 1024;

/** How long the other side may take to close after we have. */
const GOODBYE_MS = 2_000;

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A WebSocket with the handlers that browsers have, and `onping`. */
export class NodeSocket {
  /** Who holds this socket can tell a silent connection from a dead one. */
  seesPings = true;

  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  onping = null;

  #request;
  #stream;
  #unread = Buffer.alloc(0);
  #fragments = [];
  #fragmentBytes = 0;
  #isClosed = false;
  #code = 1006;

  /**
   * @param {string} url `ws://…` or `wss://…`
   * @param {string} protocol the sub-protocol that the server must choose
   */
  constructor(url, protocol) {
    const key = randomBytes(16).toString('base64');
    const request = url.startsWith('wss:') ? requestHttps : requestHttp;
    this.#request = request(url.replace(/^ws/, 'http'), {
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Key': key,
        'Sec-WebSocket-Protocol': protocol,
        'Sec-WebSocket-Version': '13',
      },
    });
    this.#request.on('upgrade', (response, stream, head) => {
      const { 'sec-websocket-accept': accept, 'sec-websocket-protocol': chosen } = response.headers;
      const expected = createHash('sha1').update(key + ACCEPT_SUFFIX).digest('base64');
      if (accept !== expected || chosen !== protocol || this.#isClosed) {
        stream.destroy();
        this.#gone(new Error('the server is no WebSocket server of this protocol'));
        return;
      }
      this.#opened(stream, head);
    });
    this.#request.on('response', (response) => {
      response.resume();
      this.#request.destroy();
      this.#gone(new Error(`the server answered HTTP ${response.statusCode}`));
    });
    this.#request.on('error', (error) => this.#gone(error));
    this.#request.end();
  }

  /** @param {string} text */
  send(text) {
    if (this.#stream && !this.#isClosed) this.#write(OPCODE.text, Buffer.from(text));
  }

  close(code = 1000) {
    if (this.#isClosed) return;
    if (!this.#stream) {
      this.#request.destroy();
      this.#gone();
      return;
    }
    this.#goodbye(code);
  }

  #opened(stream, head) {
    this.#stream = stream;
    stream.setNoDelay(true);
    stream.on('data', (bytes) => this.#read(bytes));
    stream.on('error', (error) => this.#gone(error));
    stream.on('close', () => this.#gone());
    this.onopen?.({});
    if (head.length > 0) this.#read(head);
  }

  #read(bytes) {
    this.#unread = this.#unread.length > 0 ? Buffer.concat([this.#unread, bytes]) : bytes;
    for (let frame; !this.#isClosed && (frame = this.#next()); ) this.#take(frame);
  }

  /** The next whole frame of what was read (RFC 6455, section 5.2). */
  #next() {
    const unread = this.#unread;
    if (unread.length < 2) return undefined;
    let length = unread[1] & 0x7f;
    let start = 2;
    if (length === 126) {
      if (unread.length < 4) return undefined;
      length = unread.readUInt16BE(2);
      start = 4;
    } else if (length === 127) {
      if (unread.length < 10) return undefined;
      length = Number(unread.readBigUInt64BE(2));
      start = 10;
    }
    const opcode = unread[0] & 0x0f;
    const isFinal = (unread[0] & 0x80) !== 0;
    const isControl = opcode >= OPCODE.close;
    // A server masks nothing, and no extension was agreed on.
    const isStrange = (unread[0] & 0x70) !== 0 || (unread[1] & 0x80) !== 0;
    if (isStrange || (isControl && (!isFinal || length > 125))) return this.#fail(1002);
    if (length + this.#fragmentBytes > MOST_BYTES) return this.#fail(1009);
    if (unread.length < start + length) return undefined;
    this.#unread = unread.subarray(start + length);
    return { opcode, isFinal, payload: unread.subarray(start, start + length) };
  }

  #take({ opcode, isFinal, payload }) {
    switch (opcode) {
      case OPCODE.ping:
        this.#write(OPCODE.pong, payload);
        this.onping?.();
        return;
      case OPCODE.pong:
        return;
      case OPCODE.close:
        this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
        this.#goodbye(payload.length >= 2 ? this.#code : 1000);
        return;
      case OPCODE.text:
      case OPCODE.continuation:
        this.#fragment(opcode, isFinal, payload);
        return;
      default:
        this.#fail(1003);
    }
  }

  #fragment(opcode, isFinal, payload) {
    const isFirst = opcode === OPCODE.text;
    if (isFirst === this.#fragments.length > 0) {
      this.#fail(1002);
      return;
    }
    this.#fragments.push(payload);
    this.#fragmentBytes += payload.length;
    if (!isFinal) return;
    const whole = Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#fragmentBytes = 0;
    let data;
    try {
      data = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(whole);
    } catch {
      this.#fail(1007);
      return;
    }
    this.onmessage?.({ data });
  }

  /** Writes a frame, masked as every frame of a client is (RFC 6455, section 5.3). */
  #write(opcode, payload) {
    const { length } = payload;
    const extra = length < 126 ? 0 : length < 65_536 ? 2 : 8;
    const frame = Buffer.alloc(2 + extra + 4 + length);
    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | (extra === 0 ? length : extra === 2 ? 126 : 127);
    if (extra === 2) frame.writeUInt16BE(length, 2);
    if (extra === 8) frame.writeBigUInt64BE(BigInt(length), 2);
    const mask = randomBytes(4);
    mask.copy(frame, 2 + extra);
    const start = 2 + extra + 4;
    for (let at = 0; at < length; at++) frame[start + at] = payload[at] ^ mask[at & 3];
    if (this.#stream.writable) this.#stream.write(frame);
  }

  #goodbye(code) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#write(OPCODE.close, payload);
    this.#stream.end();
    const stream = this.#stream;
    setTimeout(() => stream.destroy(), GOODBYE_MS).unref();
    this.#gone();
  }

  #fail(code) {
    this.#code = code;
    this.#goodbye(code);
    return undefined;
  }

  #gone(error) {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (error) this.onerror?.({ error });
    // Whoever closes, or is refused, hears of it after the call that led to it.
    queueMicrotask(() => this.onclose?.({ code: this.#code }));
  }
}

/**
 * Keeps everything in one file that its owner alone can read: the device secret is in it.
 * One process has it at a time.
 */
export function fileStore(path) {
  let reading;
  let writing = Promise.resolve();
  let isDue = false;
  const load = async () => {
    const text = await readFile(path, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    return new Map(Object.entries(JSON.parse(text)));
  };
  const read = () => (reading ??= load());
  // Beside the old file and then over it: a kill leaves one or the other. What changes while one
  // is written goes together into the next.
  const write = (records) => {
    if (!isDue) {
      isDue = true;
      writing = writing.catch(() => {}).then(async () => {
        isDue = false;
        await mkdir(dirname(path), { recursive: true });
        const file = await open(`${path}.new`, 'w', 0o600);
        try {
          await file.writeFile(JSON.stringify(Object.fromEntries(records)));
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(`${path}.new`, path);
      });
    }
    return writing;
  };
  return {
    async get(key) {
      const value = (await read()).get(key);
      return value === undefined ? undefined : structuredClone(value);
    },
    async update(key, change) {
      const records = await read();
      const old = records.get(key);
      const value = change(old === undefined ? undefined : structuredClone(old));
      if (value === undefined) records.delete(key);
      else records.set(key, structuredClone(value));
      await write(records);
      return value;
    },
    async list(prefix) {
      const records = await read();
      const keys = [...records.keys()].filter((key) => key.startsWith(prefix)).sort();
      return keys.map((key) => [key, structuredClone(records.get(key))]);
    },
  };
}
