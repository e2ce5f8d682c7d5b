// One stream large, drawn as this viewer wants it.
import { $, make } from "./dom.js";
import { frozen, show } from "./picture.js";
import * as pointing from "./pointing.js";
import * as plots from "./plots.js";
import * as rules from "./rules.js";
import { tell, WORDS } from "./wall.js";
import * as zones from "./zones.js";

const dialog = $("large");
let streams = [];
let name = null;
let end = () => {};
let began = null;
let old = ""; // why what is seen is not live
const hidden = new Set();

export function open(asked) {
  if (asked !== name) {
    hidden.clear();
    $("classes").replaceChildren($("classes").firstElementChild);
  }
  zones.leave();
  pointing.leave();
  name = asked;
  began = null;
  $("large-name").textContent = name;
  if (!dialog.open) dialog.showModal();
  begin();
  update(streams);
}

export function update(newest) {
  streams = newest;
  const stream = streams.find((each) => each.name === name);
  if (!dialog.open) return;
  if (!stream) { dialog.close(); return; }
  tell(dialog, stream);
  hold(stream.state === "running" ? "" : WORDS[stream.state]);
  pointing.offer(stream);
  list(stream.classes);
  rules.show(stream.rules);
  plots.show($("plots"), stream);
  if (began && stream.began !== began && !paused()) begin(); // it was begun again, and with it its picture
  began = stream.began;
}

// Says it over the picture: a full screen has nothing beside it, and the last picture looks like any other.
export function hold(why) {
  old = why;
  const said = paused() ? "paused" : old;
  if (said) $("stage").dataset.old = said;
  else delete $("stage").dataset.old;
}

function begin() {
  end();
  $("paused").hidden = true;
  $("pause").setAttribute("aria-pressed", "false");
  hold(old);
  end = show($("stage"), name, query());
}

function query() {
  const asked = new URLSearchParams();
  const view = $("view").value;
  if (zones.drawing() || pointing.pointing()) asked.set("view", view && view !== "side-by-side" ? view : "overlay"); // one picture, not two
  else if (view) asked.set("view", view);
  if ($("opacity").dataset.chosen) asked.set("opacity", $("opacity").value);
  if (zones.drawing()) asked.set("zones", "off");
  for (const each of [...hidden].sort()) asked.append("hide_classes", each);
  return asked.toString();
}

// The classes with their colours: the legend, and what switches them on and off.
function list(classes) {
  const box = $("classes");
  const rows = new Map([...box.querySelectorAll("label")].map((row) => [row.dataset.name, row]));
  for (const [each, reading] of Object.entries(classes)) {
    if (!reading.drawn) continue;
    if (!rows.has(each)) rows.set(each, box.appendChild(row(each)));
    rows.get(each).querySelector(".swatch").style.background = reading.colour;
    const objects = reading.objects ? `${reading.objects}, ` : "";
    rows.get(each).querySelector(".share").textContent = `${objects}${(100 * reading.area).toFixed(1)} %`;
  }
  for (const [each, old] of rows) if (!Object.hasOwn(classes, each)) old.remove();
  const gone = [...hidden].filter((each) => !Object.hasOwn(classes, each));
  if (!gone.length || !Object.keys(classes).length) return; // a stream that begins again has none yet
  for (const each of gone) hidden.delete(each); // another model is there, which would refuse them
  if (!paused()) begin();
}

function row(each) {
  const box = make("input", { type: "checkbox", checked: !hidden.has(each) });
  box.addEventListener("change", () => {
    if (box.checked) hidden.delete(each); else hidden.add(each);
    begin();
  });
  const made = make("label", {}, box, make("span", { className: "swatch" }), make("span", { className: "name", textContent: each }),
    make("span", { className: "share" }));
  made.dataset.name = each;
  return made;
}

const paused = () => !$("paused").hidden;

function pause() {
  if (paused()) { begin(); return; }
  if (!frozen($("stage"), $("paused"))) return;
  end();
  $("paused").setAttribute("aria-label", `paused picture of ${name}`);
  $("paused").hidden = false;
  $("large-picture").hidden = true;
  $("pause").setAttribute("aria-pressed", "true");
  hold(old);
}

function snapshot() {
  const canvas = paused() ? $("paused") : frozen($("stage"), document.createElement("canvas"));
  const now = new Date();
  const here = new Date(now - 60_000 * now.getTimezoneOffset()); // by the clock on the wall, as recordings are named
  const time = here.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  canvas?.toBlob((blob) => {
    const link = make("a", { href: URL.createObjectURL(blob), download: `${name}-${time}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}

function fullscreen() {
  if (!document.fullscreenEnabled) return;
  if (document.fullscreenElement) document.exitFullscreen();
  else $("stage").requestFullscreen().catch(() => {});
}

function step(by) {
  if (zones.unsaved()) return;
  const at = streams.findIndex((stream) => stream.name === name);
  if (streams.length > 1) open(streams.at((at + by) % streams.length).name);
}

const KEYS = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), " ": pause, s: snapshot, f: fullscreen };

dialog.addEventListener("keydown", (event) => {
  const own = event.target.closest("input, select, textarea, [contenteditable]");
  const pressed = event.target.closest("button") && event.key === " ";
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || own || pressed || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});
dialog.addEventListener("cancel", (event) => { if (zones.unsaved()) event.preventDefault(); }); // Esc
dialog.addEventListener("close", () => {
  zones.leave();
  pointing.leave();
  end();
});
$("draw").addEventListener("click", () => {
  if (zones.unsaved()) return;
  pointing.leave();
  zones.toggle(name, begin);
});
$("point").addEventListener("click", () => {
  if (zones.unsaved()) return;
  zones.leave();
  pointing.toggle(name, begin);
});
$("close").addEventListener("click", () => { if (!zones.unsaved()) dialog.close(); });
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("pause").addEventListener("click", pause);
$("snapshot").addEventListener("click", snapshot);
$("fullscreen").hidden = !document.fullscreenEnabled; // an iPhone fills its screen with nothing but a film
$("fullscreen").addEventListener("click", fullscreen);
for (const event of ["signedin", "back"]) addEventListener(event, () => { if (dialog.open && !paused()) begin(); });
$("view").addEventListener("change", begin);
$("opacity").addEventListener("change", () => {
  $("opacity").dataset.chosen = "yes";
  begin();
});
$("opacity").addEventListener("input", () => { $("opacity-value").textContent = `${Math.round(100 * $("opacity").value)} %`; });
