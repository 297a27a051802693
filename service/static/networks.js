/** The networks that are served, and which of them each ballot is for. */

const READS_PICTURES = "mnist_digit-";
const READS_STROKES = "mnist_strokes-1";
/** The service's default for the chance of another mode than N votes have. */
const DELTA = 0.001;

/** Return how a picture or drawing becomes the input of a network; nothing if none does. */
const inputOf = (card) => card.inputs[0].preprocessing ?? "";

export const readsPictures = (card) => inputOf(card).startsWith(READS_PICTURES);

/** Return the sigma that a network was trained at; of one for each layer, the largest. */
export function sigmaOfTraining(card) {
  const sigma = card.noise.sigma_train;
  return typeof sigma === "number" ? sigma : Math.max(0, ...Object.values(sigma));
}

const isAdversarial = (card) => Boolean(card.training?.recipe?.adversary);
const isClean = (card) => sigmaOfTraining(card) === 0 && !isAdversarial(card);

/** Return what a network is, in a few words. */
export function about(card) {
  const sigma = sigmaOfTraining(card);
  const noise = sigma > 0 ? `at ${card.noise.kind} noise of sigma ${sigma}` : "without noise";
  return `${card.name}, trained ${noise}${isAdversarial(card) ? ", on adversarial examples" : ""}`;
}

/**
 * Return the card that each ballot is for, and why it is not asked, if it is not.
 * @param {object[]} known cards
 * @param {string} name of the chosen network
 * @returns {Record<string, {card: object | null, reason: string}>}
 */
export function rolesOf(known, name) {
  const hardened = known.find((card) => card.name === name) ?? null;
  const plain = known.find((card) => card.network === hardened?.network && isClean(card)) ?? null;
  const strokes = known.find(
    (card) =>
      inputOf(card) === READS_STROKES &&
      sigmaOfTraining(card) > 0 &&
      card.noise.kind === hardened?.noise.kind,
  );
  return {
    hardened: role(hardened),
    plain: plain && plain === hardened ? { card: null, reason: "It is the chosen one." } : role(plain),
    strokes: role(strokes ?? null),
  };
}

function role(card) {
  return { card, reason: card ? "" : "No such network is served here." };
}

/** Return whether a card has a margin for the rule `calibrated` under these settings. */
export function isCalibrated(card, { noise, sigma, votes }) {
  return card.thresholds.some(
    (threshold) =>
      threshold.kind === noise &&
      threshold.votes === votes &&
      threshold.delta <= DELTA &&
      Math.abs(threshold.sigma - sigma) < 1e-9,
  );
}

/** Return for which settings a card has margins, in a few words. */
export function calibratedFor(card) {
  const fit = card.thresholds.filter(({ delta }) => delta <= DELTA);
  const each = fit.map(({ sigma, votes }) => `sigma ${sigma} with N ${votes}`);
  return each.length ? `for ${[...new Set(each)].join(", ")}` : "no margins for this network";
}

/** Return why a network cannot be asked on a device; nothing if it can. */
function whyOnNoDevice(card, { stop }) {
  if (!card.devices) return "It is not ready for devices.";
  return stop === "calibrated" ? "The rule calibrated has no margins of devices." : "";
}

/** Return why a network cannot be asked under these settings; nothing if it can. */
export function reasonAgainst(card, options) {
  if (options.device) return whyOnNoDevice(card, options);
  if (!(options.noise in card.graphs)) return `It takes no ${options.noise} noise.`;
  if (options.stop === "calibrated" && !isCalibrated(card, options)) {
    return `The rule calibrated: ${calibratedFor(card)}.`;
  }
  return "";
}
