"""Latents as bytes: quantized by steps and coded by tables that are fitted once, after the training."""
