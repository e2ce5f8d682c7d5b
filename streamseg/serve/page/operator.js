// Requests that need a token: it is typed in once, and a cookie that no script can read takes its place.
import { $ } from "./dom.js";

const JSON_BODY = { "Content-Type": "application/json" };
const PATIENCE_MS = 10_000; // a connection that is gone may say nothing for many minutes
const CHANGE_MS = 60_000; // one change waits for the others
let pending = null;

// What the service answers; an Error in words where nothing comes.
async function send(method, url, body, patience = PATIENCE_MS) {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  try {
    return await fetch(url, { method, headers: JSON_BODY, body: sent, signal: AbortSignal.timeout(patience) });
  } catch {
    throw new Error("no answer comes from the service");
  }
}

// The answer as JSON; an Error with the service's own line where it refuses, null where no operator has signed in.
export async function ask(method, url, body) {
  let reply = await send(method, url, body, CHANGE_MS);
  if (reply.status === 401 || reply.status === 403) {
    if (!await signIn("This needs an operator's token.", true)) return null;
    reply = await send(method, url, body, CHANGE_MS);
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
  const wrong = await begun($("operator-token").value.trim()).catch((error) => error.message);
  $("operator-said").textContent = wrong;
  if (wrong) {
    $("operator-token").select();
  } else {
    $("operator-token").value = "";
    $("operator").close("ok");
  }
});

// Signs in; says why that is not enough for what is asked, nothing where it is.
async function begun(token) {
  const reply = await send("POST", "/session", { token });
  if (!reply.ok) return said(reply);
  dispatchEvent(new Event("signedin")); // pictures that came with an earlier cookie have ended
  return (await reply.json()).operator || !$("operator").dataset.operator ? "" : "that token may only look";
}

// Who has signed in, beside the button that ends it.
export async function show() {
  const reply = await send("GET", "/session").catch(() => null);
  if (!reply) return; // which the page says
  const told = reply.ok ? await reply.json() : { signed_in: false };
  $("sign-out").hidden = !told.signed_in;
  $("sign-out").title = told.operator ? `signed in as ${told.operator}` : "signed in, to look";
}

$("sign-out").addEventListener("click", async () => {
  if (await send("DELETE", "/session").catch(() => null)) location.reload();
});
