/** Who there is in the demo. Your own app has its users from wherever it has them. */

export const PEOPLE = [
  { id: 'alice', name: 'Alice Ames' },
  { id: 'bob', name: 'Bob Brandt' },
  { id: 'carol', name: 'Carol Cho' },
  { id: 'dave', name: 'Dave Diallo' },
];

/** What no user has sent comes from the app's back end. */
export const BACK_END = { id: 'back end', name: 'The back end' };

export function person(id) {
  if (id === BACK_END.id) return BACK_END;
  return PEOPLE.find((one) => one.id === id) ?? { id, name: id };
}

/** The conversation of two people has one name, whoever of them says it. */
export function threadOf(one, other) {
  return `messenger/${[one, other].sort().join('/')}`;
}
