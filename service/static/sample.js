/** A sample as JSON, for networks that take numbers: an example of it, and what was written. */

/** Largest value of an example that no range binds. */
const EXAMPLE_MOST = 1;
/** Steps in which the numbers of an example go from the smallest to the largest, and again. */
const STEPS = 5;

/** Return a number that a tensor takes: not the same at all places, so that one sees which is where. */
function number({ dtype, range, seen }, place) {
  const step = place % STEPS;
  const isWhole = dtype !== "float32";
  const [low, high] = range ?? seen ?? [isWhole ? 0 : -EXAMPLE_MOST, EXAMPLE_MOST];
  if (isWhole) return Math.min(high, low + step);
  const value = low + ((high - low) * step) / (STEPS - 1);
  return Math.min(high, Math.max(low, Number(value.toPrecision(3))));
}

function tensor(input) {
  let place = 0;
  const axis = ([length, ...inner]) =>
    Array.from({ length }, () => (inner.length ? axis(inner) : number(input, place++)));
  return axis(input.shape);
}

/** Return a sample that a network takes, as text: an array, or an object of several. */
export function exampleFor(card) {
  const [first, ...others] = card.inputs;
  if (!others.length) return JSON.stringify(tensor(first));
  const part = (input) => `${JSON.stringify(input.name)}: ${JSON.stringify(tensor(input))}`;
  return `{${card.inputs.map(part).join(",\n ")}}`;
}

/** Return what a network takes, in words. */
export function takenBy(card) {
  const each = card.inputs.map(({ name, shape, dtype, range }) => {
    const whole = dtype === "float32" ? "" : "whole ";
    const numbers = shape.every((length) => length === 1) ? "number" : "numbers";
    const bounds = range ? ` from ${range[0]} to ${range[1]}` : "";
    return `${card.inputs.length > 1 ? `${name}: ` : ""}${shape.join(" x ")} ${whole}${numbers}${bounds}`;
  });
  return `It takes ${each.join("; ")}.`;
}

/**
 * Return the sample that a text holds.
 * @throws {SyntaxError} it is no JSON
 */
export function sampleIn(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`This is no JSON: ${error.message}.`, { cause: error });
  }
}
