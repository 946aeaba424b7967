"""All deployments at a glance: what the service gains, who is out of balance, whose telemetry is stale."""

from .panels import (DEPLOYMENTS, SERVICE, age, dashboard as make, deployment_variables, live, rate, row, series, stat, table,
                     target)

AGE = age(DEPLOYMENTS, by="deployment")
LIVE = live(DEPLOYMENTS)
DEPLOYMENT_LINK = ("/d/eplb-deployment?${datasource:queryparam}&${job:queryparam}"
                   "&var-deployment=${__value.raw:percentencode}&${__url_time_range}")


def by_deployment(metric, matchers=DEPLOYMENTS):
    return f"max by (deployment) ({metric}{{{matchers}}})"


def summary_panels():
    return [
        stat("Deployments", "Live deployments: expert-parallel groups whose workers report.",
             "sum(eplb_deployments{SERVICE})", "short", [("green", None)]),
        stat("Live workers", "Workers that report now, all deployments.",
             f'sum(eplb_workers{{{DEPLOYMENTS}, state="live"}})', "short", [("green", None)]),
        stat("Silent workers", "Workers that have fallen silent, or been given up and planned around. Alert "
             "EplbWorkersSilent.", f'sum(eplb_workers{{{DEPLOYMENTS}, state!="live"}})', "short",
             [("green", None), ("orange", 1)]),
        stat("Worst step time", "The deployment that is furthest out of balance: sum over layers of the maximum GPU load / "
             "sum of the mean. 1 is perfect.", f"max(eplb_step_time_ratio{{{LIVE}}})", "short",
             [("green", None), ("orange", 1.3), ("red", 1.6)], decimals=3),
        stat("Throughput gain", "Mean over deployments of step time with the contiguous placement / step time now: how much "
             "faster the expert layers run than without the service.",
             f"avg({by_deployment('eplb_throughput_gain_ratio')})", "short", [("red", None), ("green", 1)], decimals=3),
        stat("Oldest telemetry", "Age of the newest closed window of the deployment that has waited longest. Alert "
             "EplbTelemetryStale.", f"max({AGE})", "s", [("green", None), ("orange", 120), ("red", 600)]),
    ]


def balance_panels():
    return [
        row("Balance"),
        table("Deployments by step time", "Each deployment now. Gain is step time with the contiguous placement / step time; "
              "utilisation is mean GPU load / maximum GPU load, summed over layers.", [
                  ("Step time", by_deployment("eplb_step_time_ratio", LIVE), "short"),
                  ("Gain", by_deployment("eplb_throughput_gain_ratio"), "short"),
                  ("Utilisation", by_deployment("eplb_gpu_utilisation_ratio", DEPLOYMENTS + ', phase="all"'), "percentunit"),
                  ("Window age", AGE, "s"),
                  ("Workers", f'sum by (deployment) (eplb_workers{{{DEPLOYMENTS}, state="live"}})', "short"),
                  ("Paused", by_deployment("eplb_deployment_paused"), "short"),
              ], by=["deployment"], links={"deployment": ("Show this deployment", DEPLOYMENT_LINK)}, height=8),
        series("Step time", "What serving pays: sum over layers of the maximum GPU load / sum of the mean, with the placement "
               "in force. 1 is perfect. Alert EplbImbalance.",
               [target(by_deployment("eplb_step_time_ratio", LIVE), "{{deployment}}")], "short", low=1),
        series("Throughput gain by deployment", "Step time that the same loads would have with the contiguous placement / step "
               "time now.", [target(by_deployment("eplb_throughput_gain_ratio"), "{{deployment}}")], "short", low=1),
        series("Imbalance reduction", "Part of the contiguous placement's imbalance (step time - 1) that is gone; 100 % is all "
               "of it.", [target(by_deployment("eplb_imbalance_reduction_ratio"), "{{deployment}}")], "percentunit", high=1),
    ]


def change_panels():
    return [
        row("Changes"),
        series("Moves by deployment", "Experts per second that GPUs fetch by published placements.",
               [target(rate("eplb_moves_total", "deployment", DEPLOYMENTS), "{{deployment}}")], "cps", low=0),
        series("Weights moved by deployment", "Bytes per second of expert weights fetched by published placements.",
               [target(rate("eplb_moved_bytes_total", "deployment", DEPLOYMENTS), "{{deployment}}")], "Bps", low=0),
        series("Publications", "Placements per second that were published.",
               [target(rate("eplb_publications_total", "deployment", DEPLOYMENTS), "{{deployment}}")], "cps", low=0),
        series("Rollouts that failed", "Placements per second that a worker rejected, that were aborted, or that workers did "
               "not apply in time. Alerts EplbPlacementsRejected, EplbPlacementStuck.",
               [target(rate("eplb_rollouts_total", "deployment, outcome", DEPLOYMENTS + ', outcome!="applied"') + " > 0",
                       "{{deployment}} {{outcome}}")], "cps", low=0),
        series("Plans by outcome", "Live plans per second that changed something, that did not, and that failed. Alert "
               "EplbPlansFail.", [target(rate("eplb_plans_total", "outcome", DEPLOYMENTS), "{{outcome}}")], "cps", low=0),
        series("Deployments that wait to be planned", "Due deployments that wait for a planning thread. Alert "
               "EplbPlannerBehind.", [target("sum(eplb_planner_queue_depth{SERVICE})", "waiting")], "short", low=0),
    ]


def telemetry_panels():
    return [
        row("Telemetry"),
        series("Reports", "Reports per second by what became of them: folded, warm-up, duplicate, late, by an unknown "
               "placement, shed.", [target(rate("eplb_reports_total", "outcome", DEPLOYMENTS), "{{outcome}}")], "cps", low=0),
        series("Age of the newest window", "Time since each deployment's newest sub-window was closed. Alert "
               "EplbTelemetryStale.", [target(AGE, "{{deployment}}")], "s", low=0),
        series("Workers", "Workers that report, that have fallen silent, and that are planned around.",
               [target(f"sum by (state) (eplb_workers{{{DEPLOYMENTS}}})", "{{state}}")], "short", low=0, stacked=True),
        series("Interval asked for", "Interval between reports that workers are asked for; it doubles while the service is "
               "overloaded. Alert EplbOverloaded.", [target("max(eplb_report_interval_seconds{SERVICE})", "interval")], "s",
               low=0),
        series("Deployments without series of their own", "Deployments past metrics.max_deployment_labels, which are counted "
               "together as other, and past metrics.max_per_layer_series, which have no layers shown.",
               [target("sum(eplb_deployments_without_labels{SERVICE})", "without labels"),
                target("sum(eplb_deployments_without_layer_series{SERVICE})", "without layers")], "short", low=0),
        series("Paused and edited by operators", "Deployments that are paused, and GPUs that operators have excluded or "
               "drain.", [target(f"sum(eplb_deployment_paused{{{DEPLOYMENTS}}})", "paused deployments"),
                          target(f"sum(eplb_excluded_gpus{{{DEPLOYMENTS}}})", "excluded GPUs"),
                          target(f"sum(eplb_draining_gpus{{{DEPLOYMENTS}}})", "draining GPUs")], "short", low=0),
    ]


def dashboard(uid):
    return make(uid, "EPLB / Fleet overview", "All deployments: balance, what it gains, what moves, whose telemetry is stale.",
                deployment_variables(multi=True),
                summary_panels() + balance_panels() + change_panels() + telemetry_panels())
