/**
 * Looks again while something is under way: fetches the page once a second and puts its part with
 * `data-watch` in the place of the old one, until that part says that it is over.
 */

const PAUSE_MS = 1000;

const part = () => document.querySelector('[data-watch]');

async function look() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.querySelector('[data-watch]');
  // What stays as it was keeps the focus and the place of whoever reads it.
  if (fresh && fresh.innerHTML !== part().innerHTML) part().replaceWith(fresh);
}

while (part()?.dataset.watch === 'on') {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  // A server that is away for a moment is asked again.
  await look().catch(() => {});
}
