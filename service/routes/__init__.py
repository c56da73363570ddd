"""What the service answers, by subject. The only folder that speaks HTTP."""
