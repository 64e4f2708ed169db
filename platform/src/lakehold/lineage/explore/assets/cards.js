// What a picture is made of: a card for every table with a row for every column that has an edge, and where lines end.

export const WIDTH = 206;
const HEAD = 50;
const ROW = 24;
const FOOT = 8;
const MOST_ROWS = 12;

export const partsOf = ({ title, name, namespace }) => {
  if (title !== name) return [namespace, name];
  const dot = name.indexOf(".");
  return dot < 0 ? ["", name] : [name.slice(0, dot), name.slice(dot + 1)];
};

// Cards from an answer's tables. `opened` has the ids of tables whose every row is wanted.
export function cards(nodes, opened) {
  return nodes.map((node) => {
    const named = node.fields.filter((field) => field.name !== "");
    const shown = opened.has(node.id) || named.length <= MOST_ROWS + 1 ? named : named.slice(0, MOST_ROWS);
    const rows = shown.length + (shown.length < named.length ? 1 : 0);
    const height = HEAD + (rows ? rows * ROW + FOOT : 0);
    const middle = (row) => HEAD + row * ROW + ROW / 2 - height / 2;
    const ends = new Map(node.fields.map((field) => [field.id, HEAD / 2 - height / 2]));
    named.forEach((field, index) => ends.set(field.id, middle(Math.min(index, shown.length))));
    return { id: node.id, node, shown, more: named.length - shown.length, width: WIDTH, height, ends };
  });
}

// Lines between cards: one for all the edges between the same two ends.
export function lines(edges, cardsById) {
  const found = new Map();
  for (const edge of edges) {
    const [from, to] = [cardsById.get(edge.source.node), cardsById.get(edge.target.node)];
    if (!from || !to) continue;
    const [fromY, toY] = [from.ends.get(edge.source.field) ?? 0, to.ends.get(edge.target.field) ?? 0];
    const key = `${from.id} ${fromY} ${to.id} ${toY}`;
    if (!found.has(key)) found.set(key, { id: `e${found.size}`, from: from.id, to: to.id, fromY, toY, edges: [], direct: false });
    const line = found.get(key);
    line.edges.push(edge);
    line.direct ||= edge.direct || edge.how === "";
  }
  return [...found.values()];
}

// The points that pull a line, as Cytoscape wants them: along the straight line between its ends, and aside from it.
export function pull(start, end, bends) {
  const points = [start, ...bends, end];
  const pulls = [];
  for (let i = 0; i + 1 < points.length; i += 2) {
    const [a, b] = [points[i], points[i + 1]];
    const reach = Math.max(24, Math.abs(b.x - a.x) / 2);
    pulls.push({ x: a.x + reach, y: a.y }, { x: b.x - reach, y: b.y });
  }
  const [dx, dy] = [end.x - start.x, end.y - start.y];
  const square = dx * dx + dy * dy || 1;
  const length = Math.sqrt(square);
  return {
    weights: pulls.map(({ x, y }) => ((x - start.x) * dx + (y - start.y) * dy) / square),
    distances: pulls.map(({ x, y }) => ((y - start.y) * dx - (x - start.x) * dy) / length),
  };
}
