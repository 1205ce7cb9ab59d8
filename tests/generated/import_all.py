"""Imports every module of a generated package, so that a name that is missing anywhere is found.

    import_all.py FOLDER
"""

import importlib
import pathlib
import pkgutil
import sys

folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
[package] = [path.parent.name for path in folder.glob("*/__init__.py")]
modules = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
names = [importlib.import_module(module.name).__name__ for module in modules]
if len(names) < 200:
    sys.exit(f"{package} has {len(names)} modules only")
