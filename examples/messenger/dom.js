/** Elements, made in one call. Texts are texts: nothing here reads HTML that somebody sent. */

import { PEOPLE, person } from './people.js';

/** `h('a', { href: '#bob', class: 'row' }, 'Bob')`; what is undefined or false is left out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** What is drawn, each on a square of 24. */
const PATHS = {
  back: 'M15 5l-7 7 7 7',
  bell: 'M6 16v-5a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5a2 2 0 0 0 4 0',
  'bell-off': 'M6 16v-5a6 6 0 0 1 9-5.2M18 11v5l1.5 2H8M10 20.5a2 2 0 0 0 4 0M4 4l16 16',
  camera: 'M3 7.5h11v9H3zM14 11l6-3.5v9L14 13',
  'camera-off': 'M7 7.5h7V14M14 11l6-3.5v9M12 16.5H3v-9M3 3l18 18',
  clock: 'M12 7v5l3 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z',
  leave: 'M14 4h5v16h-5M4 12h10M10.5 8l4 4-4 4',
  mic: 'M12 3.5a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0V6A2.5 2.5 0 0 1 12 3.5zM6.5 11a5.5 5.5 0 0 0 11 0M12 16.5V20',
  'mic-off': 'M14.5 11V6a2.5 2.5 0 0 0-5-.5M9.5 9.5V11a2.5 2.5 0 0 0 3.600 2.200M6.5 11a5.5 5.5 0 0 0 8.300 4.700M17.5 11v.8M12 16.5V20M4 4l16 16',
  phone: 'M5 4h4l1.8 4.5-2.300 1.8a12 12 0 0 0 5.200 5.200l1.8-2.300L20 15v4a1.5 1.5 0 0 1-1.600 1.5C10.5 20 4 13.5 3.5 5.600A1.5 1.5 0 0 1 5 4z',
  send: 'M4 12l16-8-5.5 16-3-6.5z',
  sent: 'M7 12.5l3.5 3.5L18 8.5',
  twice: 'M3 12.5l3.5 3.5L14 8.5M11.5 15l1 1L20 8.5',
  wrong: 'M12 7.5v5.5M12 16.300v.2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z',
};

export function icon(name) {
  const SVG = 'http://www.w3.org/2000/svg';
  const drawing = document.createElementNS(SVG, 'svg');
  drawing.setAttribute('viewBox', '0 0 24 24');
  drawing.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  drawing.append(path);
  return drawing;
}

/** The colours of `style.css`; the last is for whoever is not known here. */
const HUES = 6;

/** A round picture: the first letters of a name, in a colour of its own. */
export function avatar(id) {
  const { name } = person(id);
  const letters = name.split(' ').map((word) => word[0]).slice(0, 2).join('').toUpperCase();
  const number = PEOPLE.findIndex((one) => one.id === id);
  const hue = number < 0 ? HUES - 1 : number % HUES;
  return h('span', { class: `avatar hue-${hue}`, 'aria-hidden': 'true' }, letters);
}

export function time(at) {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

/** `Today`, `Yesterday`, or the date. */
export function day(at) {
  const dayOf = (date) => new Date(date).setHours(0, 0, 0, 0);
  const ago = Math.round((dayOf(Date.now()) - dayOf(at)) / 86_400_000);
  if (ago === 0) return 'Today';
  if (ago === 1) return 'Yesterday';
  return new Date(at).toLocaleDateString([], { day: 'numeric', month: 'long', year: 'numeric' });
}

export function duration(seconds) {
  const two = (number) => String(number).padStart(2, '0');
  return `${Math.floor(seconds / 60)}:${two(Math.floor(seconds % 60))}`;
}
