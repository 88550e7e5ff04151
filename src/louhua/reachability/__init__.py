"""Is the phone back? Watches, and the probes that answer."""
