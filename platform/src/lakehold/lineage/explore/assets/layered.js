// Where everything goes: a layered drawing, left to right, after Sugiyama, Tagawa and Toda (1981).
//
// Boxes are {id, width, height}; links are {from, to, fromY, toY} with the height of each end above or below the middle
// of its box. The answer has the middle of every box, and for every link the points it must pass between boxes.
// Linear in boxes and links but for sorting within a layer, so thousands take a fraction of a second.

const GAP_X = 64;
const GAP_Y = 22;
const SWEEPS = 8;
const BEND = 10; // height kept free for a link that passes a layer

export function layered(boxes, links) {
  const parts = components(boxes, links).map(({ boxes: own, links: between }) => place(own, between));
  return pack(parts);
}

function place(boxes, links) {
  const graph = ranked(boxes, links);
  const layers = withBends(graph);
  order(layers);
  straighten(layers);
  return finish(graph, layers);
}

// Parts that no link joins, the largest first.
function components(boxes, links) {
  const parent = new Map(boxes.map((box) => [box.id, box.id]));
  const root = (id) => {
    while (parent.get(id) !== id) {
      parent.set(id, parent.get(parent.get(id)));
      id = parent.get(id);
    }
    return id;
  };
  for (const { from, to } of links) parent.set(root(from), root(to));
  const parts = new Map();
  const part = (id) => {
    const key = root(id);
    if (!parts.has(key)) parts.set(key, { boxes: [], links: [] });
    return parts.get(key);
  };
  for (const box of boxes) part(box.id).boxes.push(box);
  for (const link of links) part(link.from).links.push(link);
  return [...parts.values()].sort((a, b) => b.boxes.length - a.boxes.length);
}

// The layer of each box: after everything it comes from, cycles taken apart at the link that closes them.
function ranked(boxes, links) {
  const nodes = new Map(boxes.map((box) => [box.id, { ...box, out: [], in: [], rank: 0 }]));
  const pairs = new Map();
  for (const link of links) {
    if (link.from === link.to) continue;
    const key = `${link.from} ${link.to}`;
    if (!pairs.has(key)) {
      const pair = { from: nodes.get(link.from), to: nodes.get(link.to), links: [], reversed: false };
      pairs.set(key, pair);
      pair.from.out.push(pair);
      pair.to.in.push(pair);
    }
    pairs.get(key).links.push(link);
  }
  const finished = unwind([...nodes.values()]);
  for (const node of finished) for (const pair of forward(node)) pair.end.rank = Math.max(pair.end.rank, node.rank + 1);
  // What nothing leads to moves beside what it leads to.
  for (const node of finished) {
    const ends = forward(node).map((pair) => pair.end.rank);
    if (ends.length && !backward(node).length) node.rank = Math.min(...ends) - 1;
  }
  return { nodes: [...nodes.values()], pairs: [...pairs.values()] };
}

const forward = (node) => [
  ...node.out.filter((pair) => !pair.reversed).map((pair) => ({ pair, end: pair.to })),
  ...node.in.filter((pair) => pair.reversed).map((pair) => ({ pair, end: pair.from })),
];
const backward = (node) => [
  ...node.in.filter((pair) => !pair.reversed),
  ...node.out.filter((pair) => pair.reversed),
];

// Depth first without recursion; returns the nodes so that each comes before what it leads to.
function unwind(nodes) {
  const state = new Map();
  const finished = [];
  const starts = [...nodes].sort((a, b) => a.in.length - b.in.length);
  for (const start of starts) {
    if (state.has(start)) continue;
    const stack = [{ node: start, next: 0 }];
    state.set(start, "open");
    while (stack.length) {
      const top = stack[stack.length - 1];
      const pair = top.node.out[top.next++];
      if (!pair) {
        state.set(top.node, "done");
        finished.push(top.node);
        stack.pop();
      } else if (state.get(pair.to) === "open") {
        pair.reversed = true;
      } else if (!state.has(pair.to)) {
        state.set(pair.to, "open");
        stack.push({ node: pair.to, next: 0 });
      }
    }
  }
  return finished.reverse();
}

// Links that pass a layer get a place in it, so that they lead between its boxes rather than behind them.
function withBends({ nodes, pairs }) {
  const layers = [];
  const add = (item) => (layers[item.rank] ??= []).push(item);
  for (const node of nodes) add({ node, rank: node.rank, height: node.height, left: [], right: [], y: 0 });
  const items = new Map(layers.flat().map((item) => [item.node, item]));
  for (const pair of pairs) {
    const [start, end] = pair.reversed ? [pair.to, pair.from] : [pair.from, pair.to];
    const middle = (key) => pair.links.reduce((sum, link) => sum + (link[key] ?? 0), 0) / pair.links.length;
    let before = items.get(start);
    let beforeY = pair.reversed ? middle("toY") : middle("fromY");
    pair.bends = [];
    for (let rank = start.rank + 1; rank < end.rank; rank++) {
      const bend = { rank, height: BEND, left: [], right: [], y: 0, bend: true };
      add(bend);
      join(before, beforeY, bend, 0);
      pair.bends.push(bend);
      [before, beforeY] = [bend, 0];
    }
    join(before, beforeY, items.get(end), pair.reversed ? middle("fromY") : middle("toY"));
  }
  return layers;
}

function join(left, leftY, right, rightY) {
  left.right.push({ item: right, own: leftY, its: rightY });
  right.left.push({ item: left, own: rightY, its: leftY });
}

// Few crossings: each layer in the order of the middle of its neighbours, to and fro, and the best order is kept.
function order(layers) {
  const seen = new Set();
  const visit = (first) => {
    const stack = [first];
    while (stack.length) {
      const item = stack.pop();
      if (seen.has(item)) continue;
      seen.add(item);
      item.at = seen.size;
      for (const { item: near } of [...item.right, ...item.left].reverse()) stack.push(near);
    }
  };
  for (const item of layers.flat()) visit(item);
  for (const layer of layers) settle(layer);
  let best = Infinity;
  let kept = new Map();
  for (let sweep = 0; sweep <= SWEEPS && best > 0; sweep++) {
    const found = crossings(layers);
    if (found < best) {
      best = found;
      kept = new Map(layers.flat().map((item) => [item, item.at]));
    }
    const side = sweep % 2 ? "right" : "left";
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      for (const item of layer) {
        const near = item[side].map(({ item: other, its }) => other.at + its / 1e5);
        item.want = near.length ? near.reduce((sum, at) => sum + at, 0) / near.length : item.at;
      }
      layer.sort((a, b) => a.want - b.want || a.at - b.at);
      layer.forEach((item, index) => (item.at = index));
    }
  }
  for (const [item, at] of kept) item.at = at;
  for (const layer of layers) settle(layer);
}

function settle(layer) {
  layer.sort((a, b) => a.at - b.at);
  layer.forEach((item, index) => (item.at = index));
}

// How many pairs of links cross, by a Fenwick tree over the right ends.
function crossings(layers) {
  let total = 0;
  for (const layer of layers) {
    const ends = layer.flatMap((item) =>
      item.right.map(({ item: other, own, its }) => [item.at + own / 1e5, other.at + its / 1e5, other.at]),
    );
    ends.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const size = ends.reduce((most, end) => Math.max(most, end[2]), 0) + 2;
    const tree = new Array(size + 1).fill(0);
    ends.forEach(([, , at], index) => {
      let before = 0;
      for (let i = at + 1; i > 0; i -= i & -i) before += tree[i];
      total += index - before;
      for (let i = at + 1; i <= size; i += i & -i) tree[i]++;
    });
  }
  return total;
}

// Straight links: each layer as near as it can to where its neighbours would have it, in its order.
function straighten(layers) {
  for (const layer of layers) stack(layer, (item) => item.at * (item.height + GAP_Y));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const last = sweep === SWEEPS - 1;
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      stack(layer, (item) => {
        const near = last ? [...item.left, ...item.right] : item[sweep % 2 ? "right" : "left"];
        if (!near.length) return item.y;
        return near.reduce((sum, { item: other, own, its }) => sum + other.y + its - own, 0) / near.length;
      });
    }
  }
}

// Least squares in the given order with room for each: pool adjacent violators.
function stack(layer, wanted) {
  const blocks = [];
  let offset = 0;
  layer.forEach((item, index) => {
    if (index) offset += (layer[index - 1].height + item.height) / 2 + (item.bend && layer[index - 1].bend ? 2 : GAP_Y);
    item.offset = offset;
    const weight = item.bend ? 4 : 1; // a bend in the middle of a link is seen more than a box a little aside
    blocks.push({ sum: (wanted(item) - offset) * weight, weight, items: [item] });
    while (blocks.length > 1) {
      const [upper, lower] = blocks.slice(-2);
      if (upper.sum / upper.weight <= lower.sum / lower.weight) break;
      blocks.pop();
      upper.sum += lower.sum;
      upper.weight += lower.weight;
      upper.items.push(...lower.items);
    }
  });
  for (const { sum, weight, items } of blocks) for (const item of items) item.y = sum / weight + item.offset;
}

function finish({ pairs }, layers) {
  const lefts = [];
  const widths = layers.map((layer) => Math.max(0, ...layer.map((item) => item.node?.width ?? 0)));
  widths.reduce((left, width, rank) => ((lefts[rank] = left), left + width + GAP_X), 0);
  const items = layers.flat();
  const top = Math.min(...items.map((item) => item.y - item.height / 2));
  const boxes = new Map();
  for (const { node, rank, y } of items) if (node) boxes.set(node.id, { x: lefts[rank] + widths[rank] / 2, y: y - top });
  const bends = new Map();
  for (const pair of pairs) {
    const points = pair.bends.flatMap(({ rank, y }) => [
      { x: lefts[rank], y: y - top },
      { x: lefts[rank] + widths[rank], y: y - top },
    ]);
    if (pair.reversed) points.reverse();
    for (const link of pair.links) bends.set(link, points);
  }
  const last = layers.length - 1;
  return {
    boxes,
    bends,
    width: lefts[last] + widths[last],
    height: Math.max(...items.map((item) => item.y + item.height / 2)) - top,
  };
}

// Parts side by side in rows, about as wide as high in all.
function pack(parts) {
  const area = parts.reduce((sum, part) => sum + (part.width + GAP_X) * (part.height + GAP_Y), 0);
  const most = Math.max(Math.sqrt(area) * 1.6, ...parts.map((part) => part.width));
  const boxes = new Map();
  const bends = new Map();
  let [x, y, row] = [0, 0, 0];
  for (const part of parts) {
    if (x && x + part.width > most) [x, y, row] = [0, y + row + 2 * GAP_Y, 0];
    for (const [id, at] of part.boxes) boxes.set(id, { x: at.x + x, y: at.y + y });
    for (const [link, points] of part.bends) bends.set(link, points.map((at) => ({ x: at.x + x, y: at.y + y })));
    x += part.width + GAP_X;
    row = Math.max(row, part.height);
  }
  return { boxes, bends };
}
