// @ts-check
/**
 * The sound of the tape: pitch by side, volume by size, ten tones a second at most. It is off until it is
 * switched on, by a click: browsers let no page begin by itself.
 * @module
 */

const PITCH_HZ = { long: 330, short: 550 };
const TONES_PER_S = 10;
const TONE_S = 0.12;
/** USD of the faintest and of the loudest tone. */
const FAINT_USD = 1000;
const LOUD_USD = 1e6;

/** @param {number} usd @returns {number} 0.03 to 0.3 */
export function volumeOf(usd) {
  const share = Math.log(usd / FAINT_USD) / Math.log(LOUD_USD / FAINT_USD);
  return 0.03 * 10 ** Math.min(1, Math.max(0, share));
}

export class TapeSound {
  /** @type {AudioContext | null} */
  #audio = null;
  /** AudioContext time from which the next tone may begin, s. */
  #freeAt = 0;
  /** Tones played, for tests. */
  played = 0;

  get isOn() {
    return this.#audio !== null;
  }

  /** Switches it on or off. */
  toggle() {
    const audio = this.#audio;
    this.#audio = audio || !globalThis.AudioContext ? null : new AudioContext();
    this.#freeAt = 0;
    if (audio) void audio.close();
  }

  /**
   * Plays the largest of what came at once, unless the last tone was just now.
   * @param {{ side: "long" | "short", usd: number }[]} liquidations
   */
  play(liquidations) {
    const audio = this.#audio;
    if (!audio || !liquidations.length || audio.currentTime < this.#freeAt) return;
    const { side, usd } = liquidations.reduce((a, b) => (b.usd > a.usd ? b : a));
    const now = audio.currentTime;
    const [tone, gain] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = PITCH_HZ[side];
    gain.gain.setValueAtTime(volumeOf(usd), now);
    gain.gain.exponentialRampToValueAtTime(0.001, now + TONE_S);
    tone.connect(gain).connect(audio.destination);
    tone.start(now);
    tone.stop(now + TONE_S);
    this.#freeAt = now + 1 / TONES_PER_S;
    this.played += 1;
  }
}
