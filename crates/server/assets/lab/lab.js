// Makes the wall lively: forms are sent without leaving the page, and what changes is shown as it
// changes. Without this file the page works all the same, a click at a time.

const problem = document.getElementById('problem');

/** What stands in the way of the events; shown until they flow again. */
const AWAY = 'The demo is out of reach. Has it ended? This page goes on by itself when it is back.';

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!form.matches('[data-live]')) return;
  event.preventDefault();
  void send(form, event.submitter);
});

/** Sends a form as a browser would, and shows what it is refused for. */
async function send(form, button) {
  const to = button?.hasAttribute('formaction') ? button.formAction : form.action;
  try {
    const answer = await fetch(to, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams(new FormData(form, button)),
    });
    const said = await answer.json();
    tell(answer.ok ? '' : `${said.field ? `${said.field}: ` : ''}${said.detail}`);
  } catch {
    tell(AWAY);
  }
}

function tell(text) {
  if (!problem) return;
  problem.textContent = text;
  problem.hidden = text === '';
}

if (document.getElementById('strip')) follow();

function follow() {
  const events = new EventSource('/lab/events');
  events.addEventListener('parts', ({ data }) => {
    for (const [id, html] of Object.entries(JSON.parse(data))) {
      const place = document.getElementById(id);
      // A phone that somebody else has put on the wall.
      if (!place) return location.reload();
      const wanted = document.createElement('template');
      wanted.innerHTML = html;
      become(place, wanted.content);
    }
    clocks();
  });
  events.addEventListener('open', () => {
    if (problem.textContent === AWAY) tell('');
  });
  events.addEventListener('error', () => tell(AWAY));
  // An open connection keeps a page from being stored for the way back.
  addEventListener('pagehide', () => events.close());
}

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
    if (!same.hasAttribute('data-clock') && !same.hasAttribute('data-date')) become(same, child);
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
    const fits = node.nodeName === child.nodeName && nameOf(node) === name;
    if (fits) return node;
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

/** The time of day, which the phones show as this machine has it. */
function clocks() {
  const now = new Date();
  const time = now.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
  const date = now.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
  for (const [name, text] of [['data-clock', time], ['data-date', date]]) {
    for (const place of document.querySelectorAll(`[${name}]`)) {
      if (place.textContent !== text) place.textContent = text;
    }
  }
}

clocks();
setInterval(clocks, 5_000);
