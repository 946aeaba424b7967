// Dashboards, their panels and their queries.
import { readSource, readYaml } from './tools.mjs';

const [{ files }] = readYaml('deploy/grafana/kustomization.yaml').configMapGenerator;
export const dashboards = Object.fromEntries(
  files.map((file) => [file.replace(/\.json$/, ''), JSON.parse(readSource(`deploy/grafana/${file}`))]));

// Panels that show something: not the rows.
export const panelsOf = (dashboard) => dashboard.panels.filter((panel) => panel.type !== 'row');

export const queriesOf = (dashboard) => panelsOf(dashboard).flatMap((panel) =>
  panel.targets.map((target) => ({ panel, target, expr: target.expr })));

// label_values(METRIC, LABEL) of the variables, as {name, metric, label}.
export const variableQueries = (dashboard) => dashboard.templating.list.filter(({ type }) => type === 'query')
  .map(({ name, query }) => {
    const [, metric, label] = /^label_values\((.+), (\w+)\)$/.exec(query.query);
    return { name, metric, label };
  });
