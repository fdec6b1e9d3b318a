"""Whether the plugins of a configuration load, and have all that it names."""

from __future__ import annotations

from treeledger.config.configuration import Configuration
from treeledger.errors import TreeledgerError
from treeledger.plugin_manager import PluginManager


def check_all(configuration: Configuration, plugins: PluginManager) -> None:
    """Loads every plugin and asks it for its parts, for each repository that is declared.

    Raises PluginError, ConfigurationError, also for a table or a part that no plugin knows: what was
    configured must not be left out in silence.
    """
    plugins.load()
    plugins.check(configuration.every_settings())


def load_each(plugins: PluginManager) -> list[TreeledgerError]:
    """Loads every plugin; returns the errors of those that the configuration needs.

    Why one could not be loaded, needed or not, is in its status.
    """
    errors = []
    for name in [status.name for status in plugins.plugins()]:
        try:
            plugins.load((name,))
        except TreeledgerError as error:
            errors.append(error)
    return errors


def errors_of(configuration: Configuration) -> list[str]:
    """Why no engine could start by a configuration: every plugin that it needs and that does not load, else
    the first mistake that plugins tell."""
    plugins = PluginManager(configuration)
    try:
        errors = load_each(plugins)
        if not errors:
            check_all(configuration, plugins)
    except TreeledgerError as error:
        errors = [error]
    return [str(error) for error in errors]
