/** `become.js` alone: what stays as it is when one part of a page becomes another one. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { browser } from './harness.js';

const SCRIPT = readFileSync(new URL('../crates/server/assets/console/become.js', import.meta.url), 'utf8');

const { open } = await browser();

/**
 * A part becomes another one. Each button of both parts is called by its text, and the one with the
 * `focus` has it. Returns what is there in the end, what of it was there before, and what was moved.
 */
async function becomes(page, [before, after], focus) {
  return page.evaluate(
    ([script, before, after, focus]) => {
      const become = new Function(`${script}; return become`)();
      const here = document.body.appendChild(document.createElement('main'));
      here.innerHTML = before;
      const wanted = document.createElement('template');
      wanted.innerHTML = after;
      const old = new Map([...here.querySelectorAll('*')].map((it) => [it, it.textContent]));
      const called = (text) => [...here.querySelectorAll('button')].find((it) => it.textContent === text);
      called(focus)?.focus();
      const had = document.activeElement;
      become(here, wanted.content);
      const kept = [...here.querySelectorAll('button')].filter((it) => old.get(it) === it.textContent);
      const result = {
        isWanted: here.innerHTML === after,
        kept: kept.map((it) => it.textContent).join(' '),
        focus: document.activeElement === had ? had.textContent : null,
      };
      here.remove();
      return result;
    },
    [SCRIPT, before, after, focus],
  );
}

const keyed = (...names) => names.map((name) => `<li data-key="${name}"><button>${name}</button></li>`).join('\n');

const CASES = [
  ['nothing changes', keyed('a', 'b'), keyed('a', 'b'), 'b', 'a b'],
  ['one comes at the top', keyed('a', 'b'), keyed('new', 'a', 'b'), 'b', 'a b'],
  ['one comes at the top, the last goes', keyed('a', 'b', 'c'), keyed('new', 'a', 'b'), 'b', 'a b'],
  ['the first goes', keyed('a', 'b', 'c'), keyed('b', 'c'), 'b', 'b c'],
  ['all but one go', keyed('a', 'b', 'c', 'd'), keyed('d'), 'd', 'd'],
  ['the last goes to the top', keyed('a', 'b', 'c'), keyed('c', 'a', 'b'), 'c', 'a b c'],
  ['the first goes to the end', keyed('a', 'b', 'c'), keyed('b', 'c', 'a'), 'a', 'a b c'],
  ['they turn about', keyed('a', 'b', 'c', 'd'), keyed('d', 'c', 'b', 'a'), 'b', 'a b c d'],
  [
    'what has no key before what has one goes',
    `<p>none</p>${keyed('a')}<p>end</p>`,
    `${keyed('a')}<p>end</p>`,
    'a',
    'a',
  ],
  [
    'what has no key comes before what has none, of another kind',
    '<ul><li><button>a</button></li></ul><nav><button>b</button></nav>',
    '<p>new</p><ul><li><button>a</button></li></ul><nav><button>b</button></nav>',
    'b',
    'a b',
  ],
  [
    'what has none comes and what has one goes',
    `${keyed('a', 'b')}<p><button>c</button></p>`,
    `<h2>new</h2>${keyed('b')}<p><button>c</button></p>`,
    'c',
    'b c',
  ],
  [
    'a form gives way to another one',
    '<form data-key="pause"><button>pause</button></form><form data-key="end"><button>end</button></form>',
    '<form data-key="go"><button>go</button></form><form data-key="end"><button>end</button></form>',
    'end',
    'end',
  ],
];

for (const [name, before, after, focus, kept] of CASES) {
  test(name, async () => {
    const page = await open();
    const result = await becomes(page, [before, after], focus);
    assert.equal(result.isWanted, true);
    assert.equal(result.focus, focus);
    assert.deepEqual(result.kept.split(' ').sort(), kept.split(' '));
  });
}

test('what is under the focus goes with it', async () => {
  const page = await open();
  const parts = [keyed('a', 'b'), keyed('a', 'c')];
  assert.deepEqual(await becomes(page, parts, 'b'), { isWanted: true, kept: 'a', focus: null });
});

test('what was opened stays open, and one of the same key of another kind is another', async () => {
  const page = await open();
  const before = '<details data-key="a" open=""><summary>a</summary></details><i data-key="b"></i>';
  const after = '<details data-key="a"><summary>a</summary></details><b data-key="b"></b>';
  const { isWanted } = await becomes(page, [before, after], '');
  assert.equal(isWanted, false);
  const opened = after.replace('data-key="a"', 'data-key="a" open=""');
  const again = await becomes(page, [before, opened], '');
  assert.equal(again.isWanted, true);
});
