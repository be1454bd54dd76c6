"""The running hub."""

from importlib.metadata import version

VERSION = version("data-coordination-hub")
