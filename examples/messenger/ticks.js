/** How far a message of ours has come: a clock, one tick, two, two in colour. */

import { h, icon } from './dom.js';

const STATES = {
  queued: ['clock', 'Waits to be sent'],
  sent: ['sent', 'Sent'],
  delivered: ['twice', 'Delivered'],
  read: ['twice', 'Read'],
  expired: ['wrong', 'Nobody had it in time'],
  failed: ['wrong', 'Not sent'],
};

export function ticks({ state, call }) {
  if (call) return undefined;
  const [drawing, words] = STATES[state];
  const attributes = { class: `ticks ${state}`, role: 'img', 'aria-label': words, title: words };
  return h('span', attributes, icon(drawing));
}
