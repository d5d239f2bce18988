// @ts-check
/**
 * The stream as a page opens it.
 * @module
 */

/** Stands for a browser without any, as some extensions leave it: the client gives up, and the page polls. */
class NoWebSocket {
  constructor() {
    throw new Error("this browser has no WebSocket");
  }
}

export const PageSocket = globalThis.WebSocket ?? /** @type {any} */ (NoWebSocket);

/** The stream's address: below the path that the page is served at, as all of its addresses are. */
export function socketAddress() {
  const url = new URL("ws/heatmap", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
