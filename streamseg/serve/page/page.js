// Asks for the streams' state once a second, and hands it to whoever shows something of it.
import { $ } from "./dom.js";
import * as events from "./events.js";
import * as large from "./large.js";
import { show, signIn } from "./operator.js";
import * as plots from "./plots.js";
import * as recordings from "./recordings.js";
import * as wall from "./wall.js";

const PATIENCE_MS = 5000; // a connection that is gone may say nothing for many minutes
const ASLEEP_MS = 15_000; // between two looks that are a second apart
const SILENT = "the service does not answer: what is shown is old";
let away = false;
let looked = Date.now();

$("show-keys").addEventListener("click", () => $("keys").showModal());
document.addEventListener("keydown", (event) => {
  const typed = event.target.closest?.("input, select, textarea");
  if (event.key === "?" && !typed && !$("keys").open) $("keys").showModal();
});

const PAGES = ["streams", "events", "recordings"];

function turn() {
  const asked = PAGES.includes(location.hash.slice(1)) ? location.hash.slice(1) : "streams";
  for (const page of PAGES) $(`${page}-page`).hidden = page !== asked;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${asked}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  events.refresh();
  recordings.refresh();
}
addEventListener("hashchange", turn);

// The streams that a filter can name.
function offer(streams) {
  for (const list of document.querySelectorAll(".stream-names")) {
    const known = [...list.options].slice(1).map((option) => option.value);
    const names = streams.map((stream) => stream.name);
    if (known.join() === names.join()) continue;
    const chosen = list.value;
    list.replaceChildren(list.options[0], ...names.map((name) => new Option(name)));
    list.value = names.includes(chosen) ? chosen : "";
  }
}

// Said once, and again when it is otherwise.
function sum(text) {
  if ($("summary").textContent !== text) $("summary").textContent = text;
}

async function refresh() {
  if (!document.hidden) {
    if (Date.now() - looked > ASLEEP_MS) tell(true); // the machine slept, or the tab was hidden
    looked = Date.now();
  }
  try {
    const reply = await fetch("/streams", { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (reply.status === 401) {
      sum("signing in …");
      if (!await signIn("This service is shown to holders of a token.")) {
        sum("not signed in: load the page again");
        return;
      }
      turn();
    } else if (!reply.ok) throw new Error(reply.statusText);
    else update(await reply.json());
    tell(false);
  } catch {
    sum(SILENT);
    large.hold(SILENT);
    tell(true);
  }
  setTimeout(refresh, 1000);
}

// Pictures that moved before the service was away may hang on a connection that is gone.
function tell(isAway) {
  if (away && !isAway) dispatchEvent(new Event("back"));
  away = isAway;
  document.body.classList.toggle("away", away);
}

function update(streams) {
  sum(`${streams.filter((stream) => stream.ready && stream.state === "running").length} of ${streams.length} streams show fresh frames`);
  plots.remember(streams);
  wall.update(streams, large.open);
  large.update(streams);
  offer(streams);
}
sum("asking …");
turn();
show();
refresh();
