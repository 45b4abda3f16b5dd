// Makes the wall lively: forms are sent without leaving the page, and what changes is shown as it
// changes. Without this file the page works all the same, a click at a time. `become.js` stands
// before it in one file.

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

/** Before what was refused is tried again. */
const AGAIN_MS = 5_000;

let events;
follow();

function follow() {
  if (!document.getElementById('strip')) return;
  events?.close();
  events = new EventSource('/lab/events');
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
  events.addEventListener('error', () => {
    tell(AWAY);
    // The browser tries again by itself if the connection was lost, and never if it was refused.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_MS);
  });
}

// An open connection keeps a page from being stored for the way back.
addEventListener('pagehide', () => events?.close());
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) follow();
});

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
