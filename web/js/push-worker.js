// @ts-check
/**
 * The service worker: shows what is pushed while no page is open, and opens the market's map at a click. It
 * stands beside the page and fetches nothing: no page comes from it or waits for it.
 */
{
  /** @typedef {{ title: string, body: string, url: string, tag: string, time_ms: number }} Message */
  const worker = /** @type {any} */ (self);

  worker.addEventListener("install", () => worker.skipWaiting());
  worker.addEventListener("push", (/** @type {any} */ event) => event.waitUntil(show(event.data)));
  worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
    event.notification.close();
    event.waitUntil(open(event.notification.data?.url ?? ""));
  });

  /**
   * Something is always shown: a browser ends the subscription of a worker that stays silent.
   * @param {{ json: () => unknown } | null} data
   */
  function show(data) {
    const { title, body, url, tag, time_ms } = read(data);
    return worker.registration.showNotification(title, {
      body,
      tag,
      renotify: true,
      timestamp: time_ms,
      data: { url },
    });
  }

  /**
   * @param {{ json: () => unknown } | null} data
   * @returns {Message}
   */
  function read(data) {
    const nothing = { title: "liqstream", body: "An alert", url: "", tag: "alert", time_ms: Date.now() };
    try {
      return { ...nothing, ...(data ? /** @type {Partial<Message>} */ (data.json()) : {}) };
    } catch {
      return nothing;
    }
  }

  /**
   * The map of the market: in the page that shows it already, else in a new one.
   * @param {string} url relative to where the page is served
   */
  async function open(url) {
    const scope = worker.registration.scope;
    const target = new URL(url, scope);
    const place = target.href.startsWith(scope) ? target : new URL(scope);
    const symbol = place.searchParams.get("symbol");
    const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
    for (const page of pages) {
      const at = new URL(page.url);
      if (at.href.startsWith(scope) && at.searchParams.get("symbol") === symbol) return page.focus();
    }
    return worker.clients.openWindow(place.href);
  }
}
