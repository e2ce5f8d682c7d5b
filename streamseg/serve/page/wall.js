// Every stream as a card with its latest picture, and its state in words.
import { $, path } from "./dom.js";

const PATIENCE_MS = 10_000;
const AT_ONCE = 3; // each has its share of the line: on a slow one many would all be late, and the state with them
const cards = new Map();
const due = new Map(); // streams whose next picture is to be asked for, with their cards, the longest first
const coming = new Set(); // cards whose next picture is on its way

export function update(streams, open) {
  const names = new Set(streams.map((stream) => stream.name));
  for (const [name, made] of cards) {
    if (!names.has(name)) { made.remove(); cards.delete(name); }
  }
  const [list, focused] = [$("streams"), document.activeElement];
  streams.forEach((stream, at) => {
    if (!cards.has(stream.name)) cards.set(stream.name, card(stream.name, open));
    const made = cards.get(stream.name);
    if (list.children[at] !== made) list.insertBefore(made, list.children[at] ?? null); // in the file's order
    fill(made, stream);
  });
  if (document.activeElement !== focused && list.contains(focused)) focused.focus({ preventScroll: true }); // its card moved
  for (const stream of streams) if (stream.frames.shown) due.set(stream.name, cards.get(stream.name));
  ask();
}

function card(name, open) {
  const made = $("card").content.cloneNode(true).firstElementChild;
  made.querySelector("h2").textContent = name;
  const button = made.querySelector(".picture");
  button.querySelector(".said").textContent = `watch ${name}`;
  button.addEventListener("click", () => open(name));
  return made;
}

function ask() {
  for (const [name, made] of due) {
    if (coming.size >= AT_ONCE) return;
    due.delete(name);
    still(made, name);
  }
}

// None while one is large: a browser keeps no more than six connections to a host, and looks at one picture. Nor of cards
// that are further than a screen from what is seen.
async function still(made, name) {
  const { top, bottom, height } = made.getBoundingClientRect();
  const near = height > 0 && bottom > -innerHeight && top < 2 * innerHeight;
  if ($("large").open || document.hidden || !near || coming.has(made)) return;
  const next = new Image();
  let late = 0;
  const patience = new Promise((_, reject) => { late = setTimeout(reject, PATIENCE_MS); });
  coming.add(made);
  next.src = `${path(name)}.jpg?t=${Date.now()}`;
  try {
    await Promise.race([next.decode(), patience]); // Chromium's decode() never ends where the source is taken away
    const image = made.querySelector(".picture img");
    image.src = next.src;
  } catch {
    next.src = ""; // gives its connection back; none came yet, or the stream has gone: the text beside it says so
  } finally {
    clearTimeout(late);
    coming.delete(made);
    ask();
  }
}

export const WORDS = {
  opening: "opening its source",
  running: "running",
  stalled: "no fresh frame comes",
  waiting: "failed, and waits to try again",
  finished: "shown to its end",
  stopped: "stopped by an operator",
};

// State, source and error of a stream, wherever they are shown.
export function tell(place, stream) {
  put(place, "state", `${WORDS[stream.state] ?? stream.state}, ${stream.model}`);
  put(place, "source", stream.source);
  put(place, "error", stream.error);
  place.classList.toggle("ready", stream.ready);
  place.classList.toggle("ended", stream.state === "finished" || stream.state === "stopped");
}

function fill(made, stream) {
  const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
  tell(made, stream);
  put(made, "fps", stream.fps.toFixed(1));
  put(made, "age", stream.latency_ms.age ? stream.latency_ms.age[0].toFixed(0) : "–");
  put(made, "shown", stream.frames.shown);
  put(made, "dropped", sum(stream.frames.dropped));
  put(made, "reconnects", stream.events.reconnects ?? 0);
}

// A screen reader is told of what changed, and not every second of what did not.
function put(place, name, text) {
  const into = place.querySelector(`.${name}`);
  if (into.textContent !== String(text)) into.textContent = text;
}
