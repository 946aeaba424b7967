#!/usr/bin/env python3
"""Draws dashboards with the figures of a Prometheus, for where there is no Grafana: a picture for each dashboard.

    deploy/grafana/render.py http://127.0.0.1:9090 FOLDER --deployment NAME [--seconds 600]

Needs Debian's python3-matplotlib, which brings Pillow. A drawing, not Grafana: the same panels, places, queries and units.
"""

import argparse
import datetime
import hashlib
import json
import math
import pathlib
import re
import time
import urllib.parse
import urllib.request

import matplotlib
import PIL.Image
import PIL.PngImagePlugin

matplotlib.use("Agg")
import matplotlib.dates  # noqa: E402
import matplotlib.ticker  # noqa: E402
import matplotlib.pyplot as plt  # noqa: E402

PAGE, CARD, INK, FAINT = "#111217", "#181b1f", "#d8d9da", "#8e9197"
COLOURS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#37872d", "#8ab8ff", "#ffb357", "#c4162a"]
NAMED = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}
UNIT_PIXELS = (62, 34)


def with_unit(value, unit):
    if value is None or value != value:
        return "-"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s" and abs(value) >= 120:
        factor, name = (86400, "d") if abs(value) >= 2 * 86400 else (3600, "h") if abs(value) >= 7200 else (60, "min")
        return f"{value / factor:.3g} {name}"
    if unit == "s":
        return f"{value * 1e6:.0f} µs" if value < 1e-3 else f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"
    if unit in ("bytes", "Bps"):
        for factor, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")):
            if abs(value) >= factor or factor == 1:
                return f"{value / factor:.3g} {name}" + ("/s" if unit == "Bps" else "")
    text = f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return text + {"reqps": " /s", "cps": " /s"}.get(unit, "")


class Source:
    """The figures: queries with the dashboards' variables filled in."""

    def __init__(self, url, seconds, end, chosen):
        self.url, self.seconds, self.end, self.chosen = url, seconds, end, chosen

    def _get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}") as response:
            return json.load(response)["data"]["result"]

    def _filled(self, expr):
        expr = expr.replace("$__rate_interval", "20s").replace("$__range", f"{self.seconds}s")
        return re.sub(r"\$(job|instance|deployment)\b", lambda match: self.chosen.get(match[1], ".+"), expr)

    def over_time(self, expr, points=200):
        step = max(1, math.ceil(self.seconds / points))
        return [(line["metric"], [(datetime.datetime.utcfromtimestamp(at), float(value)) for at, value in line["values"]])
                for line in self._get("query_range", query=self._filled(expr), start=self.end - self.seconds, end=self.end,
                                      step=step)]

    def now(self, expr):
        return [(line["metric"], float(line["value"][1])) for line in self._get("query", query=self._filled(expr),
                                                                               time=self.end)]


def legend_of(target, metric):
    if target["legendFormat"] == "__auto":
        return ", ".join(f"{key}={value}" for key, value in sorted(metric.items()) if key != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: metric.get(match[1], ""), target["legendFormat"])


def bare(axes):
    axes.set_xticks([])
    axes.set_yticks([])


def draw_stat(axes, panel, source):
    defaults = panel["fieldConfig"]["defaults"]
    lines = source.over_time(panel["targets"][0]["expr"])
    values = [value for _, line in lines for _, value in line]
    bare(axes)
    last = values[-1] if values else None
    colour = FAINT
    for step in defaults["thresholds"]["steps"]:
        if last is not None and (step["value"] is None or last >= step["value"]):
            colour = NAMED[step["color"]]
    if len(values) > 1:
        axes.plot(values, color=colour, alpha=0.35, linewidth=1)
        low, high = min(values), max(values)
        axes.set_ylim(low - (high - low or 1) * 0.1, high + (high - low or 1) * 2.5)
    axes.text(0.5, 0.55, with_unit(last, defaults["unit"]), color=colour, fontsize=17, ha="center", va="center",
              transform=axes.transAxes)


def draw_series(axes, panel, source):
    defaults = panel["fieldConfig"]["defaults"]
    drawn = [(legend_of(target, metric), line) for target in panel["targets"]
             for metric, line in source.over_time(target["expr"]) if any(value == value for _, value in line)]
    drawn.sort(key=lambda item: item[0])
    if defaults["custom"]["stacking"]["mode"] == "normal" and drawn:
        times = sorted({at for _, line in drawn for at, _ in line})
        rows = [[dict(line).get(at, 0) for at in times] for _, line in drawn]
        axes.stackplot(times, rows, labels=[name for name, _ in drawn], colors=COLOURS, alpha=0.7)
    else:
        for number, (name, line) in enumerate(drawn):
            axes.plot(*zip(*line), color=COLOURS[number % len(COLOURS)], linewidth=1.2, label=name)
    axes.yaxis.set_major_formatter(lambda value, _: with_unit(value, defaults["unit"]))
    if defaults["unit"] in ("bytes", "Bps"):
        top = max((value for _, line in drawn for _, value in line), default=1)
        axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(2 ** max(0, math.ceil(math.log2(max(top, 1))) - 2)))
    axes.xaxis.set_major_locator(matplotlib.dates.AutoDateLocator(maxticks=5))
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M:%S" if source.seconds < 600 else "%H:%M"))
    axes.grid(color="#2c3035", linewidth=0.6)
    low, high = axes.get_ylim()
    axes.set_ylim(defaults.get("min", low), max(defaults.get("max", high) * 1.02, high if "max" not in defaults else 0) or 1)
    if drawn:
        shown = axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=3, fontsize=6, frameon=False,
                            labelcolor=INK, handlelength=1, columnspacing=1)
        for text in shown.get_texts():
            text.set_text(text.get_text().replace("eplb.v1.EplbService/", ""))
    else:
        axes.text(0.5, 0.5, "no data", color=FAINT, ha="center", transform=axes.transAxes)


def draw_table(axes, panel, source):
    bare(axes)
    names = panel["transformations"][1]["options"]["renameByName"]
    units = {override["matcher"]["options"]: property["value"] for override in panel["fieldConfig"]["overrides"]
             for property in override["properties"] if property["id"] == "unit"}
    columns = [names[f"Value #{target['refId']}"] for target in panel["targets"]]
    rows = {}
    for column, target in zip(columns, panel["targets"]):
        for metric, value in source.now(target["expr"]):
            rows.setdefault(tuple(metric.values()), {})[column] = value
    [order] = panel["options"]["sortBy"]
    ordered = sorted(rows.items(), key=lambda item: item[1].get(order["displayName"], 0), reverse=order["desc"])[:10]
    cells = [[" ".join(labels), *(with_unit(row.get(column), units[column]) for column in columns)] for labels, row in ordered]
    for line, texts in enumerate([["Deployment", *columns], *cells]):
        for place, text in enumerate(texts):
            axes.text(0.01 + place / len(texts), 0.93 - line * 0.085, text, color=FAINT if line == 0 else INK, fontsize=8,
                      transform=axes.transAxes, va="center")


def draw_history(axes, panel, source):
    target = panel["targets"][0]
    lines = [(legend_of(target, metric), line) for metric, line in source.over_time(target["expr"], panel["maxDataPoints"])]
    times = sorted({at for _, line in lines for at, _ in line})
    if not times:
        return
    cells = [[dict(line).get(at, float("nan")) for at in times] for _, line in lines]
    axes.imshow(cells, aspect="auto", cmap="RdYlGn", vmin=0, vmax=1, interpolation="nearest",
                extent=(*matplotlib.dates.date2num([times[0], times[-1]]), len(lines) - 0.5, -0.5))
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(8))
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M:%S"))
    axes.set_yticks(range(0, len(lines), max(1, len(lines) // 15)), [name for name, _ in lines][::max(1, len(lines) // 15)])


DRAW = {"stat": draw_stat, "timeseries": draw_series, "table": draw_table, "status-history": draw_history}


def draw(dashboard, source, path):
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) + 2
    width_pixels, height_pixels = 24 * UNIT_PIXELS[0], height * UNIT_PIXELS[1]
    figure = plt.figure(figsize=(width_pixels / 100, height_pixels / 100), dpi=100, facecolor=PAGE)
    figure.text(0.008, 1 - 0.9 / height, dashboard["title"], color=INK, fontsize=15, va="center")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        left, top = place["x"] / 24, (place["y"] + 2) / height
        if panel["type"] == "row":
            figure.text(left + 0.008, 1 - top - 0.5 / height, panel["title"], color=INK, fontsize=11, va="center")
            continue
        small = panel["type"] == "stat"
        bottom_space = 0.2 if small else 1.7 if panel["type"] == "timeseries" else 0.9
        axes = figure.add_axes((left + (0.004 if small else 0.04), 1 - top - (place["h"] - bottom_space) / height,
                                place["w"] / 24 - (0.008 if small else 0.05), (place["h"] - bottom_space - 1.1) / height),
                               facecolor=CARD)
        figure.text(left + 0.006, 1 - top - 0.6 / height, panel["title"], color=INK, fontsize=9, va="center")
        for spine in axes.spines.values():
            spine.set_color("#2c3035")
        axes.tick_params(colors=FAINT, labelsize=7)
        DRAW[panel["type"]](axes, panel, source)
    figure.savefig(path, facecolor=PAGE)
    plt.close(figure)


def seal(path, dashboard_text):
    """Makes the file a third as large, by the colours that lines and text need, and writes into it which dashboard it
    shows: a test tells by that when the picture is out of date."""
    notes = PIL.PngImagePlugin.PngInfo()
    notes.add_text("dashboard-sha256", hashlib.sha256(dashboard_text.encode()).hexdigest())
    PIL.Image.open(path).convert("RGB").quantize(96).save(path, optimize=True, pnginfo=notes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prometheus", help="address, as http://127.0.0.1:9090")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=600, help="how far back to draw")
    parser.add_argument("--deployment", required=True, help="the one to draw where a dashboard shows one")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    end = time.time()
    for path in sorted(pathlib.Path(__file__).parent.glob("eplb-*.json")):
        text = path.read_text(encoding="utf-8")
        dashboard = json.loads(text)
        single = any(variable["name"] == "deployment" and not variable["multi"] for variable in dashboard["templating"]["list"])
        chosen = {"deployment": arguments.deployment} if single else {}
        source = Source(arguments.prometheus, arguments.seconds, end, chosen)
        picture = arguments.folder / f"{path.stem}.png"
        draw(dashboard, source, picture)
        seal(picture, text)


if __name__ == "__main__":
    main()
