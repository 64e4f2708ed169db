// Where the page is: the address's fragment, which is never sent to the service.

const DEFAULTS = { direction: "both", depth: "5", fan: "25", edges: "", at: "", list: "tables" };
const KEYS = ["of", "column", "job", "run", ...Object.keys(DEFAULTS)];

export function read(hash = location.hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const place = { ...DEFAULTS };
  for (const key of KEYS) if (given.has(key)) place[key] = given.get(key);
  return place;
}

export function href(place) {
  const said = KEYS.filter((key) => place[key] && place[key] !== DEFAULTS[key]).map((key) => [key, place[key]]);
  return `#${new URLSearchParams(said)}`;
}

// The address of another thing, seen the same way and at the same time.
export function to(place, thing) {
  const { of, column, job, run, edges, fan, ...rest } = place;
  return href({ ...rest, ...thing });
}

// What a column is asked by: the part after # is always a column.
export const name = (place) => (place.column ? `${place.of}#${place.column}` : place.of);

// A column's values are followed; of a table it is enough to see which tables belong together.
export const edges = (place) => place.edges || (place.column ? "direct" : "tables");

// `instead` leaves no step to go back to.
export function go(place, instead = false) {
  if (instead) location.replace(href(place));
  else location.hash = href(place);
}
