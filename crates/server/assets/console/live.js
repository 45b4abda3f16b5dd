/**
 * The push log as it is written: each record that the server sends becomes a line on top of the
 * list, made from the page's own template. The page without this is the same list, loaded again.
 */

const MOST = 200;

const list = document.querySelector('[data-live]');
const line = document.querySelector('#record-line');
const state = document.querySelector('#live-state');
const pause = document.querySelector('#live-pause');

const told = new Intl.DateTimeFormat('en-GB', {
  ...{ year: 'numeric', month: '2-digit', day: '2-digit', timeZone: 'UTC' },
  ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 },
});

/** A time as the server writes it. */
function time(text) {
  const parts = Object.fromEntries(told.formatToParts(new Date(text)).map((it) => [it.type, it.value]));
  const { year, month, day, hour, minute, second, fractionalSecond } = parts;
  return `${year}-${month}-${day} ${hour}:${minute}:${second}.${fractionalSecond}`;
}

function show(record) {
  const item = line.content.firstElementChild.cloneNode(true);
  const put = (name, text) => {
    const place = item.querySelector(`[data-put="${name}"]`);
    if (text === undefined || text === '') place.remove();
    else place.textContent = text;
  };
  put('time', time(record.at));
  put('step', record.step);
  put('whom', record.user);
  put('reason', record.reason);
  put('sentence', record.sentence);
  put('who', [record.user, record.device].filter(Boolean).join(' · '));
  put('code', record.code);
  const { request, answer, ...rest } = record.detail ?? {};
  put('request', request && JSON.stringify(request, null, 2));
  put('answer', answer && JSON.stringify(answer, null, 2));
  const ids = Object.entries(record).filter(([name]) => /^(wake|attempt|message|call|push)$/.test(name));
  put('rest', JSON.stringify({ ...Object.fromEntries(ids), ...rest }, null, 2));
  item.classList.toggle('bad', record.code !== undefined);
  list.prepend(item);
  while (list.children.length > MOST) list.lastElementChild.remove();
  document.querySelector('#nothing')?.remove();
}

function follow() {
  const source = new EventSource(list.dataset.live);
  source.addEventListener('open', () => (state.textContent = 'Live'));
  source.addEventListener('error', () => (state.textContent = 'Not connected; trying again'));
  source.addEventListener('record', ({ data }) => show(JSON.parse(data)));
  source.addEventListener('missed', ({ data }) => {
    state.textContent = `Live; ${JSON.parse(data).records} went by too fast, load the page to see them`;
  });
  return source;
}

let source = follow();
pause.hidden = false;
pause.addEventListener('click', () => {
  const isPaused = pause.getAttribute('aria-pressed') === 'true';
  pause.setAttribute('aria-pressed', String(!isPaused));
  if (isPaused) {
    source = follow();
  } else {
    source.close();
    state.textContent = 'Paused';
  }
});
