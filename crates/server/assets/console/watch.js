/**
 * Looks again: fetches the page and makes its part with `data-watch` what it is by now, until that
 * part says `off`. Else it says how many seconds to wait between two looks. A part that cannot be
 * looked at is not the present: what stands before it says so. `become.js` and `look.js` stand
 * before this in one file.
 */

/** Between two looks while there is nothing to be seen. */
const AWAY_SECONDS = 15;

const part = () => document.querySelector('[data-watch]');

const notice = document.createElement('p');
notice.setAttribute('role', 'status');
part()?.before(notice);

/** Since when the part is as it is. */
let seenAt = Date.now();
let isAway = false;

async function look() {
  // A page that came after a form has another address.
  const { page, away, signIn } = await pageAt(part().dataset.at ?? location.href);
  const fresh = page?.querySelector('[data-watch]');
  isAway = !fresh;
  notice.className = isAway ? 'notice warn' : '';
  if (isAway) {
    tell(notice, `${away ?? 'The page is another'}; this is as of ${minute(seenAt)}.`, signIn);
    return;
  }
  tell(notice, '');
  seenAt = Date.now();
  attributes(part(), fresh);
  become(part(), fresh);
}

for (let seconds; (seconds = Number(part()?.dataset.watch)) > 0; ) {
  if (isAway) seconds = Math.max(seconds, AWAY_SECONDS);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  // Nobody looks at a page behind another.
  if (!document.hidden) await look();
}
