// @ts-check
/**
 * The token of a private server. The page prompts for it on a 401, keeps it in this browser,
 * and sends it with every request; it is never part of an address, which logs and history would keep.
 * @module
 */

import { keep, recall } from "../state/storage.js";

const KEY = "liqstream.token";
const UNAUTHORIZED = 401;

/** @returns {string} "" while none was given */
export function token() {
  return recall(KEY) ?? "";
}

/**
 * `fetch` that sends the token; a server that wants another one makes the page prompt for it.
 * @param {string} address
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function fetchWithToken(address, init = {}) {
  const headers = new Headers(init.headers);
  if (token()) headers.set("authorization", `Bearer ${token()}`);
  const response = await fetch(address, { ...init, headers });
  if (response.status === UNAUTHORIZED) promptForToken();
  return response;
}

let given = () => {};
/** @type {Promise<void> | null} */
let pending = null;

/**
 * Waits while the viewer is asked for a token.
 * @param {() => void} onGiven called with the token at hand, where it cannot be kept for a page loaded anew
 * @returns {Promise<boolean>} whether one was asked for
 */
export async function askedToken(onGiven) {
  if (!pending) return false;
  await pending;
  pending = null;
  onGiven();
  return true;
}

/** Shows the dialog once; a token given reloads the page, or is used from now on where none can be kept. */
function promptForToken() {
  if (document.querySelector("#token-dialog")) return;
  pending ??= new Promise((done) => (given = done));
  const dialog = document.createElement("dialog");
  dialog.id = "token-dialog";
  const form = document.createElement("form");
  form.method = "dialog";
  const label = document.createElement("label");
  label.textContent = token()
    ? "This token is not valid here. Another one? "
    : "This server asks for a token: ";
  const input = document.createElement("input");
  Object.assign(input, { type: "password", name: "token", required: true, autocomplete: "off" });
  const button = document.createElement("button");
  button.textContent = "Show the map";
  label.append(input);
  form.append(label, button);
  form.addEventListener("submit", () => {
    if (keep(KEY, input.value.trim())) return location.reload();
    dialog.addEventListener("close", () => given()); // a page loaded anew would know it no more
  });
  dialog.addEventListener("close", () => dialog.remove()); // by Escape too: the next refusal asks again
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
}
