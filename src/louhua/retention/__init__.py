"""Housekeeping: how long each kind of record is kept, and how the old ones go without anybody noticing."""
