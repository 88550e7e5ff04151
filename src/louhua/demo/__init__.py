"""``louhua demo``: the main job to its end, told as a story."""
