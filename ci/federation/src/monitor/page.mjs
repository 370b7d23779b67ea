/* global document, EventSource */
// The monitor's page. All text comes from agents in the end, so it is only ever set as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);

const live = new EventSource('/live');
live.onmessage = ({ data }) => show(JSON.parse(data));
live.onerror = () => {
  document.documentElement.dataset.fresh = 'false';
  byId('says').textContent = 'The monitor does not answer; trying again.';
};

function show(view) {
  document.documentElement.dataset.fresh = String(view.isFresh);
  for (const id of ['says', 'connected', 'episodes', 'syncs', 'goodbyes', 'uptime', 'memory']) {
    byId(id).textContent = String(view[id]);
  }
  byId('tenants').replaceChildren(
    ...view.tenants.map(({ name, agents, episodes, syncs }) =>
      row(name, agents.join(', ') || 'nobody', episodes, syncs),
    ),
  );
  byId('latencies').replaceChildren(...view.latencies.map(({ name, n, p50, p95 }) => row(name, n, p50, p95)));
  byId('log').replaceChildren(...view.log.map((line) => element('li', line)));
  draw(view.timeline);
}

function row(...cells) {
  const tr = document.createElement('tr');
  tr.append(...cells.map((cell) => element('td', String(cell))));
  return tr;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function draw({ width, height, lanes, ticks, marks }) {
  const svg = byId('timeline');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.replaceChildren(
    ...ticks.map(({ label, x }) => shape('text', { x: x - 12, y: 13 }, label)),
    ...lanes.flatMap(({ label, y }) => [
      shape('line', { x1: 0, x2: width, y1: y, y2: y }),
      shape('text', { x: 6, y: y + 17 }, label),
    ]),
    ...marks.map(({ x, y, kind, title }) => {
      const circle = shape('circle', { cx: x, cy: y, r: 3, class: kind });
      circle.append(shape('title', {}, title));
      return circle;
    }),
  );
}

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
