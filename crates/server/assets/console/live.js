/**
 * The push log as it is written: each record that the server sends becomes a line on top of the
 * list, made from the page's own template. What was written while nobody followed is taken from the
 * page, which is looked at whenever following begins; a line has a key, so that none stands twice.
 * The page without this is the same list, loaded again. `look.js` stands before it in one file.
 */

/** Lines at most; behind those of the page, a link leads to the rest. */
const MOST = 200;

/** Before what was refused is tried again. */
const AGAIN_MS = 5_000;

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

/** What tells a record from all others, as the server has it (`records.rs`). */
function keyOf(record) {
  const { at, step, reason, code, user, device, wake, attempt, message, call, push } = record;
  return [at, step, reason, code, user, device, wake, attempt, message, call, push].join(' ');
}

/** The lines that there are, by their keys. */
function lines() {
  return new Map([...list.children].map((item) => [item.dataset.key, item]));
}

function show(record) {
  const key = keyOf(record);
  if (lines().has(key)) return;
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
  item.dataset.key = key;
  item.classList.toggle('bad', record.code !== undefined);
  list.prepend(item);
  document.querySelector('#nothing')?.remove();
}

/** Takes in what is missing. What stands above `top` came after it was asked. */
function takeIn(page, top) {
  const fresh = [...page.querySelector('[data-live]').children];
  const known = lines();
  let next = top?.isConnected ? top : null;
  let isWhole = true;
  for (const item of fresh) {
    const same = known.get(item.dataset.key);
    isWhole = same !== undefined;
    if (same) next = same.nextElementSibling;
    else list.insertBefore(item, next).classList.add('fresh');
  }
  if (fresh.length > 0) document.querySelector('#nothing')?.remove();
  // Between the page's last line and the next one there may be others, or they are too many.
  if (isWhole && list.children.length <= MOST) return;
  while (next) {
    const after = next.nextElementSibling;
    next.remove();
    next = after;
  }
  document.querySelector('#older').replaceWith(page.querySelector('#older'));
}

/** What is followed; nothing while it is paused or refused. */
let source;
let timer;
/** One look after the other. */
let looking = Promise.resolve();

function follow() {
  const stream = (source = new EventSource(list.dataset.live));
  stream.addEventListener('open', () => catchUp(stream));
  // It went by too fast.
  stream.addEventListener('missed', () => catchUp(stream));
  stream.addEventListener('record', ({ data }) => {
    show(JSON.parse(data));
    if (list.children.length === MOST + 1) catchUp(stream);
  });
  stream.addEventListener('error', () => {
    // The browser tries again by itself if the connection was lost, and never if it was refused.
    if (stream.readyState === EventSource.CLOSED) catchUp(stream);
    else tell(state, 'Not connected; trying again');
  });
}

function catchUp(stream) {
  const top = list.firstElementChild;
  looking = looking.then(async () => {
    if (source !== stream) return;
    const { page, away, signIn } = await pageAt(location.href);
    if (source !== stream) return;
    const isRefused = stream.readyState === EventSource.CLOSED;
    if (page) takeIn(page, top);
    if (page && !isRefused) {
      tell(state, 'Live');
      return;
    }
    leave();
    timer = setTimeout(follow, AGAIN_MS);
    if (signIn) tell(state, `${away}.`, signIn);
    else tell(state, `${away ?? 'Too many follow the log: this is a look'}; trying again`);
  });
}

function leave() {
  source?.close();
  source = undefined;
  clearTimeout(timer);
}

const isPaused = () => pause.getAttribute('aria-pressed') === 'true';

follow();
pause.hidden = false;
pause.addEventListener('click', () => {
  pause.setAttribute('aria-pressed', String(!isPaused()));
  leave();
  if (isPaused()) tell(state, 'Paused');
  else follow();
});

// A page that was left and is come back to.
addEventListener('pageshow', ({ persisted }) => {
  if (!persisted || isPaused()) return;
  leave();
  follow();
});
