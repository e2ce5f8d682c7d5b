// The editor of a stream's zones and lines: tried on the last minute, then saved into its part of the file.
import { $, make, path } from "./dom.js";
import { ask } from "./operator.js";
import * as shapes from "./shapes.js";

const KINDS = { zones: "zone", lines: "line" };
const KEEP_MS = 10_000;
const UNSAVED = "not saved yet: Save or Discard";
let name = null;
let list = [];
let before = null;
let keeping = 0;
let begin = () => {};

export const drawing = () => name !== null;

// Whether something that was drawn would be lost; then that is said, once.
export function unsaved() {
  if (!drawing() || !(shapes.unfinished() || Object.keys(difference()).length)) return false;
  if ($("shape-said").textContent === UNSAVED) return false;
  say(UNSAVED);
  return true;
}

export async function toggle(stream, beginPicture) {
  if (drawing()) { leave(); beginPicture(); return; }
  begin = beginPicture;
  say("");
  try {
    const told = await ask("GET", `${path(stream)}/zones`);
    if (told === null) return;
    enter(stream, told);
  } catch (error) {
    $("editor").hidden = false;
    $("editor").classList.add("refused"); // only why
    say(error.message);
  }
}

function enter(stream, told) {
  name = stream;
  before = told;
  list = Object.keys(KINDS).flatMap((kind) =>
    Object.entries(told[kind]).map(([each, points]) => ({ kind, name: each, points: points.map((point) => [...point]) })));
  $("editor").hidden = false;
  $("editor").classList.remove("refused");
  $("draw").setAttribute("aria-expanded", "true");
  $("trial").replaceChildren();
  begin(); // without the zones that are saved, which are drawn here
  shapes.begin(list, size(), changed);
  clearInterval(keeping);
  keeping = setInterval(() => ask("GET", `${path(name)}/zones`).catch(() => {}), KEEP_MS); // results are kept meanwhile
}

const image = $("large-picture");
const size = () => [image.naturalWidth || 1280, image.naturalHeight || 720];
image.addEventListener("load", () => { if (drawing()) shapes.resize(size()); });

export function leave() {
  name = null;
  clearInterval(keeping);
  shapes.end();
  $("editor").hidden = true;
  $("draw").setAttribute("aria-expanded", "false");
}

function changed() {
  if ($("shape-said").textContent === UNSAVED) say("");
  const chosen = shapes.picked();
  $("finish").hidden = !shapes.unfinished();
  $("delete").disabled = !chosen;
  $("shape-name").disabled = !chosen;
  if (document.activeElement !== $("shape-name")) $("shape-name").value = chosen?.name ?? "";
  const rows = $("shape-list");
  // Rows that are still right stay: a click whose button was made anew between its two halves would be lost.
  if (rows.children.length !== list.length || list.some((shape, at) => rows.children[at].shape !== shape)) {
    rows.replaceChildren(...list.map(row));
  }
  list.forEach((shape, at) => {
    const button = rows.children[at].firstElementChild;
    button.textContent = `${KINDS[shape.kind]} ${shape.name}`;
    button.setAttribute("aria-pressed", String(shape === chosen));
  });
}

function row(shape) {
  const button = make("button", { type: "button" });
  button.addEventListener("click", () => shapes.pick(shape));
  return make("li", { shape }, button);
}

function add(kind) {
  shapes.finish();
  const taken = new Set(list.map((shape) => shape.name));
  let number = 1;
  while (taken.has(`${KINDS[kind]}-${number}`)) number += 1;
  shapes.add(kind, `${KINDS[kind]}-${number}`);
  $("shapes").scrollIntoView({ block: "nearest" });
}

async function attempt() {
  shapes.finish();
  const asked = new URLSearchParams();
  for (const shape of list) asked.append(KINDS[shape.kind], `${shape.name}=${shape.points.map((point) => point.join(",")).join(" ")}`);
  await told("trying …", async () => {
    const trial = await ask("GET", `${path(name)}/trial?${asked}`);
    if (trial === null) return "";
    $("trial").replaceChildren(...trial.rows.map((row) => make("li", { textContent: words(row) })));
    const nothing = trial.rows.length ? "" : " Nothing was there.";
    return `In the ${trial.seconds} s that have been kept (60 at most):${nothing}`;
  });
}

function words(row) {
  const crossings = Object.entries(row.crossings).map(([way, count]) => `${count} ${way}`);
  const parts = [row.most === null ? "" : `at most ${row.most} at once`,
    row.mean_area_percent === null ? "" : `${row.mean_area_percent} % on average`, ...crossings];
  return `${row.place}, ${row.class}: ${parts.filter(Boolean).join(", ")}`;
}

// What differs, as the file is to have it; all of what stood in the defaults until now.
function difference() {
  const patch = {};
  for (const kind of Object.keys(KINDS)) {
    const now = Object.fromEntries(list.filter((shape) => shape.kind === kind).map((shape) => [shape.name, shape.points]));
    const whole = before.inherited.includes(kind);
    const set = Object.entries(now).filter(([each, points]) => JSON.stringify(points) !== JSON.stringify(before[kind][each]));
    const gone = Object.keys(before[kind]).filter((each) => !Object.hasOwn(now, each));
    if (!set.length && !gone.length) continue;
    patch[kind] = whole ? now : { ...Object.fromEntries(set), ...Object.fromEntries(gone.map((each) => [each, null])) };
  }
  return patch;
}

async function save() {
  shapes.finish();
  if (new Set(list.map((shape) => shape.name)).size < list.length) { say("two have the same name"); return; }
  await told("saving …", async () => {
    const patch = difference();
    if (!Object.keys(patch).length) return "nothing has changed";
    const done = await ask("PATCH", path(name), patch);
    if (done === null) return "";
    before = { inherited: before.inherited.filter((kind) => !(kind in patch)), ...Object.fromEntries(Object.keys(KINDS).map((kind) => [kind,
      Object.fromEntries(list.filter((shape) => shape.kind === kind).map((shape) => [shape.name, shape.points.map((point) => [...point])]))])) };
    return `saved: ${done.done}`;
  });
}

async function told(meanwhile, act) {
  if (!drawing()) return;
  say(meanwhile);
  try { say(await act()); } catch (error) { say(error.message); }
}

function say(text) { $("shape-said").textContent = text; }

$("new-zone").addEventListener("click", () => add("zones"));
$("new-line").addEventListener("click", () => add("lines"));
$("finish").addEventListener("click", () => shapes.finish());
$("delete").addEventListener("click", () => shapes.remove());
$("try").addEventListener("click", attempt);
$("save").addEventListener("click", save);
$("discard").addEventListener("click", () => { leave(); begin(); });
$("shape-name").addEventListener("input", () => {
  const chosen = shapes.picked();
  if (chosen) { chosen.name = $("shape-name").value.trim(); shapes.show(); }
});
