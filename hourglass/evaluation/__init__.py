"""Everything that is to be known of a trained model: its scores, its files, its latents, and those of its twin."""
