// One part of a page becomes another one, node by node. It stands before each script that needs it,
// in one file with it.

/**
 * Makes the inside of `here` that of `wanted`, and leaves every node that stays as it is, where it
 * is: so focus stays, and only what is new moves in.
 */
function become(here, wanted) {
  const [old, fresh] = [[...here.childNodes], [...wanted.childNodes]];
  const inPlace = matched(old, fresh);
  const same = new Map(inPlace);
  // A node with a name may stand elsewhere by now.
  const left = old.filter((node) => nameOf(node) && ![...inPlace.values()].includes(node));
  for (const child of fresh) {
    if (same.has(child) || !nameOf(child)) continue;
    const at = left.findIndex((node) => areAlike(node, child));
    if (at >= 0) same.set(child, ...left.splice(at, 1));
  }
  const stays = new Set(same.values());
  for (const node of old) if (!stays.has(node)) node.remove();
  const fixed = new Set(inPlace.values());
  let next = here.firstChild;
  for (const child of fresh) {
    // What has to move does so when its turn comes.
    while (next && !fixed.has(next)) next = next.nextSibling;
    const node = same.get(child) ?? child;
    if (node === next) next = next.nextSibling;
    else here.insertBefore(node, next);
    if (node !== child) update(node, child);
  }
}

function update(node, wanted) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return;
  }
  attributes(node, wanted);
  // What a script keeps up to date is not written over.
  if (!node.hasAttribute('data-own')) become(node, wanted);
}

/**
 * The most of `fresh` that is in `old` in the same order, each with the node that stands for it:
 * a longest common subsequence, in which what has a name counts more than what has none, and what
 * holds the focus more than everything else.
 */
function matched(old, fresh) {
  const pairs = new Map();
  if (old.length === fresh.length && old.every((node, at) => areAlike(node, fresh[at]))) {
    old.forEach((node, at) => pairs.set(fresh[at], node));
    return pairs;
  }
  const worth = old.map((node) => {
    if (node.nodeType !== Node.ELEMENT_NODE) return 1;
    if (node.contains(document.activeElement)) return 1_000_000;
    return nameOf(node) ? 1_000 : 10;
  });
  const row = () => new Float64Array(fresh.length + 1);
  // The best that can be had of what stands behind.
  const best = [...old.map(row), row()];
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      const both = areAlike(old[i], fresh[j]) ? worth[i] + best[i + 1][j + 1] : 0;
      best[i][j] = Math.max(both, best[i + 1][j], best[i][j + 1]);
    }
  }
  for (let i = 0, j = 0; i < old.length && j < fresh.length; ) {
    if (areAlike(old[i], fresh[j]) && best[i][j] === worth[i] + best[i + 1][j + 1]) {
      pairs.set(fresh[j++], old[i++]);
    } else if (best[i][j] === best[i + 1][j]) {
      i += 1;
    } else {
      j += 1;
    }
  }
  return pairs;
}

/** Whether one may become the other: of one kind, and of one key or id if it has one. */
function areAlike(one, other) {
  return one.nodeName === other.nodeName && nameOf(one) === nameOf(other);
}

function nameOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id : '';
}

function attributes(here, wanted) {
  for (const { name } of [...here.attributes]) {
    // What somebody has opened or closed stays so.
    if (!wanted.hasAttribute(name) && name !== 'open') here.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== 'open' && here.getAttribute(name) !== value) here.setAttribute(name, value);
  }
}
