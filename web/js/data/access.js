// @ts-check
/**
 * The token of a private server. The page asks for it when the server answers 401, keeps it in this browser,
 * and shows it with every request; it is never part of an address, which logs and history would keep.
 * @module
 */

const KEY = "liqstream.token";
const UNAUTHORIZED = 401;

/** @returns {string} "" while none was given */
export function token() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // a browser that keeps nothing
  }
}

/**
 * `fetch` that shows the token; a server that wants another one makes the page ask for it.
 * @param {string} address @param {RequestInit} [init] @returns {Promise<Response>}
 */
export async function fetchWithToken(address, init = {}) {
  const headers = new Headers(init.headers);
  if (token()) headers.set("authorization", `Bearer ${token()}`);
  const response = await fetch(address, { ...init, headers });
  if (response.status === UNAUTHORIZED) ask();
  return response;
}

/** Shows the question once; its answer reloads the page. */
function ask() {
  if (document.querySelector("#token-dialog")) return;
  const dialog = document.createElement("dialog");
  dialog.id = "token-dialog";
  const form = document.createElement("form");
  form.method = "dialog";
  const label = document.createElement("label");
  label.textContent = token() ? "This token is not valid here. Another one? " : "This server asks for a token: ";
  const input = document.createElement("input");
  Object.assign(input, { type: "password", name: "token", required: true, autocomplete: "off" });
  const button = document.createElement("button");
  button.textContent = "Show the map";
  label.append(input);
  form.append(label, button);
  form.addEventListener("submit", () => {
    localStorage.setItem(KEY, input.value.trim());
    location.reload();
  });
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
}
