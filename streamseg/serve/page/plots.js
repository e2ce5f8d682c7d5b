// What each stream measured in the last five minutes, as long as this page has been open.
import { draw, make } from "./dom.js";

const KEPT_MS = 300_000;
const WIDTH = 300;
const HEIGHT = 60;
const history = new Map();

export function remember(streams) {
  const now = Date.now();
  for (const name of history.keys()) if (!streams.some((stream) => stream.name === name)) history.delete(name);
  for (const stream of streams) {
    const kept = history.get(stream.name) ?? [];
    kept.push({ now, ...sample(stream, kept.at(-1)) });
    while (kept[0].now < now - KEPT_MS) kept.shift();
    history.set(stream.name, kept);
  }
}

function sample(stream, before) {
  const total = Object.values(stream.frames.dropped).reduce((a, b) => a + b, 0);
  const each = (entries, value) => Object.fromEntries(entries.map(([name, one]) => [name, value(one)]));
  const drawn = Object.entries(stream.classes).filter(([, reading]) => reading.drawn);
  return {
    total,
    "frames a second": { shown: stream.fps },
    "latency, ms": each(Object.entries(stream.latency_ms), ([median]) => median),
    "dropped since the last second": { dropped: Math.max(0, total - (before?.total ?? total)) },
    "area, %": each(drawn, (reading) => 100 * reading.area),
    objects: each(drawn.filter(([, reading]) => reading.objects !== null), (reading) => reading.objects),
    colours: each(drawn, (reading) => reading.colour),
  };
}

const TITLES = ["area, %", "objects", "frames a second", "latency, ms", "dropped since the last second"];

export function show(place, stream) {
  const kept = history.get(stream.name) ?? [];
  if (kept.length) place.replaceChildren(...TITLES.map((title) => plot(title, kept)).filter(Boolean));
}

// The series of one plot; those of classes have their colours, others one of five from the style sheet.
function plot(title, kept) {
  const newest = kept.at(-1);
  const names = Object.keys(newest[title]).filter((name) => kept.some((each) => each[title][name])).slice(0, 8);
  if (!names.length) return null;
  const values = kept.flatMap((each) => names.map((name) => each[title][name] ?? 0));
  const top = Math.max(...values) || 1;
  const x = (now) => WIDTH * (1 - (newest.now - now) / KEPT_MS);
  const y = (value) => (HEIGHT - 1) - (HEIGHT - 2) * (value / top);
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const told = names.map((name, number) => {
    const points = kept.map((each) => `${x(each.now).toFixed(1)},${y(each[title][name] ?? 0).toFixed(1)}`).join(" ");
    const line = draw("polyline", { points, class: `series-${number % 5}` });
    const key = make("span", { className: `key series-${number % 5}` });
    const colour = title === "area, %" || title === "objects" ? newest.colours[name] : null;
    if (colour) {
      line.style.stroke = colour;
      key.style.background = colour;
    }
    picture.append(line);
    return make("span", {}, key, `${name} ${short(newest[title][name] ?? 0)}`);
  });
  return make("figure", {}, make("figcaption", {}, make("strong", { textContent: title }),
    make("span", { className: "top", textContent: `up to ${short(top)}` }), ...told), picture);
}

const short = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, ""));
