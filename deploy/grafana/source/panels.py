"""Building blocks of Grafana dashboards: variables, queries, panels and their layout."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SERVICE = 'job=~"$job", instance=~"$instance"'
# Of the deployments that are chosen: Grafana escapes the values of a variable that takes several, and only of such; names
# hold dots, so the one of a variable that takes one is no regular expression.
DEPLOYMENTS = SERVICE + ', deployment=~"$deployment"'
DEPLOYMENT = SERVICE + ', deployment="$deployment"'
ROW_WIDTH = 24


def datasource_variable():
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "options": [],
        "current": {},
    }


def label_variable(name, label, query, multi=True):
    """A variable with the values of a label, as in label_values(up, job); it follows the time range."""
    variable = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "hide": 0,
        "multi": multi,
        "includeAll": multi,
        "options": [],
        "current": {},
    }
    if multi:
        variable["allValue"] = ".+"
        variable["current"] = {"text": ["All"], "value": ["$__all"]}
    return variable


def service_variables():
    return [
        label_variable("job", "Job", "label_values(eplb_build_info, job)"),
        label_variable("instance", "Instance", 'label_values(eplb_build_info{job=~"$job"}, instance)'),
    ]


def deployment_variables(multi):
    query = 'label_values(eplb_workers{job=~"$job", instance=~"$instance"}, deployment)'
    return [*service_variables(), label_variable("deployment", "Deployment", query, multi)]


def rate(metric, by, matchers):
    """Events per second, by labels."""
    return f"sum by ({by}) (rate({metric}{{{matchers}}}[$__rate_interval]))"


def live(matchers):
    """The series of balance as it is, all phases together."""
    return matchers + ', phase="all", placement="live"'


def age(matchers, by=""):
    """Seconds since the newest sub-window was measured; since the deployment is known, where none was."""
    timestamps = (f"eplb_last_sub_window_timestamp_seconds{{{matchers}}} or "
                  f"eplb_deployment_known_timestamp_seconds{{{matchers}}}")
    return f"time() - max{by and f' by ({by}) '}({timestamps})"


def target(expr, legend="", instant=False, table=False):
    """One query. In expr SERVICE stands for the matchers of the variables."""
    expr = expr.replace("SERVICE", SERVICE)
    return {
        "datasource": DATASOURCE,
        "expr": expr,
        "legendFormat": legend or "__auto",
        "range": not instant,
        "instant": instant,
        "format": "table" if table else "time_series",
    }


def panel(kind, title, description, targets, unit, width=8, height=8, defaults=None, options=None, overrides=None):
    for letter, query in zip("ABCDEFGH", targets):
        query["refId"] = letter
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})}, "overrides": overrides or []},
        "options": options or {},
    }


def series(title, description, targets, unit, width=8, low=None, high=None, stacked=False):
    """Lines over time. low and high pin the axis."""
    custom = {"lineWidth": 1, "fillOpacity": 25 if stacked else 8, "showPoints": "never",
              "stacking": {"mode": "normal" if stacked else "none", "group": "A"}}
    defaults = {"custom": custom}
    if low is not None:
        defaults["min"] = low
    if high is not None:
        defaults["max"] = high
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, description, targets, unit, width, 8, defaults, options)


def stat(title, description, expr, unit, thresholds, width=4, decimals=None):
    """One figure. thresholds: (colour, from) pairs, the first from None."""
    defaults = {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps(thresholds)}}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
               "graphMode": "area", "textMode": "auto", "justifyMode": "auto", "orientation": "auto"}
    return panel("stat", title, description, [target(expr)], unit, width, 4, defaults, options)


def steps(thresholds):
    return [{"color": colour, "value": value} for colour, value in thresholds]


def table(title, description, columns, by, links, width=24, height=9):
    """Instant figures side by side, a row for each value of the labels `by`, the largest of the first column first.
    columns: (name, expr, unit). links: label to (title, url)."""
    targets = [target(expr, instant=True, table=True) for _, expr, _ in columns]
    overrides = [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]}
        for name, _, unit in columns]
    overrides += [
        {"matcher": {"id": "byName", "options": label},
         "properties": [{"id": "links", "value": [{"title": text, "url": url}]}]}
        for label, (text, url) in links.items()]
    result = panel("table", title, description, targets, "short", width, height, {"custom": {"align": "auto"}},
                   {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": columns[0][0], "desc": True}]},
                   overrides)
    names = {f"Value #{letter}": name for letter, (name, _, _) in zip("ABCDEFGH", columns)}
    result["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names,
                                       "indexByName": {label: index for index, label in enumerate(by)}}}]
    return result


def status_history(title, description, expr, legend, unit, thresholds, width=24, height=14):
    """A coloured row for each series, in the order of their labels as text: a heat map by label."""
    defaults = {"color": {"mode": "continuous-RdYlGr"}, "min": 0, "max": 1,
                "custom": {"fillOpacity": 100, "lineWidth": 0},
                "thresholds": {"mode": "absolute", "steps": steps(thresholds)}}
    options = {"showValue": "never", "rowHeight": 0.9, "legend": {"showLegend": False}, "tooltip": {"mode": "single"}}
    result = panel("status-history", title, description, [target(expr, legend)], unit, width, height, defaults, options)
    # Grafana asks for a point for each pixel, and shows nothing where there is no room for that many cells.
    result["maxDataPoints"] = 150
    return result


def quantiles(metric, matchers, by, legend):
    """The median and the 99th percentile of a histogram, by labels."""
    groups = ", ".join(("le", *by))
    return [
        target(f"histogram_quantile({quantile}, sum by ({groups}) (rate({metric}_bucket{{{matchers}}}[$__rate_interval])))",
               f"{name}{legend}")
        for quantile, name in ((0.5, "p50"), (0.99, "p99"))]


def mean(metric, matchers, by):
    """The mean of what a histogram saw, by labels."""
    groups = ", ".join(by)
    return (f"sum by ({groups}) (rate({metric}_sum{{{matchers}}}[$__rate_interval])) / "
            f"sum by ({groups}) (rate({metric}_count{{{matchers}}}[$__rate_interval]))")


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "gridPos": {"w": ROW_WIDTH, "h": 1}, "panels": []}


def laid_out(panels):
    """Gives ids and places, left to right, wrapping at the width of the page."""
    x = y = height = 0
    for number, item in enumerate(panels, start=1):
        grid = item["gridPos"]
        if x + grid["w"] > ROW_WIDTH:
            x, y, height = 0, y + height, 0
        item["id"] = number
        grid["x"], grid["y"] = x, y
        x, height = x + grid["w"], max(height, grid["h"])
    return panels


def dashboard(uid, title, description, variables, panels):
    links = [{"type": "dashboards", "title": "EPLB", "tags": ["eplb"], "asDropdown": True, "includeVars": True,
              "keepTime": True, "targetBlank": False, "icon": "external link", "url": "", "tooltip": ""}]
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["eplb"],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "version": 1,
        "links": links,
        "annotations": {"list": []},
        "templating": {"list": [datasource_variable(), *variables]},
        "panels": laid_out(panels),
    }
