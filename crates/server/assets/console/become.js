// One part of a page becomes another one, node by node. It stands before each script that needs it,
// in one file with it.

/**
 * Makes the inside of `here` that of `wanted`, and leaves every node that stays as it is: so focus
 * stays where it was, and only what is new moves in.
 */
function become(here, wanted) {
  let next = here.firstChild;
  for (const child of [...wanted.childNodes]) {
    const same = found(next, child);
    if (!same) {
      here.insertBefore(child, next);
      continue;
    }
    if (same === next) next = next.nextSibling;
    else here.insertBefore(same, next);
    if (same.nodeType !== Node.ELEMENT_NODE) {
      if (same.data !== child.data) same.data = child.data;
      continue;
    }
    attributes(same, child);
    // What a script keeps up to date is not written over.
    if (!same.hasAttribute('data-own')) become(same, child);
  }
  while (next) {
    const after = next.nextSibling;
    next.remove();
    next = after;
  }
}

/** The node at or behind `from` that stands for `child`: by key or id where it has one. */
function found(from, child) {
  const name = nameOf(child);
  for (let node = from; node; node = node.nextSibling) {
    if (node.nodeName === child.nodeName && nameOf(node) === name) return node;
    if (!name) return null;
  }
  return null;
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
