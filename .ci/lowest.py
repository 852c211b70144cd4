"""Print the lowest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
for wanted in [*project["dependencies"], *extras["fast"], *extras["examples"], *extras["test"]]:
    if lowest := re.match(r"([\w-]+)>=([\d.]+)", wanted):
        print(f"{lowest[1]}=={lowest[2]}")
print("pyparsing<3.3")  # matplotlib's; this one warns of what the oldest matplotlib calls
