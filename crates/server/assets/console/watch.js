/**
 * Looks again: fetches the page and makes its part with `data-watch` what it is by now, until that
 * part says `off`. Else it says how many seconds to wait between two looks. `become.js` stands
 * before it in one file.
 */

const part = () => document.querySelector('[data-watch]');

async function look() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
  // Whoever is signed out by now keeps what is there.
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.querySelector('[data-watch]');
  if (!fresh) return;
  attributes(part(), fresh);
  become(part(), fresh);
}

for (let seconds; (seconds = Number(part()?.dataset.watch)) > 0; ) {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  // Nobody looks at a page behind another; a server that is away for a moment is asked again.
  if (!document.hidden) await look().catch(() => {});
}
