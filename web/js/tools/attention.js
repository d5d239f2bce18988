// @ts-check
/**
 * What reaches a viewer who looks elsewhere: notifications of the browser, and a sound. Where it has none,
 * the toast of an alert has to do.
 * @module
 */

/** Asks the viewer where needed. @returns {Promise<boolean>} whether notifications are allowed */
export async function mayNotify() {
  return "Notification" in window && (await Notification.requestPermission()) === "granted";
}

/**
 * @param {string} title
 * @param {NotificationOptions} options
 */
export async function notify(title, options) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    new Notification(title, options);
  } catch {
    // Browsers of phones have them of a service worker only.
    const workers = navigator.serviceWorker;
    const registered = await workers?.register(new URL("push-worker.js", document.baseURI)).catch(() => null);
    if (registered) await (await workers.ready).showNotification(title, options);
  }
}

export function beep() {
  if (!("AudioContext" in window)) return;
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = 880;
  volume.gain.setValueAtTime(0.12, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.5);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.5);
  tone.onended = () => void audio.close();
}
