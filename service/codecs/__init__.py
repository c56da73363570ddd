"""Bytes ⇄ arrays: request bodies to pixels and latents, answers to their media types."""
