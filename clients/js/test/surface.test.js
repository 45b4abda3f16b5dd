/** What the types declare is there, and what is there is declared. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import * as node from '../node.js';
import * as reveille from '../reveille.js';

const types = (file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

/** The members that a class or interface declares, without those it inherits. */
function declared(source, name) {
  const block = new RegExp(`(?:class|interface) ${name}[ <][^{]*\\{\\n(.*?)\\n\\}`, 's');
  const [, body] = source.match(block);
  const members = body.matchAll(/^ {2}(?:readonly )?(\w+)[<(?:]/gm);
  return [...members].map(([, member]) => member);
}

/** What a class has for others: what begins with `_` is for this module alone. */
function present(prototype, own = []) {
  const names = [...Object.getOwnPropertyNames(prototype), ...own];
  return names.filter((name) => name !== 'constructor' && !name.startsWith('_'));
}

test('the exports of both modules', () => {
  for (const [module, file] of [[reveille, 'reveille.d.ts'], [node, 'node.d.ts']]) {
    const exported = [...types(file).matchAll(/^export (?:class|function) (\w+)/gm)];
    assert.deepEqual(Object.keys(module).sort(), exported.map(([, name]) => name).sort());
  }
});

test('the members of a client', () => {
  const source = types('reveille.d.ts');
  const { prototype } = reveille.Reveille;
  const without = (names) => [...new Set(names)].filter((name) => name !== 'constructor').sort();
  assert.deepEqual(without(declared(source, 'Reveille')), present(prototype).sort());
});

test('the members of a call', () => {
  const client = new reveille.Reveille({ url: 'https://x.example', getToken: () => null });
  const call = client.call('bob', { callerName: 'Alice', callerHandle: 'a', offer: 1 });
  const members = present(Object.getPrototypeOf(call), Object.keys(call));
  // Who calls is said of one that comes.
  assert.deepEqual(declared(types('reveille.d.ts'), 'Call').sort(), [...members, 'from'].sort());
});
