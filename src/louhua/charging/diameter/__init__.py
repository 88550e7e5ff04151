"""Prepaid money at an online charging system, by Diameter Credit-Control (RFC 8506; 3GPP TS 32.299, Ro)."""
