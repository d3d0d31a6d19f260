// What differs between two texts, word by word; line by line where they are long.
const CELLS = 4e6; // of the table of longest common runs

const words = (text) => text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
const lines = (text) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

// The longest common run of a[i..] and b[j..] stands at i * (b.length + 1) + j.
function table(a, b) {
  const wide = b.length + 1;
  const t = new Uint32Array((a.length + 1) * wide);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      t[i * wide + j] = a[i] === b[j] ? t[(i + 1) * wide + j + 1] + 1 : Math.max(t[(i + 1) * wide + j], t[i * wide + j + 1]);
  return t;
}

function add(runs, kind, text) {
  if (runs.length && runs.at(-1).kind === kind) runs.at(-1).text += text;
  else if (text) runs.push({ kind, text });
}

function walk(a, b, runs) {
  const t = table(a, b), wide = b.length + 1;
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add(runs, 'same', a[i++]);
      j++;
    } else if (i < a.length && (j === b.length || t[(i + 1) * wide + j] >= t[i * wide + j + 1])) {
      add(runs, 'gone', a[i++]);
    } else {
      add(runs, 'new', b[j++]);
    }
  }
}

// [{ kind: 'same' | 'gone' | 'new', text }], or null: too much to compare.
export function changes(before, after) {
  for (const split of [words, lines]) {
    const a = split(before), b = split(after);
    let head = 0, tail = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) head++;
    while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
    const left = a.slice(head, a.length - tail), right = b.slice(head, b.length - tail);
    if ((left.length + 1) * (right.length + 1) > CELLS) continue;
    const runs = [];
    add(runs, 'same', a.slice(0, head).join(''));
    walk(left, right, runs);
    add(runs, 'same', a.slice(a.length - tail).join(''));
    return runs;
  }
  return null;
}
