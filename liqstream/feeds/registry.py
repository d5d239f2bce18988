"""The exchanges that can be followed, by name: every module of feeds/exchanges holds one."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from liqstream.feeds import exchanges
from liqstream.feeds.venue import Venue


class RegistryError(Exception):
    """A module of feeds/exchanges without a Venue of the module's name."""


def discover(package: ModuleType) -> dict[str, type[Venue]]:
    """The Venue of each module in `package`, by name, in the order of the names.

    Raises RegistryError for a module that holds none, or one of another name than the module's.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {name: _venue(package, name) for name in names}


def _venue(package: ModuleType, name: str) -> type[Venue]:
    module = importlib.import_module(f"{package.__name__}.{name}")
    for value in vars(module).values():
        # What a module imports from another (its base class) is not its own.
        if isinstance(value, type) and issubclass(value, Venue) and value.__module__ == module.__name__:
            if value.name != name:
                raise RegistryError(f"{module.__file__}: the Venue in {name}.py is named {value.name!r}")
            return value
    raise RegistryError(f"{module.__file__}: {name}.py holds no Venue")


VENUES: dict[str, type[Venue]] = discover(exchanges)
