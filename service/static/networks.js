/** The networks that are served, what they take, and which of them each ballot is for. */

const READS_DIGITS = "mnist_digit-";
const READS_STROKES = "mnist_strokes-1";
/** The service's default for the chance of another mode than N votes have. */
const DELTA = 0.001;

/** Return how a picture or drawing becomes the input of a network; nothing if none does. */
const inputOf = (card) => card.inputs[0].preprocessing ?? "";

const readsDigits = (card) => inputOf(card).startsWith(READS_DIGITS);

/** What networks take, as they are grouped. */
const KINDS = { digits: "Digits", strokes: "Pen strokes", pictures: "Pictures", numbers: "Numbers" };

/** Return what a network takes: `digits`, `strokes`, `pictures` or `numbers`. */
export function kindOf(card) {
  if (card.inputs.length > 1) return "numbers";
  if (readsDigits(card)) return "digits";
  if (inputOf(card) === READS_STROKES) return "strokes";
  return inputOf(card) || card.inputs[0].picture ? "pictures" : "numbers";
}

/** Return what offers all networks, by what they take. */
export function optionsFor(cards) {
  return Object.entries(KINDS).flatMap(([kind, label]) => {
    const names = cards.filter((card) => kindOf(card) === kind).map(({ name }) => name);
    if (!names.length) return [];
    const group = document.createElement("optgroup");
    group.label = label;
    group.append(...names.map((name) => new Option(name, name)));
    return [group];
  });
}

/** Return the largest sigma that a network was trained at. */
export function sigmaOfTraining(card) {
  const sigma = card.noise.sigma_train;
  return typeof sigma === "number" ? sigma : Math.max(0, ...Object.values(sigma));
}

/** Return the sigma of a request that names none: one number, and what layers have instead. */
export function defaultSigma({ noise }) {
  const sigma = noise.sigma ?? noise.sigma_train;
  return typeof sigma === "number" ? { common: sigma, byLayer: {} } : { common: 0, byLayer: sigma };
}

const isAdversarial = (card) => Boolean(card.training?.recipe?.adversary);
const isClean = (card) => sigmaOfTraining(card) === 0 && !isAdversarial(card);

/** Return what a network is, in a few words. */
export function about(card) {
  const sigma = sigmaOfTraining(card);
  const noise = sigma > 0 ? `at ${card.noise.kind} noise of sigma ${sigma}` : "without noise";
  if (card.imported && !sigma) return `${card.name}, imported from ${card.imported.source}`;
  return `${card.name}, trained ${noise}${isAdversarial(card) ? ", on adversarial examples" : ""}`;
}

/** Return whether two networks take and answer the same. */
function isAlike(one, other) {
  const told = ({ network, inputs, labels }) =>
    JSON.stringify([network, inputs.map(({ name, shape }) => [name, shape]), labels]);
  return told(one) === told(other);
}

/**
 * Return the card that each ballot is for, why it is not asked, if it is not, and whether a ballot
 * of its kind says something beside the chosen network.
 * @param {object[]} known cards
 * @param {string} name of the chosen network
 * @returns {Record<string, {card: object | null, reason: string, isShown: boolean}>}
 */
export function rolesOf(known, name) {
  const hardened = known.find((card) => card.name === name);
  const plain = known.find((card) => hardened && isAlike(card, hardened) && isClean(card));
  const isPlain = plain !== undefined && plain === hardened;
  const strokes = known.find(
    (card) =>
      inputOf(card) === READS_STROKES &&
      sigmaOfTraining(card) > 0 &&
      card.noise.kind === hardened?.noise.kind,
  );
  // Of networks that were imported without noise nobody knows which was hardened.
  const isCompared = !hardened?.imported || (plain !== undefined && sigmaOfTraining(hardened) > 0);
  return {
    hardened: role(hardened, true),
    plain: isPlain ? isItself(isCompared) : role(plain, isCompared),
    strokes: role(strokes, !hardened || readsDigits(hardened)),
  };
}

const isItself = (isShown) => ({ card: null, reason: "It is the chosen one.", isShown });

function role(card, isShown) {
  return { card: card ?? null, reason: card ? "" : "No such network is served here.", isShown };
}

/** Return whether a card has a margin for the rule `calibrated` under these settings. */
export function isCalibrated(card, { noise, sigma, repeats, votes }) {
  return card.thresholds.some(
    (threshold) =>
      !repeats &&
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
  const named = [options.sigma, options.repeats].flatMap((map) =>
    typeof map === "object" ? Object.keys(map) : [],
  );
  const points = new Set(card.noise_points.map(({ name }) => name));
  if (!named.every((name) => points.has(name))) return "It has other layers.";
  if (options.device) return whyOnNoDevice(card, options);
  if (!(options.noise in card.graphs)) return `It takes no ${options.noise} noise.`;
  if (options.stop === "calibrated" && !isCalibrated(card, options)) {
    return `The rule calibrated: ${calibratedFor(card)}.`;
  }
  return "";
}
