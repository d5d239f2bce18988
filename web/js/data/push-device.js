// @ts-check
/**
 * This browser as a device that gets alerts while the page is closed: what stands in the way, and how it
 * subscribes and ends that. The service worker that shows them is push-worker.js.
 * @module
 */

import { OWNER_HEADER, alertsSecret } from "./alerts-secret.js";
import { checked } from "./rest-client.js";
import { fetchWithToken } from "./token.js";

/**
 * What is so: `on`, `off`; or why it cannot be on: `refused` by the viewer, `insecure` page, `home-screen`
 * first (iPhone, iPad), `unsupported` browser, `server-off`.
 * @typedef {"on" | "off" | "refused" | "insecure" | "home-screen" | "unsupported" | "server-off"} PushState
 */
/** @typedef {{ public_key: string | null, devices: string[] }} ServerState of GET api/push */

const ADDRESS = "api/push";
const NOT_FOUND = 404;

/** @returns {Promise<PushState>} what is so now; Throws what fetch throws, RestError */
export async function pushState() {
  const server = await ask();
  if (!server.public_key) return "server-off";
  const able = ability();
  if (able !== "off") return able;
  const subscription = await subscribed();
  if (!subscription) return "off";
  const known = server.devices.includes(await idOf(subscription.endpoint));
  // What this browser still has was switched on here: the server or its key has changed since.
  return known && isFor(subscription, server.public_key) ? "on" : subscribe(server.public_key);
}

/** Asks the viewer where needed. @returns {Promise<PushState>} what is so then; Throws as pushState does */
export async function switchOn() {
  const answer = await Notification.requestPermission();
  if (answer !== "granted") return answer === "denied" ? "refused" : "off";
  const { public_key: key } = await ask();
  return key ? subscribe(key) : "server-off";
}

/** @returns {Promise<PushState>} Throws as pushState does */
export async function switchOff() {
  const subscription = await subscribed();
  if (!subscription) return "off";
  const response = await send("DELETE", `${ADDRESS}/${await idOf(subscription.endpoint)}`);
  if (response.status !== NOT_FOUND) await checked(response);
  await subscription.unsubscribe();
  return "off";
}

/** @returns {PushState} `off` where nothing stands in the way */
function ability() {
  if (!isSecureContext) return "insecure";
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) {
    return isIos() ? "home-screen" : "unsupported";
  }
  return Notification.permission === "denied" ? "refused" : "off";
}

/** An iPhone or iPad, which has push only for pages of its home screen. */
export function isIos() {
  const { userAgent, maxTouchPoints } = navigator;
  return /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
}

/** @param {string} key @returns {Promise<PushState>} */
async function subscribe(key) {
  const address = new URL("push-worker.js", document.baseURI);
  await navigator.serviceWorker.register(address, { updateViaCache: "none" });
  const { pushManager } = await navigator.serviceWorker.ready;
  const before = await pushManager.getSubscription();
  if (before && !isFor(before, key)) await before.unsubscribe();
  const subscription = await pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytesOf(key),
  });
  await checked(await send("POST", ADDRESS, JSON.stringify(subscription)));
  return "on";
}

async function subscribed() {
  const registration = await navigator.serviceWorker.getRegistration(document.baseURI);
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** @returns {Promise<ServerState>} */
async function ask() {
  return (await checked(await send("GET", ADDRESS))).json();
}

/**
 * @param {string} method
 * @param {string} address
 * @param {string} [body] JSON
 */
function send(method, address, body) {
  const headers = new Headers({ accept: "application/json", [OWNER_HEADER]: alertsSecret() });
  if (body !== undefined) headers.set("content-type", "application/json");
  return fetchWithToken(address, { method, headers, body });
}

/** The server's name of a device. @param {string} endpoint */
async function idOf(endpoint) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
  const digits = [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0"));
  return digits.join("").slice(0, 32);
}

/**
 * @param {PushSubscription} subscription
 * @param {string} key base64url
 */
function isFor(subscription, key) {
  const given = subscription.options.applicationServerKey;
  return !!given && String(new Uint8Array(given)) === String(bytesOf(key));
}

/** @param {string} text base64url */
function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
