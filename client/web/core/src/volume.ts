/**
 * Volume sliders: at most two commands a second go out, and the last value always does. While a slider is held, and while
 * its last value waits to be sent, that value is drawn, whatever the server says.
 */

import type { World } from "./world.ts";

/** At most two a second. */
const APART = 500;

class Slider {
  value: number | null = null;
  held = false;
  sentAt = -Infinity;
  waiting: {
    readonly promise: Promise<void>;
    readonly send: () => void;
    readonly cancel: () => void;
  } | null = null;
}

export class VolumeSliders {
  readonly #sliders = new Map<string, Slider>();

  constructor(
    private readonly world: World,
    private readonly send: (volume: number, device: string) => Promise<void>,
  ) {}

  /** The slider of a device moved; resolves when this value, or a later one, was carried out. */
  move(device: string, volume: number): Promise<void> {
    const slider = this.#slider(device);
    slider.value = volume;
    if (slider.waiting !== null) return slider.waiting.promise;
    const left = slider.sentAt + APART - this.world.now();
    if (left <= 0) return this.#send(device, slider);
    let send = (): void => undefined;
    const promise = new Promise<void>((resolve, reject) => {
      send = () => {
        slider.waiting = null;
        this.#send(device, slider).then(resolve, reject);
      };
    });
    slider.waiting = { promise, send, cancel: this.world.after(left, send) };
    return promise;
  }

  /** A finger is on the slider, or has left it. */
  hold(device: string, held: boolean): void {
    const slider = this.#slider(device);
    slider.held = held;
    if (!held) this.#tidy(device, slider);
  }

  /** What to draw, where that is not what the server says. */
  get shown(): ReadonlyMap<string, number> {
    const shown = new Map<string, number>();
    for (const [device, { value, held, waiting }] of this.#sliders) {
      if (value !== null && (held || waiting !== null)) shown.set(device, value);
    }
    return shown;
  }

  #slider(device: string): Slider {
    const slider = this.#sliders.get(device) ?? new Slider();
    this.#sliders.set(device, slider);
    return slider;
  }

  #send(device: string, slider: Slider): Promise<void> {
    slider.sentAt = this.world.now();
    const { value } = slider;
    this.#tidy(device, slider);
    return this.send(value ?? 0, device);
  }

  /** Forget a slider that says nothing, once another value may be sent at once. */
  #tidy(device: string, slider: Slider): void {
    this.world.after(APART, () => {
      const rests = !slider.held && slider.waiting === null && this.world.now() - slider.sentAt >= APART;
      if (rests && this.#sliders.get(device) === slider) this.#sliders.delete(device);
    });
  }
}
