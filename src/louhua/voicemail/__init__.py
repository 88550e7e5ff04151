"""Recorded messages."""
