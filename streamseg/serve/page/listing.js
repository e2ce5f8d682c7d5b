// A list of what is kept, newest first: asked for again and again while its page is seen, and drawn again where it differs.
import { $, make } from "./dom.js";

const EVERY_MS = 3000;
const PATIENCE_MS = 10_000; // a connection that is gone may say nothing for many minutes
const MOST = 100;

// Of a `kind` such as "event", as its filter asks, each row drawn by `entry`; `met` is told of new rows. Gives what refreshes it.
export function listing(kind, entry, met = () => {}) {
  const filter = $(`${kind}-filter`);
  let waiting = 0;
  let asking = 0;
  let seen = "";
  async function refresh() {
    clearTimeout(waiting);
    if ($(`${kind}s-page`).hidden) return;
    asking += 1;
    const mine = asking;
    try {
      const reply = await fetch(`/${kind}s?${query(filter)}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      const text = await reply.text();
      if (mine !== asking) return; // the filter was changed meanwhile: another answer is on its way
      if (!reply.ok) throw new Error(text);
      if (text !== seen) show(JSON.parse(text));
      seen = text;
    } catch (error) {
      if (mine !== asking) return;
      seen = ""; // so that the next answer is shown, whether or not it is the one before
      $(`${kind}-count`).textContent = error.name === "TimeoutError" ? "no answer comes: what is shown is old" : error.message;
    }
    waiting = setTimeout(refresh, EVERY_MS);
  }
  function show(rows) {
    const more = rows.length < MOST ? "" : "; From and To lead to others";
    $(`${kind}-count`).textContent = rows.length ? `${rows.length} ${kind}s, newest first${more}` : `no ${kind}s`;
    met(rows);
    const list = $(`${kind}-list`);
    const focused = document.activeElement?.dataset?.id;
    const before = new Map([...list.children].map((item) => [item.told, item]));
    const now = rows.map((row) => JSON.stringify(row)).map((told, at) => before.get(told) ?? make("li", { told }, entry(rows[at])));
    // What is still right is not moved: a click whose button goes between its two halves is lost.
    for (const item of before.values()) if (!now.includes(item)) item.remove();
    now.forEach((item, at) => { if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null); });
    if (focused) [...list.querySelectorAll("button")].find((each) => each.dataset.id === focused)?.focus();
  }
  filter.addEventListener("input", refresh);
  filter.addEventListener("reset", () => setTimeout(refresh));
  filter.addEventListener("submit", (event) => event.preventDefault());
  return refresh;
}

function query(filter) {
  const asked = new URLSearchParams({ limit: MOST });
  for (const [name, value] of new FormData(filter)) {
    if (value) asked.set(name, filter[name].type === "datetime-local" ? new Date(value).toISOString() : value);
  }
  return asked;
}
