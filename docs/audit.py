"""Audit pages of the built site with axe in Chromium, in both colour schemes and two widths.

    pip install playwright axe-playwright-python && python docs/audit.py [--shots DIR] [PAGE ...]

A page passes if axe finds nothing serious or critical, the page does not scroll sideways, and the
console shows no error. GRADCORE_CHROMIUM names the browser; without it, that of the system.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

SITE = Path(__file__).parents[1] / "build" / "site"
PAGES = (
    "index.html",
    "tutorials/assignment.html",
    "how-to/training.html",
    "explanation/special_points.html",
    "reference/index.html",
    "reference/gradcore/index.html",
    "reference/gradcore/conv2d.html",
    "reference/nn/Module.html",
    "reference/numpy/values.html",
    "reference/types.html",
    "reference/ops/Exp.html",
    "search.html?q=conv2d",
)
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def problems(page: Any) -> list[str]:
    found = [
        f"{each['impact']}: {each['id']}: {node['html'][:150]}"
        for each in Axe().run(page).response["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]
    wider = page.evaluate(SIDEWAYS)
    return [*found, f"{wider} pixels wider than the window"] if wider > 0 else found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", default=PAGES, help="files below the site's folder")
    parser.add_argument("--site", type=Path, default=SITE)
    parser.add_argument("--shots", type=Path, help="a folder for screenshots")
    arguments = parser.parse_args()
    named = os.environ.get("GRADCORE_CHROMIUM")
    chromium = named or shutil.which("chromium") or shutil.which("chrome")
    flags = ["--no-sandbox", "--allow-file-access-from-files"]
    count = 0
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=flags)
        for name, scheme, width in product(arguments.pages, ("light", "dark"), (1280, 400)):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
            said: list[str] = []
            page.on("pageerror", lambda error, said=said: said.append(f"error: {error}"))
            page.goto(f"{arguments.site.resolve().as_uri()}/{name}")
            page.wait_for_timeout(1500 if "?" in name else 300)
            found = said + problems(page)
            count += len(found)
            print(f"{name} {scheme} {width}: {len(found)} findings", *found, sep="\n  ")
            if arguments.shots:
                plain = name.partition(".html")[0].replace("/", "-")
                page.screenshot(path=arguments.shots / f"{plain}-{scheme}-{width}.png")
            page.close()
    print(f"{count} findings on {len(arguments.pages)} pages, each in 2 schemes and 2 widths")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
