// Requests that need a token: it is typed in once, and a cookie that no script can read takes its place.
import { $ } from "./dom.js";

const JSON_BODY = { "Content-Type": "application/json" };
let pending = null;

// The answer as JSON; an Error with the service's own line where it refuses, null where no operator has signed in.
export async function ask(method, url, body) {
  const send = () => fetch(url, { method, headers: JSON_BODY, body: body === undefined ? undefined : JSON.stringify(body) });
  let reply = await send();
  if (reply.status === 401 || reply.status === 403) {
    if (!await signIn("This needs an operator's token.", true)) return null;
    reply = await send();
  }
  if (reply.ok) return reply.json();
  if (reply.status === 401 || reply.status === 403) throw new Error("that is no operator's token");
  throw new Error(await said(reply));
}

async function said(reply) {
  if (reply.status === 404) return "there is no picture yet, or nothing can be changed here: serve --operator-token-file";
  if (reply.status === 405) return "nothing can be changed here: serve --operator-token-file";
  const text = (await reply.text()).trim();
  try { return JSON.parse(text).error ?? text; } catch { return text || reply.statusText; }
}

// Asks for a token, once however many wait for it; true once the service has taken one.
export function signIn(why, operator = false) {
  pending ??= asked(why, operator).finally(() => { pending = null; });
  return pending;
}

async function asked(why, operator) {
  const dialog = $("operator");
  dialog.dataset.operator = operator ? "needed" : "";
  $("operator-why").textContent = why;
  $("operator-token").value = $("operator-said").textContent = "";
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
  await show();
  return dialog.returnValue === "ok";
}

$("operator-form").addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "ok") return;
  event.preventDefault();
  const token = $("operator-token").value.trim();
  const reply = await fetch("/session", { method: "POST", headers: JSON_BODY, body: JSON.stringify({ token }) });
  if (reply.ok) dispatchEvent(new Event("signedin")); // pictures that came with an earlier cookie have ended
  const wrong = reply.ok ? "" : await said(reply);
  const may = !wrong && ((await reply.json()).operator || !$("operator").dataset.operator);
  if (may) {
    $("operator-token").value = "";
    $("operator").close("ok");
  } else {
    $("operator-said").textContent = wrong || "that token may only look";
    $("operator-token").select();
  }
});

// Who has signed in, beside the button that ends it.
export async function show() {
  const reply = await fetch("/session");
  const told = reply.ok ? await reply.json() : { signed_in: false };
  $("sign-out").hidden = !told.signed_in;
  $("sign-out").title = told.operator ? `signed in as ${told.operator}` : "signed in, to look";
}

$("sign-out").addEventListener("click", async () => {
  await fetch("/session", { method: "DELETE", headers: JSON_BODY });
  location.reload();
});
