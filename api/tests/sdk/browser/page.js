// A page with the Sentry SDK. `?dsn=DSN` says where to, `&offline` that the SDK keeps what it cannot send; then it asks its own
// server what to do (`GET next`), does it, and tells what became of it (`POST told`).

import * as Sentry from "@sentry/browser";

const query = new URLSearchParams(location.search);
const offline = query.has("offline");
Sentry.init({
  dsn: query.get("dsn"),
  release: "shop@2.7.1",
  environment: "production",
  sendDefaultPii: true,
  transport: offline ? Sentry.makeBrowserOfflineTransport(Sentry.makeFetchTransport) : Sentry.makeFetchTransport,
  transportOptions: offline ? { flushAtStartup: true } : {},
});
Sentry.setUser({ id: "u-42", email: "ada@example.com" });
Sentry.setTag("region", "eu");
Sentry.addBreadcrumb({ category: "cart", message: "cart 17 opened", level: "info" });

function charge(order) {
  throw new TypeError(`card of order ${order} was declined`);
}

function checkOut(order) {
  try {
    charge(order);
  } catch (error) {
    throw new Error("could not check out", { cause: error });
  }
}

function caught(work) {
  try {
    work(1009);
  } catch (error) {
    return Sentry.captureException(error);
  }
}

function noise() {
  const bytes = new Uint8Array(50000);
  crypto.getRandomValues(bytes);
  const half = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return half + half + half + half;
}

async function until(found) {
  for (;;) {
    const value = found();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function perform(line) {
  const [, word, text] = /^(\S+) ?(.*)$/.exec(line);
  if (word === "send") {
    const ids = {
      exception: caught(charge),
      message: Sentry.captureMessage("stock is low", "warning"),
      chained: caught(checkOut),
    };
    await Sentry.flush(20000);
    return JSON.stringify(ids);
  }
  if (word === "report") {
    // As a user does: the dialog comes from the server, is filled in, sent and closed.
    let closed = false;
    const user = { name: "Ada <b>", email: "ada@example.com" };
    Sentry.showReportDialog({ eventId: text, user, onClose: () => (closed = true) });
    const form = await until(() => document.querySelector("#tephra-report form"));
    const name = form.elements.namedItem("name").value;
    form.elements.namedItem("comments").value = "I clicked <b>here</b>";
    form.requestSubmit();
    await until(() => form.textContent.includes("Thank you"));
    form.querySelector("button").click();
    await until(() => closed);
    return `${name} ${document.querySelector("#tephra-report") === null}`;
  }
  if (word === "kept") {
    // How many envelopes wait in the browser's own database.
    const database = await new Promise((resolve, reject) => {
      const open = indexedDB.open("sentry-offline");
      open.onsuccess = () => resolve(open.result);
      open.onerror = () => reject(open.error);
    });
    const count = await new Promise((resolve) => {
      if (!database.objectStoreNames.contains("queue")) return resolve(0);
      const asked = database.transaction("queue", "readonly").objectStore("queue").count();
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => resolve(0);
    });
    database.close();
    return String(count);
  }
  const extra = word === "large" ? { noise: noise() } : {};
  const id = Sentry.captureMessage(text || word, { level: "error", extra });
  await Sentry.flush(20000);
  return id;
}

for (;;) {
  const answer = await fetch("next").catch(() => null);
  if (!answer || !answer.ok) break;
  const told = await perform(await answer.text()).catch((error) => `failed: ${error}`);
  await fetch("told", { method: "POST", body: told });
}
