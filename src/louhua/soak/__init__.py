"""``louhua soak``: a steady load, a fault every few seconds, and in the end a reckoning."""
