// What a page is by now. It stands before each script that needs it, in one file with it.

/** A server that says nothing for so long is away. */
const PATIENCE_MS = 20_000;

/**
 * The page at an address as it is by now; or why there is none, in words, and for whoever is signed
 * out where to sign in. Such a look does not keep them signed in.
 */
async function pageAt(address) {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(address, { headers: { accept: 'text/html' }, signal });
    if (answer.redirected) return { away: 'You are signed out', signIn: answer.url };
    if (!answer.ok) return { away: `The server answers ${answer.status}` };
    return { page: new DOMParser().parseFromString(await answer.text(), 'text/html') };
  } catch {
    return { away: 'The server is away' };
  }
}

/** A time to the minute, as the server writes it. */
function minute(time) {
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Says something where it is read aloud, once, with the way to sign in if there is one. */
function tell(place, text, signIn) {
  const whole = signIn ? `${text} Sign in again` : text;
  if (place.textContent === whole) return;
  place.replaceChildren(signIn ? `${text} ` : text);
  if (!signIn) return;
  const link = document.createElement('a');
  link.href = signIn;
  link.textContent = 'Sign in again';
  place.append(link);
}
