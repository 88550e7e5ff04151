"""Louhua (漏话): a missed-call alert platform for mobile operators."""

__version__ = "0.1.0"
