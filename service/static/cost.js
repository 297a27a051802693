/** What the votes cost on analog hardware, as the service works it out. */

const ROWS = [
  ["One vote after another", (cost) => time(cost.sequential_latency)],
  ["Pipelined, one array a layer", (cost) => time(cost.pipelined_latency)],
  ["All at once, a copy a vote", (cost) => time(cost.parallel_latency)],
  ["Energy", (cost, fj) => energy(cost.isOfDevice ? cost.energy : cost.energy * fj)],
  ["One pass of equal energy, sigma", (cost) => digits(cost.equal_energy_sigma)],
];

/** Return costs that a device's own profile tells, in s and J, in ns and fJ. */
export function ofDevice(cost) {
  const { sequential_latency: one, pipelined_latency: next, parallel_latency: all } = cost;
  return {
    sequential_latency: one * 1e9,
    pipelined_latency: next * 1e9,
    parallel_latency: all * 1e9,
    energy: cost.energy * 1e15,
    equal_energy_sigma: null,
    isOfDevice: true,
  };
}

/** Return a number with three significant digits. */
function digits(number) {
  if (typeof number !== "number") return "–"; // on a device no sigma is of equal energy
  return Number(number.toPrecision(3)).toString();
}

/** Return a quantity in the unit that suits it. */
function scaled(number, units) {
  let step = 0;
  while (number >= 1000 && step < units.length - 1) {
    number /= 1000;
    step += 1;
  }
  return `${digits(number)} ${units[step]}`;
}

const time = (ns) => scaled(ns, ["ns", "µs", "ms", "s"]);
const energy = (fj) => scaled(fj, ["fJ", "pJ", "nJ", "µJ", "mJ"]);

/**
 * Show costs side by side.
 * @param {{title: string, cost: object | null}[]} columns
 * @param {number} fj energy of one multiply-accumulate
 */
export function showCosts(columns, fj) {
  const cell = (kind, text, scope) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (scope) made.scope = scope;
    return made;
  };
  const titles = columns.map(({ title }) => cell("th", title, "col"));
  document.getElementById("cost-head").replaceChildren(cell("td", ""), ...titles);
  const rows = ROWS.map(([name, value]) => {
    const row = document.createElement("tr");
    const cells = columns.map(({ cost }) => cell("td", cost ? value(cost, fj) : "–"));
    row.append(cell("th", name, "row"), ...cells);
    return row;
  });
  document.getElementById("cost-body").replaceChildren(...rows);
}
