/** A drawing as a short text, for addresses: exact to the tenth of a unit that the pad rounds to. */

const UNITS = 10;
const BITS = 7;
const MORE = 1 << BITS;

/** Return whole numbers of either sign as base64 without signs that addresses escape. */
function packed(numbers) {
  const bytes = [];
  for (const number of numbers) {
    let rest = number < 0 ? -2 * number - 1 : 2 * number;
    for (; rest >= MORE; rest = Math.floor(rest / MORE)) bytes.push((rest % MORE) + MORE);
    bytes.push(rest);
  }
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function* unpacked(text) {
  let [rest, factor] = [0, 1];
  for (const letter of atob(text.replaceAll("-", "+").replaceAll("_", "/"))) {
    const byte = letter.charCodeAt(0);
    rest += (byte % MORE) * factor;
    factor *= MORE;
    if (byte < MORE) {
      yield rest % 2 ? -(rest + 1) / 2 : rest / 2;
      [rest, factor] = [0, 1];
    }
  }
}

/** Return strokes `[[[x, y], ...], ...]` as text: their lengths, and steps from point to point. */
export function asText(strokes) {
  const numbers = [];
  let last = [0, 0];
  for (const stroke of strokes) {
    numbers.push(stroke.length);
    for (const [x, y] of stroke) {
      const point = [Math.round(x * UNITS), Math.round(y * UNITS)];
      numbers.push(point[0] - last[0], point[1] - last[1]);
      last = point;
    }
  }
  return packed(numbers);
}

/** Return the strokes of a text of `asText`; none if it is no such text. */
export function fromText(text, largest) {
  const strokes = [];
  try {
    const numbers = [...unpacked(text)];
    let last = [0, 0];
    while (numbers.length) {
      if (!(numbers[0] > 0)) return [];
      const steps = numbers.splice(0, 1 + 2 * numbers[0]).slice(1);
      const stroke = [];
      for (let at = 0; at < steps.length; at += 2) {
        last = [last[0] + steps[at], last[1] + steps[at + 1]];
        stroke.push(last.map((value) => value / UNITS));
      }
      strokes.push(stroke);
    }
  } catch {
    return []; // somebody cut the address
  }
  const isWhole = (stroke) =>
    stroke.length > 0 && stroke.flat().every((value) => value >= 0 && value <= largest);
  return strokes.every(isWhole) ? strokes : [];
}
