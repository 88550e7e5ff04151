"""Figures: ``louhua bench`` measures the whole system, or a part, on this machine."""
