// The rules of the large stream, and what each says now.
import { $, make } from "./dom.js";

const list = document.querySelector("#rules ul");

export function show(rules) {
  $("rules").hidden = !rules.length;
  while (list.children.length > rules.length) list.lastElementChild.remove();
  while (list.children.length < rules.length) list.append(make("li", {}, make("strong"), make("span"), make("small")));
  rules.forEach((rule, number) => {
    const row = list.children[number];
    row.classList.toggle("holds", Boolean(rule.since));
    [rule.name, words(rule), rule.rule].forEach((text, part) => {
      if (row.children[part].textContent !== text) row.children[part].textContent = text;
    });
  });
}

function words({ since, value, unit, events }) {
  const holds = since ? `holds since ${when(new Date(since))}` : "does not hold";
  const now = value === null ? "" : `${[Number(value.toPrecision(3)), unit].join(" ").trim()} now`;
  return [value === null ? "not looked at" : holds, now, events === 1 ? "1 event" : `${events} events`].filter(Boolean).join(" · ");
}

const when = (then) => (then.toDateString() === new Date().toDateString() ? then.toLocaleTimeString() : then.toLocaleString());
