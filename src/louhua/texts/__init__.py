"""Texts: the outbox and how it gets to the SMSC; receipts; what phones send us."""
