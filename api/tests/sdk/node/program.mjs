// A program with the Sentry SDK: `program.mjs VERSION send DSN` reports one thing of each kind and prints their ids as JSON;
// `program.mjs VERSION drive DSN` does what it is told line by line (`message TEXT`, `large`) and prints the id of each.

import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";

const [version, mode, dsn] = process.argv.slice(2);
const loaded = await import(`sentry-node-${version}`);
const Sentry = loaded.init ? loaded : loaded.default;

Sentry.init({
  dsn,
  release: "shop@2.7.1",
  environment: "production",
  serverName: "web-3",
  tracesSampleRate: 1.0,
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

if (mode === "send") {
  const ids = {
    exception: caught(charge),
    message: Sentry.captureMessage("stock is low", "warning"),
    chained: caught(checkOut),
  };
  await Sentry.flush(20000);
  console.log(JSON.stringify(ids));
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    const [, word, text] = /^(\S+) ?(.*)$/.exec(line.trim());
    const extra = word === "large" ? { noise: randomBytes(200000).toString("hex") } : {};
    const id = Sentry.captureMessage(text || word, { level: "error", extra });
    await Sentry.flush(20000);
    console.log(id);
  }
}
process.exit(0);
