"""Arrays → arrays: what a model can do, without a word of HTTP."""
