// Recording rules and alerts.
import { readYaml } from './tools.mjs';

export const ruleFiles = ['deploy/prometheus/recording.rules.yaml', 'deploy/prometheus/alerts.rules.yaml'];
export const rules = ruleFiles.flatMap((file) => readYaml(file).groups.flatMap((group) => group.rules));
export const alerts = rules.filter((rule) => rule.alert);
