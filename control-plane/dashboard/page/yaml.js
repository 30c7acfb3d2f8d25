// JSON as YAML, as `tullectl get -o yaml` writes it.
const PLAIN = /^[A-Za-z_/.][A-Za-z0-9_./ -]*$/;
const WORDS = /^(true|false|yes|no|on|off|null|~|y|n)$/i;

const scalar = (value) => (typeof value !== "string" ? JSON.stringify(value) : PLAIN.test(value) && !WORDS.test(value) && value.trim() === value && !/^\.?\d/.test(value) ? value : JSON.stringify(value));

function lines(value, indent) {
  const room = "  ".repeat(indent);
  if (Array.isArray(value)) {
    return value.flatMap((each) => {
      if (!isDeep(each)) return [`${room}- ${scalar(each)}`];
      const [first, ...rest] = lines(each, indent + 1);
      return [`${room}- ${first.trimStart()}`, ...rest];
    });
  }
  return Object.entries(value).flatMap(([key, each]) => (isDeep(each) ? [`${room}${scalar(key)}:`, ...lines(each, indent + (Array.isArray(each) ? 0 : 1))] : [`${room}${scalar(key)}: ${empty(each) ?? scalar(each)}`]));
}

const empty = (value) => (Array.isArray(value) ? "[]" : value !== null && typeof value === "object" ? "{}" : null);
const isDeep = (value) => value !== null && typeof value === "object" && Object.keys(value).length > 0;

export const yaml = (value) => (isDeep(value) ? lines(value, 0).join("\n") : empty(value) ?? scalar(value));

// Lines of both: [" " | "-" | "+", line]. By the longest common subsequence.
export function difference(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  const common = Array.from({length: a.length + 1}, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; --i) {
    for (let j = b.length - 1; j >= 0; --j) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) found.push([" ", a[i++], j++]);
    else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) found.push(["-", a[i++]]);
    else found.push(["+", b[j++]]);
  }
  return found.map(([sign, line]) => [sign, line]);
}
