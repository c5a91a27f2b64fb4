"use strict";
(() => {
  // src/forest.js
  var CATEGORICAL = 1;
  var DEFAULT_LEFT = 2;
  var MISSING_ZERO = 4;
  var MISSING_NAN = 8;
  var NEARLY_ZERO = Math.fround(1e-35);
  function floats(values, empty) {
    return Float64Array.from(values, (value) => value === null ? empty : value);
  }
  function readForest(document2) {
    if (document2.decision.some((kind) => kind & CATEGORICAL)) {
      throw new Error("a split of categories, which this page does not know");
    }
    return {
      feature: Int32Array.from(document2.feature),
      threshold: floats(document2.threshold, Infinity),
      decision: Int32Array.from(document2.decision),
      left: Int32Array.from(document2.left),
      right: Int32Array.from(document2.right),
      leaf: Float64Array.from(document2.leaf),
      roots: Int32Array.from(document2.roots)
    };
  }
  function readRefits(document2) {
    const { splits } = document2;
    const threshold = floats(splits.threshold, Infinity);
    return document2.refits.map((refit) => {
      const numbers = refit.nodes.filter((node2) => node2 >= 0);
      const children = new Int32Array(2 * numbers.length);
      const roots = [];
      const open = [];
      let node = 0;
      let leaf = 0;
      for (const split of refit.nodes) {
        const place = split >= 0 ? node : ~leaf;
        const parent = open.pop();
        if (parent === void 0) roots.push(place);
        else children[parent] = place;
        if (split >= 0) {
          open.push(2 * node + 1, 2 * node);
          node += 1;
        } else {
          leaf += 1;
        }
      }
      return {
        forest: {
          feature: Int32Array.from(numbers, (at) => splits.feature[at]),
          threshold: Float64Array.from(numbers, (at) => threshold[at]),
          decision: Int32Array.from(numbers, (at) => splits.decision[at]),
          left: children.filter((_, at) => at % 2 === 0),
          right: children.filter((_, at) => at % 2 === 1),
          leaf: Float64Array.from(refit.leaf),
          roots: Int32Array.from(roots)
        },
        fill: floats(refit.fill, NaN),
        intercept: refit.intercept,
        slope: refit.slope
      };
    });
  }
  function goesLeft(forest, at, row2) {
    const kind = forest.decision[at];
    let value = row2[forest.feature[at]];
    const isMissing = value !== value;
    if (kind & MISSING_NAN) {
      if (isMissing) return (kind & DEFAULT_LEFT) > 0;
      return value <= forest.threshold[at];
    }
    if (isMissing) value = 0;
    if (kind & MISSING_ZERO && -NEARLY_ZERO <= value && value <= NEARLY_ZERO) {
      return (kind & DEFAULT_LEFT) > 0;
    }
    return value <= forest.threshold[at];
  }
  function rawLogOdds(forest, row2) {
    let total = 0;
    for (const root of forest.roots) {
      let at = root;
      while (at >= 0) at = goesLeft(forest, at, row2) ? forest.left[at] : forest.right[at];
      total += forest.leaf[~at];
    }
    return total;
  }
  function swapWeights(most) {
    return Array.from(
      { length: most + 1 },
      (_, a) => Float64Array.from({ length: most + 1 }, (_2, b) => {
        if (a === 0) return 0;
        let binomial = 1;
        for (let k = 1; k <= Math.min(a, b); k += 1) {
          binomial = binomial * (a + b - Math.min(a, b) + k) / k;
        }
        return 1 / (a * binomial);
      })
    );
  }
  function referenceShapley(forest, here, there, players, count) {
    const weights = swapWeights(count);
    const shares = new Float64Array(count);
    const side = new Int8Array(count);
    const path = [];
    const toParting = (start) => {
      let at = start;
      while (at >= 0) {
        let isLeft = goesLeft(forest, at, here);
        const isLeftThere = goesLeft(forest, at, there);
        if (isLeft !== isLeftThere) {
          const whose = side[players[forest.feature[at]]];
          if (whose === 0) return at;
          if (whose < 0) isLeft = isLeftThere;
        }
        at = isLeft ? forest.left[at] : forest.right[at];
      }
      return at;
    };
    const give = (value) => {
      const own = path.filter((player) => side[player] > 0).length;
      const others = path.length - own;
      for (const player of path) {
        if (side[player] > 0) shares[player] += value * weights[own][others];
        else shares[player] -= value * weights[others][own];
      }
    };
    const walk = (start) => {
      const at = toParting(start);
      if (at < 0) {
        give(forest.leaf[~at]);
        return;
      }
      const player = players[forest.feature[at]];
      const isLeft = goesLeft(forest, at, here);
      path.push(player);
      for (const own of [-1, 1]) {
        side[player] = own;
        walk(isLeft === own > 0 ? forest.left[at] : forest.right[at]);
      }
      side[player] = 0;
      path.pop();
    };
    for (const root of forest.roots) walk(root);
    return shares;
  }

  // src/model.js
  function readModel(document2) {
    const { contract, applicability } = document2;
    const places = new Map(contract.variables.map((variable, place) => [variable.name, place]));
    const size = applicability?.columns.length ?? 0;
    const correlation = Array.from({ length: size }, () => new Float64Array(size));
    applicability?.correlation.forEach((numbers, row2) => {
      correlation[row2][row2] = 1;
      numbers.forEach((number2, column) => {
        correlation[row2][column] = number2;
        correlation[column][row2] = number2;
      });
    });
    return {
      document: document2,
      contract,
      columns: new Map(contract.columns.map((column) => [column.name, column])),
      forest: readForest(document2.forest),
      fill: floats(
        contract.features.map((feature) => feature.fill),
        NaN
      ),
      players: contract.features.map((feature) => places.get(feature.variable) ?? -1),
      refits: document2.refits === null ? [] : readRefits(document2.refits),
      correlation
    };
  }
  function readPair(document2) {
    return {
      grade2plus: readModel(document2.grade2plus),
      grade3plus: document2.grade3plus === null ? null : readModel(document2.grade3plus)
    };
  }
  function numberOf(row2, name) {
    const cell = row2[name];
    return cell === null || cell === void 0 || typeof cell === "string" ? NaN : Number(cell);
  }
  function wordOf(row2, name) {
    const cell = row2[name];
    return typeof cell === "string" ? cell : "";
  }
  function features(model, row2) {
    return Float64Array.from(model.contract.features, ({ name }) => {
      const end = name.indexOf("__");
      const stem = end < 0 ? name : name.slice(0, end);
      if (model.columns.get(stem)?.kind !== "word") return numberOf(row2, name);
      return wordOf(row2, stem) === name.slice(end + 2) ? 1 : 0;
    });
  }
  function filled(table, fill) {
    return table.map((value, place) => value !== value ? fill[place] : value);
  }
  function logOdds(model, row2) {
    const { intercept, slope: slope2 } = model.document.calibrator;
    return intercept + slope2 * rawLogOdds(model.forest, filled(features(model, row2), model.fill));
  }
  function refitLogOdds(model, row2) {
    const table = features(model, row2);
    return model.refits.map(
      (refit) => refit.intercept + refit.slope * rawLogOdds(refit.forest, filled(table, refit.fill))
    );
  }

  // src/numbers.js
  function round(value) {
    const up = Math.round(value);
    return Math.abs(value % 1) === 0.5 && up % 2 !== 0 ? up - 1 : up;
  }
  function significantDigits(value, count) {
    const [mantissa, power] = Math.abs(value).toExponential(100).split("e");
    const all = mantissa.replace(".", "");
    let exponent = Number(power);
    const kept = all.slice(0, count);
    const rest = all.slice(count);
    const half = `5${"0".repeat(rest.length - 1)}`;
    const isOdd = Number(kept.at(-1) ?? "0") % 2 === 1;
    if (!(rest > half || rest === half && isOdd)) return { digits: kept || "0", exponent };
    const raised = (BigInt(kept || "0") + 1n).toString();
    const grown = raised.length - kept.length;
    if (grown > 0) exponent += 1;
    return { digits: count === 0 ? raised : raised.slice(0, count), exponent };
  }
  function general(value, digits = 6) {
    const sign = value < 0 || Object.is(value, -0) ? "-" : "";
    if (value === 0) return `${sign}0`;
    const found = significantDigits(value, digits);
    const { exponent } = found;
    const stripped = found.digits.replace(/0+$/, "");
    if (exponent < -4 || exponent >= digits) {
      const [first, ...others] = stripped;
      const power = `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
      return `${sign}${first}${others.length ? `.${others.join("")}` : ""}e${power}`;
    }
    if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${stripped}`;
    const whole = stripped.slice(0, exponent + 1).padEnd(exponent + 1, "0");
    const decimals = stripped.slice(exponent + 1);
    return `${sign}${whole}${decimals ? `.${decimals}` : ""}`;
  }
  function fixed(value, decimals) {
    const sign = value < 0 || Object.is(value, -0) ? "-" : "";
    const zero = `0${decimals ? `.${"0".repeat(decimals)}` : ""}`;
    if (value === 0) return sign + zero;
    const first = Number(Math.abs(value).toExponential(100).split("e")[1]);
    const count = first + 1 + decimals;
    if (count < 0) return sign + zero;
    const { digits, exponent } = significantDigits(value, count);
    if (count === 0 && digits === "0") return sign + zero;
    const all = exponent < 0 ? "0".repeat(-exponent) + digits : digits;
    const places = Math.max(exponent, 0) + 1;
    const whole = all.slice(0, places).padEnd(places, "0");
    const rest = all.slice(whole.length).slice(0, decimals).padEnd(decimals, "0");
    return `${sign}${whole}${decimals ? `.${rest}` : ""}`;
  }
  function grouped(value, decimals = 0) {
    const [whole, rest] = fixed(value, decimals).split(".");
    return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest === void 0 ? "" : `.${rest}`);
  }
  function quantile(values, share) {
    const sorted = [...values].sort((one, other) => one - other);
    const at = share * (sorted.length - 1);
    const below = Math.floor(at);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }

  // src/course.js
  var LABORATORY = ["crp_mg_l", "il6_pg_ml", "ferritin_ug_l"];
  var VITALS = ["temperature_c__max", "map_mmhg__min", "spo2_pct__min"];
  var GRADE = "grade__max";
  var REACHED = 2;
  function withCourse(row2, readings, contract, hours) {
    const landmark = contract.landmark_h;
    const times2 = hours.filter((hour) => hour <= landmark);
    const found = gradesOf(readings, times2, landmark);
    if ("problem" in found) return found;
    const reading = (stem, hour) => readings.get(hour)?.[stem] ?? NaN;
    const known = { ...row2 };
    for (const { name } of contract.columns) {
      const [stem, rest = ""] = splitAt(name.replace(`__h${landmark}`, ""), "__");
      if (!name.endsWith(`__h${landmark}`)) continue;
      let value = NaN;
      if (stem === "grade") {
        const first = times2.find((hour) => (found.grades.get(hour) ?? 0) >= 1);
        value = rest === "onset" ? first ?? NaN : found.grades.get(landmark) ?? NaN;
      } else if (LABORATORY.includes(stem)) {
        const values = times2.map((hour) => reading(stem, hour));
        if (rest === "max") value = farthest(values, Math.max);
        else if (rest === "slope") value = slope([numberOf(row2, stem), ...values], [0, ...times2]);
        else value = reading(stem, landmark);
      } else {
        const extreme = VITALS.find((vital) => vital.startsWith(`${stem}__`)) ?? "";
        const pick = extreme.endsWith("max") ? Math.max : Math.min;
        const soFar = times2.map((_, place) => {
          const values = times2.slice(0, place + 1).map((hour) => reading(extreme, hour));
          return Number.isNaN(values[place]) ? NaN : farthest(values, pick);
        });
        value = rest === "slope" ? slope(soFar, times2) : soFar[times2.indexOf(landmark)];
      }
      known[name] = Number.isNaN(value) ? null : value;
    }
    return { row: known };
  }
  function splitAt(text, mark) {
    const place = text.indexOf(mark);
    return place < 0 ? [text] : [text.slice(0, place), text.slice(place + mark.length)];
  }
  function farthest(values, pick) {
    const known = values.filter((value) => !Number.isNaN(value));
    return known.length ? pick(...known) : NaN;
  }
  function gradesOf(readings, times2, landmark) {
    const given = times2.flatMap((hour) => {
      const grade = readings.get(hour)?.[GRADE];
      return grade === void 0 ? [] : [{ hour, grade }];
    });
    if (!given.some(({ hour }) => hour === landmark)) {
      return { problem: `Worst CRS grade at ${landmark} h is needed.` };
    }
    const worst = Math.max(...given.map(({ grade }) => grade));
    if (worst >= REACHED) {
      return {
        problem: `CRS of grade ${general(worst)} by ${landmark} h: the model speaks of patients without grade 2 or more so far, nothing is left to predict.`
      };
    }
    const grades = /* @__PURE__ */ new Map();
    for (const time of times2) {
      const low = Math.max(0, ...given.filter(({ hour }) => hour <= time).map((one) => one.grade));
      const high = Math.min(...given.filter(({ hour }) => hour >= time).map((one) => one.grade));
      if (low > high) {
        return { problem: "The worst grade since the first dose cannot fall: let it rise or stay." };
      }
      if (low < high) {
        return { problem: `Worst CRS grade at ${time} h is needed, since CRS was there later.` };
      }
      grades.set(time, low);
    }
    return { grades };
  }
  function slope(readings, times2) {
    const isKnown = readings.map((value) => !Number.isNaN(value));
    const n = Math.max(isKnown.filter(Boolean).length, 1);
    const mean = (values) => values.reduce((sum, value, place) => sum + (isKnown[place] ? value : 0), 0) / n;
    const [middle, level] = [mean(times2), mean(readings)];
    let spread2 = 0;
    let product = 0;
    readings.forEach((value, place) => {
      if (!isKnown[place]) return;
      const late = times2[place] - middle;
      spread2 += late * late;
      product += late * (value - level);
    });
    return spread2 > 0 ? product / spread2 : NaN;
  }

  // src/special.js
  var LN_2 = Math.log(2);
  var SQRT_PI = Math.sqrt(Math.PI);
  var LN_SQRT_2_PI = 0.5 * Math.log(2 * Math.PI);
  var FAR = 2;
  function expit(x) {
    return 1 / (1 + Math.exp(-x));
  }
  function scaledErfc(x) {
    let b = x;
    let fraction = b;
    let c = b;
    let d = 0;
    for (let k = 1; k < 500; k += 1) {
      const a = k / 2;
      d = 1 / (x + a * d);
      c = x + a / c;
      const change = c * d;
      fraction *= change;
      if (Math.abs(change - 1) < 1e-16) break;
    }
    return 1 / (fraction * SQRT_PI);
  }
  function erfc(x) {
    if (x >= FAR) return Math.exp(-x * x) * scaledErfc(x);
    let term = x;
    let sum = x;
    for (let k = 1; Math.abs(term) > 1e-18 * sum; k += 1) {
      term *= 2 * x * x / (2 * k + 1);
      sum += term;
    }
    return 1 - 2 / SQRT_PI * Math.exp(-x * x) * sum;
  }
  function ndtr(x) {
    const tail = 0.5 * erfc(Math.abs(x) / Math.SQRT2);
    return x > 0 ? 1 - tail : tail;
  }
  function logNdtr(x) {
    const t = Math.abs(x) / Math.SQRT2;
    if (x > 0) return Math.log1p(-0.5 * erfc(t));
    if (t < FAR) return Math.log(0.5 * erfc(t));
    return -t * t + Math.log(0.5 * scaledErfc(t));
  }
  function ndtriExp(y) {
    let x = -Math.sqrt(Math.max(0, -2 * y));
    for (let k = 0; k < 200; k += 1) {
      const value = logNdtr(x);
      const slope2 = Math.exp(-0.5 * x * x - LN_SQRT_2_PI - value);
      const step = (value - y) / slope2;
      x -= step;
      if (Math.abs(step) <= 1e-15 * Math.max(1, Math.abs(x))) break;
    }
    return x;
  }
  function gammaincc(degrees, x) {
    if (x <= 0) return 1;
    const isOdd = degrees % 2 === 1;
    let a = isOdd ? 0.5 : 1;
    let chance = isOdd ? erfc(Math.sqrt(x)) : Math.exp(-x);
    let term = isOdd ? 2 * Math.sqrt(x) * Math.exp(-x) / SQRT_PI : x * Math.exp(-x);
    while (2 * a < degrees) {
      chance += term;
      a += 1;
      term *= x / a;
    }
    return chance;
  }
  function surpriseOf(size) {
    return -(logNdtr(-size) + LN_2) / Math.LN10;
  }

  // src/wording.js
  var GLYPHS = [
    [/>= ?/g, "≥ "],
    [/<= ?/g, "≤ "],
    [/\+- ?/g, "± "],
    [/(?<=\d) ?10\^9\/L/g, " × 10⁹/L"],
    [/\b10\^9\/L/g, "× 10⁹/L"],
    [/\bumol\/L/g, "µmol/L"],
    [/\bug(?=[/ ]|$)/g, "µg"],
    [/\bdegC\b/g, "°C"],
    [/\bx ULN\b/g, "× ULN"],
    [/(?<=\S) x (?=\S)/g, " × "],
    [/(?<![^\s(])-(?=\d)/g, "−"]
  ];
  function typeset(text) {
    return GLYPHS.reduce((said3, [pattern, glyph]) => said3.replace(pattern, glyph), text);
  }
  function unitInWords(unit) {
    return unit === "1" ? "" : typeset(unit);
  }
  function significant(value) {
    if (Math.abs(value) < 100) return typeset(general(value, 3));
    return grouped(value).replace("-", "−");
  }
  function amount(name, number2, unit) {
    const words = name === "dose_intensity" ? "times the usual" : unit === "1" ? "" : unit;
    return `${number2} ${words}`.trim();
  }
  function of100(risk) {
    return round(100 * risk);
  }
  function aboutOf100(risk) {
    const whole = of100(risk);
    if (whole === 0 && risk > 0) return "fewer than 1";
    if (whole === 100 && risk < 1) return "more than 99";
    return `about ${whole}`;
  }
  function rangeOf100(low, high) {
    return `${of100(low)} to ${of100(high)} of 100`;
  }
  function hoursInWords(hours) {
    return hours < 72 ? `${fixed(hours, 0)} hours` : `${fixed(hours / 24, 0)} days`;
  }
  function windowInWords(days2, landmarkHours) {
    const begin = landmarkHours ? `later than ${hoursInWords(landmarkHours)} and ` : "";
    return `${begin}within ${general(days2)} days after the first dose`;
  }
  function shortLabel(label2) {
    return typeset(label2.split(" (")[0]);
  }
  function plainName(name) {
    return typeset(name.replaceAll("_", " "));
  }
  function listed(words) {
    if (words.length < 2) return words[0] ?? "none";
    return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
  }
  function flagInWords(column, value) {
    const [no, yes, missing] = column === "is_female" ? ["male", "female", "not recorded"] : ["no", "yes", "not measured"];
    return Number.isNaN(value) ? missing : value ? yes : no;
  }

  // src/explain.js
  var NEARLY_EQUAL = 1e-6;
  var SMALL = 5e-3;
  var COURSE = /^(.+?)__(?:(max|min|slope|onset)__)?h(\d+)$/;
  var THERAPY = ["product", "platform"];
  function medianPatient(model, row2) {
    const known = model.contract.median_patients;
    const of = (group, name) => known.find((one) => one.group === group && one.name === name);
    const found = of("product", wordOf(row2, "product")) ?? of("platform", wordOf(row2, "platform")) ?? of("all", "");
    if (found === void 0) throw new Error("a model without the median patient of all");
    return found;
  }
  function explain(model, row2) {
    const { variables, columns } = model.contract;
    const { intercept, slope: slope2 } = model.document.calibrator;
    const reference = medianPatient(model, row2);
    const other = {};
    for (const { name } of columns) {
      other[name] = THERAPY.includes(name) ? row2[name] ?? null : reference.values[name] ?? null;
    }
    const here = filled(features(model, row2), model.fill);
    const there = filled(features(model, other), model.fill);
    const found = referenceShapley(model.forest, here, there, model.players, variables.length);
    const contributions = found.map((share) => slope2 * share);
    const baseLogOdds = intercept + slope2 * rawLogOdds(model.forest, there);
    const risk = expit(intercept + slope2 * rawLogOdds(model.forest, here));
    return {
      reference,
      baseLogOdds,
      contributions,
      reasons: reasonsOf(model, row2, risk, baseLogOdds, contributions)
    };
  }
  function reasonsOf(model, row2, risk, baseLogOdds, contributions) {
    const total = contributions.reduce((sum, share) => sum + share, 0);
    const base = expit(baseLogOdds);
    const end = expit(baseLogOdds + total);
    const steepness = Math.abs(total) < NEARLY_EQUAL ? end * (1 - end) : (end - base) / total;
    const points = Array.from(contributions, (share) => share * steepness);
    const whole = wholePoints(points, round(100 * risk) - round(100 * base));
    return model.contract.variables.map((variable, place) => {
      const value = said(model, variable, row2);
      return {
        variable,
        value,
        points: points[place],
        wholePoints: whole[place],
        ...inWords(variable, value, points[place], whole[place])
      };
    }).sort((one, other) => Math.abs(other.points) - Math.abs(one.points));
  }
  function wholePoints(points, total) {
    const exact = points.map((value) => 100 * value);
    const whole = exact.map(Math.trunc);
    const short = total - whole.reduce((sum, value) => sum + value, 0);
    const sign = short > 0 ? 1 : -1;
    const left = exact.map((value, place) => Math.max(sign * (value - whole[place]), 0));
    const order = [...exact.keys()].sort(
      (one, other) => left[other] - left[one] || Math.abs(exact[other]) - Math.abs(exact[one])
    );
    for (const place of order.slice(0, Math.abs(short))) whole[place] += sign;
    return whole.map((value) => value || 0);
  }
  function featuresOf(model, variable) {
    return model.contract.features.filter((feature) => feature.variable === variable.name).map((feature) => feature.name);
  }
  function said(model, variable, row2) {
    if (model.columns.get(variable.name)?.kind === "word") {
      return wordOf(row2, variable.name).replaceAll("_", " ") || "not given";
    }
    const names2 = featuresOf(model, variable);
    if (variable.theme === "course") {
      return courseInWords(
        names2.map((name) => [name, numberOf(row2, name)]),
        variable.unit
      );
    }
    const shown = names2.includes(variable.name) ? variable.name : names2.find((name) => name.includes("__max__")) ?? names2[0];
    const value = numberOf(row2, shown);
    if (model.columns.get(shown)?.kind === "flag") return flagInWords(shown, value);
    if (Number.isNaN(value)) return "not measured";
    return amount(variable.name, number(value), variable.unit);
  }
  function inWords(variable, value, points, whole) {
    const usual2 = variable.usual !== null && value !== "not measured" ? ` (usual ${general(variable.usual[0])} to ${general(variable.usual[1])})` : "";
    const size = whole ? `about ${Math.abs(whole)} of 100` : "less than 1 of 100";
    const direction = points > 0 ? "raises" : points < 0 ? "lowers" : "does not change";
    const end = points ? ` by ${size}` : "";
    const marker = {
      cause: "",
      marker: "; it travels with causes, without an effect of its own",
      mediator: "; it is part of the reaction, not its origin"
    }[variable.kind];
    const start = `${variable.label}: ${value}${usual2}`;
    const why2 = `(${variable.why}${marker}).`;
    return { sentence: `${start} ${direction} the risk${end} ${why2}`, short: `${start} ${why2}` };
  }
  function courseInWords(values, unit) {
    const parts = {};
    let hour = "";
    for (const [name, value] of values) {
      const named = COURSE.exec(name);
      if (named !== null && !Number.isNaN(value)) {
        parts[named[2] ?? "last"] = value;
        hour = named[3];
      }
    }
    const level = parts.last ?? parts.max ?? parts.min;
    if (level === void 0) return "not measured";
    if (values.some(([name]) => name.startsWith("grade__"))) return gradeInWords(parts, hour);
    const start = `${number(level)} ${unit} ${"last" in parts ? "at" : "by"} ${hour} h`;
    const more = [];
    if ("last" in parts && "max" in parts) {
      const isLast = parts.max <= parts.last;
      more.push(isLast ? "the highest so far" : `highest ${number(parts.max)} ${unit}`);
    }
    if ("slope" in parts) more.push(slopeInWords(parts.slope, level, unit));
    return more.length ? `${start} (${more.join(", ")})` : start;
  }
  function gradeInWords(parts, hour) {
    if (!parts.max) return `no CRS by ${hour} h`;
    const first = "onset" in parts ? ` (first seen by ${general(parts.onset)} h)` : "";
    return `grade ${general(parts.max)} by ${hour} h${first}`;
  }
  function slopeInWords(slope2, level, unit) {
    const isSmall = Math.abs(slope2) < SMALL * Math.abs(level);
    if (slope2 === 0 || unit !== "degC" && unit !== "%" && isSmall) return "unchanged";
    const size = general(Number(general(Math.abs(slope2), 2)));
    return `${slope2 > 0 ? "rising" : "falling"} by ${size} ${unit} an hour`;
  }
  function number(value) {
    return Math.abs(value) >= 100 ? fixed(value, 0) : general(value, 3);
  }

  // src/applicability.js
  var LEAST = 22250738585072014e-324;
  var NAMED = 3;
  var SAME = 1e-9;
  function chainOf(summary, row2) {
    const product = `product ${wordOf(row2, "product")}`;
    const platform = `platform ${wordOf(row2, "platform")}`;
    const grade = summary.grade_column === null ? NaN : numberOf(row2, summary.grade_column);
    const end = Number.isNaN(grade) ? "" : `, grade ${general(grade)}`;
    const names2 = [product + end, platform + end, ...end ? [`all${end}`] : [], "all"];
    return names2.filter((name) => name in summary.groups);
  }
  function scoreOf(spread2, value) {
    const { knots, scores, low, high } = spread2;
    const last = knots.length - 1;
    if (value > knots[last] + SAME) return -ndtriExp(high[0] - (value - knots[last]) / high[1]);
    if (value < knots[0] - SAME) return ndtriExp(low[0] - (knots[0] - value) / low[1]);
    if (value >= knots[last]) return scores[last];
    if (value <= knots[0]) return scores[0];
    const at = knots.findIndex((knot) => knot > value) - 1;
    const slope2 = (scores[at + 1] - scores[at]) / (knots[at + 1] - knots[at]);
    return slope2 * (value - knots[at]) + scores[at];
  }
  function squaredDistance(scores, correlation) {
    const factor = correlation.map((numbers) => numbers.slice());
    const solved = scores.slice();
    let squared = 0;
    for (let row2 = 0; row2 < scores.length; row2 += 1) {
      for (let column = 0; column <= row2; column += 1) {
        let sum = correlation[row2][column];
        for (let k = 0; k < column; k += 1) sum -= factor[row2][k] * factor[column][k];
        factor[row2][column] = row2 === column ? Math.sqrt(sum) : sum / factor[column][column];
      }
      let left = scores[row2];
      for (let k = 0; k < row2; k += 1) left -= factor[row2][k] * solved[k];
      solved[row2] = left / factor[row2][row2];
      squared += solved[row2] ** 2;
    }
    return squared;
  }
  function whyOutside(model, row2) {
    const summary = model.document.applicability;
    if (summary === null) return "";
    const chain = chainOf(summary, row2);
    const groupOf2 = (name) => chain.find((group) => name in summary.groups[group]);
    const scores = summary.columns.map((name, place) => {
      const group = groupOf2(name);
      const value2 = Math.asinh(3 * numberOf(row2, name) / summary.scales[place]);
      if (group === void 0 || Number.isNaN(value2)) return NaN;
      return scoreOf(summary.groups[group][name], value2);
    });
    const known = [...scores.keys()].filter((place) => !Number.isNaN(scores[place]));
    const largest = Math.max(0, ...known.map((place) => Math.abs(scores[place])));
    const value = surpriseOf(largest);
    let combination = 0;
    if (known.length) {
      const squared = squaredDistance(
        known.map((place) => scores[place]),
        known.map((place) => known.map((other) => model.correlation[place][other]))
      );
      combination = -Math.log(Math.max(gammaincc(known.length, squared / 2), LEAST)) / Math.LN10;
    }
    const isFar = value / summary.value_limit > 1;
    if (!isFar && !(combination / summary.combination_limit > 1)) return "";
    const rate = `1 of ${grouped(1 / summary.false_alarm_rate)} of them`;
    if (value > summary.value_limit) {
      const beyond = known.map((place) => ({ place, size: surpriseOf(Math.abs(scores[place])) })).sort((one, other) => other.size - one.size).filter(({ size }) => size > summary.value_limit).slice(0, NAMED).map(({ place }) => usual(model, summary, place, groupOf2(summary.columns[place]) ?? ""));
      return `Cannot estimate: ${beyond.join(" and ")}; farther out than ${rate}.`;
    }
    const pair2 = farthestPair(model, scores, known).map((k) => label(model, summary.columns[k]));
    const whom = chain.length ? groupInWords(chain[0]) : "";
    return `Cannot estimate: no training patients ${whom} had values that go together like these, above all ${pair2[0]} with ${pair2[1]}; farther out than ${rate}.`;
  }
  function label(model, name) {
    return model.document.labels[name].label;
  }
  function farthestPair(model, scores, known) {
    let pair2 = [known[0], known[0]];
    let farthest2 = -Infinity;
    known.forEach((first, place) => {
      for (const second of known.slice(place + 1)) {
        const [one, other] = [scores[first], scores[second]];
        const tie = model.correlation[first][second];
        const far = (one ** 2 + other ** 2 - 2 * tie * one * other) / (1 - tie ** 2);
        if (far > farthest2) [farthest2, pair2] = [far, [first, second]];
      }
    });
    return pair2;
  }
  function usual(model, summary, place, group) {
    const name = summary.columns[place];
    const spread2 = summary.groups[group][name];
    const ends = [spread2.knots[0], spread2.knots[spread2.knots.length - 1]].map(
      (end) => general(Math.sinh(end) * summary.scales[place] / 3, 3)
    );
    const share = ndtr(spread2.scores[spread2.scores.length - 1]) - ndtr(spread2.scores[0]);
    const many = share > 0.9 ? "nearly all" : `${fixed(100 * share, 0)} of 100`;
    const unit = model.columns.get(name)?.unit ?? "1";
    const span = ends.join(" to ");
    const told = unit === "1" ? span : amount(name, span, unit);
    return `${label(model, name)} (${name}) is far from that of training patients ${groupInWords(group)} (${many}: ${told})`;
  }
  function groupInWords(group) {
    const [kind, grade = ""] = group.split(", grade ");
    const [what, ...rest] = kind.split(" ");
    const name = rest.join(" ");
    const whom = what === "product" ? `under ${name}` : what === "platform" ? `of the platform ${name}` : "of any product";
    return grade ? `${whom} with worst CRS grade ${grade} so far` : whom;
  }

  // src/identity.js
  var SEX = ["male", "female"];
  function plain(text) {
    return text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  }
  function productNamed(text, facts) {
    return facts.product_names[plain(text)] ?? null;
  }
  function contradictions(row2, facts) {
    const found = [];
    const product = wordOf(row2, "product");
    const platform = wordOf(row2, "platform");
    const known = productNamed(product, facts);
    const own = known === null ? null : facts.platform_of[known];
    if (own !== null && own !== platform && facts.platforms.includes(platform)) {
      found.push({
        column: "platform",
        expected: `product and platform of one therapy: ${product} is of the platform ${own}`
      });
    }
    const type = wordOf(row2, "tumour_type");
    const tumour = facts.tumour_types[type] ?? facts.tumour_types[plain(type)];
    if (tumour === void 0) return found;
    const sex = numberOf(row2, "is_female");
    if (tumour.is_female !== null && !Number.isNaN(sex) && sex !== tumour.is_female) {
      found.push({
        column: "is_female",
        expected: `sex and tumour type of one patient: ${type} is of ${SEX[tumour.is_female]} patients alone`
      });
    }
    const youngest = tumour.youngest_years;
    if (youngest >= facts.adult_years && numberOf(row2, "age_years") < youngest) {
      found.push({
        column: "age_years",
        expected: `age and tumour type of one patient: ${type} is of adults, ${general(youngest)} years or older`
      });
    }
    return found;
  }

  // src/predict.js
  var OTHER_PLATFORM = "other";
  function predict(model, identity, row2) {
    const { refusals, warnings, missing } = account(model, row2);
    let reasons = [...refusals, ...warnings];
    const because = [...refusals];
    let isRefused = refusals.length > 0;
    const product = wordOf(row2, "product");
    const levels = model.columns.get("product")?.levels;
    if (!isRefused && levels && product !== "" && !levels.includes(product)) {
      isRefused = true;
      reasons = [`product is not one that ${model.document.label} was trained on.`];
      because.push(reasons[0]);
    }
    for (const { column, expected } of contradictions(row2, identity)) {
      isRefused = true;
      const told = `${column} contradicts another column; expected ${expected}.`;
      reasons.unshift(told);
      because.unshift(told);
    }
    const outside = isRefused ? "" : whyOutside(model, row2);
    if (outside) {
      reasons.unshift(outside);
      because.unshift(outside);
    }
    const value = logOdds(model, row2);
    return {
      logOdds: value,
      risk: isRefused || outside ? null : expit(value),
      status: isRefused ? "refused" : outside ? "cannot estimate" : warnings.length ? "warned" : "ok",
      reasons,
      because,
      missing
    };
  }
  function account(model, row2) {
    const refusals = [];
    const warnings = [];
    const missing = [];
    for (const column of model.contract.columns) {
      const { name } = column;
      const word = wordOf(row2, name);
      const number2 = numberOf(row2, name);
      const isMissing = column.kind === "word" ? word === "" : Number.isNaN(number2);
      if (isMissing) {
        missing.push(name);
        if (!column.was_missing_in_training) {
          warnings.push(`${name} is missing, but was known of every training patient.`);
        }
        continue;
      }
      if (column.kind === "word") {
        if (!column.levels.includes(word)) {
          warnings.push(
            `${name} is not one that the model was trained on: its own effect is unknown, the risk rests on the rest.`
          );
        }
        if (name === "platform" && word === OTHER_PLATFORM && !column.levels.includes(word)) {
          refusals.push(
            `platform ${OTHER_PLATFORM} is none of those that the model was trained on: a model that was trained on such patients is needed.`
          );
        }
      } else if (isImpossible(number2, column)) {
        refusals.push(`${name} is impossible: outside ${inUnit(column.possible, column)}.`);
      } else if (isOutside(number2, column.trained)) {
        const seen = inUnit(column.trained, column);
        warnings.push(
          `${name} is outside what the model has seen, ${seen}: the trees go on as at the edge.`
        );
      }
    }
    for (const group of model.contract.refused) {
      if (isInGroup(row2, group)) refusals.push(`No risk is given for ${groupInWords2(group)}.`);
    }
    return { refusals, warnings, missing };
  }
  function isImpossible(value, column) {
    if (column.kind === "flag") return value !== 0 && value !== 1;
    return isOutside(value, column.possible);
  }
  function isOutside(value, span) {
    return span !== null && (value < span[0] || value > span[1]);
  }
  function inUnit(span, column) {
    const unit = column.unit === "1" ? "" : column.unit;
    const ends = span === null ? "any range" : `${general(span[0])} to ${general(span[1])}`;
    return `${ends} ${unit}`.trim();
  }
  function isInRefusedGroup(model, row2) {
    return model.contract.refused.some((group) => isInGroup(row2, group));
  }
  function isInGroup(row2, group) {
    return group.bounds.every(({ column, at_least, below }) => {
      const value = numberOf(row2, column);
      return value >= (at_least ?? -Infinity) && value < (below ?? Infinity);
    });
  }
  function groupInWords2(group) {
    return `${group.bounds.map(boundInWords).join(" and ")}: ${group.reason}`;
  }
  function boundInWords({ column, at_least, below }) {
    const low = at_least === null ? [] : [`>= ${general(at_least)}`];
    const high = below === null ? [] : [`< ${general(below)}`];
    return `${column} ${[...low, ...high].join(" and ")}`;
  }

  // src/risk.js
  function sampleSd(values) {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return Math.sqrt(squares / (values.length - 1));
  }
  function refitRange(model, value, refits) {
    const { refit_reach: quantile2 } = model.document;
    if (!refits.length || quantile2 === null) return { value: expit(value), low: NaN, high: NaN };
    const reach = quantile2 * sampleSd(refits);
    return { value: expit(value), low: expit(value - reach), high: expit(value + reach) };
  }
  function overWorlds(model, worlds, value, refits, row2) {
    const found = worlds.products[wordOf(row2, "product")] ?? worlds.new_products[wordOf(row2, "platform")] ?? worlds.new_products[""];
    const mean = value + found.shift + found.tilt * (value - found.centre);
    const inside = Math.min(Math.max(value, found.low), found.high) - found.centre;
    const own = Math.exp(found.log_sd + found.log_sd_tilt * inside);
    const reach = model.document.world_reach * Math.hypot(own, refits.length ? sampleSd(refits) : 0);
    return { value: expit(value), low: expit(mean - reach), high: expit(mean + reach) };
  }
  function nested(two, three) {
    if (three === null) return { grade2plus: two, grade3plus: null };
    const smaller = (one, other) => Number.isNaN(one) ? other : Number.isNaN(other) ? one : Math.min(one, other);
    return {
      grade2plus: two,
      grade3plus: {
        value: three.value,
        low: smaller(three.low, two.low),
        high: smaller(three.high, two.high)
      }
    };
  }
  function patientRisk(pair2, row2) {
    const models = pair2.grade3plus === null ? [pair2.grade2plus] : [pair2.grade2plus, pair2.grade3plus];
    const values = models.map((model) => logOdds(model, row2));
    const refits = models.map((model) => refitLogOdds(model, row2));
    let isHeld = false;
    if (models.length > 1) {
      isHeld = values[1] > values[0];
      values[1] = Math.min(values[1], values[0]);
      if (refits[0].length && refits[0].length === refits[1].length) {
        refits[1] = refits[1].map((value, place) => Math.min(value, refits[0][place]));
      }
    }
    const ranges = models.map((model, k) => refitRange(model, values[k], refits[k]));
    const range = nested(ranges[0], ranges[1] ?? null);
    const worlds = models.flatMap((model) => model.document.worlds ?? []);
    if (worlds.length < models.length) {
      return { ...range, isHeld, holds: "refitting", refitRange: null };
    }
    const first = models.map((model, k) => overWorlds(model, worlds[k], values[k], refits[k], row2));
    const isKnown = worlds.every((spread2) => wordOf(row2, "product") in spread2.products);
    return {
      ...nested(first[0], first[1] ?? null),
      isHeld,
      holds: isKnown ? "refitting and assumptions" : "refitting, assumptions and products",
      refitRange: refits[0].length ? range : null
    };
  }

  // src/warnings.js
  var PLAN = [
    "is_stepped_up",
    "has_steroid_premedication",
    "has_tocilizumab_prophylaxis",
    "has_lymphodepletion"
  ];
  var MOST_MISSING = 3;
  var MATTERS = 5;
  function missingGroups(model, row2) {
    const groups = /* @__PURE__ */ new Map();
    for (const { name, kind } of model.contract.columns) {
      const [stem, rest] = name.split(/__(.*)/s);
      if (kind === "word" || !Number.isNaN(numberOf(row2, name))) continue;
      const onset = (rest ?? "").startsWith("onset__");
      if (onset && !(numberOf(row2, `grade__max__${rest.slice("onset__".length)}`) >= 1)) continue;
      const key2 = rest === void 0 ? stem : `${stem}__`;
      groups.set(key2, [...groups.get(key2) ?? [], name]);
    }
    return [...groups.values()];
  }
  function missingRanges(model, row2) {
    const group = model.document.reference[wordOf(row2, "product")];
    if (group === void 0) return [];
    const ranges = [];
    for (const names2 of missingGroups(model, row2)) {
      const isFlag = model.columns.get(names2[0])?.kind === "flag";
      const end = (flag, known) => Object.fromEntries(
        names2.map((name) => [
          name,
          model.columns.get(name)?.kind === "flag" ? flag : known[name] ?? null
        ])
      );
      const ends = [end(0, group.low), end(1, group.high)];
      if (ends.some((one) => one[names2[0]] === null)) continue;
      const rows = ends.map((one) => ({ ...row2, ...one }));
      if (rows.some((one) => isInRefusedGroup(model, one))) continue;
      const [low, high] = rows.map((one) => expit(logOdds(model, one)));
      ranges.push({
        column: names2[0],
        values: isFlag ? [0, 1] : [Number(ends[0][names2[0]]), Number(ends[1][names2[0]])],
        risks: [low, high]
      });
    }
    const width = (one) => Math.abs(one.risks[1] - one.risks[0]);
    return ranges.sort((one, other) => width(other) - width(one));
  }
  function warningsAbout(pair2, product, row2, risk) {
    const model = pair2.grade2plus;
    return [
      ...untrainedPlan(model, product, row2),
      ...outsideTraining(model, row2),
      ...missingValues(model, row2),
      ...modelsDiffer(risk)
    ];
  }
  function untrainedPlan(model, product, row2) {
    const seen = model.document.reference[product.name]?.seen ?? {};
    const strange = PLAN.filter(
      (name) => name in seen && !seen[name].includes(Boolean(row2[name]))
    ).map((name) => model.document.labels[name].label.toLowerCase());
    if (!strange.length) return [];
    return [
      `No training patient under ${shortLabel(product.label)} had this plan (${strange.join(", ")} as here): the model cannot know its effect.`
    ];
  }
  function outsideTraining(model, row2) {
    return model.contract.columns.flatMap((column) => {
      const value = numberOf(row2, column.name);
      if (column.trained === null || !isOutside(value, column.trained)) return [];
      const span = column.trained.map(significant).join(" to ");
      return [
        `${labelOf(model, column)} ${inUnit2(model, column, significant(value))} is outside what training patients had (${inUnit2(model, column, span)}): the model goes on as at the edge.`
      ];
    });
  }
  function missingValues(model, row2) {
    const columns = missingGroups(model, row2).map((names3) => names3[0]);
    const told = missingRanges(model, row2).filter(({ risks }) => Math.abs(of100(risks[1]) - of100(risks[0])) >= MATTERS).slice(0, MOST_MISSING);
    const others = columns.filter((name) => !told.some((one) => one.column === name));
    const measured = others.filter((name) => name !== "is_female");
    const names2 = measured.map((name) => model.document.labels[name].label).join(", ");
    const sentences = told.map((missing) => missingSentence(model, missing));
    if (measured.length < others.length) sentences.push("Sex not recorded.");
    if (measured.length) sentences.push(`${told.length ? "Also not" : "Not"} measured: ${names2}.`);
    return sentences;
  }
  function missingSentence(model, missing) {
    const column = (
      /** @type {Column} */
      model.columns.get(missing.column)
    );
    const [low, high] = missing.risks.map(of100);
    const label2 = labelOf(model, column);
    if (missing.column === "is_female") {
      return `Sex not recorded: ${low} of 100 if male, ${high} if female.`;
    }
    if (column.kind === "flag") {
      return `${label2} not known: ${low} of 100 without, ${high} with it.`;
    }
    const { unit } = model.document.labels[missing.column];
    const ends = missing.values.map((value) => `${significant(value)} ${unit}`.trim());
    return `${label2} not measured: ${low} of 100 if low (${ends[0]}), ${high} if high (${ends[1]}).`;
  }
  function modelsDiffer(risk) {
    if (!risk.isHeld) return [];
    return [
      "The model for grade 3 or more said more than the one for grade 2 or more, which cannot be: it is held at that value. Both numbers are unsure."
    ];
  }
  function labelOf(model, column) {
    return model.document.labels[column.name].label;
  }
  function inUnit2(model, column, text) {
    return amount(column.name, text, model.document.labels[column.name].unit || "1");
  }

  // src/content.js
  var FEWEST_VALUES = 3;
  var N_REASONS = 3;
  function contentOf(page, pair2, entries) {
    const { product, problems, count } = entries;
    if (product === null && !problems.has("product")) return waiting("Choose a product.");
    if (problems.size || product === null) {
      return waiting(`Correct what is marked (${problems.size}), then the number is shown.`);
    }
    if (count < FEWEST_VALUES) {
      const left = FEWEST_VALUES - count;
      return waiting(`Fill in ${left} more value${left > 1 ? "s" : ""} of the patient.`);
    }
    if (pair2 === null) return waiting("The model is being unpacked.");
    const { contract } = pair2.grade2plus;
    let { row: row2 } = entries;
    if (contract.landmark_h) {
      const course2 = withCourse(row2, entries.readings, contract, page.hours);
      if ("problem" in course2) return waiting(course2.problem);
      row2 = course2.row;
    }
    return { ...answerOf(page, pair2, product, row2), row: row2 };
  }
  function answerOf(page, pair2, product, row2) {
    const prediction = predict(pair2.grade2plus, page.identity, row2);
    if (prediction.risk === null) {
      const because = prediction.because.map((text) => inLabels(text, pair2.grade2plus));
      return { kind: "cannot", because, instead: [], warnings: [] };
    }
    return riskAnswer(page, pair2, product, row2);
  }
  function inLabels(text, model) {
    const names2 = Object.keys(model.document.labels).sort((one, other) => other.length - one.length);
    const told = names2.reduce(
      (said3, name) => said3.replaceAll(` (${name})`, "").replace(new RegExp(`(?<!\\w)${name}(?!\\w)`, "g"), model.document.labels[name].label),
      text.replace(/^Cannot estimate: /, "")
    );
    return typeset(told[0].toUpperCase() + told.slice(1));
  }
  function waiting(text) {
    return { kind: "waiting", text };
  }
  function riskAnswer(page, pair2, product, row2) {
    const { contract, document: document2 } = pair2.grade2plus;
    const landmark = contract.landmark_h;
    const risk = patientRisk(pair2, row2);
    const days2 = contract.window_d[product.platform] ?? contract.window_d.default;
    const window = windowInWords(days2, landmark);
    const whom = landmark ? `patients like this one at ${hoursInWords(landmark)}, without grade 2 or more so far` : "patients like this one";
    const graded = ({ value: value2, low: low2, high: high2 }, start, end) => ({
      value: value2,
      low: Number.isNaN(low2) ? null : low2,
      high: Number.isNaN(high2) ? null : high2,
      count: aboutOf100(value2).replace(/^about /, ""),
      sentence: `${start}, ${aboutOf100(value2)} would develop ${end}.`,
      range: Number.isNaN(low2) ? "" : rangeOf100(low2, high2)
    });
    const range = risk.refitRange?.grade2plus;
    const { value, low, high } = risk.grade2plus;
    const covers = document2.covers[risk.holds];
    const isInside = !(value < low || value > high);
    return {
      kind: "risk",
      grade2plus: graded(
        risk.grade2plus,
        `Of 100 ${whom}`,
        `CRS of grade 2 or more ${window}`
      ),
      grade3plus: risk.grade3plus && graded(risk.grade3plus, "Of the same 100", "grade 3 or more"),
      interval_name: page.interval_names[risk.holds],
      covers: Number.isNaN(low) || !covers ? "" : `${covers}.${isInside ? "" : " The number itself lies outside: most worlds disagree with it."}`,
      refit_range: range ? `${page.interval_names.refitting} alone ${rangeOf100(range.low, range.high)} (95%, ${document2.refits?.refits.length} refits).` : "",
      beside: "",
      warnings: warningsAbout(pair2, product, row2, risk).map(typeset),
      reasons: reasonLines(product, landmark, explain(pair2.grade2plus, row2), risk)
    };
  }
  function reasonLines(product, landmark, explanation, risk) {
    const base = of100(expit(explanation.baseLogOdds));
    const told = explanation.reasons.map(({ wholePoints: wholePoints2, short }) => ({
      of_100: wholePoints2,
      text: typeset(short)
    }));
    const up = told.filter(({ of_100: whole }) => whole > 0).slice(0, N_REASONS);
    const down = told.filter(({ of_100: whole }) => whole < 0).slice(0, N_REASONS);
    const shown = [...up, ...down].reduce((sum, { of_100: whole }) => sum + whole, 0);
    const name = referenceInWords(explanation.reference, product, landmark);
    return {
      start: `The reasons start from ${name}: ${base} of 100.`,
      up,
      down,
      rest: of100(risk.grade2plus.value) - base - shown
    };
  }
  function referenceInWords(reference, product, landmark) {
    const name = reference.group === "product" ? `the median patient under ${shortLabel(product.label)}` : reference.group === "platform" ? `the median patient under products of the platform ${plainName(reference.name)}, given this one` : "the median of all training patients, given this product";
    return name + (landmark ? ` still at risk at ${hoursInWords(landmark)}` : "");
  }
  function publishedRates(page, product, grade) {
    return page.published.filter((one) => one.product === product.name && one.grade === grade);
  }
  function signed(whole) {
    return whole > 0 ? `+${whole}` : whole < 0 ? `−${-whole}` : "0";
  }

  // src/dom.js
  var SVG = "http://www.w3.org/2000/svg";
  function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    set(element, attributes);
    element.append(...nodes(children));
    return element;
  }
  function byId(id) {
    const found = document.getElementById(id);
    if (found === null) throw new Error(`the page has no #${id}`);
    return found;
  }
  function svg(tag, attributes = {}, ...children) {
    const element = document.createElementNS(SVG, tag);
    set(element, attributes);
    element.append(...nodes(children));
    return element;
  }
  function nodes(children) {
    return children.flatMap((child) => {
      if (Array.isArray(child)) return nodes(child);
      return child === null || child === false ? [] : [child];
    });
  }
  function set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === void 0 || value === false) continue;
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }

  // src/comparison.js
  var PERSON = "M5 0a2.3 2.3 0 1 1 0 4.6a2.3 2.3 0 1 1 0 -4.6M1.6 5.4h6.8a1 1 0 0 1 1 1v5.2a1 1 0 0 1 -1 1h-6.8a1 1 0 0 1 -1 -1v-5.2a1 1 0 0 1 1 -1";
  var [STEP_X, STEP_Y, IN_A_ROW, PEOPLE] = [17, 18, 10, 100];
  function comparisonPanel(comparison) {
    const { baseline, alternatives, starts_at_model: isOne, why_none: whyNone } = comparison;
    const shown = h("div", { class: "plans", role: "status" });
    const told = heads(comparison);
    if (baseline === null || alternatives.length === 0) {
      return h("div", { class: "comparison" }, told && h("p", {}, told), h("p", {}, whyNone));
    }
    const show2 = (place) => shown.replaceChildren(...pair(comparison, baseline.shares, alternatives[place]));
    const choice = h(
      "select",
      {},
      ...alternatives.map(({ label: label2 }, place) => h("option", { value: place }, typeset(label2)))
    );
    choice.addEventListener("change", () => show2(Number(choice.value)));
    show2(0);
    return h(
      "div",
      { class: "comparison" },
      isOne ? null : h("p", {}, asSimulated(comparison)),
      h("p", { class: "choices" }, h("label", {}, "Compare with ", choice)),
      shown,
      whyNone ? h("p", { class: "note" }, whyNone) : null,
      h(
        "details",
        {},
        h("summary", {}, "All changes in numbers"),
        h("ul", {}, ...alternatives.map((one) => h("li", {}, inOneLine(baseline.shares, one)))),
        told ? h("p", {}, told) : null,
        h("p", {}, howSimulated(comparison))
      )
    );
  }
  function comparisonLines(comparison) {
    const { baseline, alternatives, why_none: whyNone } = comparison;
    const told = heads(comparison);
    return [
      ...told ? [told] : [],
      ...baseline ? alternatives.map((one) => `- ${inOneLine(baseline.shares, one)}`) : [],
      ...whyNone ? [whyNone] : [],
      ...baseline && alternatives.length ? [`Effect on the tumour ${comparison.effect_on_tumour}.`, howSimulated(comparison)] : []
    ];
  }
  function asSimulated({ risk }) {
    return risk ? "Model and simulator stand further apart than one number can: the comparison is as simulated." : "The comparison is as simulated.";
  }
  function howSimulated({ notice, n_people: people2, seed }) {
    return `${notice} ${people2.toLocaleString("en")} simulated people in each arm, seed ${seed}.`;
  }
  function inOneLine(plan2, changed) {
    const [before, after] = [of100(plan2.grade2plus.value), of100(changed.shares.grade2plus.value)];
    const { label: label2, difference: difference2 } = changed;
    return `${typeset(label2)}: ${before} → ${after} of 100 (${errorAndSpread(difference2.grade2plus)}).${severe(plan2, changed)}`;
  }
  function heads({ model, risk, as_simulated: simulated, starts_at_model: isMoved, window }) {
    if (simulated === null) return null;
    const says = risk ? `Model ${model}: ${shareInWords(risk.grade2plus)}.` : `Model ${model}: cannot estimate.`;
    const moved = isMoved ? "The comparison starts from the model’s number." : asSimulated({ risk });
    const simulator = `Simulated: ${shareInWords(simulated.grade2plus)}, Monte Carlo error ${errorOf(simulated.grade2plus)}.`;
    return `Grade 2 or more ${window}. ${says} ${simulator} ${moved}`;
  }
  function pair(comparison, plan2, changed) {
    const before = of100(plan2.grade2plus.value);
    const after = of100(changed.shares.grade2plus.value);
    const either = Math.min(before, after);
    const differs = Math.abs(before - after);
    const isLess = after <= before;
    const onlyOne = isLess ? "averted" : "only with the change";
    const planLabel = comparison.baseline?.label ?? "";
    return [
      h(
        "div",
        { class: "pair" },
        people(planLabel, before, either, differs, isLess),
        people(changed.label, after, either, differs, !isLess)
      ),
      h(
        "ul",
        { class: "legend" },
        key("either", `${either} either way`),
        key(isLess ? "one" : "other", `${differs} ${onlyOne}`),
        key("none", `${PEOPLE - either - differs} neither way`)
      ),
      h(
        "p",
        {},
        h("b", {}, `${changeInWords(after - before)} of 100`),
        `${spread(changed.difference.grade2plus)}.`,
        severe(plan2, changed),
        " ",
        h("b", {}, `Effect on the tumour ${comparison.effect_on_tumour}.`)
      )
    ];
  }
  function people(label2, count, either, differs, hasThem) {
    const kind = (at) => at < either ? "either" : at >= either + differs ? "none" : hasThem ? "one" : "other";
    return h(
      "figure",
      {},
      h("figcaption", {}, h("b", {}, typeset(label2)), `: ${count} of 100`),
      svg(
        "svg",
        {
          viewBox: `0 0 ${IN_A_ROW * STEP_X - 3} ${PEOPLE / IN_A_ROW * STEP_Y - 1}`,
          role: "img",
          "aria-label": `${typeset(label2)}: ${count} of 100 people have CRS of grade 2 or more`
        },
        ...Array.from({ length: PEOPLE }, (_, at) => person(kind(at), at))
      )
    );
  }
  function person(kind, at) {
    const [x, y] = [2 + STEP_X * (at % IN_A_ROW), 2 + STEP_Y * Math.floor(at / IN_A_ROW)];
    return svg("path", { class: kind, d: PERSON, transform: `translate(${x} ${y})` });
  }
  function key(kind, text) {
    const icon = svg("svg", { viewBox: "-1 -1 12 15", "aria-hidden": "true" });
    icon.append(svg("path", { class: kind, d: PERSON }));
    return h("li", {}, icon, " ", text);
  }
  function severe(plan2, changed) {
    const [before, after] = [plan2.grade3plus, changed.shares.grade3plus];
    if (before === null || after === null) return "";
    const [from, to] = [of100(before.value), of100(after.value)];
    return ` Grade 3 or more: ${from} becomes ${to} of 100.`;
  }
  function changeInWords(whole) {
    if (whole === 0) return "No more and no fewer";
    return `${Math.abs(whole)} ${whole < 0 ? "fewer" : "more"}`;
  }
  function errorAndSpread(difference2) {
    return `Monte Carlo error ${errorOf(difference2)}${spread(difference2)}`;
  }
  function spread({ low, high }) {
    if (low === null || high === null) return "";
    const ends = [of100(low), of100(high)].sort((one, other) => Math.abs(one) - Math.abs(other));
    const isOneWay = ends[0] * ends[1] > 0;
    const told = isOneWay ? `${Math.abs(ends[0])} to ${changeInWords(ends[1])}` : ends.map((end) => end === 0 ? "none" : changeInWords(end)).join(" to ");
    return `; over assumptions ${told}`;
  }
  function shareInWords({ value, low, high }) {
    const range = low === null || high === null ? "" : ` (${of100(low)} to ${of100(high)})`;
    return `${of100(value)} of 100${range}`;
  }
  function errorOf({ mc_error: error }) {
    return error === null ? "unknown" : fixed(100 * error, 1);
  }

  // src/copy.js
  function asText(page, { entered, answer, comparison }, made) {
    const lines = [page.notice, ""];
    lines.push(...entered.map(({ label: label2, value }) => `${label2}: ${value}`), "");
    if (answer.kind === "waiting") return [...lines, answer.text, "", ...made].join("\n");
    if (answer.kind === "cannot") {
      lines.push("Cannot estimate, because:", ...answer.because.map((text) => `- ${text}`));
      lines.push(...answer.instead);
    } else {
      for (const grade of [answer.grade2plus, answer.grade3plus]) {
        if (!grade) continue;
        lines.push(grade.sentence);
        if (grade.range) lines.push(`${answer.interval_name}: ${grade.range}.`);
      }
      if (answer.beside) lines.push(answer.beside);
      lines.push(`Grade 2 (ASTCT, ${page.grades_source}): ${page.grades[2]}.`);
    }
    if (answer.warnings.length) lines.push("", ...answer.warnings.map((text) => `- ${text}`));
    if (answer.kind === "risk") {
      lines.push("", answer.reasons.start);
      for (const reason of [...answer.reasons.up, ...answer.reasons.down]) {
        lines.push(`${signed(reason.of_100)} of 100: ${reason.text}`);
      }
      lines.push(page.explanation_notice);
    }
    if (comparison) lines.push("", "If the plan were changed", ...comparisonLines(comparison));
    return [...lines, "", ...made].join("\n");
  }
  function makeButtons(text) {
    const told = byId("told");
    byId("print").addEventListener("click", () => print());
    byId("copy").addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text());
        told.replaceChildren("Copied.");
      } catch {
        const area = h("textarea", { readonly: true, rows: 12, "aria-label": "Text to copy" });
        area.value = text();
        told.replaceChildren(area);
        area.select();
      }
    });
  }

  // src/axis.js
  var TICKS = [0, 25, 50, 75, 100];
  function axis(groups) {
    const scale = h(
      "div",
      { class: "scale", "aria-hidden": "true" },
      h("div", {}, ...TICKS.map((tick) => h("span", { style: `left: ${tick}%` }, String(tick))))
    );
    return h(
      "div",
      { class: "axis" },
      ...groups.map(({ title, rows }) => [
        h("h3", {}, title),
        h("ul", {}, ...rows.map(drawn))
      ]),
      scale
    );
  }
  function drawn({ label: label2, figure, value, low, high, kind }) {
    const at = (share) => `${(100 * share).toFixed(2)}%`;
    const middle = 8;
    return h(
      "li",
      { class: kind },
      h("span", { class: "label" }, label2, " ", h("b", {}, figure)),
      svg(
        "svg",
        { width: "100%", height: 2 * middle, role: "img", "aria-label": `${of100(value)} of 100` },
        ...TICKS.map(
          (tick) => svg("line", { class: "grid", x1: `${tick}%`, x2: `${tick}%`, y1: 0, y2: 2 * middle })
        ),
        low !== null && high !== null && svg("line", { class: "interval", x1: at(low), x2: at(high), y1: middle, y2: middle }),
        kind === "patient" ? svg("circle", { class: "point", cx: at(value), cy: middle, r: 6 }) : svg("line", { class: "point", x1: at(value), x2: at(value), y1: 1, y2: 2 * middle - 1 })
      )
    );
  }

  // src/regimens.js
  var AS_PLANNED = {
    step_up: "as_planned",
    first_dose_multiple: 1,
    interval_multiple: 1,
    premedication: "as_planned",
    prophylaxis: [],
    liver_metastases_share: null
  };
  var SETTINGS = (
    /** @type {(keyof RegimenSettings)[]} */
    Object.keys(AS_PLANNED)
  );
  var [LOW, MIDDLE, HIGH] = [0.025, 0.5, 0.975];
  function valuesOf(product, name) {
    const texts = new Set(product.arms.map(({ design }) => JSON.stringify(design[name])));
    return [...texts].map((text) => JSON.parse(text));
  }
  function armOf(product, settings) {
    const asked = SETTINGS.map((name) => JSON.stringify(settings[name])).join();
    return product.arms.find(
      ({ design }) => SETTINGS.map((name) => JSON.stringify(design[name])).join() === asked
    );
  }
  function difference(first, second) {
    const changes = second.rates_per_mille.map(
      (rate, member) => (rate - first.rates_per_mille[member]) / 1e3
    );
    return {
      low: quantile(changes, LOW),
      median: quantile(changes, MIDDLE),
      high: quantile(changes, HIGH),
      has_fewer: changes.filter((change) => change < 0).length / changes.length
    };
  }
  function atThreshold(change, percent, harm) {
    const found = change.thresholds.find((one) => one.percent === percent);
    if (found === void 0) throw new Error(`no threshold of ${percent}%`);
    return { ...found, net_benefit_per_100: found.averted_per_100 - harm * found.treated_per_100 };
  }
  function yamlOf(grid, product, settings) {
    const isSimulated = armOf(product, settings) !== void 0;
    const lines = SETTINGS.filter(
      (name) => JSON.stringify(settings[name]) !== JSON.stringify(AS_PLANNED[name])
    ).map((name) => `${name}: ${yamlValue(settings[name])}`);
    return [
      `# A regimen ${isSimulated ? "as simulated" : "between simulated ones, to simulate it"}: crsrisk forecast --design regimen.yaml`,
      `product: ${product.product}`,
      ...lines,
      `patients: ${grid.patients}`,
      `seed: ${grid.seed}`,
      ""
    ].join("\n");
  }
  function yamlValue(value) {
    if (Array.isArray(value)) return `[${value.join(", ")}]`;
    return Number.isInteger(value) ? `${value}.0` : String(value);
  }

  // src/between.js
  var SLIDERS = (
    /** @type {SliderName[]} */
    ["first_dose_multiple", "interval_multiple", "liver_metastases_share"]
  );
  var CHOICES = (
    /** @type {Exclude<keyof RegimenSettings, SliderName>[]} */
    Object.keys(AS_PLANNED).filter((name) => !SLIDERS.some((slider) => slider === name))
  );
  var PARTS = (
    /** @type {const} */
    ["median", "low", "high"]
  );
  var CHANGE = "change_of_grade2plus";
  var ACTS_WITHIN_H = 24;
  var OFFSET = 5e-4;
  function shownArm(product, settings) {
    const arm = armOf(product, settings);
    if (arm) return { ...arm, off_per_100: 0, change_off_per_100: 0 };
    const found = ratesBetween(product, settings);
    if (found === void 0) return void 0;
    const { errors } = product.interpolation;
    const figures = (
      /** @type {ShownArm["figures"]} */
      {}
    );
    for (const name of names(found.figures)) {
      const off = errors[name].largest_per_100 / 100;
      const { median, low, high, mc_error } = found.figures[name];
      figures[name] = { median, low: Math.max(low - off, 0), high: Math.min(high + off, 1), mc_error };
    }
    return {
      design: settings,
      figures,
      rates_per_mille: found.members.map((rate) => 1e3 * rate),
      off_per_100: largestError(product),
      change_off_per_100: errors[CHANGE].largest_per_100
    };
  }
  function largestError({ interpolation: { errors } }) {
    return Math.max(
      ...Object.entries(errors).flatMap(([name, { largest_per_100 }]) => name === CHANGE ? [] : [largest_per_100])
    );
  }
  function simulatedValues(product, settings, name) {
    return valuesIn(like(product, settings), name);
  }
  function ratesBetween(product, settings) {
    const arms = like(product, settings);
    const [first, interval, share] = SLIDERS.map(
      (name) => neighbours(settings[name], valuesIn(arms, name), scaleOf(product.doses, name))
    );
    const strata = share.map(([liver_metastases_share, part2]) => ({
      part: part2,
      corners: first.flatMap(
        ([first_dose_multiple, byDose]) => interval.map(([interval_multiple, byInterval]) => ({
          weight: byDose * byInterval,
          arm: arms.find(
            ({ design }) => design.first_dose_multiple === first_dose_multiple && design.interval_multiple === interval_multiple && design.liver_metastases_share === liver_metastases_share
          )
        }))
      )
    }));
    const used = strata.flatMap(({ corners }) => corners.map(({ arm }) => arm));
    const known = used.filter((arm) => arm !== void 0);
    if (known.length === 0 || known.length < used.length) return void 0;
    const mixed = (rateOf) => strata.reduce(
      (sum, { part: part2, corners }) => sum + part2 * shareOf(corners.reduce((all, { weight, arm }) => all + weight * logOdds2(rateOf(
        /** @type {GridArm} */
        arm
      )), 0)),
      0
    );
    const figures = (
      /** @type {GridArm["figures"]} */
      {}
    );
    for (const name of names(known[0].figures)) {
      const [median, low, high] = PARTS.map((part2) => mixed(({ figures: of }) => of[name][part2]));
      const mc_error = Math.max(...known.map(({ figures: of }) => of[name].mc_error));
      figures[name] = { median, low, high, mc_error };
    }
    const members = known[0].rates_per_mille.map(
      (_, member) => mixed(({ rates_per_mille: rates }) => rates[member] / 1e3)
    );
    return { figures, members };
  }
  function actingDoses({ times_h, window_h }, multiple) {
    return times_h.reduce(
      (sum, time) => sum + Math.min(Math.max((window_h - multiple * time) / ACTS_WITHIN_H, 0), 1),
      0
    );
  }
  function scaleOf(doses, name) {
    if (name === "interval_multiple") return (value) => actingDoses(doses, value);
    return name === "first_dose_multiple" ? Math.log : Number;
  }
  function neighbours(value, simulated, scale) {
    if (value === null || simulated.includes(value)) return [[value, 1]];
    const after = simulated.findIndex((one) => one > value);
    if (after < 1) return [];
    const [below, above] = [simulated[after - 1], simulated[after]];
    const used = scale(below) === scale(above) ? Math.log : scale;
    const weight = (used(value) - used(below)) / (used(above) - used(below));
    return [[below, 1 - weight], [above, weight]];
  }
  function like({ arms }, settings) {
    return arms.filter(
      ({ design }) => CHOICES.every((name) => JSON.stringify(design[name]) === JSON.stringify(settings[name]))
    );
  }
  function valuesIn(arms, name) {
    const values = arms.map(({ design }) => design[name]).filter((value) => value !== null);
    return [...new Set(values)].sort((one, other) => one - other);
  }
  function names(figures) {
    return (
      /** @type {GridFigureName[]} */
      Object.keys(figures)
    );
  }
  function logOdds2(rate) {
    return Math.log((rate + OFFSET) / (1 - rate + OFFSET));
  }
  function shareOf(odds) {
    return (1 + 2 * OFFSET) / (1 + Math.exp(-odds)) - OFFSET;
  }

  // src/guidance.js
  var drawn2 = /* @__PURE__ */ new WeakMap();
  function guidancePanels(guidance, waits) {
    const panels = drawn2.get(guidance) ?? panelsOf(guidance, waits);
    drawn2.set(guidance, panels);
    return panels;
  }
  function panelsOf(guidance, waits) {
    return [
      h("h3", { class: "published-title" }, "What is published"),
      panel(
        "Watch",
        h("p", {}, guidance.observation),
        ...waits ? [h("p", {}, `${waits} `, h("span", { class: "mark" }, "[simulated]"))] : [],
        ...guidance.watch.flatMap(groupOf)
      ),
      panel("If fever", listOf(guidance.fever_first), feverTable(guidance)),
      panel("By grade", gradeTable(guidance), ...guidance.any_grade.flatMap(groupOf)),
      panel("After the episode", ...guidance.after.flatMap(groupOf)),
      panel(
        "Sources",
        h("p", {}, `${guidance.about} ${guidance.marks}`),
        h("ol", {}, ...guidance.sources.map(({ citation }) => h("li", {}, citation)))
      )
    ];
  }
  function panel(title, ...inside) {
    return h("details", { class: "guidance" }, h("summary", {}, title), ...inside);
  }
  function groupOf({ title, lines }) {
    return [h("h4", {}, title), listOf(lines)];
  }
  function listOf(lines) {
    return h("ul", {}, ...lines.map((line) => h("li", {}, ...said2(line))));
  }
  function said2({ text, mark }) {
    return mark ? [`${text} `, h("span", { class: "mark" }, `[${mark}]`)] : [text];
  }
  function feverTable({ fever }) {
    const heads2 = ["May be", "Speaks for it", "Speaks against it", "Test that tells"];
    return tableOf(
      "Causes of fever",
      heads2,
      fever.map(({ name, supports, against, tests }) => ({
        name: [name],
        cells: [supports, against, tests]
      }))
    );
  }
  function gradeTable({ management_title: title, management }) {
    return tableOf(
      title,
      ["ASTCT grade", "Published"],
      management.map(({ grade, definition, lines }) => ({
        name: [h("b", {}, `Grade ${grade}`), ` ${definition}`],
        cells: [lines]
      }))
    );
  }
  function tableOf(caption, heads2, rows) {
    return h(
      "table",
      { class: heads2.length > 2 ? "cards causes" : "cards" },
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, ...heads2.map((head) => h("th", { scope: "col" }, head)))),
      h(
        "tbody",
        {},
        ...rows.map(
          ({ name, cells }) => h(
            "tr",
            {},
            h("th", { scope: "row" }, ...name),
            ...cells.map(
              (lines, place) => h(
                "td",
                { "data-head": heads2[place + 1] },
                ...lines.map((line) => h("p", {}, ...said2(line)))
              )
            )
          )
        )
      )
    );
  }

  // src/result.js
  var NO_GRADE_3 = "No model of grade 3 or more stands beside this one.";
  var WORDS_OF_WARNINGS = 45;
  var WEIGHTS = "The model’s weights, no proof of cause.";
  function resultOf(page, { product, entered, answer, compared, spread: spread2, waits, notes }) {
    return [
      headline(page, product, answer, spread2 ?? []),
      ...compared ? [compared] : [],
      ...answer.kind === "risk" ? [why(answer.reasons)] : [],
      ...entered.length ? [enteredOf(entered)] : [],
      ...product ? guidancePanels(product.guidance, waits ?? "") : [],
      ...(notes ?? []).map(opening)
    ];
  }
  function enteredOf(entered, ...below) {
    return h(
      "section",
      { class: "entered" },
      h("h2", {}, "Entered"),
      h(
        "dl",
        {},
        ...entered.map(
          ({ label: label2, value, is_outside: isOutside2 }) => h("div", {}, h("dt", {}, label2), h("dd", {}, isOutside2 ? h("b", {}, value) : value))
        )
      ),
      ...below
    );
  }
  function inShort(answer) {
    if (answer.kind === "waiting") return answer.text;
    if (answer.kind === "cannot") return "Cannot estimate";
    const { count, range } = answer.grade2plus;
    return `Grade 2 or more: ${count} of 100${range ? ` (${range.replace(" of 100", "")})` : ""}`;
  }
  function headline(page, product, answer, spread2) {
    const section = (...inside) => h(
      "section",
      { class: "headline" },
      h("h2", {}, "Risk of cytokine release syndrome (CRS)"),
      ...inside
    );
    if (answer.kind === "waiting") {
      return section(
        h("p", { class: "waiting" }, answer.text),
        product && trials(page, product, null)
      );
    }
    if (answer.kind === "cannot") {
      return section(
        h("p", { class: "cannot" }, "Cannot estimate, because"),
        h("ul", {}, ...answer.because.map((text) => h("li", {}, text))),
        ...answer.instead.map((text) => h("p", {}, text)),
        ...warningsOf(answer.warnings),
        product && trials(page, product, null)
      );
    }
    const { grade2plus, grade3plus } = answer;
    return section(
      h(
        "p",
        { class: "number" },
        h("span", { class: "count" }, grade2plus.count),
        " of 100",
        h("span", { class: "of" }, " grade 2 or more")
      ),
      h(
        "p",
        { class: "interval" },
        grade2plus.range ? `${answer.interval_name}: ${grade2plus.range}` : "No interval is known: the number alone looks surer than it is."
      ),
      h(
        "p",
        {},
        `${grade2plus.sentence} ${grade3plus?.sentence ?? NO_GRADE_3} ${answer.beside}`.trim()
      ),
      ...warningsOf(answer.warnings),
      product && trials(page, product, answer),
      h("p", { class: "note" }, `Grade 2 (ASTCT): ${page.grades[2]}.`),
      h(
        "details",
        {},
        h("summary", {}, "What this means"),
        answer.covers ? h("p", {}, `${answer.interval_name}: ${answer.covers} ${answer.refit_range}`) : null,
        ...spread2.map((text) => h("p", {}, text)),
        h("p", {}, `Grades by ASTCT: ${page.grades_source}. ${page.explanation_notice}`)
      )
    );
  }
  function warningsOf(warnings) {
    const list = (some) => h("ul", { class: "warnings" }, ...some.map((text) => h("li", {}, text)));
    let words = 0;
    const n = warnings.findIndex((text) => (words += text.split(" ").length) > WORDS_OF_WARNINGS);
    const inSight = n < 0 ? warnings.length : Math.max(n, 1);
    const [first, others] = [warnings.slice(0, inSight), warnings.slice(inSight)];
    return [
      first.length > 0 && list(first),
      others.length > 0 && h(
        "details",
        { class: "always-printed" },
        h("summary", {}, `${others.length} more to read first`),
        list(others)
      )
    ];
  }
  function opening({ title, groups }) {
    return h(
      "details",
      { class: "guidance" },
      h("summary", {}, title),
      ...groups.flatMap((group) => [
        group.title ? h("h3", {}, group.title) : null,
        h("ul", {}, ...group.lines.map((line) => h("li", {}, line)))
      ])
    );
  }
  function trials(page, product, answer) {
    const grades = [
      [2, answer?.grade2plus],
      [3, answer?.grade3plus]
    ];
    let count = 0;
    const groups = grades.flatMap(([grade, patient2]) => {
      const published = publishedRates(page, product, grade);
      count += published.length;
      const rows = [...patient2 ? [patientRow(patient2)] : [], ...published.map(trialRow)].map(
        (row2) => ({ ...row2, label: withoutName(row2.label, shortLabel(product.label)) })
      );
      return rows.length ? [{ title: `Grade ${grade} or more`, rows }] : [];
    });
    const name = shortLabel(product.label);
    const told = count ? `${name} in trials: all of their patients, 95% intervals.` : `No trial of ${name} that is known here has published a rate of these grades.`;
    return h(
      "figure",
      {},
      groups.length > 0 && axis(groups),
      h("figcaption", {}, `Of 100. ${told}`)
    );
  }
  function withoutName(label2, name) {
    if (!label2.startsWith(`${name} `) && !label2.startsWith(`${name}, `)) return label2;
    const rest = label2.slice(name.length).replace(/^,? /, "");
    return rest[0].toUpperCase() + rest.slice(1);
  }
  function patientRow({ value, low, high, count, range }) {
    const ends = range ? ` (${range.replace(" of 100", "")})` : "";
    return { label: "This patient", figure: `${count}${ends}`, value, low, high, kind: "patient" };
  }
  function trialRow({ trial, events, n, low, high, is_verified: isVerified }) {
    return {
      label: isVerified ? trial : `${trial}, recalled and not verified`,
      figure: `${of100(events / n)} (${events} of ${n})`,
      value: events / n,
      low,
      high,
      kind: isVerified ? "published" : "recalled"
    };
  }
  function inBrief({ of_100: whole, text }) {
    return `${text.split(":")[0]} ${signed(whole)}`;
  }
  function why({ start, up, down, rest }) {
    const list = (title, some, none) => h(
      "div",
      {},
      h("h4", {}, title),
      h(
        "ul",
        { class: "reasons" },
        ...some.map(
          ({ of_100: whole, text }) => h("li", {}, h("b", {}, signed(whole)), " ", text)
        ),
        some.length === 0 && h("li", {}, none)
      )
    );
    const [raised, lowered] = [up, down].map((some) => some.map(inBrief).join(", "));
    const brief = [raised, lowered].filter(Boolean).join("; ") || "nothing moves it by 1 of 100 or more";
    return h(
      "details",
      { class: "why always-printed", "data-title": "Why" },
      h("summary", {}, h("b", {}, "Why"), ` ${brief}`),
      h("h3", {}, "Why"),
      h("p", { class: "note" }, start),
      h(
        "div",
        { class: "directions" },
        list("Raises the risk", up, "Nothing raises it by 1 of 100 or more."),
        list("Lowers the risk", down, "Nothing lowers it by 1 of 100 or more.")
      ),
      h("p", { class: "note" }, rest ? `All others together: ${signed(rest)}. ` : "", WEIGHTS)
    );
  }

  // src/selection.js
  var HARMS = { most: 0.3, step: 0.01, first: 0.05 };
  function selection(product, changes, model) {
    const offered = changes.filter(({ kind }) => kind === "prophylaxis");
    if (offered.length === 0) return null;
    const agent = h("select", { id: "agent" }, ...offered.map(({ label: label2 }, at) => h("option", { value: at }, label2)));
    const percents = offered[0].thresholds.map(({ percent }) => percent);
    const threshold = h("input", { id: "threshold", type: "range", min: 0, max: percents.length - 1, step: 1, value: 2 });
    const harm = h("input", { id: "harm", type: "range", min: 0, max: HARMS.most, step: HARMS.step, value: HARMS.first });
    const [atRisk, cost] = [h("output", { for: "threshold" }), h("output", { for: "harm" })];
    const told = h("div", { role: "status" });
    const update = () => {
      const change = offered[Number(agent.value)];
      const percent = percents[Number(threshold.value)];
      const found = atThreshold(change, percent, Number(harm.value));
      atRisk.textContent = percent ? `${percent} of 100 or more` : "everybody";
      cost.textContent = `${fixed(100 * Number(harm.value), 0)} events for 100 courses`;
      threshold.setAttribute("aria-valuetext", atRisk.textContent);
      harm.setAttribute("aria-valuetext", cost.textContent);
      const one = (value) => fixed(value, 0);
      told.replaceChildren(
        h(
          "p",
          { class: "number" },
          h("b", {}, `Of 100 patients ${one(found.treated_per_100)} treated, ${one(found.averted_per_100)} averted`),
          ` (over assumptions ${one(found.low)} to ${one(found.high)}; Monte Carlo error ${fixed(found.mc_error, 1)}); ${one(found.needless_per_100)} treated who would have had no grade 2 or more.`
        ),
        curve(change, percents, percent, Number(harm.value)),
        h(
          "p",
          { class: "note" },
          `Net benefit: averted events less what the courses cost, both in events. Risks by ${model}; ${product.window_d} days. Effect on the tumour unknown.`
        )
      );
    };
    for (const input of [agent, threshold, harm]) input.addEventListener("input", update);
    update();
    return h(
      "section",
      { "aria-label": "Who gets prophylaxis" },
      h("h2", {}, "Who gets prophylaxis"),
      h("p", { class: "field" }, h("label", { for: "agent" }, "Agent"), agent),
      h("p", { class: "field" }, h("label", { for: "threshold" }, "Treated at a risk of"), h("span", { class: "controls" }, threshold, atRisk)),
      h("p", { class: "field" }, h("label", { for: "harm" }, "Harm of a course"), h("span", { class: "controls" }, harm, cost)),
      told
    );
  }
  function curve(change, percents, now, harm) {
    const [width, height, left, bottom] = [520, 180, 44, 46];
    const values = percents.map((percent) => atThreshold(change, percent, harm).net_benefit_per_100);
    const [least, most] = [Math.min(0, ...values), Math.max(1, ...values)];
    const last = percents[percents.length - 1];
    const x = (percent) => left + (width - left - 8) * percent / last;
    const y = (value) => 8 + (height - bottom - 8) * (most - value) / (most - least);
    const at = percents.indexOf(now);
    const text = (place, words) => svg("text", place, words);
    return h(
      "figure",
      { class: "curve" },
      svg(
        "svg",
        {
          viewBox: `0 0 ${width} ${height}`,
          role: "img",
          "aria-label": `Net benefit for 100 patients: ${percents.map((percent, k) => `${fixed(values[k], 1)} at ${percent}`).join(", ")}`
        },
        ...[0, most].map((value) => [
          svg("line", { class: "grid", x1: left, x2: width - 8, y1: y(value), y2: y(value) }),
          text({ x: left - 6, y: y(value) + 4, "text-anchor": "end" }, fixed(value, 0))
        ]),
        ...percents.filter((percent) => percent % 20 === 0).map((percent) => text({ x: x(percent), y: height - 28, "text-anchor": "middle" }, String(percent))),
        text({ x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "treated at a risk of … of 100 or more"),
        svg("polyline", { class: "line", points: percents.map((percent, k) => `${x(percent)},${y(values[k])}`).join(" ") }),
        svg("circle", { class: "point", cx: x(now), cy: y(values[at]), r: 6 })
      ),
      h("figcaption", {}, `Net benefit for 100 patients: ${fixed(values[at], 1)}`)
    );
  }

  // src/settings.js
  var STEP = { multiple: 0.05, share: 0.01 };
  function settingsFields(page, grid, product, letter, settings, changed) {
    const { doses, liver_metastases_share: usual2 } = product;
    const mayStandBetween = largestError(product) <= grid.most_error_per_100;
    const note = h("p", { class: "note" });
    const tellers = [];
    const update = () => {
      for (const tell of tellers) tell();
      changed();
    };
    const choice = (name, label2, inWords3) => {
      const values = valuesOf(product, name);
      if (values.length < 2) return null;
      const id = `${letter}-${name}`;
      const select = h("select", { id }, ...values.map((value, at) => h("option", { value: at }, inWords3(value))));
      select.addEventListener("change", () => {
        settings[name] = values[Number(select.value)];
        update();
      });
      return h("p", { class: "field" }, h("label", { for: id }, label2), select);
    };
    const slider = (name, label2, { step, first, read, inWords: inWords3 }) => {
      const ends = simulatedValues(product, settings, name);
      if (ends.length < 2) return null;
      const id = `${letter}-${name}`;
      const range = h("input", {
        id,
        type: "range",
        min: ends[0],
        max: ends[ends.length - 1],
        step: mayStandBetween ? step : "any",
        value: first
      });
      const told = h("output", { for: id });
      const tell = () => {
        told.textContent = inWords3();
        range.setAttribute("aria-valuetext", told.textContent);
      };
      range.addEventListener("input", () => {
        if (!mayStandBetween) range.value = String(nearest(Number(range.value), simulatedValues(product, settings, name)));
        settings[name] = /** @type {any} */
        read(Number(range.value));
        update();
      });
      tellers.push(tell);
      tell();
      return h("p", { class: "field" }, h("label", { for: id }, label2), h("span", { class: "controls" }, range, told));
    };
    const shareRead = (value) => Math.abs(value - usual2) < STEP.share / 2 ? null : value;
    const multiple = { step: STEP.multiple, first: 1, read: Number };
    tellers.push(() => {
      note.textContent = settings.interval_multiple === 1 ? "" : days(doses, settings.interval_multiple);
    });
    return h(
      "div",
      {},
      choice("step_up", "Step-up", (value) => value === "none" ? "none: full dose first" : "as planned"),
      slider("first_dose_multiple", doses.times_h.length > 1 ? "First dose" : "Dose", {
        ...multiple,
        inWords: () => `${times(settings.first_dose_multiple)}, ${firstAmount(doses, settings)}`
      }),
      slider("interval_multiple", "Time between doses", {
        ...multiple,
        inWords: () => times(settings.interval_multiple)
      }),
      note,
      choice("premedication", "Premedication", (value) => value === "none" ? "none" : "as planned"),
      choice(
        "prophylaxis",
        "Prophylaxis before dose 1",
        (value) => value.length ? listed(value.map((name) => page.agents[name] ?? name)) : "none"
      ),
      slider("liver_metastases_share", "Liver metastases", {
        step: STEP.share,
        first: Number(fixed(usual2, 2)),
        read: shareRead,
        inWords: () => {
          const share = settings.liver_metastases_share;
          return share === null ? `as usual, ${fixed(100 * usual2, 0)} of 100` : `${fixed(100 * share, 0)} of 100`;
        }
      })
    );
  }
  function nearest(value, simulated) {
    return simulated.reduce((best, one) => Math.abs(one - value) < Math.abs(best - value) ? one : best);
  }
  function times(multiple) {
    if (multiple === 1) return "as planned";
    return multiple === 0.5 ? "half" : `${general(multiple)} times`;
  }
  function firstAmount({ amounts, unit }, { step_up, first_dose_multiple: multiple }) {
    const amount2 = multiple * (step_up === "none" ? amounts[amounts.length - 1] : amounts[0]);
    const [what, each] = unit.split("/");
    const per = each ? `/${each}` : "";
    if (what === "1e6 cells") return `${grouped(amount2)} million cells${per}`;
    return amount2 < 1e3 ? typeset(`${general(amount2, 4)} ${what}${per}`) : `${general(amount2 / 1e3, 4)} mg${per}`;
  }
  function days({ times_h, window_h }, multiple) {
    const at = times_h.map((time) => multiple * time);
    const said3 = listed(at.map((time) => general(Number(fixed(1 + time / 24, 1)))));
    const within = at.filter((time) => time < window_h).length;
    return `Doses on days ${said3}; ${within} of ${at.length} fall into the window.`;
  }

  // src/designer.js
  var FIGURES = (
    /** @type {const} */
    [
      { name: "crs_any", grade: 1, label: "CRS of any grade" },
      { name: "crs_grade2plus", grade: 2, label: "Grade 2 or more" },
      { name: "crs_grade3plus", grade: 3, label: "Grade 3 or more" }
    ]
  );
  var COMMAND = "crsrisk forecast --design regimen.yaml";
  var MOST_TRIALS = 3;
  function designer(page, grid) {
    const known = grid.products.flatMap(({ product }) => page.products.find(({ name }) => name === product) ?? []);
    const chosen = h(
      "select",
      { id: "designed-product" },
      ...known.map(
        ({ name, label: label2, other_names: others }) => h("option", { value: name }, others.length ? `${shortLabel(label2)} (${others[0]})` : label2)
      )
    );
    const place = h("div", {});
    const show2 = () => {
      const product = known.find(({ name }) => name === chosen.value);
      if (product) place.replaceChildren(ofProduct(page, grid, product));
    };
    chosen.addEventListener("change", show2);
    show2();
    return h(
      "div",
      { class: "designer" },
      h("p", { class: "field" }, h("label", { for: "designed-product" }, "Product"), chosen),
      place
    );
  }
  function ofProduct(page, grid, product) {
    const simulated = grid.products.find((one) => one.product === product.name);
    if (simulated === void 0) throw new Error(`no regimens of ${product.name}`);
    const sides = ["A", "B"].map((letter) => {
      const settings = { ...AS_PLANNED };
      return { letter, settings, element: settingsFields(page, grid, simulated, letter, settings, () => update()) };
    });
    const answer = h("div", { role: "status", id: "regimen-answer" });
    const update = () => {
      const arms = sides.map(({ settings }) => shownArm(simulated, settings));
      answer.replaceChildren(...answerOf2(page, product, sides, arms));
    };
    update();
    return h(
      "div",
      {},
      h(
        "div",
        { class: "regimens" },
        ...sides.map(
          ({ letter, element, settings }) => h(
            "fieldset",
            { class: "part" },
            h("legend", {}, `Regimen ${letter}`),
            element,
            download(grid, simulated, letter, settings)
          )
        )
      ),
      answer,
      simulated.changes.length ? selection(product, simulated.changes, grid.model) : null,
      h(
        "p",
        { class: "note" },
        `${typeset(product.label)}, ${plan(product)}. ${grid.members} sets of assumptions with ${grid.patients} simulated patients each; seed ${grid.seed}. Any other setting: `,
        h("code", {}, COMMAND),
        "."
      )
    );
  }
  function plan({ regimens, default_regimen: name }) {
    const note = regimens.find((one) => one.name === name)?.note ?? "";
    return `as planned: ${plainName(name)}${note ? ` (${note.replace(/\.$/, "")})` : ""}`;
  }
  function answerOf2(page, product, sides, arms) {
    const [first, second] = arms;
    if (first === void 0 || second === void 0) {
      return [h("p", { class: "cannot" }, "Not simulated: take another setting.")];
    }
    const isSame = JSON.stringify(first.design) === JSON.stringify(second.design);
    const shown = isSame ? [{ letter: "A and B", arm: first }] : sides.map(({ letter }, at) => ({ letter, arm: [first, second][at] }));
    const groups = FIGURES.map(({ name, grade, label: label2 }) => ({
      title: label2,
      rows: [
        ...shown.map(({ letter, arm }) => {
          const { median, low, high } = arm.figures[name];
          return (
            /** @type {const} */
            {
              label: `Regimen ${letter}${arm.off_per_100 ? ", interpolated" : ""}`,
              figure: `${of100(median)} of 100 (${of100(low)} to ${of100(high)})`,
              value: median,
              low,
              high,
              kind: "patient"
            }
          );
        }),
        ...publishedRates(page, product, grade).slice(0, MOST_TRIALS).map(trialRow)
      ]
    }));
    return [
      h("h2", {}, "What trials would report"),
      isSame ? h("p", {}, "Both are the same: change one.") : h("p", { class: "number" }, ...inWords2(first, second)),
      axis(groups),
      h(
        "p",
        { class: "note" },
        `Within ${product.window_d} days after the first dose. Median and 95% of what trials of unlimited size would report: what is not known of the assumptions, and how trials of one product differ. Monte Carlo error at most ${fixed(100 * Math.max(...shown.flatMap(({ arm }) => FIGURES.map(({ name }) => arm.figures[name].mc_error))), 1)} of 100.`
      ),
      ...shown.filter(({ arm }) => arm.off_per_100).map(
        ({ letter, arm }) => h(
          "p",
          { class: "note" },
          `Regimen ${letter} stands between simulated settings: its rates are within about ${Math.ceil(arm.off_per_100)} of 100 of a simulation of it, and its intervals are wider by that.`
        )
      )
    ];
  }
  function inWords2(first, second) {
    const { low, median, high, has_fewer: share } = difference(first, second);
    const off = (first.change_off_per_100 + second.change_off_per_100) / 100;
    const by = of100(Math.abs(median));
    const change = by === 0 ? "as many" : `${aboutOf100(Math.abs(median))} of 100 ${median < 0 ? "fewer" : "more"}`;
    return [
      h("b", {}, `Grade 2 or more with B: ${change}`),
      ` (95% ${signed2(low - off)} to ${signed2(high + off)}). Fewer with B in ${of100(share)} of 100 sets of assumptions.`
    ];
  }
  function signed2(share) {
    const whole = of100(share);
    return whole > 0 ? `+${whole}` : whole < 0 ? `−${-whole}` : "0";
  }
  function download(grid, product, letter, settings) {
    const button = h("button", { type: "button" }, `Download ${letter} as YAML`);
    button.addEventListener("click", () => {
      const file = new Blob([yamlOf(grid, product, settings)], { type: "application/yaml" });
      const link = h("a", { href: URL.createObjectURL(file), download: "regimen.yaml" });
      link.click();
      URL.revokeObjectURL(link.href);
    });
    return h("p", { class: "download" }, button);
  }

  // src/units.js
  function acceptedUnits(column) {
    return [column.unit, ...Object.keys(column.other_units), ...Object.keys(column.limited_units)];
  }
  function needsLimit(column, unit) {
    return unit in column.limited_units;
  }
  function convert(column, value, unit, limit) {
    const factor = unit === column.unit ? 1 : column.other_units[unit] ?? column.limited_units[unit];
    if (factor === void 0) throw new Error(`${unit} is no unit of this column`);
    const converted = (value - (column.zeros[unit] ?? 0)) * factor;
    if (!needsLimit(column, unit)) return converted;
    if (limit === void 0 || !(limit > 0)) {
      throw new Error(`${unit} needs the laboratory's upper limit`);
    }
    return converted / limit;
  }

  // src/entries.js
  var LIMIT = "ldh_upper_limit_u_l";
  var NUMBER = /^[+-]?(\d+([.,]\d+)?|[.,]\d+)$/;
  var THOUSANDS = /^[+-]?\d{1,3},\d{3}$/;
  var TYPICAL_LIMIT_U_L = 240;
  function readEntries(form, page, trained) {
    const problems = /* @__PURE__ */ new Map();
    const told = [];
    const landmark = Number(form.get("landmark") ?? "0");
    const { product, regimen } = therapyOf(form, page, problems, told);
    const row2 = { ...regimen?.row, tumour_type: product?.tumour_type ?? null };
    for (const { column, label: label2 } of page.prophylaxis) {
      if (form.get(column) !== "yes" || row2[column]) continue;
      row2[column] = true;
      told.push({ label: "Before dose 1", value: shortLabel(label2) });
    }
    const sex = sexOf(product, page);
    if (sex !== null) {
      row2.is_female = sex;
      told.push({ label: "Sex", value: sex ? "female" : "male" });
    }
    let count = 0;
    for (const column of page.columns) {
      if (column.name === LIMIT || column.kind === "category" || !form.has(column.name)) continue;
      if (column.name === "is_female" && sex !== null) continue;
      const read = readValue(form, column, column.name, trained.get(column.name)?.trained ?? null);
      if (read === null) continue;
      if ("problem" in read) {
        problems.set(read.at ?? column.name, read.problem);
        continue;
      }
      row2[column.name] = read.value;
      told.push({ label: nameOf(column), value: read.told });
      count += 1;
    }
    return {
      product,
      regimen,
      landmark,
      row: row2,
      readings: landmark ? readingsOf(form, page, landmark, trained, problems, told) : /* @__PURE__ */ new Map(),
      problems,
      told,
      count
    };
  }
  function sexOf(product, page) {
    const facts = product && page.identity.tumour_types[product.tumour_type];
    return facts?.is_female === void 0 || facts?.is_female === null ? null : facts.is_female === 1;
  }
  function nameOf(column) {
    return column.name === "is_female" ? "Sex" : column.label;
  }
  function therapyOf(form, page, problems, told) {
    const text = (form.get("product") ?? "").trim();
    const name = text && productNamed(text.split(" – ")[0], page.identity);
    const product = page.products.find((one) => one.name === name) ?? null;
    if (text && product === null) {
      problems.set("product", {
        text: "No product of this name is known to the models. Choose one of the list.",
        canConfirm: false
      });
    }
    const asked = form.get("regimen");
    const regimen = product?.regimens.find((one) => one.name === asked) ?? product?.regimens.find((one) => one.name === product.default_regimen) ?? null;
    if (product !== null && regimen !== null) {
      told.push({ label: "Product", value: shortLabel(product.label) });
      told.push({ label: "Regimen", value: plainName(regimen.name) });
      told.push({ label: "Tumour", value: product.tumour_label });
    }
    return { product, regimen };
  }
  function readingsOf(form, page, landmark, trained, problems, told) {
    const readings = /* @__PURE__ */ new Map();
    for (const hour of page.hours.filter((one) => one <= landmark)) {
      const found = {};
      for (const { stem, column } of page.course) {
        const name = `${stem}__h${hour}`;
        const seen = trained.get(`${stem}__h${landmark}`)?.trained ?? null;
        const read = readValue(form, column, name, stem.includes("__") ? null : seen);
        if (read === null) continue;
        if ("problem" in read) {
          problems.set(name, read.problem);
          continue;
        }
        found[stem] = Number(read.value);
        told.push({ label: `${column.label}, ${hour} h`, value: read.told });
      }
      readings.set(hour, found);
    }
    return readings;
  }
  function readValue(form, column, name, seen) {
    const text = (form.get(name) ?? "").trim();
    if (text === "") return null;
    if (column.kind === "bool") {
      const words = column.name === "is_female" ? ["female", "male"] : ["yes", "no"];
      return { value: text === "yes", told: words[text === "yes" ? 0 : 1] };
    }
    const raw = numberIn(text);
    if (typeof raw === "string") return { problem: { text: raw, canConfirm: false } };
    const unit = form.get(`${name}:unit`) ?? column.unit;
    const written2 = `${text} ${unitInWords(unit)}`.trim();
    if (!needsLimit(column, unit)) {
      const isConfirmed2 = form.get(`${name}:confirmed`) === "yes";
      return checked(column, raw, unit, void 0, written2, seen, isConfirmed2);
    }
    const limit = numberIn((form.get(LIMIT) ?? "").trim());
    if (typeof limit === "string" || isOutside(limit, [50, 2e3])) {
      const problem = `${column.label} in ${unit} needs the laboratory's upper limit of normal, in U/L (50 to 2000).`;
      return { problem: { text: problem, canConfirm: false }, at: LIMIT };
    }
    const isConfirmed = form.get(`${name}:confirmed`) === "yes";
    const told = `${written2} (upper limit ${general(limit)} U/L)`;
    return checked(column, raw, unit, limit, told, seen, isConfirmed);
  }
  function numberIn(text) {
    if (/^[<>]/.test(text)) {
      return "A value beyond the limit of the assay: leave it out, or write what stands for it by your protocol.";
    }
    if (THOUSANDS.test(text)) {
      return `Write ${text.replace(",", ".")} or ${text.replace(",", "")}: the comma can be either.`;
    }
    if (!NUMBER.test(text)) return "Write a number, or leave the field empty.";
    return Number(text.replace(",", "."));
  }
  function checked(column, raw, unit, limit, told, seen, isConfirmed) {
    const value = convert(column, raw, unit, limit);
    const inUnit3 = (span) => `${general(span[0])} to ${general(span[1])} ${unitInWords(column.unit)}`.trim();
    if (column.possible !== null && isOutside(value, column.possible)) {
      const text = `${told} cannot be: possible is ${inUnit3(column.possible)}.`;
      const likely = likelyUnits(column, raw, unit, limit, column.plausible);
      return { problem: { text: text + likely, canConfirm: false } };
    }
    if (column.kind === "int" && !Number.isInteger(value)) {
      return { problem: { text: "Write a whole number.", canConfirm: false } };
    }
    if (!isConfirmed && column.plausible !== null && isOutside(value, column.plausible)) {
      const text = `${told} is unusual: usual is ${inUnit3(column.plausible)}.`;
      const likely = likelyUnits(column, raw, unit, limit, column.plausible);
      return { problem: { text: text + likely, canConfirm: true } };
    }
    if (!isConfirmed && seen !== null && isOutside(value, seen)) {
      const likely = likelyUnits(column, raw, unit, void 0, seen);
      if (likely) {
        const text = `Training patients had ${inUnit3(seen)}.`;
        return { problem: { text: text + likely, canConfirm: true } };
      }
    }
    return { value, told };
  }
  function likelyUnits(column, raw, unit, limit, within) {
    const others = acceptedUnits(column).filter((other) => {
      if (other === unit || within === null) return false;
      const upper = needsLimit(column, other) ? limit ?? TYPICAL_LIMIT_U_L : void 0;
      return !isOutside(convert(column, raw, other, upper), within);
    });
    if (!others.length) return "";
    return ` ${general(raw)} looks like ${others.map(typeset).join(" or ")}: check the unit.`;
  }

  // src/signs.js
  var FEVER_C = 38;
  var [TEMPERATURE, PRESSURE, GRADE2] = ["temperature_c__max", "map_mmhg__min", "grade__max"];
  var PRESSURE_SUPPORT = [
    ["", "not known"],
    ["none", "pressure not low"],
    ["fluids", "low, without vasopressor"],
    ["one", "one vasopressor"],
    ["several", "several vasopressors"]
  ];
  var OXYGEN_SUPPORT = [
    ["", "not known"],
    ["none", "no oxygen"],
    ["low", "nasal cannula up to 6 L/min, blow-by"],
    ["high", "more than 6 L/min, or any mask"],
    ["positive", "positive pressure, ventilator"]
  ];
  var BY_PRESSURE = { none: 1, fluids: 2, one: 3, several: 4 };
  var BY_OXYGEN = { none: 1, low: 2, high: 3, positive: 4 };
  function gradeOf(temperature, pressure, oxygen) {
    if (temperature === void 0 || !pressure || !oxygen) return null;
    if (temperature < FEVER_C) return 0;
    return Math.max(BY_PRESSURE[pressure], BY_OXYGEN[oxygen]);
  }
  function meanPressure(systolic, diastolic) {
    if (!(diastolic > 0 && systolic > diastolic)) return null;
    return diastolic + (systolic - diastolic) / 3;
  }
  function signFields(hour) {
    const choice = (name, label2, values) => h(
      "div",
      { class: "field" },
      h("label", { for: `${name}__h${hour}` }, label2),
      h(
        "select",
        { id: `${name}__h${hour}`, name: `${name}__h${hour}` },
        ...values.map(([value, text]) => h("option", { value }, text))
      )
    );
    const pressure = (name, label2) => h("input", {
      id: `${name}__h${hour}`,
      name: `${name}__h${hour}`,
      type: "text",
      inputmode: "decimal",
      "aria-label": `${label2} pressure at ${hour} hours, mmHg`,
      placeholder: label2.toLowerCase()
    });
    return h(
      "details",
      {},
      h("summary", {}, "Work out grade and mean pressure"),
      h(
        "div",
        { class: "field" },
        h("span", {}, "Lowest pressure"),
        h("span", { class: "controls" }, pressure("systolic", "Systolic"), "/", pressure("diastolic", "Diastolic"))
      ),
      choice("pressure_support", "Low pressure", PRESSURE_SUPPORT),
      choice("oxygen_support", "Oxygen", OXYGEN_SUPPORT),
      h("p", { class: "note", "data-worked": hour, role: "status" })
    );
  }
  function workOut(form, hours, { readings }) {
    let hasChanged = false;
    const field = (name) => (
      /** @type {HTMLInputElement | HTMLSelectElement | null} */
      form.elements.namedItem(name)
    );
    const fill = (name, text) => {
      const target = field(name);
      if (target === null || target.value === text) return;
      target.value = text;
      hasChanged = true;
    };
    const number2 = (name) => Number((field(name)?.value ?? "").replace(",", ".") || NaN);
    for (const hour of hours) {
      const mean = meanPressure(number2(`systolic__h${hour}`), number2(`diastolic__h${hour}`));
      if (mean !== null) fill(`${PRESSURE}__h${hour}`, fixed(mean, 1));
      const grade = gradeOf(
        readings.get(hour)?.[TEMPERATURE],
        /** @type {PressureSupport} */
        field(`pressure_support__h${hour}`)?.value ?? "",
        /** @type {OxygenSupport} */
        field(`oxygen_support__h${hour}`)?.value ?? ""
      );
      if (grade !== null) fill(`${GRADE2}__h${hour}`, String(grade));
      const note = form.querySelector(`[data-worked="${hour}"]`);
      const told = grade === null ? "" : `Grade ${grade} (ASTCT), unless the fever has another cause.`;
      if (note && note.textContent !== told) note.textContent = told;
    }
    return hasChanged;
  }

  // src/form.js
  var PARTS2 = [
    ["Patient", ["age_years", "is_female", "weight_kg", "ecog"]],
    ["Tumour and infection", ["sum_of_diameters_mm", "has_liver_metastases", "has_infection"]],
    [
      "Laboratory, last value before dose 1",
      ["crp_mg_l", "albumin_g_l", "platelets_g_l", "creatinine_umol_l", "ldh_x_uln", LIMIT]
    ]
  ];
  var GIVEN = [
    "product",
    "platform",
    "antigen_restriction",
    "is_stepped_up",
    "has_steroid_premedication",
    "has_tocilizumab_prophylaxis",
    "has_lymphodepletion"
  ];
  function makeForm(page) {
    const placed = /* @__PURE__ */ new Set([...GIVEN, ...PARTS2.flatMap(([, names2]) => names2)]);
    const parts = PARTS2.map(
      ([title, names2]) => part(
        title,
        names2.flatMap((name) => page.columns.find((column) => column.name === name) ?? [])
      )
    );
    const others = page.columns.filter(({ name, kind }) => !placed.has(name) && kind !== "category");
    return h(
      "form",
      { autocomplete: "off", novalidate: true, "aria-label": "The patient" },
      treatment(page),
      ...parts,
      h("details", { class: "part" }, h("summary", {}, "More values"), ...others.map(control)),
      page.course.length ? course(page) : null
    );
  }
  function part(title, columns) {
    return h("fieldset", { class: "part" }, h("legend", {}, title), ...columns.map(control));
  }
  function treatment(page) {
    const options = page.products.flatMap((product) => {
      const label2 = shortLabel(product.label);
      return [
        h("option", { value: plainName(product.name) }, product.label),
        ...product.other_names.map((name) => h("option", { value: name }, label2))
      ];
    });
    const times2 = page.models.map(
      ({ landmark_h: hour }) => h("option", { value: hour }, hour ? `${hour} hours after dose 1` : "before dose 1")
    );
    return h(
      "fieldset",
      { class: "part" },
      h("legend", {}, "Treatment"),
      row(
        "product",
        "Product, generic or brand name",
        h("input", { id: "product", name: "product", list: "products", type: "text" })
      ),
      h("datalist", { id: "products" }, ...options),
      row("regimen", "Regimen", h("select", { id: "regimen", name: "regimen", disabled: true })),
      h("p", { class: "note", id: "regimen-note" }),
      times2.length > 1 ? row("landmark", "When", h("select", { id: "landmark", name: "landmark" }, ...times2)) : null,
      ...page.prophylaxis.map(
        ({ column, label: label2 }) => h(
          "label",
          { class: "check" },
          h("input", { type: "checkbox", name: column, value: "yes" }),
          ` ${shortLabel(label2)} before dose 1`
        )
      )
    );
  }
  function course(page) {
    return h(
      "fieldset",
      { class: "part", id: "course", hidden: true, disabled: true },
      h("legend", {}, "After dose 1"),
      h("p", { class: "note" }, `Grades by ASTCT (${page.grades_source}). `, gradesInWords(page)),
      ...page.hours.map(
        (hour) => h(
          "details",
          { class: "hour", "data-hour": hour, open: hour === page.hours.at(-1) },
          h("summary", {}, `${hour} hours`),
          ...page.course.map(({ stem, column }) => control(column, `${stem}__h${hour}`)),
          signFields(hour)
        )
      )
    );
  }
  function gradesInWords(page) {
    return Object.entries(page.grades).filter(([grade]) => Number(grade) <= 2).map(([grade, text]) => `${grade}: ${text}.`).join(" ");
  }
  function row(name, label2, ...controls) {
    return h(
      "div",
      { class: "field", "data-field": name },
      h("label", { for: name }, label2),
      h("span", { class: "controls" }, ...controls),
      h("p", { class: "problem", id: `${name}-problem`, hidden: true })
    );
  }
  function control(column, named) {
    const name = typeof named === "string" ? named : column.name;
    if (column.kind === "bool") return yesNo(column, name);
    if (column.kind === "int" && column.possible && column.possible[1] <= 4) {
      const [low, high] = column.possible;
      const values = Array.from({ length: high - low + 1 }, (_, k) => String(low + k));
      const options2 = ["", ...values].map((value) => h("option", { value }, value || "not known"));
      return row(name, nameOf(column), h("select", { id: name, name }, ...options2));
    }
    const units = acceptedUnits(column);
    const input = h("input", {
      id: name,
      name,
      type: "text",
      inputmode: "decimal",
      "aria-describedby": `${name}-problem`
    });
    const label2 = nameOf(column);
    if (units.length === 1) {
      const unit = unitInWords(column.unit);
      return row(name, label2, input, h("span", { class: "unit" }, unit));
    }
    const options = units.map((unit) => h("option", { value: unit }, unitInWords(unit) || "×"));
    const choice = h("select", { name: `${name}:unit`, "aria-label": `Unit of ${label2}` }, ...options);
    return row(name, label2, input, choice);
  }
  function yesNo(column, name) {
    const words = column.name === "is_female" ? ["female", "male"] : ["yes", "no"];
    const choices = [
      ["yes", words[0]],
      ["no", words[1]],
      ["", "not known"]
    ];
    return h(
      "fieldset",
      { class: "field yes-no", "data-field": name },
      h("legend", {}, nameOf(column)),
      h(
        "span",
        { class: "controls" },
        ...choices.map(
          ([value, text]) => h(
            "label",
            {},
            h("input", { type: "radio", name, value, checked: value === "" }),
            ` ${text}`
          )
        )
      )
    );
  }
  function readForm(form) {
    const texts = /* @__PURE__ */ new Map();
    for (const [name, value] of new FormData(form)) texts.set(name, String(value));
    return texts;
  }
  function updateForm(form, page, entries) {
    const { product, regimen, landmark, problems } = entries;
    const choice = (
      /** @type {HTMLSelectElement} */
      form.elements.namedItem("regimen")
    );
    if (choice.dataset.product !== (product?.name ?? "")) {
      choice.dataset.product = product?.name ?? "";
      choice.replaceChildren(
        ...(product?.regimens ?? []).map(
          ({ name }) => h("option", { value: name, selected: name === regimen?.name }, plainName(name))
        )
      );
      choice.disabled = product === null;
    }
    const note = form.querySelector("#regimen-note");
    if (note) note.textContent = regimen?.note ?? "";
    for (const { column } of page.prophylaxis) {
      const box = (
        /** @type {HTMLInputElement} */
        form.elements.namedItem(column)
      );
      const isGiven = Boolean(regimen?.row[column]);
      if (isGiven || box.disabled) box.checked = isGiven;
      box.disabled = isGiven;
    }
    show(form, "dose_intensity", regimen?.has_own_dose ?? false);
    show(form, "is_female", sexOf(product, page) === null);
    const ldh = page.columns.find(({ name }) => name === "ldh_x_uln");
    const unit = form.elements.namedItem("ldh_x_uln:unit");
    if (ldh && unit instanceof HTMLSelectElement) show(form, LIMIT, needsLimit(ldh, unit.value));
    const later = (
      /** @type {HTMLFieldSetElement | null} */
      form.querySelector("#course")
    );
    if (later) {
      later.hidden = later.disabled = !landmark;
      for (const hour of later.querySelectorAll("details")) {
        hour.hidden = Number(hour.dataset.hour) > landmark;
      }
    }
    showProblems(form, problems);
  }
  function show(form, name, isShown) {
    const field = (
      /** @type {HTMLElement | null} */
      form.querySelector(`[data-field="${name}"]`)
    );
    if (!field) return;
    field.hidden = !isShown;
    for (const input of field.querySelectorAll("input, select")) {
      if (!isShown) input.setAttribute("disabled", "");
      else input.removeAttribute("disabled");
    }
  }
  function showProblems(form, problems) {
    for (
      const field of
      /** @type {NodeListOf<HTMLElement>} */
      form.querySelectorAll("[data-field]")
    ) {
      const name = field.dataset.field ?? "";
      const place = field.querySelector(".problem");
      if (!(place instanceof HTMLElement)) continue;
      const problem = problems.get(name);
      const box = (
        /** @type {HTMLInputElement | null} */
        place.querySelector("input[type=checkbox]")
      );
      field.querySelector("input")?.setAttribute("aria-invalid", String(problem !== void 0));
      if (!problem && box?.checked) continue;
      place.hidden = problem === void 0;
      if (place.dataset.text === (problem?.text ?? "")) continue;
      place.dataset.text = problem?.text ?? "";
      place.replaceChildren(
        problem?.text ?? "",
        problem?.canConfirm ? h(
          "label",
          { class: "check" },
          h("input", { type: "checkbox", name: `${name}:confirmed`, value: "yes" }),
          " It is right as it stands"
        ) : ""
      );
    }
  }

  // src/made.js
  var DIGEST_LETTERS = 12;
  async function digestOf(row2, columns) {
    if (!globalThis.crypto?.subtle) return "";
    const told = [...columns].sort((one, other) => one.name < other.name ? -1 : 1).flatMap(({ name, kind }) => {
      const value = row2[name] ?? null;
      if (kind === "word") return [[name, String(value ?? "")]];
      return value === null ? [] : [[name, Number(value)]];
    });
    const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(told)));
    return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  function madeInWords(version, models, digest, ofModels) {
    const now = /* @__PURE__ */ new Date();
    const day = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part2) => String(part2).padStart(2, "0")).join("-");
    const end = ofModels ? ` (${ofModels.slice(0, DIGEST_LETTERS)})` : "";
    return [
      `${day}, crsrisk ${version}.`,
      `Models ${models.join(" and ")}${end}.`,
      ...digest ? [`Inputs ${digest.slice(0, DIGEST_LETTERS)}.`] : []
    ];
  }

  // src/offline.js
  var NOTICE = "In simulated patients of like risk, not in this one.";
  function comparisonOf(page, grid, { product, regimen, landmark, row: row2 }, content) {
    if (content.kind !== "risk" || product === null || regimen === null || landmark) return null;
    const isOfModel = page.models.some((one) => one.landmark_h === 0 && one.label === grid.model);
    const isPlan = isOfModel && regimen.name === product.default_regimen && page.prophylaxis.every(({ column }) => row2[column] === regimen.row[column]);
    const changes = grid.products.find((one) => one.product === product.name)?.changes ?? [];
    const known = changes.filter((change) => bandOf(change, content.grade2plus.value));
    if (!isPlan || known.length === 0) return null;
    const { value: risk, low, high } = content.grade2plus;
    const people2 = changes[0].bands.reduce((sum, band) => sum + band.n_with_event + band.n_without, 0);
    const own = { value: risk, low, high, mc_error: null };
    return {
      model: "",
      window: windowInWords(product.window_d, 0),
      risk: { grade2plus: own, grade3plus: null },
      as_simulated: null,
      starts_at_model: true,
      baseline: { label: "As planned", shares: { grade2plus: own, grade3plus: null } },
      alternatives: known.map((change) => {
        const difference2 = differenceOf(change, risk);
        const after = { ...difference2, value: risk + difference2.value, low: null, high: null };
        return {
          label: change.label,
          kind: change.kind,
          shares: { grade2plus: after, grade3plus: null },
          difference: { grade2plus: difference2, grade3plus: null }
        };
      }),
      n_people: people2 / 2,
      // each has two futures
      seed: grid.seed,
      effect_on_tumour: "unknown",
      why_none: "",
      notice: NOTICE
    };
  }
  function bandOf({ bands }, risk) {
    const band = bands.find(({ below }) => below === null || risk < below);
    return band && band.kept !== null && band.caused !== null ? band : void 0;
  }
  function differenceOf(change, risk) {
    const band = bandOf(change, risk);
    if (!band || band.kept === null || band.caused === null) throw new Error("no band of this risk");
    const { kept, caused, n_with_event: events, n_without: others } = band;
    const value = (1 - risk) * caused - risk * (1 - kept);
    const variance = risk ** 2 * kept * (1 - kept) / events + (1 - risk) ** 2 * caused * (1 - caused) / others;
    const { averted_per_100: averted, low, high } = change;
    const ends = averted === 0 ? [] : [value * low / averted, value * high / averted];
    return {
      value,
      low: ends.length ? Math.min(...ends) : null,
      high: ends.length ? Math.max(...ends) : null,
      mc_error: Math.sqrt(variance)
    };
  }
  function offlineOf(page, grid) {
    const place = h("div", {});
    const section = h(
      "section",
      { class: "offline", "aria-label": "If the plan were changed" },
      h("h3", {}, "If the plan were changed"),
      place
    );
    let [made, chosen] = ["", 0];
    let inSight = null;
    section.addEventListener("change", ({ target }) => {
      if (target instanceof HTMLSelectElement) chosen = Number(target.value);
    });
    return {
      comparison: () => inSight,
      show(entries, content) {
        const comparison = comparisonOf(page, grid, entries, content);
        section.hidden = comparison === null;
        inSight = comparison;
        const text = JSON.stringify(comparison);
        if (comparison !== null && text !== made) {
          place.replaceChildren(comparisonPanel(comparison));
          const choice = section.querySelector("select");
          if (choice && chosen > 0 && chosen < choice.length) {
            choice.value = String(chosen);
            choice.dispatchEvent(new Event("change"));
          }
        }
        made = text;
        return section;
      }
    };
  }

  // src/simulate.js
  var WAITING = "Simulating: about half a minute, a little longer the first time.";
  function simulationOf(page) {
    const told = document.getElementById("server-data")?.textContent;
    if (!told || !location.protocol.startsWith("http")) return null;
    const server = (
      /** @type {ServerData} */
      JSON.parse(told)
    );
    const token = h("input", { type: "password", id: "token", autocomplete: "off" });
    const button = h("button", { type: "button", id: "simulate" }, "Simulate this patient");
    const state = h("div", { role: "status", id: "simulation-state" });
    const shown = h("div", { id: "simulation" });
    const section = h(
      "section",
      { class: "simulation", "aria-label": "Simulation" },
      h("h3", {}, "If the plan were changed"),
      server.has_token && h("p", { class: "ask" }, h("label", { for: "token" }, "Token of this server "), token),
      h("p", { class: "ask" }, button),
      state,
      shown
    );
    let [wanted, address] = ["", ""];
    let inSight = null;
    async function simulate() {
      const asked = wanted;
      button.disabled = true;
      state.replaceChildren(WAITING);
      const found = await answerOf3(address, asked, token.value);
      button.disabled = false;
      if (asked !== wanted) return state.replaceChildren();
      if (typeof found === "string") return state.replaceChildren(found);
      state.replaceChildren("Simulated.");
      shown.replaceChildren(comparisonPanel(found));
      inSight = found;
      button.hidden = true;
    }
    button.addEventListener("click", simulate);
    return {
      show(entries, content) {
        const entry = page.models.find((one) => one.landmark_h === entries.landmark);
        const isReady = content.kind !== "waiting" && entry !== void 0;
        section.hidden = !isReady;
        const next = isReady ? JSON.stringify({ patient: patientOf(entries, page, server) }) : "";
        address = entry ? server.simulation[entry.key] ?? "" : "";
        const key2 = `${address} ${next}`;
        if (section.dataset.key !== key2) {
          section.dataset.key = key2;
          wanted = next;
          button.hidden = false;
          state.replaceChildren();
          shown.replaceChildren();
          inSight = null;
        }
        return section;
      },
      comparison: () => inSight
    };
  }
  async function answerOf3(address, body, token) {
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    try {
      const answer = await fetch(address, { method: "POST", headers, body });
      const told = await answer.json();
      if (answer.ok) return told;
      const more = told.found ? ` ${told.key}: found ${told.found}; expected ${told.expected}.` : "";
      return `Not simulated. ${told.title}${more}`;
    } catch {
      return "Not simulated: the server does not answer.";
    }
  }
  function patientOf({ product, regimen, row: row2, readings }, page, server) {
    const values = Object.entries(row2).filter(
      ([column, value]) => column in server.keys && value !== regimen?.row[column]
    );
    const patient2 = {
      product: product?.name,
      regimen: regimen?.name,
      prophylaxis: page.prophylaxis.filter(({ column }) => row2[column] && !regimen?.row[column]).map(({ name }) => name),
      ...written(values, server.keys)
    };
    if (row2.is_female !== void 0 && row2.is_female !== null) {
      patient2.sex = row2.is_female ? "female" : "male";
    }
    if (readings.size) {
      patient2.course = Object.fromEntries(
        [...readings].map(([hour, found]) => [
          `${hour} h`,
          written(Object.entries(found), server.course)
        ])
      );
    }
    return patient2;
  }
  function written(values, keys) {
    const known = values.filter(([, value]) => value !== null && value !== void 0);
    const numbers = known.filter(([, value]) => typeof value === "number");
    return {
      ...Object.fromEntries(
        known.map(([column, value]) => {
          const { key: key2, unit } = keys[column];
          return [key2, unit ? `${value} ${unit}` : value];
        })
      ),
      confirmed: numbers.map(([column]) => keys[column].key)
    };
  }

  // src/tabs.js
  function tabs(makers) {
    const buttons = (
      /** @type {HTMLElement[]} */
      [...document.querySelectorAll('[role="tab"]')]
    );
    const made = /* @__PURE__ */ new Set();
    const open = (chosen) => {
      for (const button of buttons) {
        const isOpen = button === chosen;
        const id = button.getAttribute("aria-controls") ?? "";
        const panel2 = document.getElementById(id);
        button.setAttribute("aria-selected", String(isOpen));
        button.tabIndex = isOpen ? 0 : -1;
        if (panel2 === null) continue;
        panel2.hidden = !isOpen;
        if (isOpen && id in makers && !made.has(id)) {
          made.add(id);
          makers[id](panel2);
        }
      }
      const title = document.querySelector("h1");
      if (title) title.textContent = chosen.dataset.title ?? title.textContent;
    };
    buttons.forEach((button, at) => {
      button.addEventListener("click", () => open(button));
      button.addEventListener("keydown", ({ key: key2 }) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[key2];
        if (step === void 0) return;
        const next = buttons[(at + step + buttons.length) % buttons.length];
        next.focus();
        open(next);
      });
    });
  }

  // src/unpack.js
  async function unpack(text) {
    const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  // src/explorer.js
  function openExplorer() {
    const page = (
      /** @type {PageData} */
      JSON.parse(byId("page-data").textContent ?? "")
    );
    const form = makeForm(page);
    const [result, strip, made] = ["result", "strip", "made"].map(byId);
    let simulation = simulationOf(page);
    const pairs = /* @__PURE__ */ new Map();
    let shown;
    function pairOf(landmark) {
      const entry = page.models.find((one) => one.landmark_h === landmark);
      if (entry === void 0) return null;
      const pair2 = pairs.get(entry.key);
      if (pair2 !== void 0) return pair2;
      pairs.set(entry.key, null);
      unpack(byId(entry.key).textContent ?? "").then((document2) => {
        pairs.set(entry.key, readPair(document2));
        update();
      });
      return null;
    }
    function update() {
      const texts = readForm(form);
      const pair2 = pairOf(Number(texts.get("landmark") ?? page.models[0].landmark_h));
      const columns = pair2?.grade2plus.columns ?? /* @__PURE__ */ new Map();
      let entries = readEntries(texts, page, columns);
      if (workOut(form, page.hours, entries)) entries = readEntries(readForm(form), page, columns);
      const content = contentOf(page, pair2, entries);
      updateForm(form, page, entries);
      const open = new Map(
        [...result.querySelectorAll("details")].map((one) => [titleOf(one), one.open])
      );
      const compared = simulation?.show(entries, content) ?? null;
      result.replaceChildren(
        ...resultOf(page, { product: entries.product, entered: entries.told, answer: content, compared })
      );
      for (const one of result.querySelectorAll("details")) one.open = open.get(titleOf(one)) ?? one.open;
      const short = inShort(content);
      if (strip.textContent !== short) strip.textContent = short;
      shown = { entries, content, digest: "" };
      made.textContent = madeLines().join(" ");
      if (content.kind !== "waiting") sign(shown);
    }
    function titleOf(details) {
      return details.dataset.title ?? details.querySelector("summary")?.textContent ?? "";
    }
    async function sign(signed3) {
      const { content, entries } = signed3;
      const pair2 = pairOf(entries.landmark);
      if (content.kind === "waiting" || pair2 === null) return;
      signed3.digest = await digestOf(content.row, pair2.grade2plus.contract.columns);
      if (signed3 === shown) made.textContent = madeLines().join(" ");
    }
    function madeLines() {
      const entry = page.models.find((one) => one.landmark_h === shown.entries.landmark);
      const models = [entry?.label, entry?.grade3plus].filter((one) => typeof one === "string");
      return madeInWords(page.version, models, shown.digest, entry?.sha256);
    }
    form.addEventListener("input", (event) => {
      const input = event.target;
      if (input instanceof HTMLInputElement && input.type === "text") {
        const box = form.elements.namedItem(`${input.name}:confirmed`);
        if (box instanceof HTMLInputElement) box.checked = false;
      }
      update();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    byId("patient").append(form);
    byId("clear").addEventListener("click", () => {
      form.reset();
      byId("told").replaceChildren();
      update();
    });
    makeButtons(() => {
      const { entries, content } = shown;
      const comparison = simulation?.comparison() ?? null;
      return asText(page, { entered: entries.told, answer: content, comparison }, madeLines());
    });
    update();
    const packedRegimens = document.getElementById("regimens")?.textContent;
    const regimens = packedRegimens ? unpack(packedRegimens) : null;
    regimens?.then((grid) => {
      simulation ??= offlineOf(page, grid);
      update();
    });
    tabs({
      "regimen-panel": async (panel2) => regimens && panel2.replaceChildren(designer(page, await regimens))
    });
  }

  // src/patient.js
  var CHANGE2 = "Other values: crsrisk explorer or crsrisk serve.";
  function showPatient(page) {
    const { product, entered, answer, spread: spread2, waits, notes } = page;
    const comparison = page.comparison?.baseline || page.comparison?.why_none ? page.comparison : null;
    const compared = comparison && h(
      "section",
      { class: "simulation", "aria-label": "If the plan were changed" },
      h("h3", {}, "If the plan were changed"),
      comparisonPanel(comparison)
    );
    const isMarked = entered.some((one) => one.is_outside);
    byId("patient").replaceChildren(
      enteredOf(entered, h("p", { class: "note" }, isMarked && "Bold: outside the usual range. ", CHANGE2))
    );
    byId("result").replaceChildren(
      ...resultOf(page, { product, entered: [], answer, compared, spread: spread2, waits, notes })
    );
    byId("strip").textContent = inShort(answer);
    const made = madeInWords(page.version, page.models, page.inputs_sha256);
    byId("made").textContent = made.join(" ");
    makeButtons(() => asText(page, { entered, answer, comparison }, made));
  }

  // src/main.js
  var patient = document.getElementById("patient-data")?.textContent;
  if (patient) showPatient(JSON.parse(patient));
  else openExplorer();
})();
