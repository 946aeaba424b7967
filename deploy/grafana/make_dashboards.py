#!/usr/bin/env python3
"""Writes the dashboards beside this file from their descriptions in source/: deploy/grafana/make_dashboards.py [FOLDER].

The JSON is what operators import and Kubernetes mounts; it is committed, and a test holds it against this script.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from source import deployment, fleet, service  # noqa: E402

DASHBOARDS = {
    "eplb-fleet": fleet.dashboard,
    "eplb-deployment": deployment.dashboard,
    "eplb-service": service.dashboard,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for name, dashboard in DASHBOARDS.items():
        text = json.dumps(dashboard(name), indent=2, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
