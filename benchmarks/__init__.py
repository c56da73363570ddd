"""What the machine gives, and what each choice costs: `serving` over HTTP, `training` with torch, `pictures` read.

Run by hand.
"""
