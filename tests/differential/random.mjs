// Random choices that a seed repeats.

export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A number of 32 bits (mulberry32). */
  bits() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A whole number from 0, below a limit. */
  below(limit) {
    return Math.floor((this.bits() / 2 ** 32) * limit);
  }

  chance(probability) {
    return this.below(1_000_000) < probability * 1_000_000;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  shuffled(list) {
    const left = [...list];
    return list.map(() => left.splice(this.below(left.length), 1)[0]);
  }

  /** So many hexadecimal digits. */
  hex(digits) {
    return Array.from({ length: digits }, () => this.below(16).toString(16)).join("");
  }
}
