/** Axes of charts: where a number lies, from 0 to 1, and which ones are written beside. */

import { digits } from "./formats.js";

/** Shares that may be written beside a stretched axis. */
const SHARES = [
  0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 1,
];
const STEPS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const MOST_STEPS = 6;
/** Highest share from which on, and lowest up to which, differences near 100 % would be lost. */
const HIGH = 0.95;
const LOW = 0.9;

const text = (share) => `${digits(100 * share, 6)} %`;

/**
 * Return an axis of shares, zoomed to those that there are: evenly; or, if they lie both near 100 %
 * and far from it, so that halving what is missing to 100 % is always the same distance.
 * @param {number[]} shares
 * @returns {{at: (share: number) => number, ticks: {value: number, text: string}[], says: string}}
 */
export function shareScale(shares) {
  const low = Math.min(...shares);
  const high = Math.max(...shares);
  return high >= HIGH && low < LOW ? stretched(shares, low, high) : even(low, high);
}

function even(low, high) {
  const most = STEPS.at(-1);
  const step = STEPS.find((one) => Math.max(high - low, one) / one <= MOST_STEPS - 1) ?? most;
  const whole = 1e-9; // 0.3 / 0.1 is a little less than 3
  let first = Math.max(0, Math.floor(low / step + whole));
  let last = Math.min(Math.round(1 / step), Math.ceil(high / step - whole));
  if (first === last) {
    if (first > 0) first -= 1;
    else last += 1;
  }
  const ticks = [];
  for (let at = first; at <= last; at += 1) ticks.push({ value: at * step, text: text(at * step) });
  const says = first > 0 ? `The axis begins at ${text(first * step)}.` : "";
  return { at: (share) => (share / step - first) / (last - first), ticks, says };
}

function stretched(shares, low, high) {
  const missing = shares.map((share) => 1 - share).filter((share) => share > 1e-9);
  const least = Math.min(...missing) / (high > 1 - 1e-9 ? 2 : 1);
  const height = (share) => -Math.log(Math.max(1 - share, least));
  const bottom = SHARES.findLast((share) => share <= low);
  const top = SHARES.find((share) => share >= high);
  const from = height(bottom);
  const length = height(top) - from;
  const ticks = SHARES.filter((share) => bottom <= share && share <= top);
  return {
    at: (share) => (height(share) - from) / length,
    ticks: ticks.map((value) => ({ value, text: text(value) })),
    says: "The axis is stretched towards 100 %.",
  };
}

/**
 * Return an axis of numbers.
 * @param {number[]} numbers
 * @param {boolean} isLog whether equal factors are equal distances
 */
export function numberScale(numbers, isLog) {
  const place = isLog ? Math.log : (number) => number;
  const low = place(Math.min(...numbers));
  const length = place(Math.max(...numbers)) - low;
  return (number) => (length > 0 ? (place(number) - low) / length : 0.5);
}
