"""How fast training learns, and which network learns the most in the same time."""
