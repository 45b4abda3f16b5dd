/** Types of `node.js`. */

import type { SocketLike, Store } from './reveille.js';

/** A WebSocket that sees pings, so that a dead connection is noticed without sending. */
export class NodeSocket implements SocketLike {
  constructor(url: string, protocol: string);
  readonly seesPings: true;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: { data: string }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  onerror: ((event: { error: Error }) => void) | null;
  onping: (() => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** One file with the mode 0600, for one process. */
export function fileStore(path: string): Store;
