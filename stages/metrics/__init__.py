"""How good reconstructions are, and how small latents: pure functions, a value per image first."""
