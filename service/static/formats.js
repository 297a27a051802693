/** Numbers as people read them. */

/** Return a share in percent, with so many decimals. */
export function percent(share, decimals = 2) {
  return `${(100 * share).toFixed(decimals)} %`;
}

/** Return a number with so many significant digits. */
export function digits(number, significant = 3) {
  return Number(number.toPrecision(significant)).toString();
}

/** Return a whole number with its thousands apart. */
export function count(number) {
  return Math.round(number).toLocaleString("en");
}

/** Return seconds in the unit that suits them. */
export function duration(seconds) {
  const units = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
    [1e-3, "ms"],
  ];
  if (seconds === 0) return "0 s";
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1e-3, "ms"];
  return `${digits(seconds / size)} ${unit}`;
}

/** Return bytes in MiB or GiB. */
export function bytes(number) {
  const mib = number / 2 ** 20;
  return mib < 1024 ? `${digits(mib)} MiB` : `${digits(mib / 1024)} GiB`;
}

/** Return an interval in percent. */
export function interval([low, high], decimals = 2) {
  return `${(100 * low).toFixed(decimals)} to ${percent(high, decimals)}`;
}

/** Return a sigma: one number, or one for each noise point. */
export function sigmaText(sigma) {
  if (typeof sigma === "number") return `${sigma}`;
  const each = Object.entries(sigma).map(([point, number]) => `${point} ${number}`);
  return each.join(", ") || "0";
}

export const shapeText = (shape) => shape.join(" × ");
