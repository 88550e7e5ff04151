"""A missed call becomes an alert: states, merging, wording."""
