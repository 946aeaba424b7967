// PromQL as a tree, by Prometheus' own grammar.
import { promqlParser } from './tools.mjs';

// Grafana's variables as values that parse.
export const substituted = (expr) => expr
  .replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h').replaceAll('$__interval', '15s');

// All nodes, as {name, text, node}. Throws where the expression does not parse.
export function nodes(expr) {
  const text = substituted(expr);
  const found = [];
  promqlParser.parse(text).iterate({
    enter: (cursor) => {
      if (cursor.type.isError) throw new Error(`does not parse at ${cursor.from}: ${expr}`);
      found.push({ name: cursor.name, text: text.slice(cursor.from, cursor.to), node: cursor.node });
    },
  });
  if (found.length < 2) throw new Error(`empty expression: ${expr}`);
  return found;
}

// The selectors, as {metric, labels: Map of label to {op, value}, functions}: functions that they are inside of,
// innermost first.
export function selectors(expr) {
  const text = substituted(expr);
  const textOf = (node) => text.slice(node.from, node.to);
  return nodes(expr).filter(({ name }) => name === 'VectorSelector').map(({ node }) => {
    const labels = new Map();
    const matchers = node.getChild('LabelMatchers');
    for (const matcher of matchers?.getChildren('UnquotedLabelMatcher') ?? []) {
      labels.set(textOf(matcher.getChild('LabelName')),
        { op: textOf(matcher.getChild('MatchOp')), value: textOf(matcher.getChild('StringLiteral')).slice(1, -1) });
    }
    const functions = [];
    for (let outer = node.parent; outer; outer = outer.parent) {
      if (outer.name === 'FunctionCall') functions.push(textOf(outer.getChild('FunctionIdentifier')));
      if (outer.name === 'AggregateExpr') functions.push(textOf(outer.getChild('AggregateOp')));
    }
    const identifier = node.getChild('Identifier');
    return { metric: identifier ? textOf(identifier) : '', labels, functions };
  });
}

// A selector as text, once for each way to choose one of its alternatives: {a=~"x|y"} is {a=~"x"} and {a=~"y"}. Matchers
// that leave something out stay as they are.
export function alternatives({ metric, labels }) {
  const choices = [...labels].map(([label, { op, value }]) =>
    (op === '=~' ? value.split('|') : [value]).map((one) => `${label}${op}"${one}"`));
  return choices.reduce((made, next) => made.flatMap((former) => next.map((one) => [...former, one])), [[]])
    .map((matchers) => `${metric}{${matchers.join(', ')}}`);
}

// Every label that is named in a matcher, a grouping or a vector match.
export const labelNames = (expr) => nodes(expr).filter(({ name }) => name === 'LabelName').map(({ text }) => text);
