/** Line charts of shares with their intervals, and sparklines: SVG, drawn here. */

import { make, set } from "./elements.js";
import { interval, percent } from "./formats.js";
import { numberScale, shareScale } from "./scales.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 260;
const LEFT = 56;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 42;
const MARK = 4;
/** Pixels between the intervals of two lines at the same place. */
const APART = 3;
const CAP = 3;

/** Beside its colour, each line has a marker and dashes of its own. */
const MARKS = [
  (s) => `M${-s} 0a${s} ${s} 0 1 0 ${2 * s} 0a${s} ${s} 0 1 0 ${-2 * s} 0z`,
  (s) => `M${-s} ${-s}h${2 * s}v${2 * s}h${-2 * s}z`,
  (s) => `M0 ${-1.3 * s}L${1.3 * s} ${s}H${-1.3 * s}z`,
  (s) => `M0 ${-1.4 * s}L${1.4 * s} 0L0 ${1.4 * s}L${-1.4 * s} 0z`,
  (s) => `M0 ${1.3 * s}L${1.3 * s} ${-s}H${-1.3 * s}z`,
  (s) => `M${-s} ${-s}L${s} ${s}M${-s} ${s}L${s} ${-s}`,
];
const DASHES = [null, "7 3", "2 3", "8 3 2 3", "12 4", "4 4"];
/** Values that a sparkline has room for at least. */
const FEWEST = 20;
/** Most lines of a chart: as many can be told apart. */
export const MOST_LINES = MARKS.length;

function draw(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** Return a path that begins with a line's look. */
const line = (number, d) =>
  draw("path", { class: `line line-${number}`, d, "stroke-dasharray": DASHES[number] });
function mark(number, x, y, ...children) {
  const place = { d: MARKS[number](MARK), transform: `translate(${x} ${y})` };
  return draw("path", { class: `mark line-${number}`, ...place }, ...children);
}

/**
 * Return a chart of shares over something, one line for each series, drawn as wide as its place.
 * A table with the same figures has to stand beside it: who does not see it hears its title alone.
 * @param {object} chart
 * @param {string} chart.title what it shows
 * @param {string} chart.x name of the axis
 * @param {string} chart.y
 * @param {boolean} [chart.isLog] whether equal factors are equal distances on the axis
 * @param {Map<number, string>} [chart.names] what is written at places of the axis, if not numbers
 * @param {{name: string, points: {x: number, y: number, interval?: number[]}[]}[]} chart.series at
 *   most MOST_LINES
 * @returns {HTMLElement} a figure
 */
export function lineChart(chart) {
  const place = make("div", { class: "plot" });
  const points = chart.series.flatMap((one) => one.points);
  const scale = shareScale(points.flatMap(({ y, interval }) => [y, ...(interval ?? [])]));
  const bars = points.some((point) => point.interval);
  const says = [bars && "Bars are 95 % intervals.", scale.says].filter(Boolean).join(" ");
  const figure = make(
    "figure",
    { class: "chart" },
    make("figcaption", {}, chart.title),
    place,
    legend(chart.series),
    make("p", { class: "hint", hidden: says ? null : "" }, says),
  );
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.round(contentRect.width);
    if (width === drawn || width === 0) return;
    drawn = width;
    place.replaceChildren(plot(chart, scale, width));
  }).observe(place);
  return figure;
}

function legend(series) {
  const items = series.map(({ name }, number) => {
    const sample = draw("svg", { width: 34, height: 12, "aria-hidden": "true" });
    sample.append(line(number, "M0 6H34"), mark(number, 17, 6));
    return make("li", {}, sample, name);
  });
  return make("ul", { class: "legend" }, ...items);
}

function plot(chart, scale, width) {
  const xs = [...new Set(chart.series.flatMap(({ points }) => points.map(({ x }) => x)))];
  const across = numberScale(xs, chart.isLog);
  const inset = APART * chart.series.length;
  const at = {
    x: (x) => LEFT + inset + across(x) * (width - LEFT - RIGHT - 2 * inset),
    y: (y) => TOP + (1 - Math.min(1, Math.max(0, scale.at(y)))) * (HEIGHT - TOP - BOTTOM),
  };
  const svg = draw("svg", { width, height: HEIGHT, role: "img", "aria-label": chart.title });
  svg.append(...axes(chart, scale.ticks, xs.sort((a, b) => a - b), at, width));
  chart.series.forEach((one, number) => {
    const shift = APART * (number - (chart.series.length - 1) / 2);
    svg.append(...drawSeries(one, number, (x) => at.x(x) + shift, at.y, chart));
  });
  return svg;
}

/** Return those of marks along an axis that are far enough apart. */
function apart(marks, least) {
  const kept = [];
  for (const one of marks) {
    if (kept.every(({ at }) => Math.abs(at - one.at) >= least)) kept.push(one);
  }
  return kept;
}

function axes(chart, ticks, xs, at, width) {
  const bottom = HEIGHT - BOTTOM;
  const parts = [draw("path", { class: "axis", d: `M${LEFT} ${TOP}V${bottom}H${width - RIGHT}` })];
  // The ends first, so that they stay.
  const ys = [ticks.at(-1), ticks[0], ...ticks.slice(1, -1).reverse()];
  const lines = ys.map((one) => ({ at: at.y(one.value), text: one.text }));
  for (const { at: y, text } of apart(lines, 16)) {
    parts.push(draw("path", { class: "grid", d: `M${LEFT} ${y}H${width - RIGHT}` }));
    parts.push(draw("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, text));
  }
  const places = xs.map((x) => ({ at: at.x(x), text: chart.names?.get(x) ?? `${x}` }));
  const widest = Math.max(...places.map(({ text }) => text.length));
  for (const { at: x, text } of apart([...places].reverse(), 7 * widest + 8)) {
    parts.push(draw("path", { class: "axis", d: `M${x} ${bottom}v4` }));
    parts.push(draw("text", { x, y: bottom + 17, "text-anchor": "middle" }, text));
  }
  const middle = (LEFT + width - RIGHT) / 2;
  parts.push(draw("text", { x: middle, y: HEIGHT - 6, "text-anchor": "middle" }, chart.x));
  return parts;
}

function drawSeries({ name, points }, number, x, y, chart) {
  const sorted = [...points].sort((a, b) => a.x - b.x);
  const d = sorted.map((point, index) => `${index ? "L" : "M"}${x(point.x)} ${y(point.y)}`);
  const parts = [line(number, d.join(""))];
  for (const point of sorted) {
    if (point.interval) {
      const [low, high] = point.interval.map(y);
      const cap = (end) => `M${x(point.x) - CAP} ${end}h${2 * CAP}`;
      const d = `M${x(point.x)} ${low}V${high}${cap(low)}${cap(high)}`;
      parts.push(draw("path", { class: `bar line-${number}`, d }));
    }
    const place = chart.names?.get(point.x) ?? point.x;
    const range = point.interval ? `, ${interval(point.interval)}` : "";
    const says = `${name}, ${chart.x} ${place}: ${percent(point.y)}${range}`;
    parts.push(mark(number, x(point.x), y(point.y), draw("title", {}, says)));
  }
  return parts;
}

/**
 * Show how a number went, from 0 up; who does not see it reads the number itself.
 * @param {SVGElement} svg that shows it
 * @param {number[]} values those that are no numbers are left out
 */
export function sparkline(svg, values) {
  const most = Math.max(values.length, FEWEST);
  const largest = Math.max(...values.filter(Number.isFinite), 1e-12);
  const from = most - values.length;
  let d = "";
  values.forEach((value, at) => {
    if (!Number.isFinite(value)) return;
    const isFirst = at === 0 || !Number.isFinite(values[at - 1]);
    d += `${isFirst ? "M" : "L"}${((from + at) / (most - 1)) * 100} ${28 - (value / largest) * 26}`;
    if (isFirst) d += "h0.01"; // one point alone is seen, too
  });
  set(svg, { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.replaceChildren(draw("path", { d, "vector-effect": "non-scaling-stroke" }));
}

/** Return an empty sparkline. */
export const newSparkline = () => draw("svg", { class: "spark", "aria-hidden": "true" });
