// A page of a browser, as far as clients that upload need one: jsdom, with an origin and the rules for other origins.
import { register } from "node:module";

import { JSDOM } from "jsdom";

const NAMES = ["window", "document", "XMLHttpRequest", "Blob", "File", "FileReader", "localStorage", "location"];

/** Makes this process a page of an origin. What is imported afterwards is what a bundler would take for a browser. */
export function open(origin) {
  const { window } = new JSDOM("", { url: origin });
  for (const name of NAMES) {
    Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
  }
  const resolve = async (specifier, context, next) => {
    const found = await next(specifier, context);
    return specifier === "tus-js-client" ? { ...found, url: found.url.replace("/node/", "/browser/") } : found;
  };
  register(`data:text/javascript,export const resolve = ${encodeURIComponent(resolve)};`);
}

/** SHA-256 of bytes, in hex. */
export async function sha256(bytes) {
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
}

/** Calls the API as the page's user would. */
export async function api(path) {
  const headers = { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` };
  const response = await fetch(`${process.env.FIREMODE_BASE_URL}${path}`, { headers });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response;
}
