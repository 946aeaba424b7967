"""One deployment in depth: balance live and predicted, changes and their rollout, workers, layers."""

from .panels import (DEPLOYMENT, SERVICE, age, dashboard as make, deployment_variables, live, quantiles, rate, row, series,
                     stat, status_history, target)

AGE = age(DEPLOYMENT)
LIVE = live(DEPLOYMENT)


def newest(metric, matchers=DEPLOYMENT):
    """The value of the one server that holds the deployment."""
    return f"max({metric}{{{matchers}}})"


def total_rate(metric, matchers=DEPLOYMENT):
    return f"sum(rate({metric}{{{matchers}}}[$__rate_interval]))"


def summary_panels():
    return [
        stat("Step time now", "Sum over layers of the maximum GPU load / sum of the mean, newest sub-window, placement in "
             "force. 1 is perfect.", newest("eplb_step_time_ratio", LIVE), "short",
             [("green", None), ("orange", 1.3), ("red", 1.6)], decimals=3),
        stat("Throughput gain", "Step time with the contiguous placement / step time now: how much faster the expert layers "
             "run than without the service.", newest("eplb_throughput_gain_ratio"), "short",
             [("red", None), ("green", 1)], decimals=3),
        stat("GPU utilisation", "Part of the time that the mean GPU works in expert layers: 1 / step time.",
             newest("eplb_gpu_utilisation_ratio", DEPLOYMENT + ', phase="all"'), "percentunit",
             [("red", None), ("orange", 0.7), ("green", 0.85)], decimals=1),
        stat("Live workers", "Workers of this deployment that report now.",
             f'sum(eplb_workers{{{DEPLOYMENT}, state="live"}})', "short", [("red", None), ("green", 1)]),
        stat("Revision", "Revision of the newest placement; it counts up with each publication.",
             newest("eplb_placement_revision"), "short", [("green", None)]),
        stat("Window age", "Time since the newest sub-window was closed. Alert EplbTelemetryStale.", AGE, "s",
             [("green", None), ("orange", 120), ("red", 600)]),
    ]


def balance_panels():
    return [
        row("Balance"),
        series("Step time: live, predicted, contiguous", "With the placement in force; what the newest plan predicted for it; "
               "and what the same loads would cost with the contiguous placement. 1 is perfect.",
               [target(f'max by (placement) (eplb_step_time_ratio{{{DEPLOYMENT}, phase="all"}})', "{{placement}}")], "short",
               width=12, low=1),
        series("Balancedness by phase", "Mean over layers of mean GPU load / maximum GPU load, live and as the newest plan "
               "promises; prefill and decode apart where reports tell them apart.",
               [target(f"max by (phase) (eplb_balancedness_ratio{{{DEPLOYMENT}}})", "{{phase}}"),
                target(f"max by (phase) (eplb_predicted_balancedness_ratio{{{DEPLOYMENT}}})", "{{phase}}, as planned")],
               "percentunit",
               width=12, low=0, high=1),
        series("Worst layer", "Balancedness of the least balanced layer, by phase.",
               [target(f"max by (phase) (eplb_worst_layer_balancedness_ratio{{{DEPLOYMENT}}})", "{{phase}}")], "percentunit",
               low=0, high=1),
        series("Imbalance reduction and forecast error", "Part of the contiguous placement's imbalance that is gone; and how "
               "far the live step time is from the predicted one, as a ratio of it.",
               [target(newest("eplb_imbalance_reduction_ratio"), "imbalance reduction"),
                target(newest("eplb_forecast_error_ratio"), "forecast error")], "percentunit", high=1),
        series("Planning time of live plans", "Time that one live plan takes, all deployments of these servers.",
               quantiles("eplb_plan_duration_seconds", SERVICE, (), ""), "s", low=0),
    ]


def decision_panels():
    return [
        row("Decisions"),
        series("What ticks decided", "Ticks per second by their outcome: published, or why nothing was changed.",
               [target(rate("eplb_ticks_total", "reason", DEPLOYMENT) + " > 0", "{{reason}}")], "cps", low=0, stacked=True),
        series("Benefit gate", "Plans per second that the gate accepted, and that it refused because the gain over the horizon "
               "is less than the transfers cost, or exceeds the cost by too little.",
               [target(rate("eplb_gate_decisions_total", "decision", DEPLOYMENT), "{{decision}}")], "cps", low=0),
        series("Predicted gain and cost", "GPU-seconds per second that published plans were predicted to save over the horizon, "
               "and that their transfers were predicted to cost.",
               [target(total_rate("eplb_predicted_gain_gpu_seconds_total"), "gain"),
                target(total_rate("eplb_predicted_cost_gpu_seconds_total"), "cost")], "short", low=0),
    ]


def change_panels():
    return [
        row("Changes and their rollout"),
        series("Moves", "Experts per second that GPUs fetch by published placements, from their own node and from others.",
               [target(rate("eplb_moves_total", "reach", DEPLOYMENT), "{{reach}}")], "cps", low=0),
        series("Weights moved", "Bytes per second of expert weights fetched by published placements.",
               [target(total_rate("eplb_moved_bytes_total"), "fetched"),
                target(total_rate("eplb_fetched_bytes_total"), "fetched, as workers tell")], "Bps", low=0),
        series("Publications and changed layers", "Placements published, and layers that they change, per second.",
               [target(total_rate("eplb_publications_total"), "publications"),
                target(total_rate("eplb_changed_layers_total"), "changed layers")], "cps", low=0),
        series("Revision over time", "Revision of the newest placement. It never goes backwards within an epoch.",
               [target(f"max by (deployment) (eplb_placement_revision{{{DEPLOYMENT}}})", "revision")], "short", low=0),
        series("Age of the epoch", "Time since the server that owns the deployment took it over: it restarts when the "
               "deployment changes servers.",
               [target(f"time() - {newest('eplb_placement_epoch_timestamp_seconds')}", "epoch")], "s", low=0),
        series("Rollouts by outcome", "Placements per second that all workers applied, that one rejected, that were aborted, "
               "that timed out.", [target(rate("eplb_rollouts_total", "outcome", DEPLOYMENT), "{{outcome}}")], "cps", low=0),
        series("Time to roll out", "From publication to the end of the rollout, by how it ended; all deployments of these "
               "servers.", quantiles("eplb_rollout_duration_seconds", SERVICE + ', outcome="applied"', (), ""), "s", low=0),
        series("Time to acknowledge", "From publication to a worker's report that it has applied it; all deployments of these "
               "servers.", quantiles("eplb_acknowledgement_latency_seconds", SERVICE + ', state="applied"', (), ""), "s", low=0),
        series("Rejections by reason", "Placements per second that a worker rejected, by the reason it gave; all deployments of "
               "these servers.", [target(rate("eplb_rejections_total", "reason", SERVICE), "{{reason}}")], "cps", low=0),
    ]


def worker_panels():
    return [
        row("Workers and telemetry"),
        series("Workers by state", "Workers that report, that have fallen silent, and that are planned around.",
               [target(f"sum by (state) (eplb_workers{{{DEPLOYMENT}}})", "{{state}}"),
                target(f"sum(eplb_workers_behind{{{DEPLOYMENT}}})", "behind the placement in force")], "short", low=0, stacked=True),
        series("Reporting and watching", "Workers that reported in the last sub-window, and open watches.",
               [target(newest("eplb_reporting_workers"), "reporting"), target(newest("eplb_watchers"), "watching")], "short",
               low=0),
        series("Liveness changes", "Workers per second that fell silent, were given up, or came back.",
               [target(rate("eplb_worker_liveness_changes_total", "state", DEPLOYMENT), "{{state}}")], "cps", low=0),
        series("Reports by outcome", "Reports per second by what became of them.",
               [target(rate("eplb_reports_total", "outcome", DEPLOYMENT), "{{outcome}}")], "cps", low=0),
        series("Lost reports", "Reports per second that never came, by gaps in their sequence. Alert EplbReportsLost.",
               [target(total_rate("eplb_lost_reports_total"), "lost")], "cps", low=0),
        series("Report lag", "From the end of a report's window, by the worker's clock, to its receipt; all deployments of "
               "these servers.", quantiles("eplb_report_lag_seconds", SERVICE, (), ""), "s", low=0),
    ]


def padded(expr, label):
    """With a label's number in three digits, so that its order as text is that of the numbers."""
    two = f'label_replace({expr}, "{label}", "00$1", "{label}", "(.)")'
    return f'label_replace({two}, "{label}", "0$1", "{label}", "(..)")'


def layer_panels():
    return [
        row("Layers"),
        status_history("Balancedness of each layer", "Mean GPU load / maximum GPU load of each layer, newest sub-window: green "
                       "is balanced. Only with metrics.per_layer, and for as many deployments as metrics.max_per_layer_series "
                       "allows.", padded(f"max by (layer) (eplb_layer_balancedness_ratio{{{DEPLOYMENT}}})", "layer"),
                       "{{layer}}",
                       "percentunit", [("red", None), ("green", 0.9)]),
    ]


def dashboard(uid):
    return make(uid, "EPLB / Deployment", "One deployment: balance live and predicted, decisions, changes, workers, layers.",
                deployment_variables(multi=False),
                summary_panels() + balance_panels() + decision_panels() + change_panels() + worker_panels() + layer_panels())
