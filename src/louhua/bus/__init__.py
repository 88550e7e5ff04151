"""NATS: what happened, as events; the embedded server; recordings."""
